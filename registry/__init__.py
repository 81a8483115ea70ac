"""Names, shared words and the way from a name to a class. Imports nothing else of this project."""

from registry.component import Component
from registry.errors import UserError
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
    "UserError",
    "look_up",
    "names",
    "register_adapter",
    "register_backbone",
    "register_task",
]
