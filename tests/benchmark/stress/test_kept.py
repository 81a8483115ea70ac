"""Kept adapters are measured beside their records, from the command line too."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from kept_cells import Kept

import benchmark
from benchmark.__main__ import main
from benchmark.stress.kept import measure_kept, runs_of, without_stress
from registry import UserError
from registry.vocabulary import CLEAN
from results.store.store import Store


@pytest.fixture
def output(kept: dict[str, Kept], tmp_path: Path) -> Path:
    """An output of its own, of a question answerer and a retriever."""
    assert kept["event_localisation"].output == kept["retrieval"].output
    return Path(shutil.copytree(kept["event_localisation"].output, tmp_path / "out"))


def test_clean_scores_are_those_of_the_record(output: Path, kept: dict[str, Kept]) -> None:
    run = kept["event_localisation"].record
    assert without_stress([run], output) == [run]
    measure_kept(run, output, workers=0)
    found = Store(output).stress(run.hash)
    assert found is not None
    scored = {item.item: item.score for item in Store(output).items(run.hash)}
    assert {item.item: item.score for item in found.of(CLEAN.name)} == pytest.approx(scored, abs=1e-6)
    assert without_stress([run], output) == []


def test_a_row_and_a_folder_are_the_same_run(output: Path, kept: dict[str, Kept]) -> None:
    record = kept["event_localisation"].record
    by_row = runs_of(f"tiny_vit/{record.adapter}/event_localisation", output)
    by_folder = runs_of(str(output / "adapters" / kept["event_localisation"].folder.name), Path("nowhere"))
    assert [run.hash for run in by_row[1]] == [run.hash for run in by_folder[1]] == [record.hash]
    assert by_folder[0] == output.resolve()


def test_a_folder_elsewhere_has_no_record_to_be_kept_beside(kept: dict[str, Kept], tmp_path: Path) -> None:
    shutil.copytree(kept["event_localisation"].folder, tmp_path / "copy")
    with pytest.raises(UserError, match="lies in no output with its record"):
        runs_of(str(tmp_path / "copy"), tmp_path)


def test_other_clips_are_refused(output: Path, kept: dict[str, Kept]) -> None:
    with pytest.raises(UserError, match="give those with --data"):
        measure_kept(kept["retrieval"].record, output, data="synthetic", workers=0)


def test_the_verb_keeps_scores_and_shows_them(
    output: Path, kept: dict[str, Kept], capsys: pytest.CaptureFixture[str]
) -> None:
    row = f"tiny_vit/{kept['retrieval'].record.adapter}/retrieval"
    assert main(["stress", row, "--runs", str(output), "--workers", "0"]) == 0
    told = capsys.readouterr().out
    assert "retrieval asks which sight and sound belong together" in " ".join(told.split())
    assert (output / "stress" / f"{kept['retrieval'].record.hash}.npz").is_file()
    assert "drop_noisy_sound" in (output / "leaderboard.csv").read_text().splitlines()[0]
    assert main(["stress", row, "--runs", str(output), "--json"]) == 0
    (shown,) = json.loads(capsys.readouterr().out)
    assert shown["confusion"] is None
    assert shown["conditions"][0]["name"] == "shifted_sound_0.5"


def test_stress_of_adapters_that_are_not_kept_is_refused_before_anything_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", "--grid", "--stress", "--discard-adapters", "--output", str(tmp_path)]) == 2
    assert "leave one of them out" in capsys.readouterr().err


def test_names_of_the_command_are_found() -> None:
    assert benchmark.measure_kept is measure_kept
