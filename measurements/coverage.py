"""How often the 95 % intervals of rows, paired differences and ranks hold the truth, in a simulation.

Every study draws item difficulties, seeds and answers of a few rows with known levels. `python measurements/coverage.py
--studies 300` prints a table of shares for each number of seeds, noise between seeds, and distance of the rows.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import numpy as np

from results.statistics.bootstrap import bounds, differences, rank_bounds, resampled_means

LEVELS = {"apart": (0.62, 0.60, 0.57, 0.50), "close": (0.600, 0.598, 0.596, 0.594, 0.592, 0.590)}
"""Expected scores of the rows of a study: well apart, and close to each other, where ranks are hard to tell."""
SEEDS = (3, 5, 10)
SEED_NOISE = (0.005, 0.03)
"""Deviation of a row's level between seeds, in shares."""
ITEMS = 300
ITEM_NOISE = 0.25
"""Deviation of an item's difficulty, common to all rows."""


def study(generator: np.random.Generator, seeds: int, noise: float, levels: Sequence[float]) -> list[np.ndarray]:
    """Scores of each row: (seeds, items)."""
    difficulty = generator.normal(0, ITEM_NOISE, ITEMS)
    rows = []
    for level in levels:
        own = level + generator.normal(0, noise, (seeds, 1)) + difficulty
        rows.append((generator.random((seeds, ITEMS)) < np.clip(own, 0, 1)).astype(float))
    return rows


def expected_level(level: float) -> float:
    """What a row scores over all items and seeds: the clipped mean, by a fine grid of difficulties."""
    grid = np.random.default_rng(0).normal(0, ITEM_NOISE, 1_000_000)
    return float(np.clip(level + grid, 0, 1).mean())


def coverage(studies: int, seeds: int, noise: float, levels: Sequence[float]) -> dict[str, float]:
    """Shares of the intervals that hold the truth."""
    truth = [100 * expected_level(level) for level in levels]
    order = [1 + sum(other > own for other in truth) for own in truth]
    generator = np.random.default_rng([seeds, int(1e4 * noise)])
    held: dict[str, list[bool]] = {"row": [], "difference": [], "rank": []}
    for _ in range(studies):
        rows = study(generator, seeds, noise, levels)
        held["row"] += [low <= own <= high for own, (low, high) in zip(truth, bounds(rows), strict=True)]
        found = differences([rows[0] - rows[i] for i in range(1, len(rows))])
        held["difference"] += [one.low <= truth[0] - own <= one.high for one, own in zip(found, truth[1:], strict=True)]
        ranks = rank_bounds(resampled_means(rows))
        held["rank"] += [low <= own <= high for own, (low, high) in zip(order, ranks, strict=True)]
    return {name: round(float(np.mean(values)), 4) for name, values in held.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=200)
    studies = parser.parse_args().studies
    print(f"Share of the 95 % intervals that hold the truth, in percent of {studies} studies\n")
    print("| rows | seeds | noise between seeds | row | paired difference | rank |\n|---|---|---|---|---|---|")
    for seeds in SEEDS:
        for noise in SEED_NOISE:
            for name, levels in LEVELS.items():
                shares = " | ".join(f"{100 * share:.1f}" for share in coverage(studies, seeds, noise, levels).values())
                print(f"| {name} | {seeds} | {100 * noise:.1f} points | {shares} |", flush=True)


if __name__ == "__main__":
    main()
