"""The base class of every adapter scheme; it behaves as a linear probe."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, ClassVar, Protocol

from torch import Tensor, nn

from adapters.parts import together
from registry.errors import UserError
from registry.vocabulary import Features, Modality, Streams

if TYPE_CHECKING:
    from backbones.backbone import Backbone
    from backbones.block import Block


class Finish(Protocol):
    """A backbone's own last step: final norm, or `norm` in its place, and pooling."""

    def __call__(self, x: Tensor, norm: nn.Module | None = None) -> Features: ...


class AdapterScheme(nn.Module):
    """How token streams travel through a frozen backbone; owns every trainable parameter outside the head.

    A scheme reads widths from the backbone when it is built and keeps no reference to it. A stream whose partner is
    absent is adapted on its own. Every method returns streams of the type (float32, bfloat16) that it was given.

    An encoder calls `enter` once, `forward_block` for each block after that block's own `enter`, and `leave` once.
    """

    identity_at_start: ClassVar[bool] = True
    """Whether, with default options and before training, features equal the frozen backbone's."""

    stands_in_for: frozenset[str] = frozenset()
    """Names of frozen backbone parameters that copies in this scheme take the place of; counts leave them out."""

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()

    def enter(self, streams: Streams) -> Streams:
        """After embedding, before the first block: {m: (B, T, L, D)} -> same."""
        return streams

    def forward_block(self, index: int, block: Block, streams: Streams) -> Streams:
        """Carry every stream through one block: {m: (B, T, L, D)} -> {m: (B, T, L, D)}."""
        update = together(block.attend, streams)
        streams = {m: x + update[m] for m, x in streams.items()}
        update = together(block.feed_forward, streams)
        return {m: x + update[m] for m, x in streams.items()}

    def leave(self, streams: Streams, finish: Finish) -> dict[Modality, Features]:
        """After the last block: {m: (B, T, L, D)} -> features.

        `finish` is the backbone's own final norm and pooling. A scheme that adds a last step of its own takes it
        before or after that call; one that trains the final norm passes its copy.
        """
        return {m: finish(x) for m, x in streams.items()}


def trained_final_norm(backbone: Backbone) -> tuple[nn.Module, frozenset[str]]:
    """A trainable copy of a backbone's final norm for `leave`, and what the copy `stands_in_for`.

    Raises:
        UserError: the backbone ends without a norm that has parameters.
    """
    norm = copy.deepcopy(backbone.final_norm).requires_grad_(True)
    names = frozenset(f"final_norm.{name}" for name, _ in norm.named_parameters())
    if not names:
        raise UserError("train_final_norm=True, but this backbone has no final norm to train; leave the option out.")
    return norm, names
