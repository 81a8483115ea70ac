"""Three registries and the decorators that fill them.

`locations` makes mmengine import the built-in components on the first look-up only: importing a registry is cheap.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeVar

from mmengine.registry import Registry

from registry.errors import UserError, unknown

BACKBONES = Registry("backbone", scope="benchmark", locations=["backbones.builtin"])
ADAPTERS = Registry("adapter", scope="benchmark", locations=["adapters.builtin"])
TASKS = Registry("task", scope="benchmark", locations=["tasks.builtin"])

# A dot would be read by mmengine as a scope, and the look-up would return None without a word.
_NAME = re.compile(r"[a-z][a-z0-9_]*")

Registered = TypeVar("Registered", bound=Callable[..., object])


def register_backbone(name: str) -> Callable[[Registered], Registered]:
    """Register a `Backbone` subclass, or a function that returns a `Backbone`, under a snake_case name."""
    return _register(BACKBONES, name)


def register_adapter(name: str) -> Callable[[Registered], Registered]:
    """Register an `AdapterScheme` subclass under a snake_case name."""
    return _register(ADAPTERS, name)


def register_task(name: str) -> Callable[[Registered], Registered]:
    """Register a `Task` subclass under a snake_case name."""
    return _register(TASKS, name)


def look_up(registry: Registry, name: str) -> Callable[..., object]:
    """The class behind a name.

    Raises:
        UserError: no such name; the message has close matches and the whole list.
    """
    registry.import_from_location()
    if name not in registry.module_dict:
        raise unknown(registry.name, name, registry.module_dict)
    return registry.module_dict[name]


def names(registry: Registry) -> list[str]:
    """Every registered name, sorted."""
    registry.import_from_location()
    return sorted(registry.module_dict)


def _register(registry: Registry, name: str) -> Callable[[Registered], Registered]:
    if not _NAME.fullmatch(name):
        raise UserError(f"{registry.name} name {name!r} is not snake_case (small letters, digits, underscores).")

    def decorate(build: Registered) -> Registered:
        registry.register_module(name=name, module=build)
        return build

    return decorate
