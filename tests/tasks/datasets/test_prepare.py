"""A store gives back what was decoded, bit for bit, and says where it is damaged."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from registry.errors import UserError
from registry.vocabulary import SPLITS
from tasks.datasets.ave import AveFolder
from tasks.datasets.manifest_clips import ManifestClips
from tasks.datasets.prepare import prepare
from tasks.datasets.source import ClipSource
from tasks.media.errors import MediaError
from tasks.media.store import INDEX, ClipStore, read_index, shard_path

SIZE = 32
CLIP_BYTES = 10 * (16_000 * 4 + 3 * SIZE**2)


def make(data: Path, store: Path, per_shard: int = 2, **more: object) -> object:
    return prepare(AveFolder(data), store, SIZE, 0, shard_bytes=per_shard * CLIP_BYTES, **more)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def store(ave: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("prepared") / "store"
    make(ave, root)
    return root


@pytest.fixture
def copy(store: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(store, tmp_path / "copy"))


def assert_same_items(one: ClipSource, other: ClipSource) -> None:
    for split in SPLITS:
        items, others = one.clips(split), other.clips(split)
        assert len(items) == len(others)  # type: ignore[arg-type]
        for i in range(len(items)):  # type: ignore[arg-type]
            for name, value in items[i]["inputs"].items():
                assert value.dtype == others[i]["inputs"][name].dtype
                assert torch.equal(value, others[i]["inputs"][name])
            assert str(items[i]["targets"]) == str(others[i]["targets"])


def test_items_are_those_of_the_folder_bit_for_bit(ave: Path, store: Path) -> None:
    assert_same_items(AveFolder(ave, side=SIZE), AveFolder(store))
    assert len(list((store / "shards").glob("*.bin"))) == 3
    assert not list(store.rglob("*.partial"))


def test_the_identity_is_the_folder_s_and_the_size(ave: Path, store: Path) -> None:
    assert AveFolder(store).identity() == AveFolder(ave).identity() + "+32px"
    # The other splitting is read from the same store.
    assert AveFolder(store, split="dedup").identity() == AveFolder(ave, split="dedup").identity() + "+32px"


def test_a_manifest_is_prepared_with_its_own_seconds(ave: Path, tmp_path: Path) -> None:
    rows = ["a,videos/c0.mp4,2,4.5,train", "b,videos/c0.mp4,5,,validation", "c,videos/c1.mp4,,3,test"]
    table = ave / "mine.csv"
    table.write_text("\n".join(["id,path,start,end,split", *rows]) + "\n")
    source = ManifestClips(table, 3, side=SIZE)
    prepare(source, tmp_path / "store", SIZE, 0)
    stored = ManifestClips(tmp_path / "store" / "manifest.csv", 3)
    assert_same_items(source, stored)
    assert stored.identity() == source.identity() + "+32px"
    with pytest.raises(UserError, match="prepared with 3 segments, not 4"):
        ManifestClips(tmp_path / "store" / "manifest.csv", 4).clips("train")[0]


def test_what_is_whole_is_kept_and_what_is_damaged_is_made_again(ave: Path, copy: Path) -> None:
    shard = shard_path(copy, 1)
    content = bytearray(shard.read_bytes())
    content[CLIP_BYTES + 5] ^= 1
    shard.write_bytes(content)
    damaged = AveFolder(copy).clips("validation")
    with pytest.raises(MediaError, match=r"shard .*00001\.bin is damaged at clip c3; run data prepare again"):
        damaged[1]
    damaged[0]  # the other clip of that shard is whole
    made = make(ave, copy)
    assert (made.clips, made.reused) == (6, 4)  # type: ignore[attr-defined]
    assert_same_items(AveFolder(ave, side=SIZE), AveFolder(copy))


@pytest.mark.parametrize("cut", [0, 100, CLIP_BYTES + 100])
def test_a_shard_that_is_cut_short_is_named(copy: Path, cut: int) -> None:
    os.truncate(shard_path(copy, 0), cut)
    with pytest.raises(MediaError, match=r"shard .*00000\.bin is damaged at clip c1"):
        AveFolder(copy).clips("train")[1]


def test_a_shard_that_is_gone_is_named(copy: Path) -> None:
    shard_path(copy, 0).unlink()
    with pytest.raises(MediaError, match=r"cannot read shard .*00000\.bin"):
        AveFolder(copy).clips("train")[0]


def test_another_size_or_other_data_need_another_folder(ave: Path, copy: Path) -> None:
    with pytest.raises(UserError, match=r"at 32 pixels .* not .* at 48"):
        prepare(AveFolder(ave), copy, 48, 0)
    with pytest.raises(UserError, match="prepared store already"):
        prepare(AveFolder(copy), copy, SIZE, 0)
    with pytest.raises(UserError, match="holds other files"):
        prepare(AveFolder(ave), ave, SIZE, 0)


def test_missing_and_damaged_clips_stop_it_or_are_counted(ave: Path, tmp_path: Path) -> None:
    data = Path(shutil.copytree(ave, tmp_path / "data"))
    (data / "videos" / "c1.mp4").unlink()
    with pytest.raises(UserError, match="1 of 6 clips are missing or empty: c1;"):
        make(data, tmp_path / "store")

    whole = (data / "videos" / "c4.mp4").read_bytes()
    shutil.copy(ave / "videos" / "c1.mp4", data / "videos")
    (data / "videos" / "c4.mp4").write_bytes(whole[:500])
    made = make(data, tmp_path / "store")
    assert list(made.left_out) == ["c4"]  # type: ignore[attr-defined]
    assert not (tmp_path / "store" / INDEX).exists()

    make(data, tmp_path / "store", allow_missing=True)
    with pytest.raises(UserError, match=r"1 of 2 clips are not in store .*: c4; .*allow_missing=True"):
        AveFolder(tmp_path / "store").clips("test")
    partial = AveFolder(tmp_path / "store", allow_missing=True)
    assert partial.left_out == {"test": 1}
    assert partial.clips("test").ids == ["c5"]
    assert "+partial" in partial.identity()
    assert partial.identity() != AveFolder(tmp_path / "store").identity()

    (data / "videos" / "c4.mp4").write_bytes(whole)
    mended = make(data, tmp_path / "store")
    assert (mended.clips, mended.reused) == (6, 4)  # type: ignore[attr-defined]
    assert_same_items(AveFolder(ave, side=SIZE), AveFolder(tmp_path / "store"))


def test_a_full_disk_is_told_before(ave: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(1, 1, 10))  # type: ignore[attr-defined]
    with pytest.raises(UserError, match=r"needs 0\.0 GiB more"):
        make(ave, tmp_path / "store")


def test_a_second_process_is_turned_away(ave: Path, tmp_path: Path) -> None:
    from filelock import FileLock

    (tmp_path / "store" / "shards").mkdir(parents=True)
    with FileLock(tmp_path / "store" / ".lock"), pytest.raises(UserError, match="another process"):
        make(ave, tmp_path / "store")


_KILLED = """
import os, sys
from pathlib import Path
from tasks.datasets.ave import AveFolder
from tasks.datasets import prepare as module
from tests.tasks.datasets.test_prepare import make
write, left = module.write_text, int(sys.argv[3])
def die_later(path, text):
    global left
    if left == 0:
        os.kill(os.getpid(), 9)
    left -= 1
    write(path, text)
