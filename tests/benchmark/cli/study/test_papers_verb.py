"""`run --paper`, `list papers` and `compare --published` from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmark.__main__ import main
from benchmark.grid.papers import paper, papers
from registry.vocabulary import ItemScore
from results.record import Parameters, RunRecord
from results.store.store import Store

NAME = "stg_cma_ave_clip_large"


def record(right: int, seed: int, **changes) -> tuple[RunRecord, list[ItemScore]]:
    """A run of the paper's set-up, with as many of 1000 segments right."""
    one = paper(NAME)
    facts = {
        "hash": f"run{seed}", "slug": f"run{seed}", "seed": seed, "status": "completed", "protocol": "paper",
        "backbone": one.backbone, "adapter": one.adapter, "data": "ave@0123", "labels": ["selected on test"],
        "task": one.task.replace("(", "(data='AVE', "), "recipe": one.recipe_in_full("paper").as_dict(),
        "primary_metric": "segment_accuracy", "scores": {"segment_accuracy": right / 10},
        "parameters": Parameters(1000, 10, 5),
    }  # fmt: skip
    return RunRecord(**{**facts, **changes}), [ItemScore(f"s{i}", float(i < right)) for i in range(1000)]


@pytest.fixture
def told(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    def compare(*runs, words=("--published", "clip_vit_large/stg_cma")) -> str:
        for run in runs:
            Store(tmp_path).write(*run)
        status = main(["compare", *words, "--output", str(tmp_path)])
        captured = capsys.readouterr()
        return captured.out if status == 0 else captured.err

    return compare


@pytest.mark.parametrize(("right", "verdict"), [(830, "reproduced"), (700, "below"), (920, "above")])
def test_a_row_stands_beside_the_figure_of_its_set_up(told, right: int, verdict: str) -> None:
    lines = told(*(record(right, seed) for seed in range(3))).splitlines()
    assert lines[0].startswith(
        "STG-CMA, ratio 1/16, CLIP ViT-L/14, AVE (stg_cma_ave_clip_large): 83.3 segment_accuracy"
    )
    assert lines[-1].startswith(f"{verdict}: the")


def test_another_recipe_is_not_comparable_and_says_why(told) -> None:
    recipe = {**paper(NAME).recipe_in_full("paper").as_dict(), "epochs": 2}
    runs = [record(830, seed, recipe=recipe) for seed in range(2)]
    assert "not comparable because recipe epochs=2 in place of 20" in told(*runs)


def test_another_set_up_needs_a_paper_and_says_what_differs(told) -> None:
    runs = [record(830, seed, backbone="tiny_vit") for seed in range(2)]
    assert "no paper with a figure has the set-up" in told(*runs, words=("--published", "tiny_vit/stg_cma"))
    words = ("--published", "tiny_vit/stg_cma", "--paper", NAME, "--json")
    (found,) = json.loads(told(words=words))
    assert found["verdict"] == "not comparable"
    assert found["reasons"][0].startswith("backbone tiny_vit in place of clip_vit_large")


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("a/b",), "needs two rows"),
        (("a/b", "c/d", "--published", "a/b"), "takes one row"),
        (("a/b", "c/d", "--paper", NAME), "--paper is for --published"),
    ],
)
def test_half_a_question_is_refused(told, words: tuple[str, ...], reason: str) -> None:
    assert reason in told(words=words)


def test_papers_are_listed_with_figure_count_and_hours(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "papers", "--json"]) == 0
    listed = {entry["name"]: entry for entry in json.loads(capsys.readouterr().out)}
    assert list(listed) == list(papers())
    assert listed[NAME]["published"] == 83.3
    assert listed[NAME]["trainable"] == 20_117_581
    assert main(["list", "papers"]) == 0
    assert "83.3 segment_accuracy" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--paper", NAME], "needs its data"),
        (["--data", "AVE"], "--data is for --paper"),
        (["--paper", NAME, "--data", "AVE", "--grid"], "--paper and --grid exclude each other"),
        (["--paper", "stg_cma_ave", "--data", "AVE"], "Did you mean"),
        (["--paper", "cola_ave_vit_base", "--data", "/no/such", "--backbones", "vit_base(weights='none')"], "/no/such"),
    ],
)
def test_what_a_paper_lacks_is_told_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], reason: str
) -> None:
    assert main(["run", *words, "--output", str(tmp_path)]) == 2
    assert reason in capsys.readouterr().err


def test_a_dry_run_looks_at_the_data_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "sample", str(tmp_path / "AVE"), "--layout", "ave", "--clips", "2"]) == 0
    words = ["run", "--paper", "cola_ave_vit_base", "--data", str(tmp_path / "AVE"), "--output", str(tmp_path / "runs")]
    assert main([*words, "--backbones", "vit_base(weights='none')", "--dry-run"]) == 0
    told = capsys.readouterr().out
    assert "1 cell" in told
    assert "cola" in told
