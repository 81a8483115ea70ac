"""Grids from Python; training only pretends."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import fake_launch
import pytest

import benchmark
from benchmark.launch import local
from benchmark.launch.local import Outcome
from registry import ADAPTERS, UserError
from results.store.store import Store

PLUGIN = Path(__file__).parents[2] / "helpers" / "fake_plugin.py"
PARTS: dict[str, Any] = {
    "backbones": ["fake_backbone"], "adapters": ["fake_adapter", "other_adapter"], "tasks": ["fake_task"],
}  # fmt: skip


@pytest.fixture
def launched(fakes: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The titles of cells that were trained, in this process; the output is `out` of the temporary folder."""
    titles: list[str] = []

    def launch(cells: Any, store: Store, placement: Any, observer: Any, train: Any = None) -> Outcome:
        assert placement.plugins == (str(PLUGIN),)
        cells = list(cells)
        titles.extend(cell.spec.title for cell in cells)
        return fake_launch.launch(cells, store, placement, observer, train)

    monkeypatch.setattr(local, "launch", launch)
    monkeypatch.chdir(tmp_path)
    return titles


def run(*words: Any, **options: Any) -> benchmark.Results:
    return benchmark.run(*words, **{**PARTS, "output": "out", "device": "cpu", "plugins": [str(PLUGIN)], **options})


def test_a_grid_trains_what_is_missing(launched: list[str]) -> None:
    run(seeds=[0])
    assert len(launched) == 2
    results = run(seeds=[0, 1])
    assert len(launched) == 4
    assert repr(results) == "Results(2 rows of 4 runs in out)"
    assert sorted(results.rows) == ["fake_backbone/fake_adapter/fake_task", "fake_backbone/other_adapter/fake_task"]
    assert len(results.records) == 4
    assert results.failures == []
    assert Path("out/leaderboard.csv").is_file()


def test_a_grid_file_and_a_recipe(launched: list[str]) -> None:
    Path("grid.toml").write_text(
        'backbones = ["fake_backbone"]\nadapters = ["other_adapter"]\ntasks = ["fake_task"]\nseeds = [7]\n'
    )
    results = benchmark.run(
        "grid.toml", recipe={"epochs": 3, "clips": 5}, output="out", device="cpu", plugins=[str(PLUGIN)]
    )
    assert launched == ["fake_backbone × other_adapter × fake_task(clips=5), seed 7"]
    assert results.records[0].recipe["epochs"] == 3


def test_names_are_what_they_say_whatever_the_default_grid_has(launched: list[str]) -> None:
    run(adapters=["fake_adapter(size=3)"])
    assert [title.partition(",")[0] for title in launched] == ["fake_backbone × fake_adapter(size=3) × fake_task"]


def test_rows_are_compared(launched: list[str]) -> None:
    results = run(seeds=[0, 1])
    (pair,) = results.compare("fake_backbone/fake_adapter", "fake_backbone/other_adapter")
    assert pair.seeds == 2
    with pytest.raises(UserError, match="no row with a score"):
        results.compare("fake_backbone/fake_adapter", "fake_backbone/nothing")


def test_a_data_frame_needs_pandas(launched: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    results = run()
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(UserError, match=r"pip install 'av-adapter-bench\[pandas\]', or read out/leaderboard.csv"):
        results.to_dataframe()


def test_a_data_frame_has_the_columns_of_the_leaderboard(launched: list[str]) -> None:
    pandas = pytest.importorskip("pandas")
    frame = run(seeds=[0, 1]).to_dataframe()
    assert isinstance(frame, pandas.DataFrame)
    assert list(frame["mean"]) == [50.5, 50.5]
    assert list(frame.columns) == Path("out/leaderboard.csv").read_text().splitlines()[0].split(",")


def test_nothing_to_plot_is_told(launched: list[str]) -> None:
    with pytest.raises(UserError, match="no row has a score yet"):
        run().plot()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"adapters": "fake_adapter"}, "is one text, expected a list"),
        ({"adapters": ["no_adapter"]}, "unknown adapter 'no_adapter'"),
        ({"adapters": []}, "names no adapter"),
        ({"seeds": [-1]}, "seed -1 is not a whole number"),
        ({"recipe": {"epoch": 1}}, "unknown setting 'epoch'"),
        ({"jobs": 0}, "0 is less than 1"),
        ({"retry": "sometimes"}, "unknown kind of failure"),
    ],
)
def test_mistakes_are_told_before_anything_trains(launched: list[str], options: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        run(**options)
    assert launched == []


def test_a_component_of_the_main_program_is_refused(launched: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ADAPTERS.module_dict["fake_adapter"], "__module__", "__main__")
    with pytest.raises(UserError, match=r"adapter fake_adapter is registered in the main program.*plugins="):
        run()


def test_an_interrupt_is_one(launched: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*words: Any, **facts: Any) -> Outcome:
        raise KeyboardInterrupt

    monkeypatch.setattr(local, "launch", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run()
