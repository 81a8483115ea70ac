"""Checking a component's options before anything is built."""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from mmengine.registry import Registry

from registry import Component, UserError, look_up
from registry.component import with_towers


def checked(registry: Registry, component: Component) -> Component:
    """The component in canonical form, its name, option names and option values checked against the registered class.

    Raises:
        UserError: an unknown name, an unknown option or a value of the wrong type.
    """
    build = look_up(registry, component.name)
    canonical = component.without_defaults(build)
    hints = _hints(build)
    for name, value in canonical.options.items():
        if name in hints and not _fits(value, hints[name]):
            expected = " or ".join(_words(hints[name]))
            raise UserError(f"option {name}={value!r} of {component.name} is not {expected}.")
    return with_towers(canonical, lambda tower: checked(registry, tower))


def callables_behind(build: Callable[..., Any]) -> list[Callable[..., Any]]:
    """A registered callable and the functions that it closes over, as a preset closes over its builder."""
    cells = getattr(build, "__closure__", None) or ()
    return [build, *(cell.cell_contents for cell in cells if inspect.isfunction(cell.cell_contents))]


def _hints(build: Callable[..., Any]) -> dict[str, Any]:
    hints: dict[str, Any] = {}
    for function in reversed(callables_behind(build)):
        takes = function.__init__ if inspect.isclass(function) else function
        for name, annotation in getattr(takes, "__annotations__", {}).items():
            # One at a time: types that are imported for the checker only, a scheme's backbone for example, are unknown.
            with suppress(NameError):
                alone = types.SimpleNamespace(__annotations__={name: annotation})
                hints |= get_type_hints(alone, globalns=getattr(takes, "__globals__", {}))
    return hints


def _fits(value: Any, hint: Any) -> bool:
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        return any(_fits(value, member) for member in get_args(hint))
    if origin is Literal:
        return value in get_args(hint)
    if hint in (int, float):
        return isinstance(value, int | hint) and not isinstance(value, bool)
    if origin in (list, tuple, Sequence):
        return isinstance(value, list | tuple)
    kind = origin or hint
    return not isinstance(kind, type) or isinstance(value, kind)


def _words(hint: Any) -> list[str]:
    if get_origin(hint) in (Union, types.UnionType):
        return [word for member in get_args(hint) for word in _words(member)]
    if get_origin(hint) is Literal:
        return [repr(choice) for choice in get_args(hint)]
    named = {int: "a whole number", float: "a number", bool: "True or False", str: "text", types.NoneType: "None"}
    named[Mapping] = "a table {'field': value}"
    return [named.get(get_origin(hint) or hint, f"a {getattr(hint, '__name__', hint)}")]
