"""`torch.compile` of one block at a time, for the shapes that training repeats."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import torch
from torch import nn

from adapters.parts import entered
from adapters.scheme import AdapterScheme
from backbones.block import Block, Step
from registry.vocabulary import Modality, Streams

VERSIONS_OF_A_BLOCK = 2
"""A block is compiled once, and once more where the first tokens have no gradient yet and later ones do."""


@runtime_checkable
class InParts(Protocol):
    """A scheme whose `forward_block(index, step, streams)` is `part(index)(step, streams)` and nothing else.

    For it one program serves all blocks that are alike; other schemes have one for each block.
    """

    def part(self, index: int) -> nn.Module:
        """What the scheme adds to one block, called with (step, streams)."""


class CompiledSteps:
    """Steps through blocks, compiled in training and as written otherwise.

    Shapes are static: those that a block sees first. Other batches (the last and smaller one, a single clip) and all
    of inference run as written, since compiling anew for them would take longer than it saves.

    Args:
        blocks: how many there are.
    """

    def __init__(self, blocks: int) -> None:
        import torch._dynamo  # noqa: PLC0415 (seconds, for who compiles alone)

        # Each block may be another version of the same function, and by default there may be eight.
        limit = torch._dynamo.config.recompile_limit
        torch._dynamo.config.recompile_limit = max(limit, VERSIONS_OF_A_BLOCK * blocks)
        self._through_part = torch.compile(_through_part, dynamic=False)
        self._through_block = torch.compile(_through_block, dynamic=False)
        self._shapes: dict[int, dict[Modality, torch.Size]] = {}

    def __call__(self, scheme: AdapterScheme, index: int, step: Block | Step, streams: Streams) -> Streams:
        """{m: (B, T, L', D')} -> {m: (B, T, L, D)}"""
        shapes = {m: x.shape for m, x in streams.items()}
        if not torch.is_grad_enabled() or self._shapes.setdefault(index, shapes) != shapes:
            return _through_block(scheme, index, step, streams)
        if not isinstance(scheme, InParts):
            return self._through_block(scheme, index, step, streams)
        # The number of the block stays outside, where nothing is compiled for each value of it.
        return self._through_part(scheme.part(index), step, streams)


def _through_part(part: nn.Module, step: Block | Step, streams: Streams) -> Streams:
    result: Streams = part(step, entered(step, streams))
    return result


def _through_block(scheme: AdapterScheme, index: int, step: Block | Step, streams: Streams) -> Streams:
    return scheme.forward_block(index, step, entered(step, streams))
