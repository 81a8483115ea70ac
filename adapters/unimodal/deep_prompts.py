"""Deep prompts: learned tokens that every token may attend to, new ones in each block.

Jia et al.: Visual Prompt Tuning, ECCV 2022 (arXiv 2203.12119), section 3.2, VPT-Deep.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, cast

import torch
from torch import nn

from adapters.parts import blocks_in, steps_of
from adapters.scheme import AdapterScheme
from registry import UserError, register_adapter
from registry.space import OneOf, SearchSpace
from registry.vocabulary import Streams

if TYPE_CHECKING:
    from backbones.backbone import Backbone
    from backbones.block import Block, Step


@register_adapter("deep_prompts", version=1)
class DeepPrompts(AdapterScheme):
    """Learned prompt tokens of each modality in each block; the modalities do not meet.

    As in VPT-Deep the outputs of prompts are discarded, so prompts act as keys and values only. On Swin they join every
    window, without position bias. Features differ from the frozen backbone's from the start, since attention is shared.

    Args:
        backbone: read for the widths of its blocks.
        prompts: tokens for each block and modality, started by Xavier's uniform rule.

    Raises:
        UserError: an option out of range.
    """

    identity_at_start: ClassVar[bool] = False
    across_widths: ClassVar[bool] = True

    search_space: ClassVar[SearchSpace] = {
        **AdapterScheme.search_space,
        "prompts": OneOf((2, 4, 8, 16, 32)),
    }

    def __init__(self, backbone: Backbone, prompts: int = 8) -> None:
        super().__init__(backbone)
        if prompts < 1:
            raise UserError(f"deep_prompts prompts={prompts} must be at least 1.")

        def tokens(dim: int) -> nn.Parameter:
            return nn.Parameter(nn.init.xavier_uniform_(torch.empty(prompts, dim)))

        self.prompts = nn.ModuleList(
            nn.ParameterDict({m: tokens(block.dim) for m, block in blocks_in(step).items()})
            for step in steps_of(backbone)
        )

    def forward_block(self, index: int, step: Block | Step, streams: Streams) -> Streams:
        prompts, blocks = cast("dict[str, nn.Parameter]", self.prompts[index]), blocks_in(step)
        streams = {m: x + blocks[m].attend(x, context=prompts[m]) for m, x in streams.items()}
        return {m: x + blocks[m].feed_forward(x) for m, x in streams.items()}
