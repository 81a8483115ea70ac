"""The processes behind a loader of clips."""

from __future__ import annotations

import multiprocessing
from typing import Any

import torch

PRELOADED = ["tasks.builtin", "tasks.media.recording", "torch.utils.data"]
"""What every such process needs; each would import it for itself, for seconds, in each epoch."""


def loader_processes(asked: int) -> dict[str, Any]:
    """Arguments of a `DataLoader` for as many processes, but no more than this cell has threads.

    They are forked from a server that has the imports. They start anew in each epoch, so that its seed reaches them.
    """
    workers = min(asked, torch.get_num_threads())
    if not workers:
        return {"num_workers": 0}
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    return {"num_workers": workers, "multiprocessing_context": context}
