"""What sight takes from sound: how far the visual tokens of each place move when the sound is let in.

For each place of each segment, ‖v(with sound) − v(without)‖ / ‖v(without)‖ of the tokens after the final norm. Without
sound, the adapter's own rule for a stream whose partner is absent holds, so that nothing here knows adapters. The
control puts silence in the place of the sound: where both maps agree, there is something to read but nothing heard.

It is a difference of two forward passes. It is not where the sound comes from, nor a reason for what was answered: what
the head does with either stream is not in it, and a deep token tells of more than its own place.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isqrt

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from adapters.parts import tower_of
from benchmark.use.clips import UserClip, read_clip
from benchmark.use.trained import TrainedModel
from results.render.format import significant

ROUNDING = {"bf16": 2**-6, "fp16": 2**-9, "fp32": 1e-5}
"""By precision, the relative movement that comes of adding up in another order: less is no exchange."""
FAINT = 0.01
"""Movement that full red stands for at least, so that next to nothing is not painted like something."""


@dataclass(frozen=True)
class ExchangeMap:
    """Relative movement of the visual tokens of a clip, by segment and place."""

    heard: NDArray[np.float32] | None
    """(T, g, g), rows from above; None where there is no map."""
    control: NDArray[np.float32] | None
    """The same with silence in place of the sound."""
    says: str
    """One sentence for a reader: how far tokens moved, or why there is no map."""

    @property
    def scale(self) -> float:
        """The movement that is painted in full red, the same for the map and its control."""
        return max([FAINT, *(float(part.max()) for part in (self.heard, self.control) if part is not None)])


@torch.inference_mode()
def exchange_map(model: TrainedModel, clip: UserClip) -> ExchangeMap:
    """The map of one clip.

    Raises:
        DataError: a file that is missing or damaged.
    """
    read = read_clip(clip, model.config.model).clip
    if not read.has_sound:
        return ExchangeMap(None, None, "There is no sound, so sight took nothing from it.")
    inputs = {name: value[None].to(model.device) for name, value in read.inputs().items()}
    frames, waveform = inputs["frames"], inputs["waveform"]
    model.features.eval()
    alone = model.features(frames)["visual"].tokens[0]
    grid = _grid(alone, model)
    if grid is None:
        return ExchangeMap(None, None, "The tokens of this backbone lie on no square grid, so there is no map.")
    heard, control = (
        _moved(alone, model.features(frames, sound)["visual"].tokens[0], grid)
        for sound in (waveform, torch.zeros_like(waveform))
    )
    if max(heard.max(), control.max()) <= ROUNDING.get(model.config.model.precision, ROUNDING["bf16"]):
        same = "Sight is the same with and without sound, but for rounding: nothing is exchanged here."
        return ExchangeMap(None, None, same)
    says = (
        f"Tokens of sight moved by {_percent(heard.mean())} of their length on average ({_percent(heard.max())} at "
        f"most) when the sound was let in, and by {_percent(control.mean())} ({_percent(control.max())}) with silence."
    )
    return ExchangeMap(heard, control, says)


def _percent(share: float) -> str:
    return f"{significant(100 * float(share))} %"


def _grid(tokens: Tensor, model: TrainedModel) -> int | None:
    """Places along a side: (T, L, D), where a stem's own prefix tokens come before those of places."""
    stem = tower_of(model.features.encoder.backbone, "visual").stem
    places = tokens.shape[1] - sum(token.numel() // token.shape[-1] for token in stem.prefix)
    side = isqrt(max(0, places))
    return side if side > 0 and side * side == places else None


def _moved(alone: Tensor, together: Tensor, grid: int) -> NDArray[np.float32]:
    """(T, L, D) twice -> (T, g, g)"""
    before, after = (tokens[:, -grid * grid :].float() for tokens in (alone, together))
    moved = (after - before).norm(dim=-1) / before.norm(dim=-1).clamp_min(1e-12)
    return np.ascontiguousarray(moved.unflatten(1, (grid, grid)).cpu().numpy())
