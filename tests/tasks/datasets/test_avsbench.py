"""AVSBench's two layouts, written by `data sample` and read back."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from registry.errors import DataError, UserError
from registry.vocabulary import SPLITS
from tasks.datasets.avsbench import AvsBenchFolder, parse_table
from tasks.datasets.open import open_source
from tasks.datasets.prepare import prepare
from tasks.datasets.verify import verify
from tasks.sample.export import sample_clips
from tasks.sample.layouts import LAYOUTS
from tasks.synthetic.masks import sounding_masks
from tasks.synthetic.render import render_frames

CLIPS = 2


@pytest.fixture(scope="module", params=["avsbench_s4", "avsbench_ms3"])
def written(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    return request.param, write(request.param, tmp_path_factory.mktemp(request.param))


def write(name: str, root: Path) -> Path:
    layout = LAYOUTS[name]
    clips = sample_clips(layout, CLIPS, seed=3)
    for clip in clips:
        layout.write(root, clip)
    layout.annotate(root, clips)
    return root


@pytest.fixture
def copied(written: tuple[str, Path], tmp_path: Path) -> tuple[str, Path]:
    shutil.copytree(written[1], tmp_path / "copy")
    return written[0], tmp_path / "copy"


def test_items_are_the_rendered_clips_and_their_masks(written: tuple[str, Path]) -> None:
    name, root = written
    clips = {clip.name: clip for clip in sample_clips(LAYOUTS[name], CLIPS, seed=3)}
    source = AvsBenchFolder(root)
    for split in SPLITS:
        items = source.clips(split)
        assert len(items) == CLIPS
        for index, row in enumerate(source.rows(split)):
            item, scene = items[index], clips[row.clip].scene
            frames = item["inputs"]["frames"].numpy().transpose(0, 2, 3, 1)
            assert np.abs(frames.astype(int) - render_frames(scene, 224)).max() <= 2
            assert item["inputs"]["waveform"].shape == (5, 16_000)
            masks, annotated = item["targets"]["masks"].numpy(), item["targets"]["annotated"].numpy()
            first_alone = name == "avsbench_s4" and split == "train"
            assert annotated.tolist() == ([True] + [False] * 4 if first_alone else [True] * 5)
            assert np.array_equal(masks[annotated], sounding_masks(scene, 224)[annotated])
            assert item["targets"]["id"] == row.name
            assert ("category" in item["targets"]) == (name == "avsbench_s4")


def test_the_folder_around_it_is_found_and_so_is_the_data_set(written: tuple[str, Path], tmp_path: Path) -> None:
    name, root = written
    inner = tmp_path / "AVSBench" / ("Single-source" if name == "avsbench_s4" else "Multi-sources")
    shutil.copytree(root, inner)
    assert open_source(str(inner.parent), "masks").identity() == AvsBenchFolder(root).identity()


def test_published_sampling_hears_longer_windows(written: tuple[str, Path]) -> None:
    name, root = written
    source = AvsBenchFolder(root, sampling="published")
    assert source.clips("test")[0]["inputs"]["waveform"].shape == (5, 31_200)
    assert source.identity() == f"{AvsBenchFolder(root).identity()}+published"
    assert source.identity().startswith(f"{name}@")


def test_a_missing_mask_stops_training_and_can_be_left_out(copied: tuple[str, Path]) -> None:
    root = copied[1]
    row = AvsBenchFolder(root).rows("test")[0]
    gone = AvsBenchFolder(root).masks(row).files[2]
    gone.unlink()
    with pytest.raises(DataError, match=f"media or masks of 1 of 2 clips .*{row.clip}"):
        AvsBenchFolder(root).clips("test")
    less = AvsBenchFolder(root, allow_missing=True)
    assert less.left_out == {"test": 1}
    assert len(less.clips("test")) == 1
    found = verify(AvsBenchFolder(root), "full", workers=0)
    assert [(f.clip, f.problem.kind, f.problem.detail) for f in found.findings] == [
        (row.name, "missing", "no mask of segment 3")
    ]
    assert found.usable["test"] == 1


def test_another_mask_is_another_data_set(copied: tuple[str, Path]) -> None:
    before = AvsBenchFolder(copied[1]).identity()
    mask = next(copied[1].rglob("gt_masks/**/*_1.png"))
    mask.write_bytes(mask.read_bytes() + b"\0")
    assert AvsBenchFolder(copied[1]).identity() != before


def test_a_prepared_store_holds_the_same_clips_and_masks(copied: tuple[str, Path], tmp_path: Path) -> None:
    source = AvsBenchFolder(copied[1])
    made = prepare(source, tmp_path / "store", 32, workers=0)
    assert made.clips == 3 * CLIPS
    stored = AvsBenchFolder(tmp_path / "store")
    assert stored.stored_side == 32
    assert stored.identity() == f"{source.identity()}+32px"
    one, other = source.with_frames(32).clips("test")[0], stored.clips("test")[0]
    assert (one["inputs"]["frames"] == other["inputs"]["frames"]).all()
    assert (one["targets"]["masks"] == other["targets"]["masks"]).all()


def test_two_tables_in_one_folder_are_told_apart_by_the_user(tmp_path: Path) -> None:
    for name, folder in (("avsbench_s4", "Single-source"), ("avsbench_ms3", "Multi-sources")):
        write(name, tmp_path / folder)
    with pytest.raises(DataError, match="both parts of AVSBench; give its folder Single-source or Multi-sources"):
        AvsBenchFolder(tmp_path)


def test_a_folder_of_something_else_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"neither s4_meta_data\.csv nor ms3_meta_data\.csv"):
        open_source(str(tmp_path), "masks")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a,b\n1,2\n", "columns 'a,b', expected clip, start, category, split"),
        ("name,start,category,split\nx,0,dog,training\n", "line 2.*split"),
        ("name,start,category,split\n../x,0,dog,train\n", "line 2 has '../x', expected a plain name"),
        ("name,start,category,split\nx,0,dog/..,train\n", "expected a plain name"),
        ("name,start,category,split\nx,0,dog,train\nx,5,dog,train\n", "line 3 repeats clip dog/x"),
        ("name,start,category,split\nx,0,dog\n", "line 2 has 3 fields, its header has 4"),
    ],
)
def test_a_malformed_table_is_refused_by_line(text: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=words):
        parse_table(text, tmp_path / "s4_meta_data.csv", with_category=True)
