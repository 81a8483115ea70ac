"""How far a cell is."""

from __future__ import annotations

import pytest

from benchmark.runtime.progress import Progress


@pytest.mark.parametrize(
    ("progress", "fraction"),
    [
        (Progress("x", "build"), 0.0),
        (Progress("x", "train", epoch=1, epochs=4, step=0, steps=10), 0.0),
        (Progress("x", "train", epoch=2, epochs=4, step=5, steps=10), 0.375),
        (Progress("x", "validate", epoch=2, epochs=4, step=1, steps=10), 0.5),
        (Progress("x", "train", epoch=4, epochs=4, step=12, steps=10), 1.0),
        (Progress("x", "test"), 1.0),
    ],
)
def test_fraction(progress: Progress, fraction: float) -> None:
    assert progress.fraction == fraction
