"""The state that a run trains, kept without the frozen backbone and without anything executable."""

from __future__ import annotations

import json
import logging
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import save as to_bytes
from torch import Tensor, nn

from benchmark.model.model import AudioVisualModel
from benchmark.runtime.tensor_digest import tensors_sha256
from benchmark.runtime.tensor_files import read_tensors
from registry.errors import UserError
from registry.text import printable
from results.store.files import write_atomically

logger = logging.getLogger(__name__)

State = dict[str, Tensor]
KEPT = 2
"""Checkpoints of a cell: one that is whole remains while the next is written, and where the newest is damaged."""
_BACKBONE = "encoder.backbone."
_NAME = re.compile(r"epoch-\d{6,}\.safetensors")


def trained_state(model: AudioVisualModel) -> State:
    """A copy, on the CPU, of the scheme's and the head's parameters and buffers.

    Copies by which a scheme trains parameters of the backbone are among the scheme's; the frozen ones are not included.
    """
    return {name: value.detach().to("cpu", copy=True) for name, value in live_state(model).items()}


def restore(model: AudioVisualModel, state: Mapping[str, Tensor]) -> None:
    """Put a state from `trained_state` back into a model of the same components.

    Raises:
        UserError: the names of the state are not those of the model.
    """
    live = live_state(model)
    if live.keys() != state.keys():
        strange = sorted(live.keys() ^ state.keys())
        raise UserError(f"checkpoint does not fit the model: {len(strange)} names differ, {strange[0]!r} for one.")
    with torch.no_grad():
        for name, value in live.items():
            value.copy_(state[name])


def save(path: Path, state: Mapping[str, Tensor], **facts: object) -> None:
    """Write a state as safetensors in one move, so that a killed run leaves the old file or the new one.

    Args:
        facts: kept as text in the file's metadata.

    Raises:
        UserError: the file cannot be written.
    """
    whole = {name: value.detach().cpu().contiguous() for name, value in state.items()}
    write_atomically(path, to_bytes(whole, metadata={name: str(value) for name, value in facts.items()}))


def load(path: Path) -> tuple[State, dict[str, str]]:
    """The state and the facts that `save` wrote; nothing from the file is executed."""
    return read_tensors(path)


class Checkpoints:
    """The newest checkpoints of one cell, in a folder of their own: tensors, and facts that JSON can say."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._cell = folder.name
        """The folder bears its cell's hash: a checkpoint of another cell is not taken."""

    def write(self, epoch: int, state: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
        """Keep the state after an epoch, then let go of all but the newest `KEPT`.

        Raises:
            UserError: the folder cannot be written.
        """
        text = json.dumps(facts)
        digest = tensors_sha256(state, f"{self._cell}\n{text}")
        save(self._folder / f"epoch-{epoch:06d}.safetensors", state, facts=text, digest=digest)
        for old in self._newest_first()[KEPT:]:
            old.unlink(missing_ok=True)

    def newest(self) -> tuple[State, dict[str, Any]] | None:
        """The newest checkpoint that is whole; a damaged one is passed over with a line in the log."""
        for path in self._newest_first():
            try:
                return _whole(path, self._cell)
            except (SafetensorError, OSError, ValueError, KeyError, RecursionError) as error:
                logger.warning("checkpoint %s is damaged (%s); the one before is taken", printable(path.name), error)
        return None

    def remove(self) -> None:
        """Delete the folder and everything in it."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _newest_first(self) -> list[Path]:
        found = self._folder.iterdir() if self._folder.is_dir() else ()
        return sorted((path for path in found if _NAME.fullmatch(path.name)), reverse=True)


def _whole(path: Path, cell: str) -> tuple[State, dict[str, Any]]:
    if path.is_symlink() or not path.is_file():
        raise ValueError("it is no regular file")
    state, metadata = load(path)
    # The format notices a file that is cut short, but no changed byte within a tensor, nor another cell's.
    if metadata["digest"] != tensors_sha256(state, f"{cell}\n{metadata['facts']}"):
        raise ValueError("its content is not what was written for this cell")
    facts = json.loads(metadata["facts"])
    if not isinstance(facts, dict):
        raise ValueError("it holds no facts")
    return state, facts


def live_state(model: nn.Module) -> State:
    """The tensors themselves of which `trained_state` is a copy."""
    # Behind a wrapper for several devices lies the same model.
    model = getattr(model, "module", model)
    trained = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    state = model.state_dict(keep_vars=True)
    return {name: value for name, value in state.items() if not name.startswith(_BACKBONE) or name in trained}


def checkpoint_bytes(state: State) -> int:
    """Size of a trained state as a safetensors file, facts aside."""
    return len(to_bytes(state))
