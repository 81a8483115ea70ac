"""Loaders of clips, and the processes behind them."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import threading
from collections.abc import Sized
from multiprocessing.connection import Connection, wait
from multiprocessing.context import BaseContext
from pathlib import Path
from typing import Any, cast

import torch
from torch.utils.data import DataLoader, Dataset

from registry.plugins import load_plugins, requested_plugins
from tasks.media import underway

PRELOADED = ["tasks.builtin", "tasks.media.recording", "torch.utils.data"]
"""What every such process needs; each would import it for itself, for seconds, in each epoch."""


MOST_WORKERS = 8
"""Processes of one loader where nobody asks for a number."""


def clip_loader(clips: Dataset[Any], *, workers: int | None, **options: Any) -> DataLoader[Any]:
    """A loader with as many processes as asked, but no more than this cell has threads.

    They are forked from a server that has the imports. They start anew in each epoch, so that its seed reaches them.

    Args:
        workers: processes; None has as many as this cell has threads, at most `MOST_WORKERS`.
        options: further ones of `DataLoader`.
    """
    workers = min(MOST_WORKERS if workers is None else workers, torch.get_num_threads())
    if not workers:
        return DataLoader(clips, **options)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    return DataLoader(_SentWhole(clips, context), num_workers=workers, multiprocessing_context=context, **options)


def clips_of(loader: DataLoader[Any]) -> Dataset[Any]:
    """The data set that a loader was given."""
    return loader.dataset.clips if isinstance(loader.dataset, _SentWhole) else loader.dataset


def clips_in(batch: Any) -> int:
    """How many clips a collated batch holds."""
    return clips_in(next(iter(batch.values()))) if isinstance(batch, dict) else len(batch)


class _SentWhole(Dataset[Any]):
    """A data set that goes to a process as one string of bytes.

    As it is, each of its tensors would go as an open file, and a process takes no more than some 250.

    Args:
        context: how the processes start; None in such a process itself.
    """

    def __init__(self, clips: Dataset[Any], context: BaseContext | None = None) -> None:
        self.clips = clips
        self._theirs: Connection | None = None
        self._ours: Connection | None = None
        if context:
            self._theirs, self._ours = context.Pipe(duplex=False)

    def __len__(self) -> int:
        return len(cast(Sized, self.clips))

    def __getitem__(self, index: int) -> Any:
        return self.clips[index]

    def __reduce__(self) -> tuple[Any, ...]:
        return _received, (requested_plugins(), pickle.dumps(self.clips), underway.noted_in(), self._theirs)


def _received(plugins: tuple[str, ...], clips: bytes, notes: Path | None, reader: Connection | None) -> _SentWhole:
    if reader:
        threading.Thread(target=_end_with_the_reader, args=(reader,), daemon=True).start()
    underway.note_in(notes)
    if plugins:
        # The class of a plug-in's data set is known only where its file was imported.
        load_plugins(plugins)
    # Packed by the process that started this one, as everything else is that it was started with.
    return _SentWhole(pickle.loads(clips))


def _end_with_the_reader(connection: Connection) -> None:
    """Whoever reads these clips may be killed, and torch's own look after it can wait for ever behind a full pipe.

    Nothing is ever sent, so that something to read is the end of the other side.
    """
    wait([connection])
    os.kill(os.getpid(), signal.SIGKILL)
