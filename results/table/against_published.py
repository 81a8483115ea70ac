"""Our row beside a paper's figure: reproduced, below, above, or why the two cannot be compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from results.table.row import Row

DATA = {
    "AVE": ("ave@",),
    "MUSIC-AVQA (data/json)": ("music_avqa-v1@",),
    "AVSBench-object S4": ("avsbench_s4@",),
    "AVSBench-object MS3": ("avsbench_ms3@",),
}
"""Where identities of our data begin that are a paper's, by the paper's name."""
PROTOCOLS = {"paper": "test-selected", "validation": "validation-selected"}
"""What published figures call the protocol of a row."""
HARMLESS_LABELS = ("selected on test",)
"""That the protocol tells already."""

Verdict = Literal["reproduced", "below", "above", "not comparable"]


@dataclass(frozen=True)
class AgainstPublished:
    """A row and a figure."""

    row: Row
    figure: Row
    verdict: Verdict
    reasons: tuple[str, ...] = ()
    """Why they are not comparable; empty where they are."""
    low: float | None = None
    """The row's 95 % interval."""
    high: float | None = None

    @property
    def sentence(self) -> str:
        """`reproduced: 83.30 lies within 82.10 to 83.70`, for people."""
        if self.verdict == "not comparable":
            return f"not comparable because {'; '.join(self.reasons)}"
        interval = f"{self.low:.2f} to {self.high:.2f}"
        if self.verdict == "reproduced":
            return f"reproduced: the figure lies within the row's 95 % interval, {interval}"
        return f"{self.verdict}: the row's 95 % interval, {interval}, lies {self.verdict} the figure"


def against_published(row: Row, figure: Row, differs: Sequence[str] = ()) -> AgainstPublished:
    """A row with a score beside a figure of `results.table.published`.

    The figure is taken as it is printed, mostly of one run whose own noise nobody tells.

    Args:
        differs: what the row's set-up has that the figure's has not, a phrase each; one is enough to compare nothing.
    """
    mean, half = row.score.mean, row.score.interval
    reasons = (*differs, *_protocol(row, figure), *_data(row, figure), *_labels(row))
    if row.metric != figure.metric:
        reasons += (f"the row is scored by {row.metric}, the figure by {figure.metric}",)
    if mean is None or half is None:
        reasons += ("the row has no interval, since its items were not kept",)
    if reasons or mean is None or half is None:
        return AgainstPublished(row, figure, "not comparable", reasons)
    published = figure.score.mean or 0.0
    low, high = mean - half, mean + half
    verdict: Verdict = "below" if high < published else "above" if low > published else "reproduced"
    return AgainstPublished(row, figure, verdict, (), low, high)


def _protocol(row: Row, figure: Row) -> tuple[str, ...]:
    ours = PROTOCOLS.get(row.protocol, row.protocol)
    if figure.protocol == "unknown":
        return ("nobody tells which split the figure was selected on",)
    return () if ours == figure.protocol else (f"the row is {ours}, the figure {figure.protocol}",)


def _data(row: Row, figure: Row) -> tuple[str, ...]:
    if row.data.startswith(DATA.get(figure.data, ())):
        return ()
    return (f"the row was measured on {row.data or 'unknown data'}, the figure on {figure.data}",)


def _labels(row: Row) -> tuple[str, ...]:
    told = [label for label in row.labels if label not in HARMLESS_LABELS]
    return (f"the row is labelled {', '.join(told)}",) if told else ()
