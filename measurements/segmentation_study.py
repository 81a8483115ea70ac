"""The tables of docs/evidence/embedded_segmentation.md, from a study's records; `measurements/store.py` keeps them.

    python -m benchmark run --grid segmentation --seeds 0 1 2 --set precision=fp32 --output runs/segmentation
    python measurements/store.py segmentation_study --label "synthetic data" -- \
        python measurements/segmentation_study.py runs/segmentation

Every figure is the mean over seeds on the test split, in percent. Of `miou` ± is half of the 95 % interval from drawing
seeds and test clips again, and differences are paired: same seeds, same clips. `miou_sounding` is a mean over
frames, of which records keep one number for each seed: its ± is half of Student's 95 % interval over the seeds' paired
differences. Minutes are the least of the seeds, since a machine may have other work.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from embedded_study import BACKBONES, CONTROL, LAVISH, PROBE, STG_CMA, Cell, Study, print_row
from scipy.stats import t as student

from results.statistics.bootstrap import mean, std

HEARING, DEAF = "segmentation", "segmentation(modality='visual')"
ADAPTERS = {PROBE: "linear probe", CONTROL: "control", LAVISH: "LAVISH", STG_CMA: "STG-CMA"}
SOUNDING = "miou_sounding"


Shown = Callable[[Cell], str]
Against = Callable[[Cell, Cell], str]


def main() -> None:
    study = Study(Path(sys.argv[1]))
    print("### All frames (miou)\n")
    table(study.score, study.gain)
    print("\n### Frames with an object (miou_sounding)\n")
    table(lambda cell: average(study, cell), lambda first, second: difference(study, first, second))
    print("\n### Minutes of training\n")
    print_row("backbone", "adapter", "without sound", "with sound")
    print_row(*["---"] * 4)
    for backbone in BACKBONES:
        for adapter, name in ADAPTERS.items():
            times = [study.seconds((backbone, adapter, task)) for task in (DEAF, HEARING)]
            print_row(backbone, name, *(f"{min(each.values()) / 60:.1f}" if each else "–" for each in times))


def table(score: Shown, gain: Against) -> None:
    """Each backbone and adapter without sound and with it, what sound adds, and the gain over control and probe."""
    print_row("backbone", "adapter", "without sound", "with sound", "sound adds", "over the control", "over the probe")
    print_row(*["---"] * 7)
    for backbone in BACKBONES:
        for adapter, name in ADAPTERS.items():
            hearing, deaf = (backbone, adapter, HEARING), (backbone, adapter, DEAF)
            others = [(backbone, other, HEARING) for other in (CONTROL, PROBE)]
            gains = ["" if other == hearing else gain(hearing, other) for other in others]
            print_row(backbone, name, score(deaf), score(hearing), gain(hearing, deaf), *gains)


def average(study: Study, cell: Cell) -> str:
    """The mean over seeds; a dash where the cell was not run."""
    values = list(study.values(cell, SOUNDING).values())
    return f"{mean(values):.1f}" if values else "–"


def difference(study: Study, first: Cell, second: Cell) -> str:
    """`+4.1 ± 1.2` over the seeds that both have, in bold where the interval leaves out zero."""
    ours, theirs = (study.values(cell, SOUNDING) for cell in (first, second))
    differences = [ours[seed] - theirs[seed] for seed in sorted(ours.keys() & theirs.keys())]
    if not differences:
        return "–"
    spread = std(differences)
    if spread is None:
        return f"{differences[0]:+.1f} (one seed)"
    half = float(student.isf(0.025, len(differences) - 1)) * spread / len(differences) ** 0.5
    text = f"{mean(differences):+.1f} ± {half:.1f}"
    return f"**{text}**" if abs(mean(differences)) > half else text


if __name__ == "__main__":
    main()
