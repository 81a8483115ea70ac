"""The tables of docs/evidence/embedded_default.md, from the records of a study; `measurements/store.py` keeps them.

    python -m benchmark run --grid --seeds 0 1 2 --output runs/study
    python -m benchmark run --grid --adapters 'bottleneck(ratio=0.25)' --tasks avqa --seeds 0 1 2 --output runs/study
    python -m benchmark run --grid --backbones "tiny_vit(weights='none')" --adapters linear_probe,stg_cma \
        --tasks event_localisation --seeds 0 1 2 --output runs/study
    python -m benchmark run --grid --backbones "tiny_vit(weights='none')" --adapters linear_probe \
        --tasks avqa,retrieval --seeds 0 1 2 --output runs/study
    python -m benchmark run --grid --backbones tiny_vit --adapters stg_cma --seeds 0 1 2 --output runs/study --tasks \
        "event_localisation(modality='visual'),event_localisation(modality='audio')"
    python -m benchmark run --grid --backbones tiny_vit --adapters stg_cma --seeds 0 1 2 --output runs/study --tasks \
        "avqa(modality='visual'),avqa(modality='audio')"
    python measurements/embedded_study.py runs/study

Every figure is the mean over seeds on the test split, in percent; ± is half of the 95 % interval from drawing seeds and
test items again (results/statistics/bootstrap.py). Differences are paired: same seeds, same items.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from registry.vocabulary import ItemScore
from results.statistics.bootstrap import Scores, interval, paired_difference, score_matrix
from results.store.store import Store

BACKBONES = ("tiny_vit", "tiny_swin", "tiny_clip")
TASKS = ("event_localisation", "avqa", "retrieval")
PROBE, LAVISH, STG_CMA, CONTROL = "linear_probe", "lavish", "stg_cma(ratio=0.25)", "bottleneck(ratio=0.25)"
RANDOM = "tiny_vit(weights='none')"

Cell = tuple[str, str, str]
"""Backbone, adapter and task."""
Only = Callable[[ItemScore], bool]


class Study:
    """The completed records of a folder, by cell.

    Args:
        planned: seeds of a whole study.
    """

    def __init__(self, folder: Path, planned: int = 3) -> None:
        self._store, self._planned = Store(folder), planned
        self._runs: dict[Cell, dict[int, str]] = {}
        self._scores: dict[str, dict[str, float]] = {}
        self._seconds: dict[str, float] = {}
        for record in self._store.load():
            if record.status == "completed":
                self._runs.setdefault((record.backbone, record.adapter, record.task), {})[record.seed] = record.hash
                self._scores[record.hash] = record.scores
                if record.train_seconds is not None:
                    self._seconds[record.hash] = record.train_seconds

    def seeds(self, cell: Cell) -> set[int]:
        """The seeds that a cell was run with."""
        return set(self._runs.get(cell, {}))

    def scores(self, cell: Cell, seeds: set[int], only: Only) -> Scores | None:
        """(seeds, items) in 0..1, None where the cell was not run."""
        runs = self._runs.get(cell, {})
        return score_matrix([[i for i in self._store.items(runs[seed]) if only(i)] for seed in sorted(seeds)])

    def values(self, cell: Cell, name: str) -> dict[int, float]:
        """A score of each seed, in percent; seeds without it are left out."""
        runs = self._runs.get(cell, {})
        return {seed: self._scores[run][name] for seed, run in runs.items() if name in self._scores[run]}

    def seconds(self, cell: Cell) -> dict[int, float]:
        """How long each seed was trained; seeds of which it is unknown are left out."""
        return {seed: self._seconds[run] for seed, run in self._runs.get(cell, {}).items() if run in self._seconds}

    def score(self, cell: Cell, only: Only = lambda item: True) -> str:
        """`61.2 ± 1.3`, with the number of seeds where it is not that planned."""
        seeds = self.seeds(cell)
        scores = self.scores(cell, seeds, only)
        if scores is None:
            return "–"
        few = "" if len(seeds) == self._planned else f" ({len(seeds)} of {self._planned} seeds)"
        return f"{100 * scores.mean():.1f} ± {interval(scores):.1f}{few}"

    def gain(self, first: Cell, second: Cell, only: Only = lambda item: True) -> str:
        """`+4.1 ± 1.2` over the seeds that both have, in bold where the interval leaves out zero."""
        shared = self.seeds(first) & self.seeds(second)
        a, b = (self.scores(cell, shared, only) for cell in (first, second))
        if a is None or b is None:
            return "–"
        difference = paired_difference(a, b)
        text = f"{difference.mean:+.1f} ± {difference.half_width:.1f}"
        return f"**{text}**" if difference.low > 0 or difference.high < 0 else text


def main() -> None:
    study = Study(Path(sys.argv[1]))
    _against_the_probe(study)
    _exchange(study)
    _random_weights(study)
    _one_modality(study)


def _against_the_probe(study: Study) -> None:
    print("### Adapters against the linear probe\n")
    _header("task", "backbone", "linear probe", "LAVISH", "gain", "STG-CMA", "gain")
    for task in TASKS:
        for backbone in BACKBONES:
            cells = [study.score((backbone, PROBE, task))]
            for adapter in (LAVISH, STG_CMA):
                cells.append(study.score((backbone, adapter, task)))
                cells.append(study.gain((backbone, adapter, task), (backbone, PROBE, task)))
            print_row(task, backbone, *cells)


def _exchange(study: Study) -> None:
    print("\n### Exchange against the unimodal control, on questions\n")
    _header("questions", "backbone", "control", "STG-CMA", "difference", "LAVISH", "difference")
    groups: dict[str, Only] = {
        "audio-visual": lambda item: item.kind.startswith("Audio-Visual"),
        "– location": lambda item: item.kind == "Audio-Visual Location",
        "– temporal": lambda item: item.kind == "Audio-Visual Temporal",
        "– existential": lambda item: item.kind == "Audio-Visual Existential",
        "– counting": lambda item: item.kind == "Audio-Visual Counting",
        "– comparative": lambda item: item.kind == "Audio-Visual Comparative",
        "audio": lambda item: item.kind.startswith("Audio "),
        "visual": lambda item: item.kind.startswith("Visual"),
    }
    rows = [("audio-visual", backbone) for backbone in BACKBONES]
    rows += [(name, "tiny_vit") for name in groups if name != "audio-visual"]
    for name, backbone in rows:
        only, control = groups[name], (backbone, CONTROL, "avqa")
        cells = [study.score(control, only)]
        for adapter in (STG_CMA, LAVISH):
            cells.append(study.score((backbone, adapter, "avqa"), only))
            cells.append(study.gain((backbone, adapter, "avqa"), control, only))
        print_row(name, backbone, *cells)


def _random_weights(study: Study) -> None:
    print("\n### Pre-trained against random frozen weights (tiny_vit)\n")
    _header("task", "adapter", "random weights", "pre-trained", "difference")
    for task in TASKS:
        for adapter in (PROBE, STG_CMA) if task == "event_localisation" else (PROBE,):
            random, trained = (RANDOM, adapter, task), ("tiny_vit", adapter, task)
            print_row(task, adapter, study.score(random), study.score(trained), study.gain(trained, random))


def _one_modality(study: Study) -> None:
    print("\n### Both modalities against one (tiny_vit, STG-CMA)\n")
    _header("task", "sight alone", "sound alone", "both", "both − sight", "both − sound")
    for task in ("event_localisation", "avqa"):
        both = ("tiny_vit", STG_CMA, task)
        alone = [("tiny_vit", STG_CMA, f"{task}(modality='{m}')") for m in ("visual", "audio")]
        scores = [study.score(cell) for cell in (*alone, both)]
        print_row(task, *scores, *(study.gain(both, cell) for cell in alone))


def _header(*names: str) -> None:
    print_row(*names)
    print_row(*("---" for _ in names))


def print_row(*cells: str) -> None:
    print(f"| {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
