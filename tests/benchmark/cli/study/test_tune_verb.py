"""`tune` from the command line: real trials, and the grid that comes of them."""

from __future__ import annotations

import csv
import tomllib
from pathlib import Path

import pytest

from benchmark.__main__ import main
from results.store.store import Store

PLUGIN = Path(__file__).parents[4] / "measurements" / "robustness" / "trivial.py"
CELL = ["--plugin", str(PLUGIN), "--backbone", "trivial", "--adapter", "linear_probe", "--task", "brightness"]


def words(output: Path, *more: str) -> list[str]:
    return ["tune", *CELL, "--output", str(output), "--trials", "2", "--at-once", "2", "--jobs", "2", *more]


def test_trials_train_and_their_grid_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words(tmp_path)) == 0
    with (tmp_path / "trials.csv").open() as file:
        trials = list(csv.DictReader(file))
    assert [trial["state"] for trial in trials if trial["chosen"]] == ["completed"]
    assert len(trials) == 2
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "trials" / "records").iterdir()}
    tuned = (tmp_path / "tuned.toml").read_text()
    assert main(words(tmp_path)) == 0
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "trials" / "records").iterdir()} == before
    assert tomllib.loads((tmp_path / "tuned.toml").read_text()) == tomllib.loads(tuned)
    assert not (tmp_path / "trials" / "adapters").exists()

    assert (
        main(["run", "--plugin", str(PLUGIN), "--grid", str(tmp_path / "tuned.toml"), "--output", str(tmp_path)]) == 0
    )
    (record,) = Store(tmp_path).load()
    assert record.environment["effort"] == {"trials": 2, "epochs": 4}
    with (tmp_path / "leaderboard.csv").open() as file:
        (row,) = [row for row in csv.DictReader(file) if row["kind"] == "measured"]
    assert (row["trials"], row["trial_epochs"], row["less_tuned"]) == ("2", "4", "false")


def test_a_dry_run_shows_what_is_searched(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words(tmp_path, "--dry-run")) == 0
    told = capsys.readouterr().out
    assert "head_lr" in told
    assert "2 trials for each of 1 cell" in told
    assert not (tmp_path / "trials").exists()


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (["--options", "ratio"], "unknown option to search"),
        (["--set", "head_lr=1e-3,1e-2"], "several values"),
        (["--gpus-per-cell", "2"], "a trial has one GPU"),
    ],
)
def test_what_cannot_be_searched_is_refused_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], more: list[str], told: str
) -> None:
    assert main(words(tmp_path, *more)) == 2
    assert told in " ".join(capsys.readouterr().err.split())


def test_a_seed_that_is_reported_is_warned_of(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words(tmp_path, "--dry-run", "--seed", "0")) == 0
    assert "one of the seeds to report" in capsys.readouterr().err
