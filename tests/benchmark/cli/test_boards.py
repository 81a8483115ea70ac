"""`leaderboard` over several folders, `compare`, and `run --log`."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from benchmark.__main__ import main
from registry.vocabulary import ItemScore
from results.record import Parameters, RunRecord
from results.store.store import Store


def run_of(adapter: str, seed: int, right: int, **changes) -> tuple[RunRecord, list[ItemScore]]:
    record = RunRecord(
        hash=f"{adapter[:3]}{seed}{len(changes)}",
        slug=f"vit-{adapter}-{seed}",
        backbone="tiny_vit",
        adapter=adapter,
        task="avqa",
        seed=seed,
        recipe={"epochs": 2},
        protocol="validation",
        status="completed",
        data="synthetic@1",
        primary_metric="accuracy",
        scores={"accuracy": 12.5 * right},
        parameters=Parameters(1000, 10, 5),
    )
    items = [ItemScore(f"q{i}", float(i < right), "sight" if i % 2 else "sound") for i in range(8)]
    return replace(record, **changes), items


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Seed 0 of two adapters here, seed 1 there."""
    places = tmp_path / "here", tmp_path / "there"
    for seed, place in enumerate(places):
        for adapter, right in (("linear_probe", 2), ("stg_cma(ratio=0.25)", 6)):
            Store(place).write(*run_of(adapter, seed, right))
    return places


def lines_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "leaderboard.csv").open(newline="") as file:
        return [line for line in csv.DictReader(file) if line["kind"] == "measured"]


def test_folders_of_two_machines_make_one_leaderboard(folders, capsys) -> None:
    here, there = map(str, folders)
    assert main(["leaderboard", "--output", here, "--merge", there]) == 0
    assert [line["seeds"] for line in lines_of(folders[0])] == ["2", "2"]
    assert f"leaderboard --output {here} --merge {there}" in (folders[0] / "leaderboard.md").read_text()


def test_an_unchanged_leaderboard_is_shown_again_without_being_made(folders, capsys) -> None:
    words = ["leaderboard", "--output", str(folders[0])]
    assert main(words) == 0
    first, times = capsys.readouterr().out, {path: path.stat().st_mtime_ns for path in folders[0].glob("*.*")}
    assert main(words) == 0
    assert capsys.readouterr().out == first
    assert {path: path.stat().st_mtime_ns for path in folders[0].glob("*.*")} == times
    Store(folders[0]).write(*run_of("lavish", 0, 8))
    assert main(words) == 0
    assert "lavish" in capsys.readouterr().out


def test_records_without_versions_are_told(folders, capsys) -> None:
    assert main(["leaderboard", "--output", str(folders[0])]) == 0
    assert "note: 2 records of an older schema carry no versions" in capsys.readouterr().out


def test_what_is_imported_meanwhile_is_what_the_leaderboard_needs() -> None:
    script = (
        "import sys; from benchmark.cli.leaderboard import _import_all; _import_all();"
        "sys.exit(not {'results.outputs', 'results.render.console'} <= set(sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", script], cwd=Path(__file__).parents[3], check=False).returncode == 0


def test_a_folder_that_only_receives_the_tables_need_not_be_there(folders, tmp_path: Path) -> None:
    board = tmp_path / "board"
    assert main(["leaderboard", "--output", str(board), "--merge", *map(str, folders)]) == 0
    assert len(lines_of(board)) == 2
    assert main(["leaderboard", "--output", str(board), "--store", f"file://{folders[0]}"]) == 0
    assert [line["seeds"] for line in lines_of(board)] == ["1", "1"]


def test_what_is_kept_apart_is_said(folders, capsys) -> None:
    Store(folders[1]).write(*run_of("linear_probe", 1, 3, versions={"task": "2"}))
    assert main(["leaderboard", "--output", str(folders[0]), "--merge", str(folders[1])]) == 0
    assert (
        "kept apart: avqa · tiny_vit · linear_probe: 2 rows, since they differ in version of task 2 | 1"
        in capsys.readouterr().out
    )


@pytest.mark.parametrize("words", [("--merge", "nowhere"), ("--store", "memory://nowhere")])
def test_a_place_that_is_not_there_is_one_line(folders, words, capsys) -> None:
    assert main(["leaderboard", "--output", str(folders[0]), *words]) == 2
    error = capsys.readouterr().err
    assert "nowhere" in error
    assert error.count("\n") == 1


def test_the_coverage_writes_nothing(folders, capsys) -> None:
    Store(folders[0]).write(*run_of("lavish", 7, 3))
    assert main(["leaderboard", "--output", str(folders[0]), "--coverage"]) == 0
    assert "3 done, 0 failed (!), 3 missing (?)." in capsys.readouterr().out
    assert not (folders[0] / "leaderboard.csv").exists()


def test_two_rows_are_compared_by_kind(folders, capsys) -> None:
    words = ["compare", "tiny_vit/stg_cma", "tiny_vit/linear_probe", "--output", str(folders[0])]
    assert main([*words, "--merge", str(folders[1])]) == 0
    out = capsys.readouterr().out
    assert "2 shared seeds" in out
    assert all(kind in out for kind in ("all items", "sight", "sound"))
    assert main([*words, "--json"]) == 0
    (pair,) = json.loads(capsys.readouterr().out)
    assert (pair["seeds"], pair["lines"][0]["difference"], pair["lines"][0]["items"]) == (1, 50.0, 8)


def test_one_shared_seed_is_warned_of(folders, capsys) -> None:
    assert main(["compare", "tiny_vit/stg_cma", "tiny_vit/linear_probe", "--output", str(folders[0])]) == 0
    assert "One shared seed" in capsys.readouterr().out


def test_a_row_that_is_not_there_is_one_line_with_near_misses(folders, capsys) -> None:
    assert main(["compare", "tiny_vit/linear_prob", "tiny_vit/stg_cma", "--output", str(folders[0])]) == 2
    error = capsys.readouterr().err
    assert "Did you mean tiny_vit/linear_probe" in error
    assert error.count("\n") == 1
