"""The base class of every adapter scheme; it behaves as a linear probe."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from torch import Tensor, nn

from adapters.parts import refuse_unlike_widths, through
from registry.space import Around, SearchSpace
from registry.vocabulary import Features, Modality, Streams

if TYPE_CHECKING:
    from backbones.backbone import Backbone
    from backbones.block import Block, Step


class AdapterScheme(nn.Module):
    """How token streams travel through a frozen backbone; owns every trainable parameter outside the head.

    A scheme reads widths from the backbone when it is built and keeps no reference to it. A stream whose partner is
    absent is adapted on its own. Every method returns streams of the type (float32, bfloat16) that it was given.

    An encoder calls `enter` once, `forward_block` for each block after that block's own `enter`, and `leave` once. If
    sight and sound have a backbone each, that is called with a `Step`, a pair of blocks or one block of one modality,
    and with the streams that move there. What a scheme remembers from a block until `leave` is a buffer
    (`register_buffer(name, None, persistent=False)`), which `leave` sets to None again: a block that is computed again
    in the backward pass then leaves no trace.

    Args:
        across_widths: what the class says of itself, where options decide it.

    Raises:
        UserError: two backbones whose widths differ where streams meet, for a scheme that needs one width.
    """

    identity_at_start: ClassVar[bool] = True
    """Whether, with default options and before training, features equal the frozen backbone's."""

    leaves_features_unchanged: ClassVar[bool] = False
    """Whether features stay the frozen backbone's own while it trains, so that they can be computed once and kept.

    Each class says so for itself: one derived from a linear probe may do anything.
    """

    across_widths: ClassVar[bool] = False
    """Whether streams may differ in width where they meet, as those of two backbones do."""

    search_space: ClassVar[SearchSpace] = {"adapter_lr": Around(10)}
    """Where `tune` looks: fields of the recipe, always, and options of the scheme, those that are asked for."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        cls.leaves_features_unchanged = cls.__dict__.get("leaves_features_unchanged", False)

    def __init__(self, backbone: Backbone, across_widths: bool | None = None) -> None:
        super().__init__()
        if not (self.across_widths if across_widths is None else across_widths):
            refuse_unlike_widths(backbone)

    def trainable_copies(self) -> Mapping[str, nn.Parameter]:
        """Trainable copies of parameters of the backbone, by their names in it; none unless a scheme trains some.

        While streams travel, from the embedding of pictures to their features, the encoder lets the frozen backbone
        compute with these instead (`adapters.trainable_copies.substitute_parameters`).
        """
        return {}

    def penalty(self) -> Tensor | None:
        """What training adds to the head's loss for all that left since the last call: a scalar; None for nothing.

        A scheme that has one takes it together in `leave`, while gradients are on, and forgets it here.
        """
        return None

    def enter(self, streams: Streams) -> Streams:
        """After embedding, before the first block: {m: (B, T, L, D)} -> same."""
        return streams

    def forward_block(self, index: int, step: Block | Step, streams: Streams) -> Streams:
        """Carry every stream through one block: {m: (B, T, L, D)} -> {m: (B, T, L, D)}."""
        update = through(step, "attend", streams)
        streams = {m: x + update[m] for m, x in streams.items()}
        update = through(step, "feed_forward", streams)
        return {m: x + update[m] for m, x in streams.items()}

    def leave(self, streams: Streams, finish: Callable[[Tensor, Modality], Features]) -> dict[Modality, Features]:
        """After the last block: {m: (B, T, L, D)} -> features.

        `finish(x, modality)` is the backbone's own final norm and pooling. A scheme that adds a last step of its own
        takes it before or after that call.
        """
        return {m: finish(x, m) for m, x in streams.items()}
