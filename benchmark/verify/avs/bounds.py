"""How far a golden file of segmentation may be missed, and the comparison that all of them share."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from benchmark.model.model import Precision
from benchmark.verify.comparison import GoldenReport, Kind, Tolerance, Tolerances
from benchmark.verify.golden import Golden
from benchmark.verify.loading import Problems
from benchmark.verify.precision import BF16_FORWARD, Bf16Bounds, largest

FORWARD, LOSS, GRADIENT, SCORE = 1e-4, 1e-5, 1e-4, 1e-6
"""In float32, from the README beside the files: absolute, relative beyond 1, a share of the largest gradient of a mode,
absolute."""
LOSSES = ("loss", "bce", "avm")

Seen = dict[str, Tensor]


def compare(
    golden: Golden,
    precision: Precision,
    what: str,
    modes: Sequence[str],
    run: Callable[[str, str], Seen],
    problems: Problems,
    cases: Sequence[str] = ("",),
) -> GoldenReport:
    report = GoldenReport(str(golden.path), what, precision)
    for mode in modes:
        for case in cases:
            prefix = f"{mode}/{case}/" if case else f"{mode}/"
            recorded = golden.group(prefix)
            if not recorded:
                continue
            found = run(mode, case)
            bounds = _bounds(golden, recorded, precision, mode)
            for key, value in recorded.items():
                ours = found.get(key)
                if ours is not None and value.ndim == 5 and ours.ndim == 4:
                    # A convolution over one frame.
                    ours = ours.unsqueeze(2)
                report.add(prefix + key, kind_of(key), ours, value, bounds(key, kind_of(key), value))
    for name, problem in problems.items():
        report.miss(f"param/{name}", "state", problem)
    return report


def _bounds(golden: Golden, recorded: Seen, precision: Precision, mode: str) -> Tolerances:
    recorded_gradients = [v for k, v in recorded.items() if k.startswith("grad/")]
    if precision == "fp32":
        return exact(largest(recorded_gradients))
    losses = [(recorded[k], w) for k, w in golden.group("loss/w_").items() if k in recorded]
    wide = Bf16Bounds(recorded_gradients, losses, mode == "train")
    if losses:
        return wide

    def tolerance(key: str, kind: Kind, value: Tensor) -> Tolerance:
        # An objective sums terms of one sign.
        return Tolerance(BF16_FORWARD * max(1.0, float(value.abs()))) if _is_loss(key) else wide(key, kind, value)

    return tolerance


def exact(steepest: float) -> Tolerances:
    def tolerance(key: str, kind: Kind, recorded: Tensor) -> Tolerance:
        if kind == "gradient":
            return Tolerance(GRADIENT * steepest)
        if _is_loss(key):
            return Tolerance(LOSS * max(1.0, float(recorded.abs())))
        return Tolerance(FORWARD)

    return tolerance


def kind_of(key: str) -> Kind:
    if key.startswith("grad/"):
        return "gradient"
    if key.startswith("after/"):
        return "state"
    return "output" if key in ("out", "logits") or _is_loss(key) else "intermediate"


def _is_loss(key: str) -> bool:
    """A loss, or a term of one."""
    return key in LOSSES or key.startswith("loss.")


def gradients(module: nn.Module, name: Callable[[str], str]) -> Seen:
    return {f"grad/{name(n)}": gradient(p) for n, p in module.named_parameters() if p.grad is not None}


def buffers(module: nn.Module, name: Callable[[str], str]) -> Seen:
    return {f"after/{name(n)}": b.float() for n, b in module.named_buffers() if "running" in n}


def gradient(x: Tensor) -> Tensor:
    return torch.zeros_like(x) if x.grad is None else x.grad.float()
