"""Names, shared words and the way from a name to a class. Imports nothing else of this project."""

from __future__ import annotations

from typing import TYPE_CHECKING

from registry.component import Component
from registry.errors import DataError, UserError, WeightsError
from registry.lazy import lazy_names

if TYPE_CHECKING:
    from registry.registries import (
        ADAPTERS,
        BACKBONES,
        TASKS,
        look_up,
        names,
        register_adapter,
        register_backbone,
        register_task,
    )

__all__ = [
    "ADAPTERS",
    "BACKBONES",
    "TASKS",
    "Component",
    "DataError",
    "UserError",
    "WeightsError",
    "look_up",
    "names",
    "register_adapter",
    "register_backbone",
    "register_task",
]

# mmengine, which the registries are made of, takes a moment; whoever only wants an error or a component is spared it.
__getattr__ = lazy_names(
    __name__, dict.fromkeys((name for name in __all__ if name not in globals()), "registry.registries")
)
