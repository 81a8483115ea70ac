"""Why a run did not complete, from the exception that ended it."""

from __future__ import annotations

import traceback

import torch

from registry.errors import UserError
from results.record import Failure, FailureKind

_OUT_OF_MEMORY_WORDS = ("out of memory", "can't allocate memory", "cannot allocate memory")


class NonFiniteLossError(ArithmeticError):
    """The training loss is no longer a finite number."""


def classify(error: BaseException, log: str = "") -> Failure:
    """The failure to record for an exception.

    What is missing is told from where the exception rose: below the backbones it is about weights, below the tasks
    or in a loader of data about data. Faults of the code itself stay errors wherever they rise.

    Args:
        log: the last lines of the cell's log.
    """
    return Failure(_kind(error), _message(error), log)


def _kind(error: BaseException) -> FailureKind:
    if isinstance(error, NonFiniteLossError):
        return "nan_loss"
    if _is_out_of_memory(error):
        return "out_of_memory"
    if isinstance(error, UserError | OSError | EOFError):
        packages = _packages_below(error)
        if "tasks" in packages or _came_from_a_loader(error):
            return "data"
        if "backbones" in packages:
            return "missing_weights"
    return "error"


def _is_out_of_memory(error: BaseException) -> bool:
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error).lower() for words in _OUT_OF_MEMORY_WORDS)


def _packages_below(error: BaseException) -> set[str]:
    frames = traceback.walk_tb(error.__traceback__)
    return {frame.f_globals.get("__name__", "").partition(".")[0] for frame, _ in frames}


def _came_from_a_loader(error: BaseException) -> bool:
    return "in DataLoader worker process" in str(error)


def _message(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if not lines:
        return type(error).__name__
    if _came_from_a_loader(error):
        # torch puts the whole stack trace into the message; its last line is what was raised.
        return lines[-1].removeprefix("registry.errors.UserError: ")
    return lines[0] if isinstance(error, UserError | NonFiniteLossError) else f"{type(error).__name__}: {lines[0]}"
