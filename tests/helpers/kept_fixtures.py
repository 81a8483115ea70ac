"""A rendered sample in the layouts of real data sets, and small cells trained on it."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType

import pytest
from kept_cells import Kept, cell, data_of, train_and_keep

from tasks.sample.export import export_sample


class KeptCells(dict[str, Kept]):
    """By task, a trained cell of its own adapter; each is trained when it is first asked for."""

    ADAPTERS = MappingProxyType(
        {
            "event_localisation": "stg_cma(ratio=0.25)",
            "classification": "norm_tuning",
            "retrieval": "lora(rank=2)",
            "avqa": "linear_probe",
        }
    )

    def __init__(self, sample: Path, output: Path) -> None:
        self.sample, self.output = sample, output

    def __missing__(self, task: str) -> Kept:
        data = data_of(self.sample, task)
        self[task] = train_and_keep(cell("tiny_vit", self.ADAPTERS[task], f"{task}(data={str(data)!r})"), self.output)
        return self[task]


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`ave/`, `music_avqa/` and `manifest/`, six clips in each split."""
    root = tmp_path_factory.mktemp("sample")
    export_sample(root / "both", clips=6, size=32, fps=4)
    export_sample(root / "manifest", clips=6, size=32, fps=4, layout="manifest")
    return root


@pytest.fixture(scope="session")
def kept(sample: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Kept]:
    return KeptCells(sample, tmp_path_factory.mktemp("kept"))
