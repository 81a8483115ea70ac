"""A page with everything on it: seeds, kinds, curves, a failure, twins that are kept apart, and text that bites."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from registry.vocabulary import Answers, ItemScore
from results.page.build import to_html
from results.record import RunRecord, SingleClip
from results.render.csv import to_csv
from results.store.store import Store
from results.table.gather import Leaderboard, gather

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
        store.write(_furnished(record), scored, answers=_answers(scored))
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
