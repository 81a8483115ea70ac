"""`run`, from the words of the command line to its exit status; training only pretends."""

from __future__ import annotations

import itertools
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fake_launch
import pytest

import benchmark
from benchmark.__main__ import main
from benchmark.launch import local
from benchmark.launch.local import Outcome

Run = Callable[..., int]
CELL = ("--backbone", "fake_backbone", "--adapter", "fake_adapter", "--task", "fake_task")


@pytest.fixture
def run(fakes: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """`python -m benchmark run --output OUT …` in this process, without children."""

    monkeypatch.setattr(local, "launch", fake_launch.launch)
    monkeypatch.setenv("MPLCONFIGDIR", str(tmp_path / "mpl"))
    return lambda *words: main(["run", "--output", str(tmp_path / "out"), "--device", "cpu", "--plugin", fakes, *words])


@pytest.fixture
def grid_file(tmp_path: Path) -> str:
    path = tmp_path / "grid.toml"
    path.write_text(
        'backbones = ["fake_backbone"]\nadapters = ["fake_adapter", "other_adapter"]\n'
        'tasks = ["fake_task"]\nseeds = [0, 1]\n'
    )
    return str(path)


def test_a_grid_trains_then_has_nothing_to_train(run: Run, grid_file: str, capsys, tmp_path: Path) -> None:
    assert run("--grid", grid_file) == 0
    out = capsys.readouterr().out
    assert "4 cells: 0 done, 4 to train on cpu" in out
    assert "[4/4] fake_backbone × other_adapter × fake_task, seed 1: accuracy 51.0" in out
    assert "leaderboard.csv" in out
    assert (tmp_path / "out" / "leaderboard.csv").is_file()
    assert run("--grid", grid_file) == 0
    assert "4 cells: 4 done, nothing to train" in capsys.readouterr().out


def test_a_record_that_cannot_be_read_is_told_and_its_cell_trained_again(run: Run, capsys, tmp_path: Path) -> None:
    run(*CELL)
    record = next((tmp_path / "out" / "records").glob("*.json"))
    whole = json.loads(record.read_text())["scores"]
    record.write_text("{")
    capsys.readouterr()
    assert run(*CELL) == 0
    told = capsys.readouterr()
    assert "it is moved aside and its cell trained again" in told.err
    assert "1 cell: 0 done, 1 to train on cpu" in told.out
    assert json.loads(record.read_text())["scores"] == whole


def test_a_wider_grid_trains_what_is_missing(run: Run, grid_file: str, capsys) -> None:
    run("--grid", grid_file, "--adapters", "other_adapter", "--seeds", "0", "0")
    assert "1 cell: 0 done, 1 to train on cpu, 1 at a time" in capsys.readouterr().out
    run("--grid", grid_file, "--jobs", "3")
    assert "4 cells: 1 done, 3 to train on cpu, 3 at a time" in capsys.readouterr().out


def test_another_recipe_is_another_cell(run: Run, capsys) -> None:
    for epochs in ("1", "2"):
        assert run(*CELL, "--set", f"epochs={epochs}") == 0
        assert "1 cell: 0 done, 1 to train" in capsys.readouterr().out


def test_a_component_of_a_plugin_joins_the_embedded_grid(run: Run, capsys) -> None:
    words = (
        "--grid",
        "--backbones",
        "fake_backbone",
        "--tasks",
        "fake_task",
        "--adapters",
        "linear_probe,fake_adapter",
    )
    assert run(*words) == 0
    assert "2 cells: 0 done" in capsys.readouterr().out


def test_a_dry_run_shows_the_plan_and_writes_nothing(
    run: Run, grid_file: str, capsys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from benchmark.cli import dry_run as planned

    facts = {"adapter": 1200, "head": 34, "trainable": 1234, "trainable_percent": 5.5}
    monkeypatch.setattr(planned, "counts_of", lambda *parts: facts)
    assert run("--grid", grid_file, "--dry-run") == 0
    out = capsys.readouterr().out
    assert "4 cells: 4 waiting" in out
    assert "1.2 k" in out
    assert not (tmp_path / "out").exists()
    run("--grid", grid_file, "--seeds", "0")
    capsys.readouterr()
    assert run("--grid", grid_file, "--dry-run") == 0
    assert "4 cells: 2 done, 2 waiting" in capsys.readouterr().out


def test_the_plan_tells_how_often_features_are_extracted(run: Run, capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AVBENCH_PREPARED", raising=False)
    words = ("--grid", "--backbones", "tiny_vit,tiny_clip", "--tasks", "avqa", "--seeds", "0", "1", "--dry-run")
    assert run(*words) == 0
    assert "2 extractions of frozen features at most for 4 of them" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ((), "nothing to run; write --grid"),
        (CELL[:2], "one cell also needs --adapter and --task"),
        (("--grid", *CELL), "--grid and --backbone exclude each other; write --grid --backbones"),
        (("--grid", "absent.toml"), "cannot read grid file absent.toml"),
        ((*CELL[:4], "--task", "fake_tusk"), "unknown task 'fake_tusk'. Did you mean fake_task"),
        ((*CELL, "--set", "epochs=zero"), "recipe epochs=zero is not a whole number"),
        ((*CELL, "--plugin", "nowhere.py"), "plug-in file nowhere.py does not exist"),
        ((*CELL, "--jobs", "0"), "argument --jobs: 0 is less than 1"),
        ((*CELL, "--retry", "oomm"), "unknown kind of failure 'oomm'. Did you mean oom?"),
        ((*CELL, "--partition", "gpu"), "--partition is for --launcher slurm, not for local"),
        ((*CELL, "--launcher", "slurm", "--address", "x:1"), "--address is for --launcher ray, not for slurm"),
        ((*CELL, "--launcher", "ray", "--timeout", "5"), "--gpus and --timeout are for this machine"),
        ((*CELL, "--launcher", "slurm", "--cells-per-gpu", "2"), "SLURM gives each cell GPUs of its own"),
        ((*CELL, "--seeds", "-1"), "argument --seeds"),
        ((*CELL, "--sets", "x"), "unrecognized arguments: --sets"),
        (("--backbone", "fake_backbone(weights='lost')", *CELL[2:]), "weights file lost is missing."),
        (("--backbone", "fake_backbone(", *CELL[2:]), "cannot read component"),
    ],
)
def test_a_users_mistake_is_one_line_and_status_2(run: Run, capsys, words: tuple[str, ...], expected: str) -> None:
    assert run(*words) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert expected in error


def test_an_output_that_cannot_be_written(run: Run, capsys, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert run(*CELL, "--output", str(tmp_path / "file" / "out")) == 2
    error = capsys.readouterr().err
    assert "cannot write" in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("outcome", "status"), [(Outcome(1, 0), 0), (Outcome(1, 2), 1), (Outcome(1, 2, 1), 1), (Outcome(0, 2, 2), 2)]
)
def test_status_tells_failures_from_mistakes(
    run: Run, capsys, monkeypatch: pytest.MonkeyPatch, outcome: Outcome, status: int
) -> None:
    monkeypatch.setattr(local, "launch", lambda *rest, **more: outcome)
    assert run(*CELL) == status
    assert ("failed; the logs are in" in capsys.readouterr().err) == bool(outcome.failed)


def test_an_interruption_says_how_to_continue(
    run: Run, grid_file: str, capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    launch = local.launch

    def interrupted(cells: Any, *rest: Any, **more: Any) -> None:
        launch(cells[:1], *rest, **more)
        raise KeyboardInterrupt

    monkeypatch.setattr(local, "launch", interrupted)
    assert run("--grid", grid_file) == 130
    captured = capsys.readouterr()
    assert "interrupted: 1 of 4 cells done; the same command continues." in captured.err
    assert "leaderboard.csv" not in captured.out


def test_status_follows_the_last_grid(run: Run, grid_file: str, capsys, tmp_path: Path, monkeypatch) -> None:
    launch = local.launch
    monkeypatch.setattr(local, "launch", lambda cells, *rest: launch(cells[:1], *rest))
    run("--grid", grid_file)
    capsys.readouterr()
    assert main(["status", "--output", str(tmp_path / "out")]) == 0
    assert capsys.readouterr().out.startswith("4 cells: 3 waiting, 1 done\nwaiting  fake_backbone")
    assert main(["status", "--output", str(tmp_path / "out"), "--json"]) == 0
    standings = [cell["standing"] for cell in json.loads(capsys.readouterr().out)]
    assert [len(list(same)) for _, same in itertools.groupby(sorted(standings))] == [1, 3]


def test_curves_are_logged_as_cells_end(run: Run, tmp_path: Path) -> None:
    assert run(*CELL, "--log", "tensorboard") == 0
    (cell,) = (tmp_path / "out" / "tensorboard").iterdir()
    assert cell.name.startswith("fake_backbone-fake_adapter-fake_task-s0")
    assert any(path.name.startswith("events.out") for path in cell.rglob("*"))


def of_manifest(folder: Path, *rows: str) -> list[str]:
    """Words of a run on a manifest of one's own, whose files are there."""
    (folder / "v").mkdir(parents=True)
    (folder / "v" / "a.mp4").write_bytes(b"x")
    (folder / "v" / "b.mp4").write_bytes(b"x")
    table = "\n".join(f"{number},v/{row}" for number, row in enumerate(rows))
    (folder / "manifest.csv").write_text(f"id,path,start,end,split,label\n{table}\n")
    return [*CELL[:4], "--task", "classification", "--set", f"data={folder}"]


def test_seconds_that_splits_of_a_manifest_share_are_warned_of(run: Run, capsys, tmp_path: Path) -> None:
    """Once for each pair of splits, with the number of the later split's clips; the run goes on."""
    rows = ["a.mp4,0,5,train,x", "b.mp4,0,5,val,x", "a.mp4,4,9,test,x", "a.mp4,2,3,test,x", "b.mp4,7,9,test,x"]
    assert run(*of_manifest(tmp_path / "m", *rows)) == 0
    warnings = [line for line in capsys.readouterr().err.splitlines() if "warning" in line]
    (told,) = warnings
    assert "2 clips are in both train and test, so that scores tell less; see data verify" in told


def test_splits_that_share_no_second_are_not_warned_of(run: Run, capsys, tmp_path: Path) -> None:
    rows = ["a.mp4,0,5,train,x", "b.mp4,0,5,val,x", "a.mp4,5,9,test,x", "b.mp4,7,9,test,x"]
    assert run(*of_manifest(tmp_path / "m", *rows)) == 0
    assert "warning" not in capsys.readouterr().err


@pytest.fixture
def remembers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What is worked out is kept for the next command, here."""
    monkeypatch.delenv("AVBENCH_PREPARED")
    monkeypatch.setenv("AVBENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "remembered"


CELL_OF_OURS = ("--adapter", "linear_probe", "--task", "event_localisation", "--dry-run")


def test_cells_that_only_the_code_decides_are_remembered(remembers: Path, tmp_path: Path) -> None:
    words = ["run", "--output", str(tmp_path / "out"), "--backbone", "tiny_vit", *CELL_OF_OURS]
    assert main(words) == 0
    assert [path.name.partition("-")[0] for path in remembers.glob("cells-*")] == ["cells"]


def test_cells_that_a_plugin_or_a_file_of_weights_decides_are_not(
    remembers: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    example = Path(__file__).parents[3] / "examples" / "my_adapter.py"
    weights = next((Path(benchmark.__file__).parents[1] / "backbones" / "tiny").rglob("*vit*.safetensors"))
    monkeypatch.chdir(tmp_path)
    shutil.copyfile(weights, "own.safetensors")
    output = ("--output", str(tmp_path / "out"))
    assert main(["run", *output, "--backbone", "tiny_vit(weights='own.safetensors')", *CELL_OF_OURS]) == 0
    assert main(["run", *output, "--backbone", "tiny_vit", "--plugin", str(example), *CELL_OF_OURS]) == 0
    assert not list(remembers.glob("cells-*"))
