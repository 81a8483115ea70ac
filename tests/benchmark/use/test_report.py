from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from kept_cells import TASKS, Kept, data_of

from benchmark.__main__ import main
from benchmark.use.clips import UserClip
from benchmark.use.report import folder_names
from tasks.media.encode import encode_clip


def clip(name: str) -> UserClip:
    return UserClip(name, name, None)  # type: ignore[arg-type]


def test_folders_have_names_of_their_own_and_stay_below_the_output() -> None:
    names = ["a/x.mp4", "b/x.mp4", "c/X.avi", "../../etc/passwd", "..", "", "tür/ø $(rm).mp4", "y" * 300 + ".mp4"]
    made = folder_names([clip(name) for name in names])
    assert made[:6] == ["x", "x-2", "X-3", "passwd", "clip", "clip-2"]
    assert len({name.lower() for name in made}) == len(made)
    assert all("/" not in name and name not in ("", ".", "..") and len(name) <= 84 for name in made)


@pytest.mark.parametrize("task", TASKS)
def test_predict_writes_a_page_and_a_picture_for_each_task(
    task: str, kept: dict[str, Kept], sample: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    video = data_of(sample, "event_localisation") / "videos" / "syn00000012.mp4"
    asked = ["--question", "how many sounds are there"] if task == "avqa" else []
    assert main(["predict", str(kept[task].folder), str(video), "--output", str(tmp_path / "seen"), *asked]) == 0
    folder = tmp_path / "seen" / "syn00000012"
    assert {path.name for path in folder.iterdir()} == {"prediction.html", "prediction.png"}
    assert f"written: {folder / 'prediction.html'}\n" in capsys.readouterr().out
    assert "synthetic data" in (folder / "prediction.html").read_text()


def test_unusual_files_give_a_page_that_says_so(kept: dict[str, Kept], tmp_path: Path) -> None:
    frames = np.random.default_rng(0).integers(0, 256, (40, 32, 32, 3), dtype=np.uint8)
    sound = np.sin(np.arange(16_000 * 10) / 9).astype(np.float32) / 2
    encode_clip(tmp_path / "long.mp4", frames, Fraction(1, 60), sound)
    encode_clip(tmp_path / "mute.mp4", frames, 4, None)
    encode_clip(tmp_path / "still.mp4", frames[:1], 1, sound)
    videos = [str(tmp_path / f"{name}.mp4") for name in ("long", "mute", "still")]
    words = ["predict", str(kept["event_localisation"].folder), *videos, "--output", str(tmp_path / "seen")]
    assert main(words) == 0
    pages = {name: (tmp_path / "seen" / name / "prediction.html").read_text() for name in ("long", "mute", "still")}
    assert "<li>only the first 10 s of 2400 s were read</li>" in pages["long"]
    assert "<li>no sound track</li>" in pages["mute"]
    assert "There is no sound in this file." in pages["mute"]
    assert "<li>one frame</li>" in pages["still"]
