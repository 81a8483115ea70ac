"""Which golden file of segmentation or video parsing it is, by what it says of its sizes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmark.model.model import Precision
from benchmark.verify.avs import heads, parsing, scores
from benchmark.verify.comparison import GoldenReport
from benchmark.verify.golden import Golden

KINDS: tuple[tuple[frozenset[str], Callable[[Golden, Precision], GoldenReport]], ...] = (
    (frozenset({"thresholds", "beta2"}), scores.check_metrics),
    (frozenset({"cases", "stages"}), scores.check_losses),
    (frozenset({"what", "rates"}), heads.check_dilated),
    (frozenset({"what", "channels", "inner"}), heads.check_tpavi),
    (frozenset({"channel", "vis_dim"}), heads.check_head),
    (frozenset({"frames_per_second", "mlp"}), parsing.check_han),
    (frozenset({"cases", "per_video"}), parsing.check_metrics),
)
"""The facts by which each kind is known, and its check."""


def check_of(meta: dict[str, Any]) -> Callable[[Golden, Precision], GoldenReport] | None:
    """The check of a file with these facts; None where it is of no such kind.

    Checks raise KeyError, TypeError, ValueError or RuntimeError where a file describes no model.
    """
    return next((check for facts, check in KINDS if facts <= meta.keys()), None)
