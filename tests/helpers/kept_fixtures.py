"""A rendered sample in the layouts of real data sets, and small cells trained on it."""

from __future__ import annotations

from pathlib import Path

import pytest
from kept_cells import TASKS, Kept, cell, data_of, train_and_keep

from tasks.sample.export import export_sample


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`ave/`, `music_avqa/` and `manifest/`, six clips in each split."""
    root = tmp_path_factory.mktemp("sample")
    export_sample(root / "both", clips=6, size=32, fps=4)
    export_sample(root / "manifest", clips=6, size=32, fps=4, layout="manifest")
    return root


@pytest.fixture(scope="session")
def kept(sample: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Kept]:
    """By task, a trained cell of its own adapter."""
    output = tmp_path_factory.mktemp("kept")
    adapters = ("stg_cma(ratio=0.25)", "norm_tuning", "lora(rank=2)", "linear_probe")
    return {
        task: train_and_keep(cell("tiny_vit", adapter, f"{task}(data={str(data_of(sample, task))!r})"), output)
        for task, adapter in zip(TASKS, adapters, strict=True)
    }
