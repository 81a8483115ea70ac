"""What a row loses when sight or sound is taken away or spoiled, and whether it uses each of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from registry.vocabulary import CLEAN, STRESS_FAMILIES, Condition, StressScores
from results.statistics.bootstrap import Difference, aligned
from results.statistics.paired import PairedScores, PairedTest, compare, compare_all
from results.statistics.significance import holm


class Drop(NamedTuple):
    """The score under one condition, and what was lost."""

    condition: Condition
    score: float
    """Mean over seeds and items, in percent."""
    test: PairedTest
    """Clean minus this condition, paired by seed and item."""
    corrected: float
    """p-value, Holm-corrected over the conditions of the row."""


class Confusion(NamedTuple):
    """Modality confusion µ, in percent of all items: right with one modality alone, wrong with both.

    Zverev et al., VGGSounder, ICCV 2025 (arXiv 2508.08237). Items whose score lies between 0 and 1 count with what of
    it both modalities together lose, max(alone - both, 0), which for right and wrong is the published share.
    """

    audio: float
    """Right with sound alone."""
    visual: float
    """Right with sight alone."""
    either: float
    """Right with each of them alone."""


@dataclass(frozen=True, eq=False)
class Robustness:
    """One row under conditions, over the seeds that were measured under the same ones."""

    seeds: tuple[int, ...]
    clean: float
    drops: tuple[Drop, ...]
    families: Mapping[str, Difference]
    """The mean drop over the levels of a family."""
    confusion: Confusion | None
    """None where a modality cannot be taken away."""
    verdicts: tuple[str, ...]
    """`does not use sound`"""
    left_out: Mapping[str, str]
    """By family, why it was not measured."""
    scores: Mapping[str, PairedScores]
    """By the name of a condition."""


def robustness_of(runs: Sequence[tuple[int, StressScores]]) -> Robustness | None:
    """What several seeds show, (seed, scores) each.

    None where there are none, or seeds were measured under other conditions or on other items than the first.
    """
    if not runs:
        return None
    first = runs[0][1]
    runs = [run for run in runs if (run[1].version, run[1].conditions) == (first.version, first.conditions)]
    seeds = tuple(seed for seed, _ in runs)
    known: dict[str, PairedScores] = {}
    for condition in first.conditions:
        found = aligned([own.of(condition.name) for _, own in runs])
        if found is None:
            return None
        known[condition.name] = PairedScores(seeds, *found)
    clean, rest = known[CLEAN.name], first.conditions[1:]
    tests = [test for test in compare_all([(clean, known[one.name]) for one in rest]) if test]
    corrected = holm([test.p_value for test in tests])
    drops = tuple(
        Drop(one, 100 * float(known[one.name].scores.mean()), test, p)
        for one, test, p in zip(rest, tests, corrected, strict=True)
    )
    return Robustness(
        seeds,
        100 * float(clean.scores.mean()),
        drops,
        _families(clean, rest, known),
        _confusion(known),
        tuple(_verdicts(clean, known)),
        first.left_out,
        known,
    )


def compare_drops(
    first: Robustness | None, second: Robustness | None
) -> list[tuple[Condition, float, float, PairedTest]]:
    """The drops of two rows under each condition that both have, in points, and the paired test of their difference."""
    if first is None or second is None:
        return []
    theirs = {drop.condition: drop for drop in second.drops}
    found = []
    for own in first.drops:
        if other := theirs.get(own.condition):
            test = compare(_lost(first, own.condition), _lost(second, own.condition))
            if test:
                found.append((own.condition, own.test.difference.mean, other.test.difference.mean, test))
    return found


def _lost(known: Robustness, condition: Condition) -> PairedScores:
    clean = known.scores[CLEAN.name]
    lost = clean.scores - known.scores[condition.name].scores
    return PairedScores(clean.seeds, clean.items, lost, clean.groups)


def _families(
    clean: PairedScores, conditions: Sequence[Condition], known: Mapping[str, PairedScores]
) -> dict[str, Difference]:
    found = {}
    for family in STRESS_FAMILIES:
        own = [known[one.name].scores for one in conditions if one.family == family]
        if own:
            mean = PairedScores(clean.seeds, clean.items, np.mean(own, axis=0), clean.groups)
            test = compare(clean, mean)
            assert test is not None
            found[family] = test.difference
    return found


def _confusion(known: Mapping[str, PairedScores]) -> Confusion | None:
    if "no_sight" not in known or "no_sound" not in known:
        return None
    both, audio, visual = (known[name].scores for name in (CLEAN.name, "no_sight", "no_sound"))
    shares = [np.maximum(alone - both, 0).mean() for alone in (audio, visual, np.minimum(audio, visual))]
    return Confusion(*(100 * float(share) for share in shares))


def _verdicts(clean: PairedScores, known: Mapping[str, PairedScores]) -> list[str]:
    """What is not used: where no score of any item changes with it."""
    # Another clip's sound says more than none: features of an absent stream are unlike those that a head has met.
    of_sound = next((name for name in ("other_sound", "no_sound") if name in known), None)
    asked = {"sound": of_sound, "sight": "no_sight" if "no_sight" in known else None}
    return [
        f"does not use {what}"
        for what, name in asked.items()
        if name and np.array_equal(known[name].scores, clean.scores)
    ]
