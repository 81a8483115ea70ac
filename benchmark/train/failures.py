"""Why a run did not complete, from the exception that ended it."""

from __future__ import annotations

import torch

from registry.errors import DataError, UserError, WeightsError
from registry.plugins import line_of_plugin
from results.record import Failure, FailureKind

_OUT_OF_MEMORY_WORDS = ("out of memory", "can't allocate memory", "cannot allocate memory")


class NonFiniteLossError(ArithmeticError):
    """The training loss is no longer a finite number."""


def classify(error: BaseException, log: str = "") -> Failure:
    """The failure to record for an exception, by its type.

    Args:
        log: the last lines of the cell's log.
    """
    return Failure(_kind(error), _message(error), log)


def _kind(error: BaseException) -> FailureKind:
    if isinstance(error, NonFiniteLossError):
        return "nan_loss"
    if _is_out_of_memory(error):
        return "out_of_memory"
    if isinstance(error, DataError):
        return "data"
    if isinstance(error, WeightsError):
        return "missing_weights"
    return "error"


def _is_out_of_memory(error: BaseException) -> bool:
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error).lower() for words in _OUT_OF_MEMORY_WORDS)


def _message(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if not lines:
        return type(error).__name__
    if "in DataLoader worker process" in lines[0]:
        # torch puts the whole stack trace into the message; its last line is what was raised.
        return lines[-1]
    if isinstance(error, UserError | NonFiniteLossError):
        return lines[0]
    line = line_of_plugin(error)
    return f"{type(error).__name__}: {lines[0]}" + (f" ({line})" if line else "")
