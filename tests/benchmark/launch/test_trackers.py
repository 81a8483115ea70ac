"""What no tracker is needed for, and, with `-m trackers`, each one that is installed, written to and read back."""

from __future__ import annotations

import json
import sqlite3
import zipfile
from pathlib import Path

import pytest

from benchmark.__main__ import main
from benchmark.launch import trackers
from benchmark.launch.trackers import TRACKERS, check_installed, open_tracker
from registry.errors import UserError

FACTS = {
    "backbone": "vit",
    "adapter": "lavish(latents=2)",
    "task": "avqa",
    "seed": 0,
    "recipe": {"epochs": 2, "lr": None},
    "labels": ["synthetic data"],
}


@pytest.mark.parametrize("kind", sorted(TRACKERS))
def test_a_missing_package_is_told_with_its_extra(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trackers.importlib.util, "find_spec", lambda name: None)
    mend = "pip install aim" if kind == "aim" else rf"pip install 'av-adapter-bench\[{kind}\]'"
    with pytest.raises(UserError, match=rf"--log {kind} needs the package {kind}; install it: {mend}"):
        check_installed(kind)


def test_every_extra_is_declared() -> None:
    import tomllib

    declared = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())["project"]
    assert set(TRACKERS) - {"aim"} <= set(declared["optional-dependencies"])


def test_an_unknown_tracker_is_refused_before_anything_else(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--grid", "--log", "mlflo"]) == 2
    assert "'mlflow', 'neptune', 'tensorboard', 'trackio', 'wandb'" in capsys.readouterr().err


@pytest.mark.trackers
class TestWrittenAndReadBack:
    """Two runs each, since a grid has many and some trackers know one run at a time."""

    @pytest.fixture(autouse=True)
    def _elsewhere(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = tmp_path / "work"
        self.folder.mkdir()
        monkeypatch.chdir(self.folder)

    def log(self, kind: str, output: Path) -> None:
        pytest.importorskip(kind)
        for name in ("run-a", "run-b"):
            tracker = open_tracker(kind, name, FACTS, output)
            tracker.add_scalars({"train/loss": 2.0, "validation/accuracy": 40.0}, step=1)
            tracker.add_scalars({"train/loss": 1.0, "validation/accuracy": 50.0}, step=2)
            tracker.add_scalars({"test/accuracy": 48.0, "cost/trainable_parameters": 15}, step=2)
            tracker.close()
        assert list(self.folder.iterdir()) == [], "the user's folder stays as it is"

    def test_mlflow(self, tmp_path: Path) -> None:
        self.log("mlflow", tmp_path)
        from mlflow.tracking import MlflowClient

        client = MlflowClient(f"sqlite:///{tmp_path / 'mlflow' / 'mlflow.db'}")
        (experiment,) = client.search_experiments(filter_string="name = 'av-adapter-bench'")
        runs = {run.info.run_name: run for run in client.search_runs([experiment.experiment_id])}
        assert set(runs) == {"run-a", "run-b"}
        curve = client.get_metric_history(runs["run-a"].info.run_id, "train/loss")
        assert [(point.step, point.value) for point in curve] == [(1, 2.0), (2, 1.0)]
        assert runs["run-a"].data.params["recipe.epochs"] == "2"
        assert {run.info.status for run in runs.values()} == {"FINISHED"}

    def test_aim(self, tmp_path: Path) -> None:
        self.log("aim", tmp_path)
        from aim import Repo, Run

        repo = Repo.from_path(str(tmp_path / "aim"))
        # Aim's own server makes the index that other ways to read go by.
        found = [Run(name, repo=repo, system_tracking_interval=None) for name in repo.list_all_runs()]
        runs = {run.name: run for run in found}
        assert set(runs) == {"run-a", "run-b"}
        assert runs["run-a"]["hparams", "adapter"] == "lavish(latents=2)"
        losses = {metric.name: list(metric.values.values_numpy()) for metric in runs["run-a"].metrics()}
        assert losses["train/loss"] == [2.0, 1.0]

    def test_dvclive(self, tmp_path: Path) -> None:
        self.log("dvclive", tmp_path)
        told = json.loads((tmp_path / "dvclive" / "run-a" / "metrics.json").read_text())
        assert (told["train"]["loss"], told["test"]["accuracy"]) == (1.0, 48.0)
        lines = (tmp_path / "dvclive" / "run-b" / "plots" / "metrics" / "train" / "loss.tsv").read_text().splitlines()
        assert [line.split("\t")[-1] for line in lines[1:]] == ["2.0", "1.0"]

    def test_trackio(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))
        self.log("trackio", tmp_path)
        assert capsys.readouterr().out == ""
        with sqlite3.connect(tmp_path / "trackio" / "av-adapter-bench.db") as database:
            rows = database.execute("select run_name, step, metrics from metrics order by id").fetchall()
        assert [(name, step) for name, step, _ in rows] == [(run, at) for run in ("run-a", "run-b") for at in (1, 2, 2)]
        assert json.loads(rows[1][2])["train/loss"] == 1.0

    def test_neptune(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Without a token nothing leaves the machine; `neptune sync` would send it."""
        monkeypatch.delenv("NEPTUNE_API_TOKEN", raising=False)
        monkeypatch.setenv("NEPTUNE_DATA_DIRECTORY", str(tmp_path / "neptune"))
        self.log("neptune", tmp_path)
        told = [path.read_text(errors="replace") for path in (tmp_path / "neptune").rglob("data-*.log")]
        assert len(told) == 2
        assert all("train" in text and "loss" in text for text in told)

    def test_clearml(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        pytest.importorskip("clearml")
        monkeypatch.setenv("CLEARML_CACHE_DIR", str(tmp_path / "cache"))
        from clearml import Task

        Task.set_offline(True)
        self.log("clearml", tmp_path)
        sessions = sorted((tmp_path / "cache" / "offline").glob("*.zip"))
        assert len(sessions) == 2
        with zipfile.ZipFile(sessions[0]) as session:
            told = b"".join(session.read(name) for name in session.namelist())
        assert b"train/loss" in told
        assert b"lavish(latents=2)" in told
