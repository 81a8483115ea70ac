"""`predict` and `embed`, from the words of the command line to what they print."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from kept_cells import Kept, data_of

from benchmark.__main__ import main
from benchmark.use.embedding import read_embeddings


@pytest.fixture
def video(sample: Path) -> str:
    return str(data_of(sample, "event_localisation") / "videos" / "syn00000012.mp4")


def test_segments_are_a_table(kept: dict[str, Kept], video: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", str(kept["event_localisation"].folder), video]) == 0
    said = capsys.readouterr()
    lines = said.out.splitlines()
    assert lines[0] == video
    assert lines[1].split() == ["from", "to", "label", "probability"]
    assert [line.split()[:4] for line in lines[2:12]] == [[f"{n:.1f}", "s", f"{n + 1:.1f}", "s"] for n in range(10)]
    assert said.err == "warning: this model is labelled 'synthetic data'\n"


def test_a_line_of_json_for_each_clip(kept: dict[str, Kept], video: str, capsys: pytest.CaptureFixture[str]) -> None:
    output = str(kept["avqa"].output)
    words = [
        "predict",
        "tiny_vit/linear_probe/avqa",
        video,
        video.replace("12.mp4", "13.mp4"),
        "--runs",
        output,
        "--json",
    ]
    assert main([*words, "--question", "how many sounds are there"]) == 0
    said = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert said[0]["source"] == video
    assert len(said) == 2
    assert said[0]["question"] == "how many sounds are there"
    assert len(said[0]["rows"]) == 1


def test_a_clip_as_a_whole_shows_the_likeliest_few(
    kept: dict[str, Kept], video: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["predict", str(kept["classification"].folder), video]) == 0
    assert len([line for line in capsys.readouterr().out.splitlines() if " s " in line and "note" not in line]) == 3
    assert main(["predict", str(kept["retrieval"].folder), video]) == 0
    assert capsys.readouterr().out.splitlines()[1].split()[-1] == "similarity"


def test_embed_writes_a_file(
    kept: dict[str, Kept], video: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "features.npz"
    words = ["embed", str(kept["retrieval"].folder), video, "-o", str(out), "--workers", "0"]
    assert main([*words, "--modality", "audio"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"written: {out}, 1 clips by tiny_vit/lora(rank=2)/retrieval"
    assert list(read_embeddings(out).segments) == ["audio"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["predict", "FOLDER", "gone.mp4"], "media file gone.mp4 is missing"),
        (["predict", "FOLDER", "gone.mp4", "--question", "why?"], "answers none"),
        (["predict", "FOLDER", "gone.mp4", "--device", "quantum"], "device='quantum' cannot be used"),
        (["predict", "nothing", "gone.mp4"], "no trained model 'nothing'"),
        (["embed", "FOLDER", "VIDEO", "-o", "a.csv"], "ends in .npz or .parquet"),
        (["embed", "FOLDER", "VIDEO"], "--out"),
    ],
)
def test_mistakes_are_one_line_and_exit_status_two(
    kept: dict[str, Kept], video: str, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    places = {"FOLDER": str(kept["event_localisation"].folder), "VIDEO": video}
    assert main([places.get(word, word) for word in words]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
