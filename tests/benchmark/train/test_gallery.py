from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image

from benchmark.grid.expand import build_task
from benchmark.model.build import build_model
from benchmark.stress.measure import stress
from benchmark.train.gallery import chosen, gallery
from registry import Component
from registry.vocabulary import CLEAN, ItemScore, ShownClip
from tasks.sample.export import export_sample


def scored(*scores: float) -> list[ItemScore]:
    return [ItemScore(f"clip{place:02d}", score) for place, score in enumerate(scores)]


def shown(task: str, backbone: str) -> tuple[list[ItemScore], tuple[ShownClip, ...]]:
    asked = build_task(Component.parse(task))
    model = build_model(Component.parse(backbone), Component.parse("linear_probe"), asked, seed=0, precision="fp32")
    fitted = asked.with_frames(model.encoder.backbone.picture.size)
    items = stress(model, fitted, batch_size=4, workers=0).of(CLEAN.name)
    return items, gallery(model, fitted, items)


def test_the_worst_and_the_middle_are_chosen_once_each() -> None:
    found = chosen(scored(*[place / 100 for place in range(60)]))
    assert [place for _, place in found] == [*range(10), *range(25, 35)]
    few = chosen(scored(*[0.5] * 14))
    assert [kind for kind, _ in few] == ["worst"] * 10 + ["median"] * 4
    assert len({place for _, place in few}) == 14
    assert [place for _, place in chosen(scored(0.9, 0.1, 0.5))] == [1, 2, 0]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("gallery")
    export_sample(folder / "ave", clips=2, size=32, fps=2, layout="ave")
    export_sample(folder / "masks", clips=2, size=32, fps=2, layout="manifest_masks")
    return folder


def test_events_have_lanes_that_agree_with_the_score(data: Path) -> None:
    items, clips = shown(f"event_localisation(data={str(data / 'ave')!r})", "tiny_vit")
    assert sorted(clip.item for clip in clips) == sorted(item.item for item in items)
    for clip in clips:
        right = [said == true for said, true in zip(clip.view.predicted, clip.view.truth, strict=True)]
        assert sum(right) / len(right) == pytest.approx(clip.score, abs=1e-6)
        assert Image.open(io.BytesIO(clip.view.strip)).size == (560, 56)
    assert [clip.score for clip in clips] == sorted(clip.score for clip in clips)


def test_masks_are_drawn_above_the_truth(data: Path) -> None:
    _, clips = shown(f"segmentation(data={str(data / 'masks')!r})", "tiny_swin")
    assert len(clips) == 2
    assert all(clip.view.truth == clip.view.predicted == () for clip in clips)
    assert Image.open(io.BytesIO(clips[0].view.strip)).size == (560, 112)


def test_a_task_that_shows_no_clips_has_no_gallery(data: Path) -> None:
    assert shown(f"retrieval(data={str(data / 'ave')!r})", "tiny_vit")[1] == ()
