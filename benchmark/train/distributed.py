"""What changes where several processes train one cell: shares of the data, common gradients, common scores.

Each process takes its share of every batch, so the effective batch is that of one process. A loss that is a mean over
clips then has the same gradient; a loss within a batch (retrieval's) compares only the clips of one share, and batch
norm sees one share at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Sized
from itertools import cycle, islice
from typing import Any, TypeVar

import torch
from mmengine.hooks import Hook
from mmengine.model import MMDistributedDataParallel
from mmengine.runner import Runner
from torch import distributed
from torch.utils.data import Sampler

from benchmark.model.model import AudioVisualModel

Item = TypeVar("Item")


def rank() -> int:
    """The number of this process, 0 where it is alone."""
    return distributed.get_rank() if distributed.is_initialized() else 0


def processes() -> int:
    """How many train this cell."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


class Share(Sampler[int]):
    """Every so-manieth item of another order, so that the shares of a batch together are that batch.

    Args:
        even: repeat items from the start until all shares are as long, as training needs; scoring must not.
    """

    def __init__(self, order: Sampler[int] | Sized, *, even: bool) -> None:
        self._order, self._even = order, even

    def set_epoch(self, epoch: int) -> None:
        """Choose the order of the next iteration."""
        if hasattr(self._order, "set_epoch"):
            self._order.set_epoch(epoch)

    def __iter__(self) -> Iterator[int]:
        whole = list(self._order) if isinstance(self._order, Sampler) else list(range(len(self._order)))
        if self._even:
            whole += islice(cycle(whole), -len(whole) % processes())
        return iter(whole[rank() :: processes()])

    def __len__(self) -> int:
        items = len(self._order)  # type: ignore[arg-type]
        return -(-items // processes()) if self._even else len(range(rank(), items, processes()))


def gathered(mine: Sequence[Item]) -> list[Item]:
    """What every process has of a split, in the split's order, for a split in uneven shares."""
    if processes() == 1:
        return list(mine)
    shares: list[Any] = [None] * processes()
    distributed.all_gather_object(shares, list(mine))
    longest = max(map(len, shares))
    return [share[i] for i in range(longest) for share in shares if i < len(share)]


def wrapped(model: AudioVisualModel) -> AudioVisualModel | MMDistributedDataParallel:
    """The model, behind mmengine's wrapper that averages gradients where there are several processes."""
    if processes() == 1:
        return model
    device = next(model.parameters()).device
    # A scheme may hold parameters that no stream of a step meets.
    return MMDistributedDataParallel(
        model,
        device_ids=[device] if device.type == "cuda" else None,
        broadcast_buffers=False,
        find_unused_parameters=True,
    )


class CommonBuffers(Hook):
    """Averages the running statistics of all processes before they are used, so that every process scores alike."""

    priority = "VERY_HIGH"

    def before_val_epoch(self, runner: Runner) -> None:
        if processes() == 1:
            return
        model = getattr(runner.model, "module", runner.model)
        for module in (model.encoder.scheme, model.head):
            for buffer in module.buffers():
                if buffer.is_floating_point():
                    distributed.all_reduce(buffer)
                    with torch.no_grad():
                        buffer /= processes()
