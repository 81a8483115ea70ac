"""A package whose names are imported when they are first used, so that starting a command stays quick."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def lazy_names(package: str, places: Mapping[str, str]) -> Callable[[str], Any]:
    """A `__getattr__` for the `__init__` of a package (PEP 562).

    Args:
        places: by name, the module that defines it, as `module` or, where it has another name there, `module:name`.
    """

    def get(name: str) -> Any:
        if name not in places:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module, _, other = places[name].partition(":")
        return getattr(import_module(module), other or name)

    return get
