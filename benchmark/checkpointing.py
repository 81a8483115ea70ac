"""Activation checkpointing of blocks: their activations are computed again in the backward pass instead of kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, cast

import torch
from torch import nn
from torch.utils.checkpoint import CheckpointPolicy, checkpoint, create_selective_checkpoint_contexts

from backbones.backbone import Backbone
from backbones.block import Block
from registry.vocabulary import Streams
from tasks.recipe import Checkpointing

LEAST = 2**24
"""Numbers in the tokens between blocks, all blocks together, below which a step is small and `auto` keeps everything:
activations of about half a gigabyte in bfloat16."""

PORTION = 2
"""`auto` computes blocks again that hold one part in this many."""


def blocks_again(checkpointing: Checkpointing, sizes: Sequence[int]) -> frozenset[int]:
    """Which blocks are computed again.

    What a block keeps grows with tokens x width, while its operations are about the same in every block of a family: so
    those with the largest product are chosen, the earliest of equals, until they hold half of the whole.

    Args:
        sizes: tokens x width of each block, streams, clips and segments together.
    """
    if checkpointing == "blocks":
        return frozenset(range(len(sizes)))
    if checkpointing == "none" or sum(sizes) < LEAST:
        return frozenset()
    chosen: set[int] = set()
    for index in sorted(range(len(sizes)), key=lambda i: -sizes[i]):
        if PORTION * sum(sizes[i] for i in chosen) >= sum(sizes):
            break
        chosen.add(index)
    return frozenset(chosen)


@torch.no_grad()
def block_sizes(backbone: Backbone, pictures: Streams) -> list[int]:
    """Tokens x width of each block, all pictures together: {m: (B, T, 3, S, S')} -> a number for each block.

    One picture of each modality goes through the embedding and the starts of stages, which decide both.
    """
    sizes = [0] * len(backbone.blocks)
    for picture in pictures.values():
        x = backbone.embed(picture[:1, :1])
        for index, block in enumerate(cast(Iterable[Block], backbone.blocks)):
            x = block.enter(x)
            sizes[index] += x.numel() * picture.shape[:2].numel()
    return sizes


def computed_again(step: Callable[[Streams], Streams], streams: Streams, scheme: nn.Module) -> Streams:
    """`step(streams)` that keeps only its input and what fused attention puts out.

    Outputs, gradients and what `scheme` remembers are as without it. Dropout draws the same both times (torch restores
    the random state), and buffers of the scheme, such as the running statistics of batch norms, move once.

    Args:
        step: without side effects other than on buffers of `scheme`.
    """

    def contexts() -> tuple[AbstractContextManager[Any], AbstractContextManager[Any]]:
        keep, reuse = create_selective_checkpoint_contexts(_worth_keeping)
        # The copies are made outside, where operations are not compared with those of the first time.
        return keep, _both(_copied_buffers(scheme), reuse)

    if not torch.is_grad_enabled():
        return step(streams)
    result: Streams = checkpoint(step, streams, use_reentrant=False, context_fn=contexts)
    return result


def _worth_keeping(context: Any, operation: Any, *inputs: Any, **options: Any) -> CheckpointPolicy:
    """Fused attention takes long and puts out little; everything else is computed again."""
    fused = "_scaled_dot_product" in str(operation)
    return CheckpointPolicy.MUST_SAVE if fused else CheckpointPolicy.PREFER_RECOMPUTE


@contextmanager
def _both(outer: AbstractContextManager[Any], inner: AbstractContextManager[Any]) -> Iterator[None]:
    with outer, inner:
        yield


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
