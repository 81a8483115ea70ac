"""Sight and sound tell each other which channels matter: squeeze and excitation (arXiv 1709.01507) across both."""

import torch.nn.functional as F
from torch import nn

from adapters.parts import each_modality
from adapters.scheme import AdapterScheme
from registry import register_adapter


class Excitation(nn.Module):
    """Channel by channel changes of both streams; none at the start."""

    def __init__(self, dim, hidden):
        super().__init__()
        self.squeeze = each_modality(lambda: nn.Linear(dim, hidden))
        self.excite = each_modality(lambda: nn.Linear(hidden, dim))
        for layer in self.excite.values():
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, streams):
        """{modality: (B, T, L, D)} -> what to add, same shapes"""
        summary = sum(self.squeeze[m](x.mean(dim=2, keepdim=True)) for m, x in streams.items())
        return {m: x * self.excite[m](F.gelu(summary)).to(x.dtype) for m, x in streams.items()}


@register_adapter("cross_excite")
class CrossExcite(AdapterScheme):
    """Channels of each modality turned up or down by a joint summary of both; a lone stream excites itself."""

    def __init__(self, backbone, reduction: int = 4):
        super().__init__(backbone)
        widths = [block.dim for block in backbone.blocks]
        self.excitations = nn.ModuleList(Excitation(dim, max(1, dim // reduction)) for dim in widths)

    def forward_block(self, index, block, streams):
        streams = {m: x + block.attend(x) for m, x in streams.items()}
        added = self.excitations[index](streams)
        return {m: x + block.feed_forward(x) + added[m] for m, x in streams.items()}
