"""Embeddings of many clips: streamed, resumed, read back as they were written."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from kept_cells import Kept, data_of

import benchmark
from benchmark.use import embedding
from benchmark.use.clips import find_clips
from benchmark.use.embedding import read_embeddings, write_embeddings
from benchmark.use.trained import TrainedModel
from registry import UserError


@pytest.fixture(scope="module")
def model(kept: dict[str, Kept]) -> TrainedModel:
    return benchmark.load(kept["retrieval"].folder)


@pytest.fixture(scope="module")
def videos(sample: Path) -> list[str]:
    return sorted(map(str, (data_of(sample, "retrieval") / "videos").glob("*.mp4")))[:7]


def test_a_file_holds_what_embed_says(model: TrainedModel, videos: list[str], tmp_path: Path) -> None:
    steps: list[tuple[int, int]] = []
    path = tmp_path / "features.npz"
    done = write_embeddings(
        model, find_clips(videos), path, batch_size=3, workers=0, report=lambda *step: steps.append(step)
    )
    assert (done.clips, done.left_out) == (7, ())
    assert steps == [(n, 7) for n in range(8)]
    found = read_embeddings(path)
    assert found.ids == found.sources == tuple(videos)
    assert found.segments["audio"].shape == (7, 10, 64)
    assert found.times[0, :2].tolist() == [[0.0, 1.0], [1.0, 2.0]]
    for m in ("visual", "audio"):
        assert np.allclose(found.vectors(m), model.embed(videos, m), atol=1e-5)
    assert model.config.hash in found.model
    assert [p.name for p in tmp_path.iterdir()] == ["features.npz"]


def test_one_side_alone_and_mean_features(kept: dict[str, Kept], videos: list[str], tmp_path: Path) -> None:
    model = benchmark.load(kept["event_localisation"].folder)
    write_embeddings(model, find_clips(videos[:2]), tmp_path / "a.npz", modalities=("audio",), workers=0)
    found = read_embeddings(tmp_path / "a.npz")
    assert list(found.segments) == ["audio"]
    assert np.allclose(found.vectors("audio"), model.embed(videos[:2], "audio"), atol=1e-5)


def test_a_cut_is_taken_up_where_it_was(
    model: TrainedModel, videos: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, clips = tmp_path / "features.npz", find_clips(videos)

    def cut(done: int, total: int) -> None:
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_embeddings(model, clips, path, batch_size=2, workers=0, report=cut)
    assert not path.exists()
    steps: list[int] = []
    write_embeddings(model, clips, path, batch_size=2, workers=0, report=lambda done, total: steps.append(done))
    assert steps[0] >= 3
    write_embeddings(model, clips, tmp_path / "whole.npz", batch_size=2, workers=0)
    for m in ("visual", "audio"):
        whole = read_embeddings(tmp_path / "whole.npz").segments[m]
        assert np.allclose(read_embeddings(path).segments[m], whole, atol=1e-5)


def test_clips_that_cannot_be_read_end_it_or_are_left_out(
    model: TrainedModel, videos: list[str], tmp_path: Path
) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video")
    clips = find_clips([videos[0], broken, videos[1]])
    with pytest.raises(UserError, match=r"cannot decode .*broken.mp4"):
        write_embeddings(model, clips, tmp_path / "a.npz", workers=0)
    done = write_embeddings(model, clips, tmp_path / "a.npz", workers=0, skip_unreadable=True)
    assert done.clips == 2
    assert "broken.mp4" in done.left_out[0]
    assert read_embeddings(tmp_path / "a.npz").ids == (videos[0], videos[1])
    with pytest.raises(UserError, match="none of 1 clips could be read"):
        write_embeddings(model, clips[1:2], tmp_path / "b.npz", workers=0, skip_unreadable=True)


def test_memory_holds_a_batch_and_not_the_file(
    model: TrainedModel, videos: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each clip's vectors are let go before those of the batch after next are made."""
    alive, most = 0, 0

    class Counted(np.ndarray):
        def __del__(self) -> None:
            nonlocal alive
            alive -= 1

    of = embedding.Record.of

    def counted(arrays: dict[str, np.ndarray], note: str) -> embedding.Record:
        nonlocal alive, most
        arrays = {name: array.copy().view(Counted) for name, array in arrays.items()}
        alive += len(arrays)
        most = max(most, alive)
        return of(arrays, note)

    monkeypatch.setattr(embedding.Record, "of", counted)
    write_embeddings(model, find_clips(videos), tmp_path / "a.npz", batch_size=1, workers=0)
    assert most <= 3 * 3


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04 cut"])
def test_a_file_of_something_else_is_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.npz"
    with pytest.raises(UserError, match="there are no embeddings"):
        read_embeddings(path)
    path.write_bytes(content)
    with pytest.raises(UserError, match="holds no embeddings that can be read"):
        read_embeddings(path)


def test_pickled_arrays_are_not_read(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", ids=np.array([object()]), about="{}")
    with pytest.raises(UserError, match="holds no embeddings that can be read"):
        read_embeddings(tmp_path / "a.npz")


def test_arrays_that_do_not_fit_together_are_refused(tmp_path: Path) -> None:
    about = '{"model": "a", "joined": "mean"}'
    facts = {"ids": ["a"], "sources": ["a"], "times": np.zeros((1, 2, 2)), "about": about}
    for segments in (np.zeros((2, 2, 3)), np.full((1, 2, 3), np.nan), np.zeros((1, 3, 3))):
        np.savez(tmp_path / "a.npz", **facts, visual=segments)
        with pytest.raises(UserError, match="holds no embeddings that can be read"):
            read_embeddings(tmp_path / "a.npz")


def test_another_suffix_and_a_library_that_is_not_there_are_told_before_anything_is_computed(
    model: TrainedModel, videos: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clips = find_clips(videos)
    monkeypatch.setattr(model, "embed_segments", None)
    with pytest.raises(UserError, match=r"ends in \.npz or \.parquet"):
        write_embeddings(model, clips, tmp_path / "a.csv")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(UserError, match=r"need pyarrow: pip install 'av-adapter-bench\[parquet\]'"):
        write_embeddings(model, clips, tmp_path / "a.parquet")


def test_parquet_holds_the_same(model: TrainedModel, videos: list[str], tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    for name in ("a.npz", "a.parquet"):
        write_embeddings(model, find_clips(videos), tmp_path / name, workers=0)
    plain, columns = read_embeddings(tmp_path / "a.npz"), read_embeddings(tmp_path / "a.parquet")
    assert (plain.ids, plain.sources, plain.model, plain.joined) == (
        columns.ids, columns.sources, columns.model, columns.joined,
    )  # fmt: skip
    assert np.array_equal(plain.times, columns.times)
    for m in ("visual", "audio"):
        assert np.array_equal(plain.segments[m], columns.segments[m])
