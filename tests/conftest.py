"""Nothing that a test computes is kept for later runs, unless the test asks for it in a folder of its own."""

from __future__ import annotations

import os

import pytest

from backbones.kernels import linear

os.environ["AVBENCH_PREPARED"] = "none"


@pytest.fixture
def onednn_at_any_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """Linear maps of every size go to oneDNN, which they do for large ones only."""
    if not linear._ONEDNN_IS_FASTER:
        pytest.skip("oneDNN is not preferred on this machine")
    monkeypatch.setattr(linear, "SMALLEST", dict.fromkeys(linear.SMALLEST, 0))
