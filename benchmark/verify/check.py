"""Which kind of golden file it is, and the check of that kind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from benchmark.model.model import Precision
from benchmark.verify import auxiliary, avmoe, cmbs, cola, dg_sct, front_ends, lavish, stg_cma, stg_cma_models
from benchmark.verify.avs.check import check_of as check_of_avs
from benchmark.verify.comparison import GoldenReport
from benchmark.verify.golden import Golden, read
from benchmark.verify.towers import check as two_backbones
from registry.errors import UserError

Check = Callable[[Golden, Precision], GoldenReport]
MODES = ("fusion", "multimodal", "videoonly", "audioonly")
"""Of STG-CMA: both streams with and without exchange, or one alone."""


def verify_file(path: Path, precision: Precision = "fp32") -> GoldenReport:
    """Build what a golden file describes, load its parameters, run it, and compare every recorded value.

    Args:
        precision: `bf16` runs models as training does in that precision, against wider bounds.

    Raises:
        UserError: no golden file, an unknown kind of one, or sizes that describe no model.
    """
    golden = read(path)
    check = _check_of(golden)
    try:
        return check(golden, precision)
    except KeyError as error:
        raise UserError(f"{path} is no complete golden file: {error.args[0]!r} is missing.") from error
    # Sizes that contradict each other are noticed deep inside timm, open_clip or torch, each in its own way.
    except (TypeError, ValueError, RuntimeError, LookupError, AttributeError, ArithmeticError, AssertionError) as error:
        why = " ".join(str(error).split())[:200] or type(error).__name__
        raise UserError(f"{path} describes no model that can be built and run: {why}") from error


def _check_of(golden: Golden) -> Check:
    """By what a file says of itself, never by its name."""
    meta = golden.meta
    if (meta.get("variant"), meta.get("scope")) in stg_cma_models.BUILDERS and meta.get("mode") in MODES:
        return stg_cma.check
    if meta.keys() & {"clip_audio_init", "schedule"}:
        return auxiliary.check
    if {"kind", "backbone", "pooled_order"} <= meta.keys():
        return lavish.check_model
    if "own_scale" in meta:
        return cola.check_projection if "kind" in meta else cola.check_shared
    if {"visual", "audio", "skip"} <= meta.keys():
        return two_backbones.check
    if "wirings" in meta:
        return avmoe.check_shared if meta.get("repo") == "avmoe" else dg_sct.check_shared
    if "router_hidden" in meta:
        return avmoe.check_adapter
    if "token_map" in meta:
        return dg_sct.check_adapter
    if "gamma_cas" in meta:
        return cmbs.check
    if {"D", "num_tokens", "groups"} <= meta.keys():
        return lavish.check_adapter
    if "sample_rate" in meta:
        return front_ends.check
    if check := check_of_avs(meta):
        return check
    raise UserError(
        f"{golden.path} is of no known kind ({golden.meta_key} has {', '.join(sorted(meta)) or 'nothing'}); known are "
        "STG-CMA's blocks, stages, models and odds and ends, LAVISH's adapters, models and sound front ends, DG-SCT's "
        "and AVMoE's adapters and models on one or two backbones, DG-SCT's head, CoLA's projections and blocks, "
        "AVSBench's decoder, heads, losses and scores, and video parsing's head and scores."
    )
