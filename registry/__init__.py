"""Names, shared words and the way from a name to a class. Imports nothing else of this project."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from registry.component import Component
from registry.errors import DataError, UserError, WeightsError

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


def __getattr__(name: str) -> Any:
    # mmengine brings torch along, seconds of import; whoever only wants an error or a component does not pay for it.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("registry.registries"), name)