module.write_text = die_later
make(Path(sys.argv[1]), Path(sys.argv[2]))
"""


@pytest.mark.parametrize("written", [1, 3])
def test_killed_and_started_again_it_continues(ave: Path, tmp_path: Path, written: int) -> None:
    """Killed between a shard and its list, and after the last shard before the index."""
    words = [sys.executable, "-c", _KILLED, str(ave), str(tmp_path / "store"), str(written)]
    root = Path(__file__).parents[3]
    killed = subprocess.run(words, cwd=root, env={**os.environ, "PYTHONPATH": str(root)}, check=False)
    assert killed.returncode == -signal.SIGKILL
    with pytest.raises(UserError, match="is missing" if written == 1 else "is not finished"):
        AveFolder(tmp_path / "store").prepare()
    made = make(ave, tmp_path / "store")
    assert (made.clips, made.reused) == (6, 2 * written)  # type: ignore[attr-defined]
    assert_same_items(AveFolder(ave, side=SIZE), AveFolder(tmp_path / "store"))


def test_all_cores_make_the_same_store(ave: Path, store: Path, tmp_path: Path) -> None:
    reports: list[tuple[int, int]] = []
    prepare(
        AveFolder(ave), tmp_path / "store", SIZE, 2, report=lambda *of: reports.append(of), shard_bytes=2 * CLIP_BYTES
    )
    assert read_index(tmp_path / "store") == read_index(store)
    assert shard_path(tmp_path / "store", 2).read_bytes() == shard_path(store, 2).read_bytes()
    assert reports == [(0, 6), (2, 6), (4, 6), (6, 6)]


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_a_damaged_index_is_one_line_or_still_tells_the_truth(store: Path, tmp_path: Path, data: st.DataObject) -> None:
    text = (store / INDEX).read_text()
    place = data.draw(st.integers(0, len(text) - 1))
    damaged = text[:place] + data.draw(st.text(max_size=3)) + text[place + data.draw(st.integers(0, 20)) :]
    root = tmp_path / str(time.monotonic_ns())
    root.mkdir()
    (root / INDEX).write_text(damaged)
    (root / "shards").symlink_to(store / "shards")
    try:
        prepared = ClipStore(root)
        clip = prepared.read("c0", 10)
    except UserError as error:
        message = str(error)
    else:
        message = ""
        assert torch.equal(clip.frames, ClipStore(store).read("c0", 10).frames)
    assert "\n" not in message


@pytest.mark.parametrize("wrong", [{"format": 2}, {"shape": {"segments": 0, "size": 32}}, {"shards": [[["c0", 1]]]}])
def test_a_foreign_index_is_refused(copy: Path, wrong: dict[str, object]) -> None:
    said = json.loads((copy / INDEX).read_text())
    (copy / INDEX).write_text(json.dumps({**said, **wrong}))
    with pytest.raises(UserError, match="cannot be read"):
        ClipStore(copy)
