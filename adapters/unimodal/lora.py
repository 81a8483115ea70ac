"""LoRA: a low-rank change of frozen projections.

Hu et al.: LoRA: Low-Rank Adaptation of Large Language Models, ICLR 2022 (arXiv 2106.09685), equation 3.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, cast

from torch import Tensor, nn

from adapters.parts import Linear, blocks_in, each_block, steps_of
from adapters.scheme import AdapterScheme
from registry import UserError, register_adapter
from registry.errors import unknown
from registry.space import OneOf, SearchSpace
from registry.vocabulary import Streams

if TYPE_CHECKING:
    from backbones.backbone import Backbone
    from backbones.block import Block, Step


class LowRank(nn.Module):
    """`alpha / rank · up(down(x))`, added to a projection of x: (…, D_in) -> (…, D_out); zero at start.

    Initialised as in the authors' and peft's code: `down` uniform as any linear layer, `up` zero.
    """

    def __init__(self, dim: int, out: int, rank: int, alpha: float) -> None:
        super().__init__()
        self.down, self.up = Linear(dim, rank, bias=False), Linear(rank, out, bias=False)
        self.scale = alpha / rank
        nn.init.kaiming_uniform_(self.down.weight, a=math.sqrt(5))
        nn.init.zeros_(self.up.weight)

    def forward(self, x: Tensor) -> Tensor:
        return self.up(self.down(x)) * self.scale


@register_adapter("lora", version=1)
class Lora(AdapterScheme):
    """Low-rank changes of the frozen projections, for each modality its own; the modalities do not meet.

    Args:
        backbone: read for the widths of its blocks' projections.
        rank: inner width of each change.
        alpha: the change is scaled by alpha / rank.
        sites: which projections of a block change: `qkv` (one change for the three together), `proj`, `fc1`, `fc2`.

    Raises:
        UserError: an option out of range or a site that blocks do not have.
    """

    across_widths: ClassVar[bool] = True

    search_space: ClassVar[SearchSpace] = {
        **AdapterScheme.search_space,
        "rank": OneOf((2, 4, 8, 16, 32)),
        "alpha": OneOf((4.0, 8.0, 16.0, 32.0)),
    }

    def __init__(
        self, backbone: Backbone, rank: int = 8, alpha: float = 8.0, sites: Sequence[str] = ("qkv", "proj")
    ) -> None:
        super().__init__(backbone)
        if rank < 1:
            raise UserError(f"lora rank={rank} must be at least 1.")
        asked = [sites] if isinstance(sites, str) else list(sites)
        if not asked:
            raise UserError("lora sites=() changes nothing; name some of qkv, proj, fc1, fc2.")

        def deltas(block: Block) -> nn.ModuleDict:
            for site in asked:
                if site not in block.sites:
                    raise unknown("site of lora", str(site), block.sites)
            return nn.ModuleDict({site: LowRank(*block.sites[site], rank, alpha) for site in asked})

        self.deltas = nn.ModuleList(each_block(step, deltas) for step in steps_of(backbone))

    def forward_block(self, index: int, step: Block | Step, streams: Streams) -> Streams:
        delta = cast("dict[str, nn.ModuleDict]", self.deltas[index])
        blocks = blocks_in(step)
        streams = {m: x + blocks[m].attend(x, delta=delta[m]) for m, x in streams.items()}
        return {m: x + blocks[m].feed_forward(x, delta=delta[m]) for m, x in streams.items()}
