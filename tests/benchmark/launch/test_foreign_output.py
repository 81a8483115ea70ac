"""An output folder that somebody else has prepared: nothing outside of it is touched, nothing of it is believed."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import torch

from benchmark.__main__ import main
from benchmark.grid.cell import Cell
from benchmark.grid.expand import MOST_CELLS, _refuse_too_many
from benchmark.grid.spec import RunSpec
from benchmark.launch.cell import _print_to
from benchmark.launch.job import last_lines
from benchmark.launch.lease import Lease
from benchmark.launch.plan import Marker, Plan, read_plan, write_plan
from benchmark.train.checkpoint import Checkpoints
from registry import Component, UserError
from tasks.recipe import Recipe

CELL = Cell(RunSpec(Component("b"), Component("a"), Component("t"), 0, Recipe()), "abc", {"adapter": "1"})


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    path = tmp_path / "precious"
    path.write_text("precious")
    return path


def test_a_log_that_is_a_link_is_replaced_and_not_followed(tmp_path: Path, victim: Path) -> None:
    log = tmp_path / "output" / "logs" / "a.log"
    log.parent.mkdir(parents=True)
    log.symlink_to(victim)
    if (child := os.fork()) == 0:
        _print_to(log)
        print("said")
        os._exit(0)
    os.waitpid(child, 0)
    assert victim.read_text() == "precious"
    assert not log.is_symlink()
    assert log.read_text() == "said\n"


def test_a_lock_that_is_a_link_is_refused(tmp_path: Path, victim: Path) -> None:
    (tmp_path / "locks").mkdir()
    (tmp_path / "locks" / "abc.lock").symlink_to(victim)
    with pytest.raises(UserError, match=r"cannot lock .*symbolic link"):
        Lease(tmp_path, "abc").take()
    assert victim.read_text() == "precious"


def changed(tmp_path: Path, **facts: object) -> Path:
    write_plan(tmp_path, Plan((CELL,), {"abc": 1.0}))
    content = json.loads((tmp_path / "plan.json").read_text())
    cell = content["cells"][0]
    for name, value in facts.items():
        (content if name in content else cell["spec"] if name in cell["spec"] else cell)[name] = value
    (tmp_path / "plan.json").write_text(json.dumps(content))
    return tmp_path


@pytest.mark.parametrize(
    "facts",
    [{"hash": "../../abc"}, {"hash": "a" * 5000}, {"hash": "a/b"}, {"hash": 5}, {"hash": "\ud800"}, {"features": []},
     {"seed": "0"}, {"seed": 10**400}, {"protocol": 1}, {"versions": {"a": 1}}, {"jobs": 0}, {"jobs": float("inf")},
     {"work": {"abc": -1.0}}, {"work": {"abc": float("nan")}}, {"backbone": "b(x=1e999)"}, {"backbone": 3}],
    ids=lambda facts: ascii(facts)[:30],
)  # fmt: skip
def test_each_field_of_a_plan_is_checked(tmp_path: Path, facts: dict[str, object]) -> None:
    with pytest.raises(UserError, match=r"plan\.json is not a readable plan") as told:
        read_plan(changed(tmp_path, **facts))
    assert str(told.value).isprintable()
    assert len(str(told.value)) < 1000


@pytest.mark.parametrize("kind", ["pipe", "link", "folder", "deep"])
def test_what_is_no_plan_is_told_and_not_waited_for(tmp_path: Path, victim: Path, kind: str) -> None:
    plan = tmp_path / "plan.json"
    {"pipe": lambda: os.mkfifo(plan), "link": lambda: plan.symlink_to(victim), "folder": plan.mkdir,
     "deep": lambda: plan.write_text("[" * 100_000)}[kind]()  # fmt: skip
    with pytest.raises(UserError, match=r"plan\.json is not a readable plan"):
        read_plan(tmp_path)


def test_markers_and_logs_that_are_pipes_are_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "running").mkdir()
    os.mkfifo(tmp_path / "running" / "abc.json")
    os.mkfifo(tmp_path / "a.log")
    lease = Lease(tmp_path, "abc")
    assert lease.take()
    assert Marker(tmp_path, "abc").read() == ("starting", 0.0)
    assert last_lines(tmp_path / "a.log") == ""


def test_escapes_of_a_marker_do_not_reach_the_terminal(tmp_path: Path) -> None:
    (tmp_path / "running").mkdir()
    facts = {"at": "\x1b[31m\n", "host": "h", "fraction": 0.5}
    (tmp_path / "running" / "abc.json").write_text(json.dumps(facts))
    lease = Lease(tmp_path, "abc")
    assert lease.take()
    found = Marker(tmp_path, "abc").read()
    assert found is not None
    assert found[0].isprintable()


def test_a_checkpoint_of_another_cell_is_not_taken(tmp_path: Path) -> None:
    Checkpoints(tmp_path / "one").write(1, {"x": torch.ones(2)}, {"epoch": 1})
    (tmp_path / "one").rename(tmp_path / "other")
    assert Checkpoints(tmp_path / "other").newest() is None


@pytest.mark.parametrize("name", ["epoch-1\ntouch x #.safetensors", "epoch-.safetensors", "epoch-../1.safetensors"])
def test_only_names_of_our_own_are_checkpoints(tmp_path: Path, name: str) -> None:
    path = tmp_path / "cell" / name.replace("/", "_")
    Checkpoints(tmp_path / "cell").write(1, {"x": torch.ones(2)}, {"epoch": 1})
    next((tmp_path / "cell").iterdir()).rename(path)
    assert Checkpoints(tmp_path / "cell").newest() is None


def test_a_checkpoint_that_is_a_link_or_a_pipe_is_passed_over(tmp_path: Path) -> None:
    Checkpoints(tmp_path / "cell").write(1, {"x": torch.ones(2)}, {"epoch": 1})
    (tmp_path / "cell" / "epoch-000003.safetensors").symlink_to(tmp_path / "cell" / "epoch-000001.safetensors")
    os.mkfifo(tmp_path / "cell" / "epoch-000002.safetensors")
    found = Checkpoints(tmp_path / "cell").newest()
    assert found is not None
    assert found[1] == {"epoch": 1}


def test_more_cells_than_a_grid_can_hold_are_refused() -> None:
    with pytest.raises(UserError, match=rf"100000 cells, expected {MOST_CELLS} at most"):
        _refuse_too_many(100_000)


CELL_WORDS = ["run", "--backbone", "tiny_vit", "--adapter", "linear_probe", "--dry-run"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--task", "avqa", "--output", ""], "'' is no folder"),
        (["--task", "event_localisation", "--set", "data=~nosuchuser/AVE"], "home of a user"),
        (["--task", f"avqa(x=0x{'f' * 5000})"], "is not a finite number"),
        (["--task", "avqa(x=1e999)"], "is not a finite number"),
    ],
)
def test_mistakes_of_the_command_line_are_one_line(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*CELL_WORDS, *words]) == 2
    line = capsys.readouterr().err
    assert said in line
    assert line.count("\n") == 1
    assert len(line) < 5000
