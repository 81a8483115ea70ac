"""Full fine-tuning: every parameter of the backbone is trained, the upper control of any table of adapters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from torch import nn

from adapters.scheme import AdapterScheme
from adapters.trainable_copies import TrainableCopies, everything
from registry import register_adapter

if TYPE_CHECKING:
    from backbones.backbone import Backbone


@register_adapter("full_finetune", version=1)
class FullFinetune(AdapterScheme):
    """Every parameter of the backbone trained as a float32 copy; the frozen original stays as it was for other cells.

    Both modalities share the copy, as they share a single backbone. Costs the memory of a second backbone, its
    gradients and its optimiser state.
    """

    across_widths: ClassVar[bool] = True

    def __init__(self, backbone: Backbone) -> None:
        super().__init__(backbone)
        self.copies = TrainableCopies(backbone, everything, "parameters")

    def trainable_copies(self) -> Mapping[str, nn.Parameter]:
        return self.copies.by_name()
