"""Rows as a Markdown page: one table a board, failures and unreadable files below."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from registry.text import printable
from results.render import format
from results.render.boards import board_titles, levels_in_words
from results.table.aggregate import MeanRank, mean_ranks, volumes
from results.table.gather import Leaderboard
from results.table.groups import Board
from results.table.row import Row, by_board, shared_labels

FRONT = "★"
TIED = "≈"

_SPECIAL = re.compile(r"[\\|`*<>\[\]~&@]|(?<=:)//|(?<=www)\.", re.IGNORECASE)
"""Among them what makes links of bare addresses."""
_STARTS = re.compile(r"^(\d+(?=[.)])|)([.)#+=-])")
"""What would begin a heading, a list or a rule."""

_ENDS_CODE = re.compile(r"[`|<]|\]\(")
"""A pipe ends a table's cell, and code with it; what renders code otherwise is not to find HTML or links there."""

_HEADER = (
    "",
    "backbone",
    "adapter",
    "score ± 95 %",
    "std",
    "seeds",
    "groups",
    "rank",
    "gain over the probe ± 95 %",
    "adapter",
    "head",
    "trainable",
    "trainable %",
    "total",
    "GFLOPs",
    "memory (MB)",
    "ms per clip",
    "training",
    "PPT",
    "behind the best ± 95 %",
    "remarks",
)
_TEXT_COLUMNS = {0, 1, 2, len(_HEADER) - 1}

_LEGEND = (
    "Score: mean over seeds in percent. ± is half a 95 % interval everywhere, over test items and seeds, "
    "with one seed over items only; of a difference it is paired. std: standard deviation over seeds. "
    "Groups: rows that share a letter cannot be told apart (all pairs, Holm, 5 %). "
    "Rank: where the row stands in 95 % of the resamples. "
    "Gain: over the best linear probe of the same backbone and data, which the CSV and the page name. "
    "Adapter, head, trainable and total are numbers of parameters. "
    "PPT: score weighed by trainable parameters as in V-PETL Bench (C = 10 M, without the head); it favours the probe. "
    "Behind the best: paired difference with its p-value, corrected for all rows of the table (Holm). "
    f"{TIED}: cannot be told apart from the best at 5 %; a row that shares fewer than two seeds with it has no mark. "
    f"{FRONT}: no other row of the table has as high a score with as few trainable parameters; "
    f"({FRONT}): nor by more than its interval."
)


def to_markdown(leaderboard: Leaderboard) -> str:
    """The whole page."""
    rows = leaderboard.rows
    shared = shared_labels([row for row in rows if row.score.mean is not None])
    parts = ["# Leaderboard", f"Made by {code(leaderboard.command)}."]
    if shared:
        parts.append(f"**All rows: {escaped(', '.join(shared))}.**")
    parts.append(_LEGEND)
    if not rows:
        parts.append("No runs yet.")
    titles = board_titles(rows)
    for board, members in by_board(rows).items():
        parts += [f"## {escaped(titles[board])}", _board_line(board, members[0]), _table(members, shared)]
    parts += _mean_ranks(rows) + _volumes(rows) + _published(leaderboard.published)
    parts += _names(rows) + _listed("Notes", leaderboard.notes)
    parts += _listed("Kept in rows of their own", leaderboard.kept_apart) + _failures(rows)
    parts += _listed("Files that could not be read", [file.reason for file in leaderboard.unreadable])
    return "\n\n".join(parts) + "\n"


def _board_line(board: Board, row: Row) -> str:
    task, data, metric, protocol = (code(part or "unknown") for part in board)
    levels = levels_in_words(row)
    return f"Task {task} · data {data} · metric {metric} · selected on {protocol}" + (f" · {levels}" if levels else "")


def _names(rows: Sequence[Row]) -> list[str]:
    """What short names stand for."""
    full = {row.short_backbone: row.backbone for row in rows if row.backbone_name}
    full |= {row.adapter_name: row.adapter for row in rows if row.adapter_name}
    lines = [(escaped(short), code(long).replace("|", "\\|")) for short, long in sorted(full.items())]
    return ["## Names", _simple_table(("name", "in full"), lines)] if lines else []


