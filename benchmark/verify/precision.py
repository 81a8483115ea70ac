"""The two precisions that a golden file is checked in, and what each allows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager

import torch
from torch import Tensor, nn

from backbones.backbone import cast_projections
from benchmark.model.model import Precision
from benchmark.verify.comparison import GoldenReport, Kind, Tolerance, Tolerances
from benchmark.verify.golden import Golden
from benchmark.verify.loading import Problems

FORWARD, GRADIENT = 1e-4, 1e-4
"""In float32, from the READMEs beside LAVISH's files and its kin's: absolute, and of the mode's largest gradient."""

OUTPUTS = ("out", "loss", "pooled", "logits", "probs", "bce")
BF16_FORWARD = 0.2
"""In bfloat16, of the largest recorded magnitude of the same tensor; of a loss, of the sum of its terms' magnitudes."""
BF16_GRADIENT = 0.2
"""In bfloat16, of the largest recorded gradient of the same pass."""
BF16_GRADIENT_OF_BATCH_STATISTICS = 1.0
"""The same where batch norm takes its statistics from a few dozen tokens, whose gradients nearly cancel."""


def autocast(precision: Precision) -> AbstractContextManager[None]:
    """As `AudioVisualModel` runs: bfloat16 autocast, or nothing."""
    return torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16")


def hold_weights(frozen: Iterable[nn.Module], precision: Precision) -> None:
    """As `AudioVisualModel` holds frozen weights."""
    if precision == "bf16":
        for module in frozen:
            cast_projections(module, torch.bfloat16)


class Bf16Bounds:
    """What bfloat16, which keeps 8 bits of each summand, may differ by in one pass.

    Args:
        gradients: every recorded gradient of the pass.
        losses: each output that enters the loss, and its weight.
        batch_statistics: whether batch norm was in training.
        slack: a factor of everything.
        gradient_slack: another one of gradients.
    """

    def __init__(
        self,
        gradients: Iterable[Tensor],
        losses: Iterable[tuple[Tensor, Tensor]],
        batch_statistics: bool = False,
        slack: float = 1.0,
        gradient_slack: float = 1.0,
    ) -> None:
        share = BF16_GRADIENT_OF_BATCH_STATISTICS if batch_statistics else BF16_GRADIENT
        self.forward = slack * BF16_FORWARD
        self.gradient = Tolerance(slack * gradient_slack * share * largest(gradients))
        self.loss = Tolerance(self.forward * sum(float((x * weight).abs().sum()) for x, weight in losses))

    def __call__(self, key: str, kind: Kind, recorded: Tensor) -> Tolerance:
        if kind == "gradient":
            return self.gradient
        return self.loss if key.endswith("loss") else Tolerance(self.forward * largest([recorded]))


def largest(tensors: Iterable[Tensor]) -> float:
    """The largest magnitude in any of the tensors; 0 without one."""
    return max((float(t.abs().max()) for t in tensors if t.numel()), default=0.0)


Seen = dict[str, Tensor]
"""What a model computed, by recorded key."""
Run = Callable[[Golden, str, Precision], tuple[Seen, Problems]]
"""(file, mode, precision) -> what came up, and parameters without a counterpart."""


def check_modes(
    golden: Golden,
    precision: Precision,
    what: str,
    run: Run,
    *,
    modes: Sequence[str],
    loss: float,
    weighed: Callable[[str], str] = lambda name: name,
    slack: float = 1.0,
    gradient_slack: float = 1.0,
) -> GoldenReport:
    """Run a model in each mode that is recorded, and compare everything that is recorded of it.

    Args:
        what: the model, for the report.
        loss: relative tolerance of the loss in float32.
        weighed: the key of the output behind a recorded weight of the loss.
        slack, gradient_slack: see `Bf16Bounds`.

    Raises:
        KeyError, TypeError, ValueError, RuntimeError: what the file says of its sizes describes no model.
    """
    report = GoldenReport(str(golden.path), what, precision)
    problems: Problems = {}
    for mode in modes:
        recorded = golden.group(f"{mode}/")
        if not recorded:
            continue
        found, strange = run(golden, mode, precision)
        problems |= strange
        gradients = [v for k, v in recorded.items() if k.startswith("grad/")]
        losses = [(recorded[weighed(k)], w) for k, w in golden.group("loss/w_").items()]
        losses = losses or [(recorded["loss"], torch.ones(1))]
        bounds = (
            Bf16Bounds(gradients, losses, mode == "train", slack, gradient_slack)
            if precision == "bf16"
            else _exact(largest(gradients), sum(float((x * w).abs().sum()) for x, w in losses), loss)
        )
        for key, value in recorded.items():
            kind = _kind(key)
            report.add(f"{mode}/{key}", kind, found.get(key), value, bounds(key, kind, value))
    for name, problem in problems.items():
        report.miss(f"param/{name}", "state", problem)
    return report


def parameters_of(owner: nn.Module, names: dict[str, str]) -> Seen:
    """Gradients and, of buffers, values after the pass, by recorded name: {recorded: ours} -> values."""
    parameters, buffers = dict(owner.named_parameters()), dict(owner.named_buffers())
    found: Seen = {}
    for recorded, ours in names.items():
        gradient = parameters[ours].grad if ours in parameters else None
        if gradient is not None:
            found[f"grad/{recorded}"] = gradient.float()
        if ours in buffers:
            found[f"after/{recorded}"] = buffers[ours]
    return found


def _kind(key: str) -> Kind:
    if key.startswith("grad/"):
        return "gradient"
    if key.startswith("after/"):
        return "state"
    return "output" if key in OUTPUTS or key.startswith(("pooled.", "tokens.")) else "intermediate"


def _exact(steepest: float, terms: float, relative: float) -> Tolerances:
    """The READMEs' bounds; `terms` are the magnitudes that a loss sums up, of which float32 keeps 23 bits.

    Without that a loss whose terms happen to cancel would be held to less than its own rounding.
    """

    def tolerance(key: str, kind: Kind, _recorded: Tensor) -> Tolerance:
        if kind == "gradient":
            return Tolerance(GRADIENT * steepest)
        return Tolerance(terms * 2**-23, relative) if key == "loss" else Tolerance(FORWARD)

    return tolerance
