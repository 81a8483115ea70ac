"""BitFit: only the biases of the backbone are trained.

Ben Zaken, Ravfogel, Goldberg: BitFit, ACL 2022 (arXiv 2106.10199), section 3.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from torch import nn

from adapters.scheme import AdapterScheme
from adapters.trainable_copies import TrainableCopies, biases
from registry import register_adapter

if TYPE_CHECKING:
    from backbones.backbone import Backbone


@register_adapter("bitfit", version=1)
class BitFit(AdapterScheme):
    """Biases of projections and norms trained as float32 copies, shared by both modalities as one backbone would be.

    Raises:
        UserError: the backbone has no biases.
    """

    across_widths: ClassVar[bool] = True

    def __init__(self, backbone: Backbone) -> None:
        super().__init__(backbone)
        self.copies = TrainableCopies(backbone, biases, "biases")

    def trainable_copies(self) -> Mapping[str, nn.Parameter]:
        return self.copies.by_name()
