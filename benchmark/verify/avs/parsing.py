"""Golden files of video parsing: the published head with its loss, and the F-scores."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from benchmark.model.model import Precision
from benchmark.verify.avs.bounds import Seen, compare, gradient, gradients
from benchmark.verify.comparison import GoldenReport, Tolerance
from benchmark.verify.golden import Golden
from benchmark.verify.loading import Names, fill, translate
from benchmark.verify.precision import autocast
from benchmark.verify.watching import watch_output
from registry.vocabulary import Modality
from tasks.parsing.han import HanHead
from tasks.parsing.metrics import clip_scores, event_counts, segment_counts, split_scores

PERCENT, SHARE = 1e-4, 1e-6
"""How far scores may be missed, from the README beside the files."""
NAMES: Names = {
    r"^prob\.": "readout.event.",
    r"^(time|modality)_weight\.": r"readout.\1_weight.",
    r"^han\.self\.": "attention.own.",
    r"^han\.": "attention.",
}
INPUTS = ("audio_in", "visual_in", "motion_in", "visual_join")
"""The layers before the head, which read features of other networks; here features of a backbone take their place."""


class PublishedInputs(nn.ModuleDict):
    """Sound, pictures at several frames a second and motion to two streams of one width."""

    def __init__(self, golden: Golden) -> None:
        shapes = {name: golden.tensors[f"param/{name}.weight"].shape for name in INPUTS}
        super().__init__({name: nn.Linear(into, out) for name, (out, into) in shapes.items()})

    def forward(self, audio: Tensor, visual: Tensor, motion: Tensor) -> dict[Modality, Tensor]:
        """(B, T, D_a), (B, T * frames, D_v), (B, T, D_m) -> (B, T, D) of both modalities."""
        pictures = self["visual_in"](visual).unflatten(1, (motion.shape[1], -1)).mean(2)
        joined = self["visual_join"](torch.cat([pictures, self["motion_in"](motion)], dim=-1))
        return {"audio": self["audio_in"](audio), "visual": joined}


def check_han(golden: Golden, precision: Precision) -> GoldenReport:
    meta, problems = golden.meta, dict[str, str]()
    recorded = golden.group("param/")
    ours = {name: translate(name, NAMES) for name in recorded if not name.startswith(INPUTS)}

    def run(_mode: str, _case: str) -> Seen:
        before = PublishedInputs(golden)
        head = HanHead(meta["D"], meta["classes"], width=meta["D"], hidden=meta["mlp"]).eval()
        problems.update(fill(before, {n: v for n, v in recorded.items() if n.startswith(INPUTS)}))
        problems.update(fill(head, {own: recorded[name] for name, own in ours.items()}, absent=("project.",)))
        streams: list[Tensor] = []
        watch_output(head.attention, streams.append)
        inputs = {m: golden.tensors[f"input/{m}"].clone().requires_grad_() for m in ("audio", "visual", "motion")}
        with autocast(precision):
            outputs = head.parse(before(**inputs))
        losses = head.loss(outputs, {"labels": golden.tensors["input/labels"]})
        loss = torch.stack(list(losses.values())).sum()
        loss.backward()
        seen: Seen = dict(zip(("han.audio", "han.visual"), (x.float() for x in streams), strict=True))
        seen |= {f"prob.{n}": outputs[o] for n, o in (("frames", "segments"), ("video", "clip"))}
        seen |= {f"prob.{m}": outputs[m] for m in ("audio", "visual")}
        seen |= {f"loss.{n}": losses[o] for n, o in (("audio", "audio"), ("visual", "visual"), ("video", "clip"))}
        seen |= {"loss": loss} | {f"grad/{name}": gradient(x) for name, x in inputs.items()}
        names = {own: name for name, own in ours.items()}
        seen |= gradients(head, lambda name: names.get(name, name)) | gradients(before, lambda name: name)
        return seen

    return compare(golden, precision, "head of video parsing", ("eval",), run, problems)


def check_metrics(golden: Golden, precision: Precision) -> GoldenReport:
    report = GoldenReport(str(golden.path), "scores of video parsing", "fp32")
    found, truth = (
        np.stack([golden.tensors[f"input/{m}{of}"].bool().numpy() for m in ("audio", "visual")], axis=1)
        for of in ("", "_truth")
    )
    for level, count in (("segment", segment_counts), ("event", event_counts)):
        clips = [clip_scores(count, p, y) for p, y in zip(found, truth, strict=True)]
        each = torch.tensor([[getattr(clip, name) for name in golden.meta["per_video"]] for clip in clips])
        scores = split_scores(clips)
        means = torch.tensor([scores[name] for name in golden.meta["scores"]])
        report.add(f"{level}/per_video", "output", each, golden.tensors[f"{level}/per_video"], Tolerance(SHARE))
        report.add(f"{level}/scores", "output", means, golden.tensors[f"{level}/scores"], Tolerance(PERCENT))
    return report
