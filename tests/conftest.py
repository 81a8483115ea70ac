"""Nothing that a test computes is kept for later runs, unless the test asks for it in a folder of its own."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator

import pytest

from backbones.kernels import linear
from registry import ADAPTERS, BACKBONES, TASKS, plugins

os.environ["AVBENCH_PREPARED"] = "none"


def pytest_collection_finish() -> None:
    """What is imported by now stays; a run that gives back memory before it measures need not look at it each time."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def onednn_at_any_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """Linear maps of every size go to oneDNN, which they do for large ones only."""
    if not linear._ONEDNN_IS_FASTER:
        pytest.skip("oneDNN is not preferred on this machine")
    monkeypatch.setattr(linear, "SMALLEST", dict.fromkeys(linear.SMALLEST, 0))


@pytest.fixture(autouse=True)
def plugins_of_a_test_are_its_own() -> Iterator[None]:
    """What a test registers or asks for is forgotten after it; built-in components stay, whenever they came."""
    before = [set(registry.module_dict) for registry in (BACKBONES, ADAPTERS, TASKS)]
    loaded = dict(plugins._loaded)
    yield
    for registry, known in zip((BACKBONES, ADAPTERS, TASKS), before, strict=True):
        for name in set(registry.module_dict) - known:
            if registry.module_dict[name].__module__.partition(".")[0] not in ("backbones", "adapters", "tasks"):
                del registry.module_dict[name]
    plugins._loaded.clear()
    plugins._loaded.update(loaded)
