"""AVMoE's golden files: a mixture alone, and whole models on one shared backbone in both orders of steps."""

from __future__ import annotations

import re
from typing import cast

from torch import Tensor

from adapters.avmoe import AvMoe, Mixture, imbalance
from adapters.beside import Wiring
from adapters.lavish import LatentAdapter
from benchmark.model.model import Precision
from benchmark.verify.comparison import GoldenReport
from benchmark.verify.dg_sct import (
    LOSS,
    PROJECTION_NAMES,
    build_projection,
    options_of,
    run_alone,
    run_shared,
    shared_backbone,
    slack_of,
    weighed_sum,
)
from benchmark.verify.golden import Golden
from benchmark.verify.lavish_models import ADAPTER_NAMES, set_norms
from benchmark.verify.loading import Names, Problems, fill, translate
from benchmark.verify.precision import Seen, check_modes
from benchmark.verify.watching import into, watch_input, watch_method, watch_output

UNIMODAL_NAMES: Names = {r"^reader\.": "self_attention.", r"^self_attention\.in_proj\.": "self_attention.qkv."}


def check_adapter(golden: Golden, precision: Precision) -> GoldenReport:
    """Run a mixture alone and compare everything that is recorded of it.

    Raises:
        KeyError, TypeError, ValueError, RuntimeError: what the file says of its sizes describes no mixture.
    """

    def run(golden: Golden, mode: str, precision: Precision) -> tuple[Seen, Problems]:
        mixture, problems = _build(golden)
        seen: Seen = {}
        _watch(mixture, seen)
        extra: Seen = {}

        def loss(out: Tensor) -> Tensor:
            seen["out"] = out
            total = weighed_sum(golden, {"out": out[0]})
            if not golden.meta["balance_loss"]:
                return total
            balance = imbalance(seen["gating"])
            extra["balance"] = balance.view(1)
            return total + golden.meta["w_balance"] * balance

        return run_alone(golden, mixture, mode, precision, seen, loss, our_name) | extra, problems

    return check_modes(golden, precision, "avmoe mixture", run, modes=("eval", "train"), loss=LOSS)


def check_shared(golden: Golden, precision: Precision) -> GoldenReport:
    """Run a whole model on one backbone and compare everything that is recorded of it.

    Raises:
        KeyError, TypeError, ValueError, RuntimeError: what the file says of its sizes describes no model.
    """

    def run(golden: Golden, wiring: str, precision: Precision) -> tuple[Seen, Problems]:
        backbone, problems = shared_backbone(golden)
        scheme = AvMoe(
            backbone, skip=1, **options_of(golden.meta["adapter"]), wiring=cast(Wiring, wiring), projection="full"
        )
        # Pooled in the files is the mean over all tokens, whatever the family's own pooling.
        return run_shared(golden, backbone, scheme, our_name, precision, {}, lambda f: f.tokens.mean(dim=-2), problems)

    what = f"avmoe {golden.meta['family']} model"
    return check_modes(golden, precision, what, run, modes=golden.meta["wirings"], loss=LOSS, slack=slack_of(golden))


def _build(golden: Golden) -> tuple[Mixture, Problems]:
    meta = golden.meta
    mixture = Mixture(
        meta["D"],
        meta["cross_experts"],
        meta["unimodal_experts"],
        latents=meta["num_tokens"],
        self_attention=meta["unimodal_attention"],
        projection=build_projection(meta),
        reduction=meta["reduction"],
        groups=meta["groups"],
        batch_norm=bool(meta["bn"]),
        norm_before=bool(meta["ln_pre"]),
        norm_after=bool(meta["ln_post"]),
        gate=bool(meta["gate_out"]),
    )
    set_norms(mixture, meta)
    return mixture, fill(mixture, {our_name(name): value.float() for name, value in golden.group("param/").items()})


def our_name(recorded: str) -> str:
    """A recorded name of a mixture's parameter in ours."""
    expert = re.match(r"(cross|unimodal)\.\d+\.", recorded)
    if expert:
        name = translate(recorded[expert.end() :], ADAPTER_NAMES)
        return expert[0] + (translate(name, UNIMODAL_NAMES) if expert[1] == "unimodal" else name)
    layer = re.match(r"router\.(\d)\.", recorded)
    # Activations stand between the router's layers.
    return f"router.{2 * int(layer[1])}.{recorded[layer.end() :]}" if layer else translate(recorded, PROJECTION_NAMES)


def _watch(mixture: Mixture, seen: Seen) -> None:
    watch_method(mixture, "route", lambda gates, _, partner: seen.update({"gating": gates, "context_mapped": partner}))
    watch_input(mixture.router, into(seen, "router_in"))
    watch_output(mixture.router, into(seen, "router_logits"))
    for kind, experts in (("cross", mixture.cross), ("unimodal", mixture.unimodal)):
        for number, expert in enumerate(experts):
            watch_output(expert, into(seen, f"{kind}.{number}.out"))
            steps = dict(cast(LatentAdapter, expert).bottleneck.named_children())
            watch_input(steps["down"], into(seen, f"{kind}.{number}.down_in"))
