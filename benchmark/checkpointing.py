"""Activation checkpointing of a block: its activations are computed again in the backward pass instead of kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from registry.vocabulary import Streams


def computed_again(step: Callable[[Streams], Streams], streams: Streams, scheme: nn.Module) -> Streams:
    """`step(streams)` that keeps its input only; outputs, gradients and what `scheme` remembers are as without it.

    Dropout draws the same both times (torch restores the random state), and buffers of the scheme, such as the running
    statistics of batch norms, move once.

    Args:
        step: without side effects other than on buffers of `scheme`.
    """

    def contexts() -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
        return nullcontext(), _copied_buffers(scheme)

    if not torch.is_grad_enabled():
        return step(streams)
    result: Streams = checkpoint(step, streams, use_reentrant=False, context_fn=contexts)
    return result


@contextmanager
def _copied_buffers(module: nn.Module) -> Iterator[None]:
    """Within, the module writes to copies of its buffers; afterwards it holds its own again, as they were."""
    places = [(m, name, b) for m in module.modules() for name, b in m.named_buffers(recurse=False)]
    try:
        for owner, name, buffer in places:
            setattr(owner, name, buffer.clone())
        yield
    finally:
        for owner, name, buffer in places:
            setattr(owner, name, buffer)
