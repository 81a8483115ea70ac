"""Two rows side by side on every board that has both, over all items and by kind of item."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from registry.errors import UserError
from registry.vocabulary import Condition
from results.statistics.paired import ItemsOf, PairedScores, PairedTest, compare, paired_scores
from results.statistics.robustness import Robustness, compare_drops
from results.statistics.significance import holm, seeds_to_separate
from results.table.differences import differences
from results.table.groups import Board
from results.table.naming import find, title
from results.table.row import Row
from results.table.standing import common

OVERALL = "all items"
MOST_ITEMS = 10
"""On which two rows disagree most, that are listed."""


@dataclass(frozen=True)
class Line:
    """One line of a comparison; scores in percent over the seeds and items that both rows have."""

    kind: str
    items: int
    first: float
    second: float
    test: PairedTest
    corrected: float
    """p-value, Holm-corrected among the kinds of the board, or among the boards for all items."""


@dataclass(frozen=True)
class Disagreement:
    """One item that the rows score differently, each the mean over the shared seeds in percent."""

    item: str
    kind: str
    first: float
    second: float


@dataclass(frozen=True)
class DropPair:
    """What both rows lose under one condition, in points."""

    condition: Condition
    first: float
    second: float
    test: PairedTest
    """Of the difference, first minus second."""
    corrected: float
    """p-value, Holm-corrected over the conditions."""


@dataclass(frozen=True)
class RowPair:
    """Two rows on one board."""

    board: Board
    first: Row
    second: Row
    lines: list[Line]
    """All items first; empty where the rows share no items and seeds."""
    differ_in: list[str]
    """Beside the components: recipe, weights, versions."""
    disagreements: list[Disagreement] = field(default_factory=list)
    """Items with the largest differences, the largest first."""
    seeds_needed: float | None = None
    """Seeds that would show a difference as large as this one, see `seeds_to_separate`."""
    drops: list[DropPair] = field(default_factory=list)
    """Under each condition that both rows were measured under."""

    @property
    def seeds(self) -> int:
        return self.lines[0].test.seeds if self.lines else 0


def compare_rows(
    rows: Sequence[Row], items: ItemsOf, first: str, second: str, robustness: Sequence[Robustness | None] = ()
) -> list[RowPair]:
    """The paired comparison of two rows, given by their names, on every board that has both.

    Args:
        robustness: of each row, where it was measured under conditions.

    Raises:
        UserError: a name that is unknown or ambiguous, the same row twice, or no board in common.
    """
    ours, theirs = find(rows, first), find(rows, second)
    common = sorted(ours.keys() & theirs.keys())
    if not common:
        raise UserError(
            f"{first} and {second} share no task, data and protocol: {_boards(ours)} against {_boards(theirs)}."
        )
    if all(ours[board] is theirs[board] for board in common):
        raise UserError(f"{first} and {second} are the same row; name two.")
    paired = [_paired(board, ours[board], theirs[board], items) for board in common]
    known = {id(row): own for row, own in zip(rows, robustness, strict=bool(robustness))}
    paired = [replace(pair, drops=_drops(known.get(id(pair.first)), known.get(id(pair.second)))) for pair in paired]
    overall = [pair for pair in paired if pair.lines]
    corrected = holm([pair.lines[0].test.p_value for pair in overall])
    for pair, p in zip(overall, corrected, strict=True):
        pair.lines[0] = replace(pair.lines[0], corrected=p)
    return paired


def _paired(board: Board, first: Row, second: Row, items: ItemsOf) -> RowPair:
    a, b = paired_scores(first.runs, items), paired_scores(second.runs, items)
    differ_in = [line for line in differences([first, second]) if not line.startswith(_expected(first, second))]
    overall = _line(OVERALL, a, b)
    if a is None or b is None or overall is None:
        return RowPair(board, first, second, [], differ_in)
    kinds = sorted({kind for _, kind in a.items if kind})
    by_kind = (
        [line for kind in kinds if (line := _line(kind, a.of_kind(kind), b.of_kind(kind)))] if len(kinds) > 1 else []
    )
    corrected = holm([line.test.p_value for line in by_kind])
    lines = [replace(line, corrected=p) for line, p in zip(by_kind, corrected, strict=True)]
    shared = common([a, b]) if overall.test.seeds > 1 else []
    needed = seeds_to_separate(shared[0] - shared[1]) if shared else None
    return RowPair(board, first, second, [overall, *lines], differ_in, _disagreements(a, b), needed)


def _drops(first: Robustness | None, second: Robustness | None) -> list[DropPair]:
    found = compare_drops(first, second)
    corrected = holm([test.p_value for *_, test in found])
    return [DropPair(*one, p) for one, p in zip(found, corrected, strict=True)]


def _disagreements(first: PairedScores, second: PairedScores) -> list[Disagreement]:
    seeds = sorted(set(first.seeds) & set(second.seeds))
    ours, theirs = (100 * known.of_seeds(seeds).mean(axis=0) for known in (first, second))
    order = sorted(range(len(ours)), key=lambda place: (-abs(float(ours[place] - theirs[place])), first.items[place]))
    return [
        Disagreement(*first.items[place], float(ours[place]), float(theirs[place]))
        for place in order[:MOST_ITEMS]
        if ours[place] != theirs[place]
    ]


def _expected(first: Row, second: Row) -> tuple[str, ...]:
    """Parts that differ because the components do: other weights with another backbone, and each its own version."""
    of_backbone = () if first.backbone == second.backbone else ("weights ", "version of backbone ")
    return of_backbone if first.family == second.family else (*of_backbone, "version of adapter ")


def _line(kind: str, first: PairedScores | None, second: PairedScores | None) -> Line | None:
    test = compare(first, second)
    if first is None or second is None or test is None:
        return None
    seeds = sorted(set(first.seeds) & set(second.seeds))
    ours, theirs = (100 * float(known.of_seeds(seeds).mean()) for known in (first, second))
    return Line(kind, test.items, ours, theirs, test, test.p_value)


def _boards(found: dict[Board, Row]) -> str:
    return "; ".join(f"{title(row)} on {board.task} ({board.data}, {board.protocol})" for board, row in found.items())
