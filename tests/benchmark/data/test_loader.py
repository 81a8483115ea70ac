"""Processes behind a loader: as many as threads at most, with the same items."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch.utils.data import Dataset

from benchmark.data.loader import clip_loader
from benchmark.runtime.seeding import EpochOrder, derive_seed
from benchmark.train.hooks import EpochSeeds
from registry import plugins


class Where(Dataset[tuple[int, int, int]]):
    """Each item with the process that made it and that process's parent."""

    def __len__(self) -> int:
        return 6

    def __getitem__(self, index: int) -> tuple[int, int, int]:
        return index, os.getpid(), os.getppid()


@pytest.fixture
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize(("asked", "given"), [(0, 0), (1, 1), (2, 2), (8, 2)])
def test_no_more_processes_than_threads(asked: int, given: int) -> None:
    assert clip_loader(Where(), workers=asked).num_workers == given


@pytest.mark.usefixtures("two_threads")
def test_items_come_in_order_from_processes_of_a_server() -> None:
    items = list(clip_loader(Where(), workers=8, batch_size=None))
    assert [index for index, _, _ in items] == list(range(6))
    assert len({process for _, process, _ in items}) == 2
    assert {parent for _, _, parent in items}.isdisjoint({os.getpid()}), "they were forked from this process"


class ManyTensors(Dataset[torch.Tensor]):
    """More than a process takes open files."""

    def __init__(self) -> None:
        self.held = [torch.tensor(i) for i in range(1000)]

    def __len__(self) -> int:
        return len(self.held)

    def __getitem__(self, index: int) -> torch.Tensor:
        return self.held[index]


@pytest.mark.usefixtures("two_threads")
def test_a_data_set_may_hold_many_tensors() -> None:
    (batch,) = clip_loader(ManyTensors(), workers=1, batch_size=1000)
    assert torch.equal(batch, torch.arange(1000))


class Changing(Dataset[int]):
    """Items that say which epoch has begun."""

    seed = -1

    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int) -> int:
        return self.seed

    def begin_epoch(self, seed: int) -> None:
        self.seed = seed


@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize("workers", [0, 1])
def test_an_epochs_seed_reaches_the_processes(workers: int) -> None:
    clips = Changing()
    loader = clip_loader(clips, workers=workers, batch_size=None, sampler=EpochOrder(clips, 0))
    seen = []
    for epoch in (0, 1):
        EpochSeeds(seed=3).before_train_epoch(SimpleNamespace(train_dataloader=loader, epoch=epoch))
        seen.append(list(loader))
    assert seen == [[derive_seed(3, "items", epoch)] * 2 for epoch in (0, 1)]


def test_the_clips_of_a_plug_in_reach_the_processes(tmp_path, clean_registries: None) -> None:
    file = tmp_path / "clips_of_mine.py"
    file.write_text(
        "from torch.utils.data import Dataset\n\n\nclass Clips(Dataset):\n"
        "    def __len__(self):\n        return 3\n\n    def __getitem__(self, index):\n        return index\n"
    )
    plugins.load_plugins([str(file)])
    clips = sys.modules["plugin_clips_of_mine"].Clips()
    assert list(clip_loader(clips, workers=1, batch_size=None)) == [0, 1, 2]


READER = """
import sys, torch
from torch.utils.data import Dataset
from benchmark.data.loader import clip_loader

class Large(Dataset):
    def __len__(self): return 100
    def __getitem__(self, index): return bytes(2**20)

if __name__ == "__main__":
    torch.set_num_threads(2)
    batches = iter(clip_loader(Large(), workers=2, batch_size=1, prefetch_factor=20))
    next(batches)
    print(*(worker.pid for worker in batches._workers), flush=True)
    sys.stdin.read()
"""


def test_processes_end_with_a_reader_that_is_killed_while_they_write(tmp_path: Path) -> None:
    (tmp_path / "reader.py").write_text(READER)
    root = Path(__file__).parents[3]
    reader = subprocess.Popen(
        [sys.executable, str(tmp_path / "reader.py")], cwd=root, env={**os.environ, "PYTHONPATH": str(root)},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert reader.stdout
    pids = [int(pid) for pid in reader.stdout.readline().split()]
    assert len(pids) == 2
    # By now both wait for room in their pipes.
    time.sleep(1)
    reader.kill()
    reader.wait()
    until = time.monotonic() + 3
    while any(map(_lives, pids)) and time.monotonic() < until:
        time.sleep(0.05)
    assert not any(map(_lives, pids))


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
