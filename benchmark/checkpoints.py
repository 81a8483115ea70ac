"""The state that a run trains, kept without the frozen backbone and without anything executable."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from benchmark.model import AudioVisualModel
from registry.errors import UserError

State = dict[str, Tensor]
_BACKBONE = "encoder.backbone."


def trained_state(model: AudioVisualModel) -> State:
    """A copy, on the CPU, of the scheme's and the head's parameters and buffers.

    Copies by which a scheme trains parameters of the backbone are among the scheme's; the frozen ones are not included.
    """
    return {name: value.detach().to("cpu", copy=True) for name, value in _live_state(model).items()}


def restore(model: AudioVisualModel, state: Mapping[str, Tensor]) -> None:
    """Put a state from `trained_state` back into a model of the same components.

    Raises:
        UserError: the names of the state are not those of the model.
    """
    live = _live_state(model)
    if live.keys() != state.keys():
        strange = sorted(live.keys() ^ state.keys())
        raise UserError(f"checkpoint does not fit the model: {len(strange)} names differ, {strange[0]!r} for one.")
    with torch.no_grad():
        for name, value in live.items():
            value.copy_(state[name])


def save(path: Path, state: State, **facts: object) -> None:
    """Write a state as safetensors in one move, so that a killed run leaves the old file or the new one.

    Args:
        facts: kept as text in the file's metadata.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        save_file(state, unfinished, metadata={name: str(value) for name, value in facts.items()})
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


def load(path: Path) -> tuple[State, dict[str, str]]:
    """The state and the facts that `save` wrote; nothing from the file is executed."""
    with safe_open(path, framework="pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118


def _live_state(model: nn.Module) -> State:
    trained = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    state = model.state_dict(keep_vars=True)
    return {name: value for name, value in state.items() if not name.startswith(_BACKBONE) or name in trained}
