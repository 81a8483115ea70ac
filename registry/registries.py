"""Three registries and the decorators that fill them.

`locations` makes mmengine import the built-in components on the first look-up only: importing a registry is cheap.
"""

from __future__ import annotations

import hashlib
import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from mmengine.registry import Registry

from registry.component import Component, towers_of
from registry.errors import UserError, unknown

BACKBONES = Registry("backbone", scope="benchmark", locations=["backbones.builtin"])
"""Frozen backbones by name; `look_up(BACKBONES, name)(**options)` builds one."""
ADAPTERS = Registry("adapter", scope="benchmark", locations=["adapters.builtin"])
"""Adapters by name; `look_up(ADAPTERS, name)(backbone, **options)` builds one."""
TASKS = Registry("task", scope="benchmark", locations=["tasks.builtin"])
"""Tasks by name; `look_up(TASKS, name)(**options)` builds one."""

# A dot would be read by mmengine as a scope, and the look-up would return None without a word.
_NAME = re.compile(r"[a-z][a-z0-9_]*")

_versions: dict[tuple[str, str], int] = {}
"""By registry and name."""

Registered = TypeVar("Registered", bound=Callable[..., object])


def register_backbone(name: str, version: int | None = None) -> Callable[[Registered], Registered]:
    """Register a `Backbone` subclass, or a function that returns one, under a snake_case name.

    Args:
        version: raised whenever numbers change on purpose; None lets any change of the file make its cells new.

    Raises:
        UserError: a name that is not snake_case, or that is taken.
    """
    return _register(BACKBONES, name, version)


def register_adapter(name: str, version: int | None = None) -> Callable[[Registered], Registered]:
    """Register an `AdapterScheme` subclass under a snake_case name.

    Args:
        version: raised whenever numbers change on purpose; None lets any change of the file make its cells new.

    Raises:
        UserError: a name that is not snake_case, or that is taken.
    """
    return _register(ADAPTERS, name, version)


def register_task(name: str, version: int | None = None) -> Callable[[Registered], Registered]:
    """Register a `Task` subclass under a snake_case name.

    Args:
        version: raised whenever numbers change on purpose; None lets any change of the file make its cells new.

    Raises:
        UserError: a name that is not snake_case, or that is taken.
    """
    return _register(TASKS, name, version)


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


def version_of(registry: Registry, name: str) -> str:
    """What stands for the numbers of a component in the hash of its cells: its version, or `file:<digest>`.

    Whoever registers a component with `version=1` says by raising it that its numbers have changed, and may otherwise
    edit as they like. Without a version, any change of the file that defines it makes its cells new.

    Raises:
        UserError: no such name.
    """
    build = look_up(registry, name)
    version = _versions.get((registry.name, name))
    if version is not None:
        return str(version)
    return f"file:{hashlib.sha256(Path(inspect.getfile(build)).read_bytes()).hexdigest()[:12]}"


def version_of_parts(registry: Registry, component: Component) -> str:
    """The version of a component, `1`, and of the backbones that it names: `1, visual 1, audio 2`.

    Raises:
        UserError: no such name.
    """
    own = version_of(registry, component.name)
    towers = [f"{option} {version_of(registry, tower.name)}" for option, tower in towers_of(component).items()]
    return ", ".join([own, *towers])


def _register(registry: Registry, name: str, version: int | None) -> Callable[[Registered], Registered]:
    if not _NAME.fullmatch(name):
        raise UserError(f"{registry.name} name {name!r} is not snake_case (small letters, digits, underscores).")

    def decorate(build: Registered) -> Registered:
        if name in registry.module_dict:
            both = registry.module_dict[name].__module__, build.__module__
            raise UserError(
                f"{registry.name} name {name!r} is registered twice, by {both[0]} and by {both[1]}; "
                "choose another name for yours."
            )
        registry.register_module(name=name, module=build)
        if version is None:
            _versions.pop((registry.name, name), None)
        else:
            _versions[registry.name, name] = version
        return build

    return decorate
