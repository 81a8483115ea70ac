"""Rows of one board against each other: over the linear probe, behind the best, both modalities against one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from results.statistics.paired import PairedScores, compare_all
from results.statistics.significance import ALPHA, holm
from results.table.row import Context, Row, rank_order

MOST_SEEDS_SAY_NOTHING_BELOW = 2
"""Seeds that two rows must share before one is called worse: a single one shows nothing of the noise between seeds."""
BOTH = "both"


def over_probes(rows: Sequence[Row], known: Sequence[PairedScores | None]) -> list[Row]:
    """Gains over the best linear probe of the same context, their p-values corrected for all gains of the board."""
    probes = _probes(rows)
    baselines = [_baseline(row, probes.get(row.context, ()), rows) for row in rows]
    measured = [(index, best) for index, best in enumerate(baselines) if best is not None]
    compared = compare_all([(known[index], known[best]) for index, best in measured])
    gained, raw = list(rows), dict[int, float]()
    for (index, best), found in zip(measured, compared, strict=True):
        row = rows[index]
        gained[index] = row.compared(
            gain_over_linear_probe=(row.score.mean or 0.0) - (rows[best].score.mean or 0.0),
            gain_interval=found.difference.half_width if found else None,
            probe=_called(rows[best]),
        )
        if found:
            raw[index] = found.p_value
    for index, corrected in _corrected(raw).items():
        gained[index] = gained[index].compared(gain_p_value=corrected)
    return gained


def _probes(rows: Sequence[Row]) -> dict[Context, list[int]]:
    probes: dict[Context, list[int]] = {}
    for index, row in enumerate(rows):
        if row.score.mean is not None and row.is_linear_probe:
            probes.setdefault(row.context, []).append(index)
    return probes


def _baseline(row: Row, probes: Sequence[int], rows: Sequence[Row]) -> int | None:
    """The index of the best linear probe: a gain over a badly tuned one is none."""
    if row.score.mean is None or row.is_linear_probe or not probes:
        return None
    return max(probes, key=lambda index: (rows[index].score.mean or 0.0, rows[index].recipe == row.recipe, -index))


def _called(probe: Row) -> str:
    """`linear_probe, recipe 1a2b3c4d: 61.20`"""
    recipe = f", recipe {probe.recipe}" if probe.recipe else ""
    return f"{probe.short_adapter}{recipe}: {probe.score.mean:.2f}"


def over_one_modality(rows: Sequence[Row], known: Sequence[PairedScores | None]) -> list[Row]:
    """What a row that looks at both modalities has over the better of those that look at one alone."""
    alone: dict[Context, list[int]] = {}
    for index, row in enumerate(rows):
        if row.score.mean is not None and row.modality != BOTH:
            alone.setdefault(row.context._replace(modality=""), []).append(index)
    placed = list(rows)
    for index, row in enumerate(rows):
        others = [
            other
            for other in alone.get(row.context._replace(modality=""), ())
            if row.modality == BOTH and row.score.mean is not None and rows[other].adapter == row.adapter
        ]
        if others:
            best = max(others, key=lambda other: (rows[other].score.mean or 0.0, -other))
            (pair,) = compare_all([(known[index], known[best])])
            placed[index] = row.compared(
                both_against_one=(row.score.mean or 0.0) - (rows[best].score.mean or 0.0),
                both_against_one_interval=pair.difference.half_width if pair else None,
            )
    return placed


def behind_best(rows: Sequence[Row], known: Sequence[PairedScores | None]) -> list[Row]:
    """How far each row is behind the best of the board, and whether that may be chance."""
    scored = [index for index, row in enumerate(rows) if row.score.mean is not None]
    if not scored:
        return list(rows)
    best = min(scored, key=lambda index: rank_order(rows[index]))
    others = [index for index in scored if index != best]
    found = dict(zip(others, compare_all([(known[index], known[best]) for index in others]), strict=True))
    corrected = _corrected({index: pair.p_value for index, pair in found.items() if pair})
    placed = list(rows)
    for index in scored:
        pair = found.get(index)
        enough = pair is not None and pair.seeds >= MOST_SEEDS_SAY_NOTHING_BELOW
        placed[index] = rows[index].compared(
            behind_best=(rows[best].score.mean or 0.0) - (rows[index].score.mean or 0.0),
            behind_best_interval=pair.difference.half_width if pair else None,
            behind_best_p_value=corrected.get(index),
            tied_with_best=True if index == best else corrected[index] >= ALPHA if enough else None,
        )
    return placed


def _corrected(raw: Mapping[int, float]) -> dict[int, float]:
    return dict(zip(raw, holm(list(raw.values())), strict=True))
