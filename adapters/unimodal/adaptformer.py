"""AdaptFormer: a scaled bottleneck parallel to the MLP.

Chen et al.: AdaptFormer: Adapting Vision Transformers for Scalable Visual Recognition, NeurIPS 2022 (arXiv 2205.13535).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar, cast

import torch.nn.functional as F
from torch import Tensor, nn

from adapters.parts import Linear, each_block, steps_of, through
from adapters.scheme import AdapterScheme
from registry import UserError, register_adapter
from registry.space import OneOf, SearchSpace
from registry.vocabulary import Streams

if TYPE_CHECKING:
    from backbones.backbone import Backbone
    from backbones.block import Block, Step


class ParallelBottleneck(nn.Module):
    """`scale · up(dropout(ReLU(down(x))))`: (…, D) -> (…, D); zero at start.

    Initialised as in the authors' code: `down` uniform as any linear layer, everything else zero.
    """

    def __init__(self, dim: int, hidden: int, scale: float, dropout: float) -> None:
        super().__init__()
        self.down, self.up = Linear(dim, hidden), Linear(hidden, dim)
        self.scale, self.dropout = scale, nn.Dropout(dropout)
        nn.init.kaiming_uniform_(self.down.weight, a=math.sqrt(5))
        for zero in (self.down.bias, self.up.weight, self.up.bias):
            nn.init.zeros_(zero)

    def forward(self, x: Tensor) -> Tensor:
        return self.up(self.dropout(F.relu(self.down(x)))) * self.scale


@register_adapter("adaptformer", version=1)
class AdaptFormer(AdapterScheme):
    """A bottleneck of each modality beside the MLP, on the same tokens; the modalities do not meet.

    Defaults are those of the authors' image experiments, where the bottleneck reads the tokens as they are, before the
    frozen norm; `dropout=0.1` is their training setting.

    Args:
        backbone: read for the widths of its blocks.
        hidden: width of the bottleneck.
        scale: s of the paper's equation 3.
        dropout: inside the bottleneck, while training.

    Raises:
        UserError: an option out of range.
    """

    across_widths: ClassVar[bool] = True

    search_space: ClassVar[SearchSpace] = {
        **AdapterScheme.search_space,
        "hidden": OneOf((8, 16, 32, 64, 128)),
        "scale": OneOf((0.05, 0.1, 0.2, 0.5, 1.0)),
        "dropout": OneOf((0.0, 0.1)),
    }

    def __init__(self, backbone: Backbone, hidden: int = 64, scale: float = 0.1, dropout: float = 0.0) -> None:
        super().__init__(backbone)
        if hidden < 1:
            raise UserError(f"adaptformer hidden={hidden} must be at least 1.")
        if not 0 <= dropout < 1:
            raise UserError(f"adaptformer dropout={dropout} must be at least 0 and below 1.")
        self.beside_mlp = nn.ModuleList(
            each_block(step, lambda block: ParallelBottleneck(block.dim, hidden, scale, dropout))
            for step in steps_of(backbone)
        )

    def forward_block(self, index: int, step: Block | Step, streams: Streams) -> Streams:
        adapters = cast("dict[str, ParallelBottleneck]", self.beside_mlp[index])
        update = through(step, "attend", streams)
        streams = {m: x + update[m] for m, x in streams.items()}
        update = through(step, "feed_forward", streams)
        return {m: x + update[m] + adapters[m](x) for m, x in streams.items()}
