"""Two processes with gloo against one with the same effective batch."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from benchmark.grid.expand import expand
from benchmark.grid.grid import Grid
from benchmark.grid.spec import RunSpec
from benchmark.launch.together import train_together
from benchmark.train import distributed
from benchmark.train.checkpoint import load
from benchmark.train.distributed import Share
from benchmark.train.train import train
from registry import Component, UserError
from registry.plugins import load_plugins
from results.record import RunRecord

PLUGIN = str(Path(__file__).parents[3] / "measurements" / "robustness" / "trivial.py")


@pytest.fixture
def trivial(clean_registries: None) -> None:
    load_plugins([PLUGIN])


def spec(adapter: str, **recipe: object) -> RunSpec:
    grid = Grid((Component("trivial"),), (Component.parse(adapter),), (Component("brightness"),))
    return expand(grid, settings=[f"{k}={v}" for k, v in {"epochs": 3, **recipe}.items()])[0]


def together(cell: RunSpec, work_dir: Path | None = None) -> RunRecord:
    return train_together(
        cell, run_hash="ab", device="cpu", report=lambda progress: None, work_dir=work_dir, micro_batches=1,
        processes=2, threads=1, workers=0, plugins=[PLUGIN],
    )[0]  # fmt: skip


def alone(cell: RunSpec, work_dir: Path | None = None) -> RunRecord:
    return train(cell, run_hash="ab", device="cpu", report=lambda progress: None, work_dir=work_dir, workers=0)[0]


def test_two_processes_reach_the_numbers_of_one(trivial: None, tmp_path: Path) -> None:
    """No batch norm and a loss that is a mean over clips: only the order of sums differs."""
    cell = spec("stg_cma(ratio=0.25)", accumulate=2)
    one, two = alone(cell, tmp_path / "one"), together(cell, tmp_path / "two")
    assert two.environment["processes"] == 2
    assert [e["accuracy"] for e in two.history] == [e["accuracy"] for e in one.history]
    assert two.scores == one.scores
    assert two.best_epoch == one.best_epoch
    states = [load(tmp_path / name / "best.safetensors")[0] for name in ("one", "two")]
    for name, value in states[0].items():
        torch.testing.assert_close(states[1][name], value, rtol=1e-3, atol=1e-4)


def test_batch_norm_sees_half_a_batch_and_stays_close(trivial: None) -> None:
    cell = spec("lavish", epochs=6)
    one, two = alone(cell), together(cell)
    assert two.scores["accuracy"] == pytest.approx(one.scores["accuracy"], abs=15.0)


def test_a_batch_that_cannot_be_shared_is_a_mistake(trivial: None, monkeypatch: pytest.MonkeyPatch) -> None:
    from benchmark.train import train as training

    monkeypatch.setattr(training, "processes", lambda: 2)
    with pytest.raises(UserError, match="batch_size=3 cannot be shared by 2 GPUs"):
        alone(spec("linear_probe", batch_size=3))


@given(items=st.integers(1, 40), processes=st.integers(1, 5), batch=st.integers(1, 4))
def test_the_shares_of_a_batch_are_that_batch(items: int, processes: int, batch: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(distributed, "processes", lambda: processes)
        shares, uneven = [], []
        for number in range(processes):
            patch.setattr(distributed, "rank", lambda number=number: number)
            for even, kept in ((True, shares), (False, uneven)):
                share = Share(range(items), even=even)
                kept.append(list(share))
                assert len(share) == len(kept[-1])
    assert len({len(share) for share in shares}) == 1
    assert sorted(i for share in uneven for i in share) == list(range(items))
    first = sorted(i for share in shares for i in share[:batch])
    if items >= batch * processes:
        assert first == list(range(batch * processes))
