"""Random states that depend on a run's seed and on nothing that happened before."""

from __future__ import annotations

import hashlib
import os
import random
from collections.abc import Iterator, Sized
from contextlib import contextmanager

import numpy as np
import torch
from torch.utils.data import Sampler


def derive_seed(seed: int, *purpose: str | int) -> int:
    """A seed of its own for each purpose, 0 to 2^32 - 1."""
    digest = hashlib.sha256(repr((seed, *purpose)).encode()).digest()
    return int.from_bytes(digest[:4], "big")


def seed_everything(seed: int, *purpose: str | int) -> None:
    """Set the global random states of Python, numpy and torch (every device) for a purpose."""
    derived = derive_seed(seed, *purpose)
    random.seed(derived)
    np.random.seed(derived)
    torch.manual_seed(derived)


@contextmanager
def undisturbed_random_states() -> Iterator[None]:
    """Within, `seed_everything` may be called; afterwards the global random states are what they were."""
    python, legacy = random.getstate(), np.random.get_state()
    with torch.random.fork_rng(devices=None if torch.cuda.is_initialized() else []):
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(legacy)


def choose_repeatable_kernels(device: str) -> None:
    """Ask for kernels that give the same numbers each time; on CPU torch's are so already.

    An operation that has none says so in a warning.
    """
    if torch.device(device).type != "cuda":
        return
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.backends.cudnn.benchmark = False
    torch.use_deterministic_algorithms(True, warn_only=True)
    # Otherwise every freshly allocated tensor would be overwritten once.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]


class EpochOrder(Sampler[int]):
    """Every item once, in an order that follows from the seed and the number of the epoch alone."""

    def __init__(self, items: Sized, seed: int) -> None:
        self._items, self._seed = items, seed
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the order of the next iteration."""
        self._epoch = epoch

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(derive_seed(self._seed, "order", self._epoch))
        return iter(torch.randperm(len(self._items), generator=generator).tolist())

    def __len__(self) -> int:
        return len(self._items)
