"""The exported sample: read back through the decoder, it shows and sounds what was rendered."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from registry.errors import UserError
from registry.vocabulary import SPLITS
from tasks.datasets.ave import AveFolder
from tasks.datasets.manifest import read_manifest
from tasks.datasets.music_avqa import MusicAvqaFolder
from tasks.sample.export import export_sample
from tasks.synthetic.render import render_frames
from tasks.synthetic.scene import Scene, make_scene
from tasks.synthetic.sound import render_sound

CLIPS, SEED, SIZE, FPS = 3, 5, 48, 4


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("sample") / "new"
    export_sample(root, CLIPS, seed=SEED, size=SIZE, fps=FPS)
    return root


@pytest.fixture(scope="module")
def scene() -> Scene:
    """The first training clip: seeds start at 30 million, in blocks of a million for each seed and split."""
    return make_scene(30_000_000 + SEED * 3_000_000, 10)


def test_every_split_has_its_clips(root: Path) -> None:
    ave, avqa = AveFolder(root), MusicAvqaFolder(root)
    ids = [row.clip for split in SPLITS for row in ave.annotations(split)]
    assert len(ids) == len(set(ids)) == 3 * CLIPS
    asked = [{question.clip for question in avqa.questions(split)} for split in SPLITS]
    assert all(clips and clips <= set(ids) for clips in asked)
    assert not asked[0] & asked[1] | asked[0] & asked[2] | asked[1] & asked[2]
    ave.prepare()
    avqa.prepare()


def test_frames_are_near_the_rendered_ones(root: Path, scene: Scene) -> None:
    item = AveFolder(root, side=SIZE).clips("train")[0]
    rendered = render_frames(scene, SIZE, FPS).transpose(0, 3, 1, 2).astype(float)
    wanted, earlier = rendered[FPS // 2 :: FPS], rendered[FPS // 2 - 1 :: FPS]
    decoded = item["inputs"]["frames"].numpy()
    assert np.abs(decoded - wanted).mean() < 5
    # Not merely alike: the frame before is further away wherever the picture moves.
    error, shifted = (np.abs(decoded - other).mean(axis=(1, 2, 3)) for other in (wanted, earlier))
    assert (error <= shifted + 0.05).all()
    assert error.mean() < shifted.mean()


def test_sound_is_in_place(root: Path, scene: Scene) -> None:
    sound = AveFolder(root, side=SIZE).clips("train")[0]["inputs"]["waveform"].reshape(-1).numpy()
    rendered = render_sound(scene)
    assert np.corrcoef(sound, rendered)[0, 1] > 0.9


def test_labels_are_those_of_the_scene(root: Path, scene: Scene) -> None:
    folder = AveFolder(root)
    labels = folder.clips("train")[0]["targets"]["labels"].numpy()
    event = scene.event
    inside = (np.arange(10) >= event.start) & (np.arange(10) < event.end)
    assert ((labels < len(folder.classes)) == inside).all()


def test_questions_are_read_back(root: Path) -> None:
    folder = MusicAvqaFolder(root, side=SIZE)
    item = folder.clips("test")[0]
    assert item["inputs"]["questions"].count_nonzero() >= 4
    assert "" not in folder.words
    assert not any("<" in word or "?" in word for word in folder.words[1:])


def test_the_folder_says_that_it_is_synthetic(root: Path) -> None:
    said = (root / "README.txt").read_text()
    assert "Synthetic" in said
    assert f"run --backbone tiny_vit --adapter stg_cma --task avqa --set data={root / 'music_avqa'}" in said
    assert not list(root.rglob("*.partial"))


def test_an_earlier_sample_is_overwritten(root: Path, tmp_path: Path) -> None:
    sample = Path(shutil.copytree(root, tmp_path / "sample"))
    old = AveFolder(sample).identity()
    export_sample(sample, 2, seed=SEED + 1, size=16, fps=1)
    new = AveFolder(sample)
    assert new.identity() != old
    assert [len(new.annotations(split)) for split in SPLITS] == [2, 2, 2]
    new.prepare()


def test_an_interrupted_export_leaves_no_annotations(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Old annotations beside new clips would be wrong without a word."""
    sample = Path(shutil.copytree(root, tmp_path / "sample"))

    def interrupt(jobs: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("tasks.sample.export._write_clips", interrupt)
    with pytest.raises(KeyboardInterrupt):
        export_sample(sample, 2, seed=SEED + 1)
    with pytest.raises(UserError, match="is missing"):
        AveFolder(sample)
    with pytest.raises(UserError, match="is missing"):
        MusicAvqaFolder(sample)


def test_a_folder_with_other_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "Annotations.txt").write_text("mine")
    with pytest.raises(UserError, match="holds other files"):
        export_sample(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["Annotations.txt"]


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"cannot write a sample to .*file"):
        export_sample(tmp_path / "file" / "sample")


@pytest.mark.parametrize("wrong", [{"clips": 0}, {"seed": -1}, {"size": 33}, {"size": 8}, {"fps": 0}])
def test_numbers_out_of_range_are_named(tmp_path: Path, wrong: dict[str, int]) -> None:
    with pytest.raises(UserError, match="=".join(map(str, *wrong.items()))):
        export_sample(tmp_path / "new", **wrong)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("clips", [1, 4, 10])
def test_a_manifest_has_the_clips_that_were_asked_for(tmp_path: Path, clips: int) -> None:
    """Whatever labels training has, as many clips with them are found for the other splits."""
    export_sample(tmp_path / "m", clips, seed=0, size=16, fps=1, layout="manifest")
    rows = read_manifest(tmp_path / "m" / "manifest.csv").rows
    assert [sum(row.split == split for row in rows) for split in SPLITS] == [clips] * 3
    trained = {row.label for row in rows if row.split == "train"}
    assert {row.label for row in rows} == trained
    assert len(list((tmp_path / "m" / "videos").iterdir())) == 3 * clips


def test_too_few_clips_to_ask_about_are_refused_with_a_number_that_suffices(tmp_path: Path) -> None:
    """Before anything is rendered."""
    with pytest.raises(UserError, match=r"clips=1 leaves a split without a question .* give 2 or more") as caught:
        export_sample(tmp_path / "q", 1, seed=9, size=16, fps=1, layout="music_avqa")
    assert not (tmp_path / "q").exists()
    enough = int(str(caught.value).split("give ")[1].split()[0])
    export_sample(tmp_path / "q", enough, seed=9, size=16, fps=1, layout="music_avqa")
    assert all(MusicAvqaFolder(tmp_path / "q").questions(split) for split in SPLITS)
