from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from kept_cells import Kept, data_of

import benchmark
from benchmark.__main__ import main
from benchmark.use.embedding import read_embeddings
from benchmark.use.search import search
from registry import UserError


@pytest.fixture
def videos(sample: Path) -> Path:
    return data_of(sample, "retrieval") / "videos"


@pytest.fixture
def features(kept: dict[str, Kept], videos: Path, tmp_path: Path) -> Path:
    path = tmp_path / "features.npz"
    assert main(["embed", str(kept["retrieval"].folder), str(videos), "-o", str(path), "--workers", "0"]) == 0
    return path


def test_the_nearest_come_first_with_their_cosines(kept: dict[str, Kept], videos: Path, features: Path) -> None:
    model, embeddings = benchmark.load(kept["retrieval"].folder), read_embeddings(features)
    query = sorted(videos.iterdir())[2]
    hits = search(model, embeddings, query, "audio", k=3)
    sight, sound = embeddings.vectors("visual"), model.embed([query], "audio")[0]
    cosines = sight @ sound / np.linalg.norm(sight, axis=1) / np.linalg.norm(sound)
    assert [hit.similarity for hit in hits] == pytest.approx(sorted(cosines, reverse=True)[:3], abs=1e-5)
    assert hits[0].id == embeddings.ids[int(cosines.argmax())]


def test_among_the_same_side_a_clip_finds_itself(kept: dict[str, Kept], videos: Path, features: Path) -> None:
    model, query = benchmark.load(kept["retrieval"].folder), sorted(videos.iterdir())[4]
    (hit,) = search(model, read_embeddings(features), query, "visual", among="visual", k=1)
    assert (hit.source, hit.similarity) == (str(query), pytest.approx(1, abs=1e-5))


def test_the_verb(kept: dict[str, Kept], videos: Path, features: Path, capsys: pytest.CaptureFixture[str]) -> None:
    query = str(sorted(videos.iterdir())[0])
    words = ["search", str(kept["retrieval"].folder), str(features), "--query", query, "--by", "audio"]
    capsys.readouterr()
    assert main([*words, "-k", "2", "--json"]) == 0
    hits = json.loads(capsys.readouterr().out)
    assert len(hits) == 2
    assert hits[0]["similarity"] >= hits[1]["similarity"]
    assert main(words) == 0
    lines = capsys.readouterr().out.splitlines()
    assert (lines[0].split(), len(lines)) == (["similarity", "clip", "source"], 6)
    assert hits[0]["id"] in lines[1]


def test_embeddings_of_another_model_are_refused(kept: dict[str, Kept], videos: Path, features: Path) -> None:
    other = benchmark.load(kept["classification"].folder)
    with pytest.raises(UserError, match=r"the embeddings were made by tiny_vit/.*/retrieval"):
        search(other, read_embeddings(features), next(videos.iterdir()), "audio")


def test_without_a_joint_space_sides_are_not_compared(kept: dict[str, Kept], videos: Path, tmp_path: Path) -> None:
    path, folder = tmp_path / "features.npz", kept["classification"].folder
    assert main(["embed", str(folder), str(videos), "-o", str(path), "--workers", "0", "--modality", "audio"]) == 0
    model, query = benchmark.load(folder), sorted(videos.iterdir())[0]
    with pytest.raises(UserError, match=r"has no joint space .* with --among audio"):
        search(model, read_embeddings(path), query, "audio")
    (hit,) = search(model, read_embeddings(path), query, "audio", among="audio", k=1)
    assert hit.similarity == pytest.approx(1, abs=1e-5)
    with pytest.raises(UserError, match="hold no visual vectors"):
        search(model, read_embeddings(path), query, "visual", among="visual")
