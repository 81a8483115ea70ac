"""STG-CMA's golden odds and ends: how the stem of sound starts, learning rates, losses and scores."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from backbones.pictures import SoundPicture
from backbones.stem import PatchStem, Positions
from benchmark.model.model import Precision
from benchmark.train.optimizer import build_schedule
from benchmark.verify.comparison import GoldenReport, Tolerance
from benchmark.verify.golden import Golden
from tasks.event_localisation.paper_heads import StgCmaClassifier
from tasks.metrics import percent
from tasks.recipe import Recipe
from tasks.segmentation.losses import pixel_loss
from tasks.segmentation.metrics import frame_iou

TOLERANCE = Tolerance(absolute=1e-6, relative=1e-5)
"""From the README beside the files."""

GIVEN = ("visual_pos_embed", "visual_patch_embed", "pred_logits", "pred_logits_b", "first_frame_mask",
         "masks_all_frames", "logits", "onehot")  # fmt: skip
"""Last parts of the keys that are inputs."""


def check(golden: Golden, precision: Precision) -> GoldenReport:
    """Compute everything that is recorded, in float32 in either precision.

    Raises:
        KeyError, TypeError, ValueError, RuntimeError: an input is missing or of a wrong shape.
    """
    report = GoldenReport(str(golden.path), "stg_cma initialisation, learning rates, losses and scores", "fp32")
    found = _sound_of_clip(golden)
    for computed in (_sound_of_swin, _rates, _segmentation, _events):
        found.update(computed(golden))
    for key, recorded in golden.tensors.items():
        last = key.rpartition("/")[2]
        if last not in GIVEN and not last.startswith("visual."):
            report.add(key, "output", found.get(key), recorded, TOLERANCE)
    return report


def _sound_of_clip(golden: Golden) -> dict[str, Tensor | None]:
    found: dict[str, Tensor | None] = {}
    for case, sizes in golden.meta.get("clip_audio_init", {}).items():
        start, patch, grid = f"clip_audio_init/{case}/", sizes["patch"], sizes["grid"]
        table = golden.tensors[f"{start}visual_pos_embed"]
        weight = golden.tensors.get(f"{start}visual_patch_embed", torch.zeros(table.shape[1], 3, patch, patch))
        stem = PatchStem(_convolution(weight, None), positions=Positions(nn.Parameter(table), (grid, grid), 1, "crop"))
        bands, frames = sizes["f_dim"] * patch, sizes["t_dim"] * patch
        sound = stem.for_sound(SoundPicture(bands, 10.0, frames, 0.0, 1.0, channels="sum", stem="own"))
        found |= {f"{start}audio_pos_embed": _table(sound), f"{start}audio_patch_embed": sound.project.weight}
    return found


def _sound_of_swin(golden: Golden) -> dict[str, Tensor]:
    given = golden.group("swin_audio_init/visual.")
    if not given:
        return {}
    norm = nn.LayerNorm(len(given["norm.weight"]))
    norm.load_state_dict({name: given[f"norm.{name}"] for name in ("weight", "bias")})
    # One frame deep, as convolutions over (frame, row, column) have it.
    stem = PatchStem(_convolution(given["proj.weight"].squeeze(2), given["proj.bias"]), patch_norm=norm)
    patch = given["proj.weight"].shape[-1]
    sound = stem.for_sound(SoundPicture(patch, 10.0, patch, 0.0, 1.0, channels="mean", stem="own"))
    state: Mapping[str, Any] = sound.state_dict()
    names = {"project": "proj", "patch_norm": "norm"}
    found = {f"swin_audio_init/audio.{names[k.split('.')[0]]}.{k.split('.')[1]}": v for k, v in state.items()}
    found["swin_audio_init/audio.proj.weight"] = sound.project.weight.unsqueeze(2)
    return found


def _rates(golden: Golden) -> dict[str, Tensor]:
    """Learning rates of every iteration, from the schedule that runs use."""
    found = {}
    for name, arguments in golden.meta.get("schedule", {}).items():
        if name == "fields":
            continue
        base, final, epochs, iterations, warmup = arguments
        recipe = Recipe(
            epochs=epochs, warmup_epochs=warmup, warmup_start="zero", adapter_lr=base, final_lr_ratio=final / base
        )
        optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=base)
        schedulers = build_schedule(optimizer, recipe, iterations)
        rates = []
        for _ in range(epochs * iterations):
            rates.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            for scheduler in schedulers:
                scheduler.step()
        found[f"schedule/{name}"] = torch.tensor(rates, dtype=torch.float64)
    return found


def _segmentation(golden: Golden) -> dict[str, Tensor]:
    given = golden.group("avs/")
    found: dict[str, Tensor] = {}
    if "first_frame_mask" in given:
        logits = given["pred_logits"].clone().requires_grad_()
        loss = _first_frame_loss(logits, given["first_frame_mask"])
        loss.backward()
        found |= {"avs/loss": loss} | ({} if logits.grad is None else {"avs/grad_pred": logits.grad})
    if "masks_all_frames" in given:
        masks = given["masks_all_frames"]
        for name in ("", "_b"):
            if f"pred_logits{name}" in given:
                found[f"avs/mask_iou{name}"] = frame_iou(given[f"pred_logits{name}"].reshape(masks.shape), masks).mean()
    return found


def _first_frame_loss(logits: Tensor, first: Tensor) -> Tensor:
    """The loss of clips whose first frame has a mask: logits (B · T, 1, h, w), first (B, 1, 1, h, w)."""
    logits = logits[:, 0].unflatten(0, (len(first), -1))
    annotated = torch.zeros(logits.shape[:2], dtype=torch.bool)
    annotated[:, 0] = True
    return pixel_loss(logits, first[:, 0].expand_as(logits), annotated)


def _events(golden: Golden) -> dict[str, Tensor]:
    given = golden.group("ave/")
    if not given:
        return {}
    outputs, labels = {"logits": given["logits"][None]}, given["onehot"].argmax(-1)[None]
    head = StgCmaClassifier(1, given["logits"].shape[-1])
    (predicted,) = head.predict(outputs, {"labels": labels, "id": ["clip"]})
    right = np.equal(predicted["predicted"], predicted["labels"])
    loss = head.loss(outputs, {"labels": labels})["cross_entropy"]
    return {"ave/accuracy": torch.tensor(percent(right) / 100), "ave/cross_entropy": loss}


def _convolution(weight: Tensor, bias: Tensor | None) -> nn.Conv2d:
    size = (weight.shape[-2], weight.shape[-1])
    convolution = nn.Conv2d(weight.shape[1], weight.shape[0], size, size, bias=bias is not None)
    values = {"weight": weight} | ({} if bias is None else {"bias": bias})
    convolution.load_state_dict(values)
    return convolution


def _table(stem: PatchStem) -> Tensor | None:
    return None if stem.positions is None else stem.positions.table