def _table(rows: Sequence[Row], shared: Sequence[str]) -> str:
    rule = ["---" if i in _TEXT_COLUMNS else "---:" for i in range(len(_HEADER))]
    return "\n".join(_line(cells) for cells in (_HEADER, rule, *(_cells(row, rows, shared) for row in rows)))


def _cells(row: Row, board: Sequence[Row], shared: Sequence[str]) -> list[str]:
    return [
        marks(row),
        escaped(row.short_backbone),
        escaped(row.short_adapter),
        format.score(row.score.mean, row.score.interval),
        format.number(row.score.std, 2),
        str(row.score.seeds),
        format.letters(row.comparison.letters) or format.UNKNOWN,
        format.ranks(row.comparison.rank_low, row.comparison.rank_high),
        format.gain(row.comparison.gain_over_linear_probe, row.comparison.gain_interval),
        format.count(row.cost.adapter_parameters),
        format.count(row.cost.head_parameters),
        format.count(row.cost.trainable_parameters),
        format.number(row.cost.trainable_percent, 2),
        format.count(row.cost.total_parameters),
        format.significant(row.cost.gflops),
        format.number(row.cost.peak_memory_mb, 0),
        ms_per_clip(row),
        format.duration(row.cost.train_seconds),
        format.number(row.fronts.ppt, 3),
        behind_best(row),
        escaped("; ".join(remarks(row, board, shared))),
    ]


def marks(row: Row) -> str:
    """Stars for the front, and whether the row may be as good as the best."""
    front = FRONT if row.fronts.pareto else f"({FRONT})" if row.fronts.pareto_within_interval else ""
    return " ".join(
        filter(
            None,
            (front, TIED if row.comparison.tied_with_best and row.comparison.behind_best_p_value is not None else ""),
        )
    )


def ms_per_clip(row: Row) -> str:
    """`4.02`, and `4.02 (loaded)` where others wanted the same cores meanwhile."""
    return format.significant(row.cost.ms_per_clip) + (" (loaded)" if row.cost.on_loaded_machine else "")


def behind_best(row: Row) -> str:
    """`3.10 ± 0.92 (p = 0.004)`; `best` for the best itself."""
    if not row.comparison.behind_best:
        return "best" if row.comparison.behind_best == 0 else format.UNKNOWN
    text = f"{row.comparison.behind_best:.2f}" + (
        "" if row.comparison.behind_best_interval is None else f" ± {row.comparison.behind_best_interval:.2f}"
    )
    return (
        text
        if row.comparison.behind_best_p_value is None
        else f"{text} ({format.p_value(row.comparison.behind_best_p_value)})"
    )


def remarks(row: Row, board: Sequence[Row], shared: Sequence[str]) -> list[str]:
    """What a reader must know beside the numbers: own labels, failed seeds, and what tells apart rows of one name."""
    name = row.backbone, row.adapter, row.modality
    twins = [other for other in board if (other.backbone, other.adapter, other.modality) == name]
    differing = [part for part in ("recipe", "weights", "versions") if len({getattr(twin, part) for twin in twins}) > 1]
    own = [label for label in row.labels if label not in shared]
    failed = [] if row.status == "completed" else [row.status]
    told = own + failed + [f"{part} {getattr(row, part) or 'unknown'}" for part in differing]
    more = row.comparison.both_against_one
    if more is not None:
        told.append(f"{format.gain(more, row.comparison.both_against_one_interval)} over one modality")
    return told + _effort(row)


def _effort(row: Row) -> list[str]:
    """`20 trials`, and what to think of rows that had less; nothing where no row of the board was searched for."""
    if row.effort.less_tuned is None:
        return []
    trials = format.counted(row.effort.trials or 0, "trial")
    return [f"{trials}, less tuned than others" if row.effort.less_tuned else trials]


