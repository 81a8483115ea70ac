"""Two streams of tokens on their way through a frozen backbone."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

from torch import nn

from adapters.scheme import AdapterScheme
from adapters.tuned import standing_in
from backbones.backbone import Backbone
from backbones.block import Block
from registry.vocabulary import Features, Modality, Streams


class Encoder(nn.Module):
    """A frozen backbone under an adapter scheme; what heads call to `encode` pictures."""

    def __init__(self, backbone: Backbone, scheme: AdapterScheme) -> None:
        super().__init__()
        self.backbone, self.scheme = backbone, scheme

    def forward(self, pictures: Streams) -> dict[Modality, Features]:
        """{m: (B, T, 3, S, S')} of one or both modalities -> features of the same modalities."""
        with standing_in(self.backbone, self.scheme.tuned()):
            streams = self.scheme.enter({m: self.backbone.embed(picture) for m, picture in pictures.items()})
            for index, block in enumerate(cast(Iterable[Block], self.backbone.blocks)):
                streams = self.scheme.forward_block(index, block, {m: block.enter(x) for m, x in streams.items()})
            return self.scheme.leave(streams, self.backbone.finish)
