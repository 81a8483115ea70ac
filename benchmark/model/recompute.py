"""Activation checkpointing of blocks: their activations are computed again in the backward pass instead of kept."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.checkpoint import checkpoint

from adapters.parts import blocks_in, steps_of, tower_of
from backbones.backbone import Backbone
from registry.vocabulary import Streams
from tasks.recipe import Checkpointing

KEPT_BYTES = {False: 100, True: 70}
"""Bytes that a block keeps for each number of its tokens, in float32 and under autocast (True): what was measured of
the schemes that keep most, rounded up."""

INPUT_BYTES = 12
"""The same of a block that is computed again: its input and what fused attention puts out."""

TRAINING_BYTES = 12
"""For each trained parameter: its gradient and two moments of the optimiser, in float32."""

PORTION = 0.75
"""Of the free memory; the rest is for what a step holds for a moment, and for the loader."""

FUSED = frozenset(
    getattr(torch.ops.aten, f"_scaled_dot_product_{kernel}").default
    for kernel in ("flash_attention_for_cpu", "flash_attention", "efficient_attention", "cudnn_attention")
)
"""What `scaled_dot_product_attention` becomes."""


def blocks_to_recompute(
    checkpointing: Checkpointing,
    sizes: Sequence[int],
    *,
    reduced: bool = False,
    trained: int = 0,
    free: int | None = None,
) -> frozenset[int]:
    """Which blocks are computed again: under `auto` no more than it takes for a step to fit into the free memory.

    What a block keeps grows with tokens x width, while its operations are about the same in every block of a family: so
    those with the largest product go first, the earliest of equals.

    Args:
        sizes: tokens x width of each block, streams, clips and segments together.
        reduced: whether the step is under autocast.
        trained: parameters.
        free: bytes; None where nothing is known, and then everything is kept.
    """
    if checkpointing == "blocks":
        return frozenset(range(len(sizes)))
    if checkpointing == "none" or free is None:
        return frozenset()
    chosen: set[int] = set()
    for index in sorted(range(len(sizes)), key=lambda i: -sizes[i]):
        if step_bytes(sizes, chosen, reduced=reduced, trained=trained) <= PORTION * free:
            break
        chosen.add(index)
    return frozenset(chosen)


def step_bytes(sizes: Sequence[int], recomputed: Collection[int], *, reduced: bool, trained: int) -> int:
    """What a training step holds at most beside the weights, when these blocks are computed again; an estimate."""
    again = [sizes[i] for i in recomputed]
    # While a block is computed again, it holds as much as one that keeps everything.
    whole = sum(sizes) - sum(again) + max(again, default=0)
    return KEPT_BYTES[reduced] * whole + INPUT_BYTES * sum(again) + TRAINING_BYTES * trained


@torch.no_grad()
def block_sizes(backbone: Backbone, pictures: Streams) -> list[int]:
    """Tokens x width of each step, all pictures together: {m: (B, T, 3, S, S')} -> a number for each block.

    One picture of each modality goes through the embedding and the starts of stages, which decide both.
    """
    steps = steps_of(backbone)
    sizes = [0] * len(steps)
    for m, picture in pictures.items():
        x = tower_of(backbone, m).embed(picture[:1, :1])
        for index, step in enumerate(steps):
            if m in blocks_in(step):
                x = blocks_in(step)[m].enter(x)
                sizes[index] += x.numel() * picture.shape[:2].numel()
    return sizes


def recompute(
    step: Callable[[Streams], Streams], streams: Streams, scheme: nn.Module, fused: list[Any] | None = None
) -> Streams:
    """`step(streams)` that keeps only its input and what `fused` takes.

    Outputs, gradients and what `scheme` remembers are as without it. Dropout draws the same both times (torch restores
    the random state), and buffers of the scheme, such as the running statistics of batch norms, move once.

    Args:
        step: without side effects other than on buffers of `scheme`.
        fused: takes what fused attention puts out, which takes long and is small. Without it that is computed again
            too. Looking for it takes a fiftieth of a step, and torch's compiler refuses steps that are looked through.
    """

    def contexts() -> tuple[AbstractContextManager[Any], AbstractContextManager[Any]]:
        keep, reuse = (nullcontext() if fused is None else _Fused(fused, again=again) for again in (False, True))
        return keep, _both(_copied_buffers(scheme), reuse)

    if not torch.is_grad_enabled():
        return step(streams)
    result: Streams = checkpoint(step, streams, use_reentrant=False, context_fn=contexts)
    return result


class _Fused(TorchDispatchMode):
    """Within, what fused attention puts out is kept, in order; when computed `again`, it is taken from there instead.

    Torch's own selective checkpointing can do so too and looks at every operation for nearly twice as long.
    """

    def __init__(self, kept: list[Any], *, again: bool) -> None:
        super().__init__()
        self._kept, self._again = kept, again

    def __torch_dispatch__(self, operation: Any, types: Any, inputs: Any = (), options: Any = None) -> Any:
        if operation in FUSED and self._again:
            return self._kept.pop(0)
        outputs = operation(*inputs, **(options or {}))
        if operation in FUSED:
            self._kept.append(outputs)
        return outputs


@contextmanager
def _both(outer: AbstractContextManager[Any], inner: AbstractContextManager[Any]) -> Iterator[None]:
    with outer, inner:
        yield


@contextmanager
def _copied_buffers(module: nn.Module) -> Iterator[None]:
    """Within, the module writes to copies of its buffers; afterwards it holds its own again, as they were.

    Those that are None too: what a scheme remembers until `leave`, which has been called when a block is done again.
    """
    places = [(m, name, b) for m in module.modules() for name, b in m._buffers.items()]
    try:
        for owner, name, buffer in places:
            setattr(owner, name, None if buffer is None else buffer.clone())
        yield
    finally:
        for owner, name, buffer in places:
            setattr(owner, name, buffer)
