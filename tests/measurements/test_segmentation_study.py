"""The tables of the segmentation grid, from made-up records."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import ClassVar

import pytest

FOLDER = str(Path(__file__).parents[2] / "measurements")


class FakeStudy:
    """`miou_sounding` by cell and seed; a cell's score is its adapter's name."""

    VALUES: ClassVar = {
        ("stg_cma", "segmentation"): {0: 50.0, 1: 52.0, 2: 54.0},
        ("stg_cma", "segmentation(modality='visual')"): {0: 40.0, 1: 41.0, 2: 42.0},
        ("bottleneck", "segmentation"): {0: 45.0, 1: 58.0},
        ("linear_probe", "segmentation"): {0: 30.0},
    }

    def values(self, cell: tuple[str, str, str], name: str) -> dict[int, float]:
        assert name == "miou_sounding"
        return self.VALUES.get((cell[1].partition("(")[0], cell[2]), {})


@pytest.fixture
def study(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.syspath_prepend(FOLDER)
    import segmentation_study

    yield segmentation_study
    for name in ("segmentation_study", "embedded_study"):
        sys.modules.pop(name, None)


def cell(adapter: str, task: str = "segmentation") -> tuple[str, str, str]:
    return ("tiny_vit", adapter, task)


def test_differences_are_of_the_seeds_that_both_have(study: ModuleType) -> None:
    """Differences 10, 11, 12: mean 11, deviation 1, and Student's 4.303 over the root of three."""
    fake = FakeStudy()
    assert study.difference(fake, cell("stg_cma"), cell("stg_cma", study.DEAF)) == "**+11.0 ± 2.5**"
    assert study.difference(fake, cell("stg_cma"), cell("bottleneck")) == "-0.5 ± 69.9"
    assert study.difference(fake, cell("stg_cma"), cell("linear_probe")) == "+20.0 (one seed)"
    assert study.difference(fake, cell("stg_cma"), cell("lavish")) == "–"
    assert (study.average(fake, cell("stg_cma")), study.average(fake, cell("lavish"))) == ("52.0", "–")


def test_a_row_has_no_gain_over_itself(study: ModuleType, capsys: pytest.CaptureFixture) -> None:
    study.table(lambda of: of[1], lambda first, second: f"{first[1]} over {second[1]}")
    rows = capsys.readouterr().out.splitlines()
    assert len(rows) == 2 + 3 * 4
    assert all(row.count("|") == 8 for row in rows)
    assert rows[2].endswith("| linear_probe over bottleneck(ratio=0.25) |  |")