def _failures(rows: Iterable[Row]) -> list[str]:
    lines = [
        _line([escaped(text) for text in (row.task, row.short_backbone, row.short_adapter, failure)])
        for row in rows
        for failure in row.failures
    ]
    if not lines:
        return []
    head = [_line(("task", "backbone", "adapter", "failure")), _line(["---"] * 4)]
    return ["## Failed runs", "They enter no number above.", "\n".join(head + lines)]


def _mean_ranks(rows: Sequence[Row]) -> list[str]:
    standing = mean_ranks(rows)
    if not standing:
        return []
    boards = sorted(standing[0].ranks)
    intro = (
        f"Over {len(boards)} boards, among the {len(standing)} combinations that have a score on every one of them; "
        "1 is best. Groups: combinations that share a letter cannot be told apart by their mean difference over the "
        "boards (all pairs, Holm, 5 %). In brackets: where the mean rank stands in 95 % of the resamples."
    )
    titles = board_titles(rows)
    header = ("backbone", "adapter", "mean rank", "groups", *(escaped(titles[board]) for board in boards))
    lines = [
        (
            escaped(one.backbone),
            escaped(one.adapter),
            _mean_rank(one),
            one.letters or format.UNKNOWN,
            *(f"{one.ranks[b]:g}" for b in boards),
        )
        for one in standing
    ]
    return ["## Mean rank", intro, _simple_table(header, lines)]


def _mean_rank(one: MeanRank) -> str:
    """`1.67 (1.00 to 2.33)`"""
    return f"{one.mean:.2f}" + (f" ({one.interval[0]:.2f} to {one.interval[1]:.2f})" if one.interval else "")


def _volumes(rows: Sequence[Row]) -> list[str]:
    swept = [one for one in volumes(rows) if one.sizes > 1]
    if not swept:
        return []
    intro = "Hypervolume of (parameters saved, score gained) over the sizes of a family: 0 the linear probe, 1 ideal."
    lines = [
        (
            escaped(one.context.board.task),
            escaped(one.context.backbone),
            escaped(one.family),
            str(one.sizes),
            f"{one.value:.3f}",
        )
        for one in swept
    ]
    return ["## Size sweeps", intro, _simple_table(("task", "backbone", "family", "sizes", "hypervolume"), lines)]


def _published(rows: Sequence[Row]) -> list[str]:
    if not rows:
        return []
    intro = (
        "**From papers and their repositories, not measured here**: other data and protocols, mostly one seed; never "
        "part of a mean or a front above. `test-selected`: the best epoch was chosen on the test split."
    )
    header = ("task", "data", "method", "backbone", "score", "trainable", "total as published", "protocol", "source")
    lines = [
        (
            escaped(row.task),
            escaped(row.data),
            escaped(row.adapter),
            escaped(row.backbone),
            f"{row.score.mean:g}",
            format.count(row.cost.trainable_parameters),
            format.count(row.cost.total_as_published),
            escaped(row.protocol),
            escaped(row.source),
        )
        for row in rows
    ]
    return ["## Published numbers", intro, _simple_table(header, lines)]


def _simple_table(header: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    return "\n".join([_line(header), _line(["---"] * len(header)), *map(_line, lines)])


def _listed(title: str, lines: Sequence[str]) -> list[str]:
    return [f"## {title}", "\n".join(f"- {escaped(line)}" for line in lines)] if lines else []


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def escaped(text: str) -> str:
    """Text on one line that Markdown shows as it is: no link, picture, code, HTML or heading comes of it."""
    line = printable(" ".join(text.split()))
    return _STARTS.sub(r"\1\\\2", _SPECIAL.sub(r"\\\g<0>", line))


def code(text: str) -> str:
    """Text as code; as ordinary text where it holds what would end the code or be live behind that end."""
    return escaped(text) if _ENDS_CODE.search(text) else f"`{printable(' '.join(text.split()))}`"
