"""The grid that the words of a command ask for."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace

import benchmark
import registry
from benchmark.grid.grid import Grid, read_names
from benchmark.grid.papers import paper
from benchmark.grid.spec import ROLES
from registry.component import Component
from registry.errors import UserError


def asked_grid(arguments: argparse.Namespace) -> Grid:
    """The grid of --grid, of one cell, or of --paper.

    Raises:
        UserError: none or two of these, or a grid that cannot be read.
    """
    single = {role: getattr(arguments, role) for role in ROLES}
    if getattr(arguments, "paper", None) or getattr(arguments, "data", None):
        return _grid_of_a_paper(arguments)
    given = [role for role, text in single.items() if text is not None]
    if arguments.grid is not None:
        if given:
            raise UserError(f"--grid and --{given[0]} exclude each other; write --grid --{given[0]}s to narrow a grid.")
        return Grid.asked(arguments.grid)
    if missing := [f"--{role}" for role in single if role not in given]:
        lacking = f"one cell also needs {' and '.join(missing)}" if given else "nothing to run"
        raise UserError(f"{lacking}; write --grid, or --backbone X --adapter Y --task Z.")
    backbone, adapter, task = (Component.parse(text) for text in single.values())
    return Grid((backbone,), (adapter,), (task,))


def _grid_of_a_paper(arguments: argparse.Namespace) -> Grid:
    if not arguments.paper:
        raise UserError(f"--data is for --paper; write --set data={arguments.data}.")
    found = paper(arguments.paper)
    if others := [f"--{name}" for name in ("grid", *ROLES) if getattr(arguments, name) is not None]:
        raise UserError(f"--paper and {others[0]} exclude each other; the paper says what is trained.")
    if not arguments.data:
        raise UserError(f"--paper {found.name} needs its data; write --data DIR, the folder as it was downloaded.")
    return found.grid(arguments.data, arguments.protocol)


def with_names(grid: Grid, given: Sequence[str]) -> Grid:
    """The grid with the names of the command line, which win over its own; its lists may use them.

    Raises:
        UserError: text without `=`, or no name, see `read_names`.
    """
    if not given:
        return grid
    table = dict(grid.names)
    for text in given:
        name, equals, component = text.partition("=")
        if not equals:
            raise UserError(f'--name {text} names nothing; write --name {text}="component(option=value)".')
        table[name.strip()] = Component.parse(component)
    known = read_names({name: str(component) for name, component in table.items()})
    lists = {
        key: tuple(known.get(str(component), component) for component in getattr(grid, key))
        for key in ("backbones", "adapters", "tasks")
    }
    return replace(grid, **lists, names=known)


def names_in_full(grid: Grid) -> dict[str, str]:
    """Short names by the component as records have it.

    Raises:
        UserError: a component that is not registered, or options that it does not take.
    """
    found = {}
    for name, component in grid.names.items():
        is_adapter = component.name in registry.names(registry.ADAPTERS)
        found[str(benchmark.checked(registry.ADAPTERS if is_adapter else registry.BACKBONES, component))] = name
    return found
