"""Norm tuning: only scale and shift of the norms of the backbone are trained.

Basu et al.: Strong Baselines for Parameter-Efficient Few-Shot Fine-Tuning, AAAI 2024 (arXiv 2304.01917),
LN-Tune of the abstract.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from torch import nn

from adapters.scheme import AdapterScheme
from adapters.trainable_copies import TrainableCopies, norms
from registry import register_adapter

if TYPE_CHECKING:
    from backbones.backbone import Backbone


@register_adapter("norm_tuning", version=1)
class NormTuning(AdapterScheme):
    """Scale and shift of every norm trained as float32 copies, shared by both modalities as one backbone would be.

    Raises:
        UserError: the backbone has no norms with parameters.
    """

    across_widths: ClassVar[bool] = True

    def __init__(self, backbone: Backbone) -> None:
        super().__init__(backbone)
        self.copies = TrainableCopies(backbone, norms, "norms with parameters")

    def trainable_copies(self) -> Mapping[str, nn.Parameter]:
        return self.copies.by_name()
