"""The unimodal control: STG-CMA's bottlenecks, each modality on its own.

STG-CMA: CVPR Workshops 2024 (kaiw7/STG-CMA, commit b09534d).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from adapters.stg_cma import MlpAdapter, Position, Ratio, StgCma
from registry import register_adapter

if TYPE_CHECKING:
    from backbones.backbone import Backbone


@register_adapter("bottleneck", version=1)
class UnimodalBottleneck(StgCma):
    """STG-CMA's bottlenecks over time, space and MLP, without any exchange between the modalities.

    Controls for what the added capacity alone gives: widths, places, attention along time, initialisation and, but
    for the two gates of a block, parameters are those of `stg_cma` with the same options. So the difference between
    the two rows of a table is the exchange, and a task on which they agree did not need it inside the backbone.

    Options are those of `stg_cma`.
    """

    def __init__(
        self,
        backbone: Backbone,
        ratio: Ratio | Mapping[str, Ratio] = 0.0625,
        every: int = 1,
        position: Position = "none",
        segments: int = 10,
        drop_path: float = 0.0,
        drop_whole_batch: bool = False,
        mlp_adapter: MlpAdapter = "serial",
        train_final_norm: bool = False,
    ) -> None:
        super().__init__(
            backbone,
            ratio,
            every,
            position,
            segments,
            exchange=False,
            drop_path=drop_path,
            drop_whole_batch=drop_whole_batch,
            mlp_adapter=mlp_adapter,
            train_final_norm=train_final_norm,
        )
