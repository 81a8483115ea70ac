"""Golden files of segmentation's losses and scores."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from benchmark.model.model import Precision
from benchmark.verify.avs.bounds import SCORE, Seen, exact, gradient, kind_of
from benchmark.verify.comparison import GoldenReport, Tolerance
from benchmark.verify.golden import Golden
from benchmark.verify.precision import largest
from tasks.segmentation.losses import audio_matching, cosine_matching, pixel_loss
from tasks.segmentation.metrics import count_frames, f_curves, f_score, f_score_in_groups, frame_iou, thresholds

HALF = 127
"""The place of threshold 0.5: whether a probability of exactly one half passes depends on how a platform rounds it."""


def check_losses(golden: Golden, precision: Precision) -> GoldenReport:
    meta = golden.meta
    report = GoldenReport(str(golden.path), "losses of segmentation", "fp32")
    for case, switches in meta["cases"].items():
        recorded = golden.group(f"{case}/")
        inputs = {n: v.clone().requires_grad_() for n, v in golden.group("input/").items() if n != "masks"}
        loss = _loss_of_case(case, switches, inputs, golden)
        loss.backward()
        found = {"loss": loss} | {f"grad/{n}": gradient(x) for n, x in inputs.items()}
        bounds = exact(largest(v for k, v in recorded.items() if k.startswith("grad/")))
        for key, value in recorded.items():
            report.add(f"{case}/{key}", kind_of(key), found.get(key), value, bounds(key, kind_of(key), value))
        for name, x in inputs.items():
            if x.grad is not None and f"grad/{name}" not in recorded:
                report.add(f"{case}/grad/{name}", "gradient", x.grad, torch.zeros_like(x), bounds("", "gradient", x))
    return report


def _loss_of_case(case: str, switches: dict[str, Any], inputs: Seen, golden: Golden) -> Tensor:
    logits, masks = inputs["logits"], golden.tensors["input/masks"]
    annotated = torch.ones(len(logits), dtype=torch.bool)
    if case.startswith("s4"):
        annotated[torch.arange(len(logits)) % golden.meta["T"] != 0] = False
    pixels = pixel_loss(logits, masks, annotated)
    if case.endswith("bce"):
        return pixels
    stages = golden.meta["stages"]
    maps, sounds = [inputs[f"map.{i}"] for i in stages], [inputs[f"audio.{i}"].flatten(0, 1) for i in stages]
    pool = switches.get("pool", "avg")
    if case.startswith("s4"):
        matching = cosine_matching(logits, maps, sounds, pool)
        return pixels + switches["lambda_1"] * matching if "lambda_1" in switches else matching
    return audio_matching(
        logits, maps, sounds, pool=pool,
        distance="euclidean" if switches.get("euclidean_flag") else "kl",
        normalised=switches.get("norm_fea", False),
        hard=switches.get("threshold", False),
        against="vision" if "_vv_" in case else "sound",
    )  # fmt: skip


def check_metrics(golden: Golden, precision: Precision) -> GoldenReport:
    report = GoldenReport(str(golden.path), "scores of segmentation", "fp32")
    logits, masks = golden.tensors["input/logits"], golden.tensors["input/masks"]
    frames = count_frames(logits, masks)
    each = [count_frames(logits[i : i + 1], masks[i : i + 1]) for i in range(len(logits))]
    iou, curves = frame_iou(logits, masks), torch.from_numpy(f_curves(frames))
    found = {
        "iou/per_frame": iou,
        "iou/all": iou.mean(),
        "iou/all_masks_at_225_of_255": frame_iou(logits, masks * 225 / 255).mean(),
        "fscore/per_frame": torch.tensor([f_score(frame) for frame in each]),
        "fscore/all": torch.tensor(f_score(frames)),
        "fscore/thresholds": thresholds(),
    }
    for key, value in golden.tensors.items():
        batch = key.removeprefix("meter/batch").partition("/")[0]
        if key == "fscore/curve_per_frame":
            keep = torch.from_numpy(frames.sounding)
            half = (logits == 0).flatten(1).any(1)
            ours, theirs = curves[keep].clone(), value[keep].double()
            ours[half[keep], HALF] = theirs[half[keep], HALF]
            report.add(key, "output", ours, theirs, Tolerance(SCORE), "frames with an object")
        elif key.startswith("meter/") and key.endswith("/iou"):
            groups = iou.split(int(batch))
            report.add(key, "output", torch.stack([group.mean() for group in groups]).mean(), value, Tolerance(SCORE))
        elif key.startswith("meter/"):
            report.add(key, "output", torch.tensor(f_score_in_groups(each, int(batch))), value, Tolerance(SCORE))
        elif not key.startswith("input/"):
            report.add(key, "output", found.get(key), value, Tolerance(SCORE))
    return report
