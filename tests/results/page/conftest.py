"""A page with everything on it: seeds, kinds, curves, a failure, twins that are kept apart, and text that bites."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmark.stress.corruptions import conditions_of
from registry.vocabulary import CLEAN, MODALITIES, Answers, ClipView, ItemScore, ShownClip, StressScores
from results.page.build import to_html
from results.record import RunRecord, SingleClip
from results.render.csv import to_csv
from results.store.store import Store
from results.table.gather import Leaderboard, gather
from tasks.thumbnails import strip

HOSTILE = "</script><script>window.bitten=1</script><img src=x onerror='window.bitten=2'><b>{{data}}"
KINDS = ("Audio Counting", "Audio-Visual Location", "Visual Location")


@pytest.fixture(scope="session")
def board(grid, tmp_path_factory: pytest.TempPathFactory) -> Leaderboard:
    """The leaderboard of the plausible grid."""
    records, items = grid
    folder = tmp_path_factory.mktemp("page")
    store = Store(folder)
    for record in records:
        scored = [i._replace(kind=KINDS[n % 3]) for n, i in enumerate(items[record.hash])]
        shown = _gallery(scored) if record.task == "event_localisation" else ()
        store.write(_furnished(record), scored, answers=_answers(scored), gallery=shown)
        if record.backbone == "tiny_vit":
            store.write_stress(record.hash, _stress(scored, deaf=record.adapter == "linear_probe"))
    first = records[0]
    store.write(replace(first, recipe={"epochs": 9, "note": HOSTILE}, hash="twin"), [ItemScore("clip0", 1.0)])
    store.write(replace(first, adapter=HOSTILE, labels=[*first.labels, HOSTILE], hash="hostile"))
    return gather(store, f"python -m benchmark leaderboard --output {folder} # {HOSTILE}")


@pytest.fixture(scope="session")
def page(board: Leaderboard, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its `leaderboard.html`, with its table as CSV beside it."""
    folder = tmp_path_factory.mktemp("page")
    (folder / "leaderboard.csv").write_text(to_csv([*board.rows, *board.published]))
    (folder / "leaderboard.html").write_text(to_html(board))
    return folder / "leaderboard.html"


def _gallery(items: list[ItemScore]) -> tuple[ShownClip, ...]:
    """Two clips with lanes, and one whose picture shows all."""
    frames = [np.full((56, 56, 3), 25 * place, np.uint8) for place in range(10)]
    truth = ("background",) * 3 + ("a_long_name_of_an_event",) * 4 + ("background",) * 3
    predicted = ("background",) * 4 + ("a_long_name_of_an_event",) * 4 + (HOSTILE, "background")
    with_lanes = ClipView(strip(frames), truth, predicted)
    views = (("worst", with_lanes), ("median", with_lanes), ("median", ClipView(strip(frames, frames))))
    return tuple(ShownClip(item.item, item.score, *view) for item, view in zip(items, views, strict=False))


def _stress(items: list[ItemScore], deaf: bool) -> StressScores:
    """Every condition, the worse the later; a deaf row is not moved by those of sound."""
    conditions = tuple(conditions_of(MODALITIES))
    clean = np.array([item.score for item in items])
    noise = np.random.default_rng(3).random((len(conditions), len(clean)))
    lost = [0.0 if deaf and one.modality == "audio" else 0.02 * place for place, one in enumerate(conditions)]
    changed = [np.where(own < share, 1 - clean, clean) for own, share in zip(noise, lost, strict=True)]
    names, _, kinds, groups = zip(*items, strict=True)
    why = {"no_sight": f"it needs sight {HOSTILE}"}
    return StressScores(names, kinds, groups, (CLEAN, *conditions), np.stack([clean, *changed]), why)


def _answers(items: list[ItemScore]) -> Answers:
    """Two classes, of which the first is the truth everywhere."""
    predicted = np.array([int(item.score == 0.0) for item in items])
    probabilities = np.where(np.arange(2) == predicted[:, None], 0.8, 0.2)
    names = tuple(item.item for item in items)
    return Answers(
        {"chance": 50.0, "majority": 100.0}, ("yes", HOSTILE), names, 0 * predicted, predicted, probabilities
    )


def _furnished(record: RunRecord) -> RunRecord:
    score = record.scores[record.primary_metric]
    history = [
        {"epoch": epoch, "train_loss": 3.0 / epoch + 0.1 * record.seed, record.primary_metric: score * (1 - 0.5**epoch)}
        for epoch in range(1, 6)
    ]
    assert record.parameters is not None
    return replace(
        record,
        history=history,
        best_epoch=5,
        environment={
            "device_name": "a processor",
            "versions": {"torch": "2"},
            **({"effort": {"trials": 20, "epochs": 96}} if record.adapter == "stg_cma" else {}),
        },
        single=SingleClip(250.0, 12.0, 5.0),
        train_ms_per_clip=9.0,
        peak_memory_mb=300.0 + (record.parameters.trainable * 7 % 1000) / 10,
        checkpoint_bytes=4 * record.parameters.trainable,
    )
