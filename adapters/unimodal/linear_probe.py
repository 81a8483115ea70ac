"""The linear probe: the frozen backbone as it is."""

from __future__ import annotations

from typing import ClassVar

from adapters.scheme import AdapterScheme
from registry import register_adapter
from registry.space import SearchSpace


@register_adapter("linear_probe", version=1)
class LinearProbe(AdapterScheme):
    """Nothing is added; only the task head learns. The floor that every adapter has to beat."""

    across_widths: ClassVar[bool] = True
    leaves_features_unchanged: ClassVar[bool] = True
    search_space: ClassVar[SearchSpace] = {}
