"""Each layout of `data sample` trains, from real H.264/AAC files, as it lies on disk and prepared."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import benchmark.model.front_end as front_end
import tasks.media.decode as decode
import tasks.media.recording as recording
from benchmark.__main__ import main
from benchmark.grid.expand import expand
from benchmark.grid.grid import Grid
from benchmark.train.train import train as train_cell
from registry import Component, UserError
from results.record import RunRecord
from tasks.media.encode import encode_clip
from tasks.sample.export import sample_clips, write_frames
from tasks.sample.layouts import LAYOUTS, Layout, SampleClip
from tasks.synthetic.render import render_frames
from tasks.synthetic.scene import Kind
from tasks.synthetic.sound import render_sound

CLIPS, SIZE, FPS = 2, 32, 2
SEED = 1
"""One whose few clips share labels and answers across splits."""
CELL = ("run", "--backbone", "tiny_vit(weights='none')", "--adapter", "linear_probe", "--device", "cpu", "--jobs", "1")
TASKS = [
    *[(layout, spec.task) for layout, spec in LAYOUTS.items()],
    ("ave", "retrieval"),
    ("manifest", "event_localisation"),
    ("manifest", "retrieval"),
]


@pytest.fixture(scope="session")
def encoded(tmp_path_factory: pytest.TempPathFactory) -> dict[Kind, tuple[list[SampleClip], Path]]:
    """Clips of both kinds, encoded once for all layouts."""
    sets: dict[Kind, tuple[list[SampleClip], Path]] = {}
    layouts: dict[Kind, Layout] = {"event": LAYOUTS["manifest"], "ensemble": LAYOUTS["music_avqa"]}
    for kind, layout in layouts.items():
        root, clips = tmp_path_factory.mktemp(kind), sample_clips(layout, CLIPS, SEED)
        (root / "videos").mkdir()
        for clip in clips:
            frames, sound = render_frames(clip.scene, SIZE, FPS), render_sound(clip.scene)
            encode_clip(root / "videos" / f"{clip.name}.mp4", frames, FPS, sound)
            if kind == "event":
                write_frames(root, clip.name, frames, sound)
        sets[kind] = clips, root
    return sets


def lay_out(layout: str, encoded: dict[Kind, tuple[list[SampleClip], Path]], root: Path) -> Path:
    if write := LAYOUTS[layout].write:
        clips = sample_clips(LAYOUTS[layout], CLIPS, SEED)
        for clip in clips:
            write(root, clip)
        LAYOUTS[layout].annotate(root, clips)
        return root
    clips, media = encoded[LAYOUTS[layout].kind]
    for name in ("videos",) if LAYOUTS[layout].media == "videos" else ("video_frames", "raw_audio"):
        shutil.copytree(media / name, root / name)
    LAYOUTS[layout].annotate(root, clips)
    return root


def train(task: str, data: Path, backbone: str = "tiny_vit(weights='none')", **more: object) -> RunRecord:
    """One epoch in this process."""
    cell = Grid(*((Component.parse(text),) for text in (backbone, "linear_probe", task)))
    options = {"data": data, "epochs": 1, "batch_size": 1, "precision": "fp32", **more}
    (spec,) = expand(cell, settings=[f"{name}={value}" for name, value in options.items()], seeds=[0])
    return train_cell(spec, run_hash="0", device="cpu", report=lambda progress: None, workers=0)[0]


@pytest.mark.parametrize(("layout", "task"), TASKS, ids=lambda value: value.partition("(")[0])
def test_a_layout_trains(layout: str, task: str, encoded: dict, tmp_path: Path, capsys) -> None:
    root = lay_out(layout, encoded, tmp_path / "data")
    assert main(["data", "verify", task, "--data", str(root), "--quick", "--jobs", "1"]) == 0
    record = train(task, root)
    assert (record.status, record.left_out) == ("completed", {})
    assert np.isfinite(record.history[0]["train_loss"])


def test_both_versions_of_the_questions_are_read_apart(encoded: dict, tmp_path: Path) -> None:
    from tasks.datasets.music_avqa import MusicAvqaFolder

    root = lay_out("music_avqa_update", encoded, tmp_path / "data")
    first, second = MusicAvqaFolder(root), MusicAvqaFolder(root, version="v1u")
    assert len(first.questions("test")) == len(second.questions("test")) + 1


@pytest.mark.parametrize(("layout", "task"), [("ave", "event_localisation"), ("llp", "parsing")])
def test_a_prepared_store_trains_to_the_same_numbers(
    layout: str, task: str, encoded: dict, tmp_path: Path, capsys
) -> None:
    root, store = lay_out(layout, encoded, tmp_path / "data"), tmp_path / "store"
    words = ["data", "prepare", task, "--data", str(root), "--store", str(store), "--jobs", "1"]
    assert main([*words, "--size", "32"]) == 0
    assert f"--set data={store}" in capsys.readouterr().out
    of_files, of_store = (train(task, path) for path in (root, store))
    for same in ("scores", "validation", "best_epoch"):
        assert getattr(of_files, same) == getattr(of_store, same)
    assert of_files.history[0]["train_loss"] == of_store.history[0]["train_loss"]
    assert of_store.data == f"{of_files.data}+32px"
    assert "resized frames" not in of_store.labels


def test_a_store_of_another_size_is_refused_or_labelled(encoded: dict, tmp_path: Path, capsys) -> None:
    root, store = lay_out("ave", encoded, tmp_path / "data"), tmp_path / "store"
    words = ["data", "prepare", "event_localisation", "--data", str(root), "--store", str(store), "--jobs", "1"]
    assert main([*words, "--size", "48"]) == 0
    with pytest.raises(UserError, match=r"holds frames of 48 pixels and the backbone sees 32; prepare .* --size 32"):
        train("event_localisation", store)
    record = train("event_localisation(resize=True)", store)
    assert (record.status, "resized frames" in record.labels) == ("completed", True)


@pytest.mark.parametrize("size", [192, 336])
def test_frames_are_resized_once_whatever_the_backbone_sees(
    encoded: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    """A model that sees other pictures than 224 pixels trains from mp4, and its front end has nothing to resize."""
    root, decoded = lay_out("ave", encoded, tmp_path / "data"), []
    read = decode.decode_clip
    monkeypatch.setattr(recording, "decode_clip", lambda *a: (decoded.append(a[3]), read(*a))[1])
    seen, visual = [], front_end.FrontEnd.visual
    monkeypatch.setattr(front_end.FrontEnd, "visual", lambda self, f: (seen.append(f.shape[-1]), visual(self, f))[1])
    monkeypatch.setenv("AVBENCH_PREPARED", "none")
    record = train("event_localisation", root, backbone=f"vit(model='test_vit',weights='none',size={size})")
    assert record.status == "completed"
    # Operations are counted on a small example.
    assert (set(decoded), set(seen) - {SIZE}) == ({size}, {size})


def test_missing_clips_stop_a_run_or_are_counted_and_recorded(encoded: dict, tmp_path: Path, capsys) -> None:
    root = lay_out("ave", encoded, tmp_path / "data")
    (root / "videos" / "syn00000001.mp4").unlink()
    (root / "videos" / "syn00000005.mp4").write_bytes(b"")
    words = [*CELL, "--task", "event_localisation", "--output", str(tmp_path / "runs")]
    words += ["--set", f"data={root}", "--set", "epochs=1", "--workers", "0"]
    assert main(words) == 2
    assert "2 of 6 clips are missing" in capsys.readouterr().err

    assert main([*words, "--set", "allow_missing=True"]) == 0
    assert "left out: 1 of train, 1 of test" in capsys.readouterr().err
    record = json.loads(next((tmp_path / "runs" / "records").iterdir()).read_text())
    assert record["left_out"] == {"train": 1, "test": 1}
    assert "incomplete data" in record["labels"]
    assert record["data"].endswith("+partial")
