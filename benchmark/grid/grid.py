"""Grids: what is combined, and with which recipe.

A grid file is TOML with the keys `backbones`, `adapters`, `tasks`, `seeds`, a `[recipe]` table and any number of
`[[override]]` tables, whose optional keys `backbone`, `adapter` and `task` (a registered name, a component with its
options, or a list of these) choose the cells that its recipe fields apply to. Later tables win over earlier ones.
`recipe = "stg_cma_ave"`, or the key `preset` in a table, takes every field from a paper's recipe. A `[names]` table
gives short names to components, `dino = "vit(model='…')"`, which lists may use; tables, pictures and logs show them,
and they decide nothing.

The tables `adapter_options` and `task_options` of an override change options of its cells' components, and `trials` and
`trial_epochs` say how much searching is behind its fields: `python -m benchmark tune` writes such files.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

from benchmark.grid.spec import ROLES
from registry import Component, UserError
from registry.errors import unknown
from tasks.recipe import PRESET, Recipe

EMBEDDED = ("embedded", "segmentation")
"""Names of the grids that ship with the package, the default one first."""

LONGEST_NAME = 40
_LISTS = ("backbones", "adapters", "tasks")
_KEYS = (*_LISTS, "seeds", "recipe", "override", "names")


OPTIONS = {f"{role}_options": role for role in ("adapter", "task")}
EFFORT = {"trials": "trials", "trial_epochs": "epochs"}
"""Keys of an override about the search behind it, and what they are called in records."""


@dataclass(frozen=True)
class Override:
    """Recipe fields and options for the cells whose components have these names."""

    recipe: Mapping[str, Any]
    matchers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By role names, or components with their options; a role that is left out matches every one."""
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """By role."""
    effort: Mapping[str, int] = field(default_factory=dict)
    """See `RunSpec.effort`."""

    def applies_to(self, components: Mapping[str, Component]) -> bool:
        own = {role: (components[role].name, str(components[role])) for role in self.matchers}
        return all(any(text in allowed for text in own[role]) for role, allowed in self.matchers.items())


@dataclass(frozen=True)
class Grid:
    """Components and seeds to combine, and changes to the recipes of the cells."""

    backbones: tuple[Component, ...] = ()
    adapters: tuple[Component, ...] = ()
    tasks: tuple[Component, ...] = ()
    seeds: tuple[int, ...] = (0,)
    overrides: tuple[Override, ...] = ()
    """In order of application; the `[recipe]` table is the first and matches every cell."""
    names: Mapping[str, Component] = field(default_factory=dict)
    """Short names for components."""

    @classmethod
    def load(cls, path: str | Path) -> Grid:
        """Read a grid file.

        Raises:
            UserError: a file that cannot be read or is not TOML, an unknown key, or a value of the wrong type.
        """
        try:
            return cls._from_tables(tomllib.loads(Path(path).read_text(encoding="utf-8")))
        except OSError as error:
            raise UserError(f"cannot read grid file {path}: {error.strerror}.") from None
        except (ValueError, RecursionError) as error:
            # Not only what tomllib calls malformed: a number of five thousand digits, a thousand nested lists.
            raise UserError(f"grid file {path} is not TOML: {error}.") from None
        except UserError as error:
            raise UserError(f"grid file {path}: {error}") from None

    @classmethod
    def embedded(cls, name: str = "embedded") -> Grid:
        """A grid that ships with the package, see `EMBEDDED`; without a name the default one."""
        with resources.as_file(resources.files("benchmark") / "grid" / f"{name}.toml") as path:
            return cls.load(path)

    @classmethod
    def asked(cls, text: str) -> Grid:
        """The embedded grid of this name, else a grid file.

        Raises:
            UserError: see `load`; or neither a name nor a file.
        """
        if text in EMBEDDED:
            return cls.embedded(text)
        if not Path(text).suffix and not Path(text).exists():
            raise unknown("grid", text, EMBEDDED)
        return cls.load(text)

    @classmethod
    def _from_tables(cls, tables: dict[str, Any]) -> Grid:
        for key in tables:
            if key not in _KEYS:
                raise unknown("key", key, _KEYS)
        recipe = tables.get("recipe", {})
        overrides = [Override(_recipe_fields({PRESET: recipe} if isinstance(recipe, str) else recipe))]
        overrides += [_read_override(table) for table in _tables(tables.get("override", []))]
        names = read_names(tables.get("names", {}))
        components = {key: _components(key, tables.get(key, []), names) for key in _LISTS}
        return cls(**components, seeds=read_seeds(tables.get("seeds", [0])), overrides=tuple(overrides), names=names)

    def apply(self, recipe: Recipe, components: Mapping[str, Component]) -> Recipe:
        """The recipe after this grid's tables, for the cell of these components."""
        for override in self.overrides:
            if override.applies_to(components):
                recipe = recipe.override(override.recipe)
        return recipe

    def with_options(self, role: str, components: Mapping[str, Component]) -> Component:
        """The component of this role after this grid's tables, for the cell of these components."""
        component = components[role]
        for override in self.overrides:
            if role in override.options and override.applies_to(components):
                component = component.with_options(**override.options[role])
        return component

    def effort(self, recipe: Recipe, components: Mapping[str, Component]) -> Mapping[str, int]:
        """What was spent on the search for this recipe; empty where it is no longer what the search had found."""
        effort: Mapping[str, int] = {}
        for override in self.overrides:
            if override.effort and override.applies_to(components):
                effort = override.effort if recipe.override(override.recipe) == recipe else {}
        return effort


def read_seeds(values: Any) -> tuple[int, ...]:
    """Seeds in order, each once.

    Raises:
        UserError: not a list of whole numbers that are 0 or more.
    """
    if not isinstance(values, Iterable) or isinstance(values, str | Mapping):
        raise UserError(f"seeds = {values!r} is not a list of whole numbers; write seeds = [0, 1, 2].")
    seeds = list(values)
    for seed in seeds:
        if not isinstance(seed, int) or isinstance(seed, bool) or not 0 <= seed < 2**32:
            raise UserError(f"seed {seed!r} is not a whole number from 0 to 4294967295.")
    return tuple(dict.fromkeys(seeds))


def read_names(table: Any) -> dict[str, Component]:
    """Short names and what they stand for.

    Raises:
        UserError: no table of texts, a name that no command could take, or two names for one component.
    """
    if not isinstance(table, dict) or not all(isinstance(text, str) for text in table.values()):
        raise UserError(f'names = {table!r} is not a table of components; write [names] above dino = "vit(…)".')
    names = {name: Component.parse(text) for name, text in table.items()}
    for name, component in names.items():
        if not name or len(name) > LONGEST_NAME or set(name) & set("/@(),'\"") or name != " ".join(name.split()):
            raise UserError(
                f"name {name!r} is not of 1 to {LONGEST_NAME} characters without brackets, quotes, commas, / and @."
            )
        twins = [other for other, own in names.items() if own == component]
        if len(twins) > 1:
            raise UserError(f"{component} has two names, {twins[0]} and {twins[1]}; keep one.")
    return names


def narrow(
    components: Sequence[Component], text: str | None, names: Mapping[str, Component] | None = None
) -> list[Component]:
    """The components that `text` asks for, separated by commas.

    A bare name selects every component of the grid with that name, options included. Anything else, a name that the
    grid does not have or a component with options, is taken as it is written. Short names stand for what they name.
    """
    if text is None:
        return list(components)
    picked: list[Component] = []
    for asked in Component.parse_list(text):
        asked = (names or {}).get(str(asked), asked)
        same_name = [c for c in components if c.name == asked.name] if not asked.options else []
        picked += same_name or [asked]
    return unique(picked)


def unique(components: Iterable[Component]) -> list[Component]:
    """Each once, in order."""
    return list(dict.fromkeys(components))


def _components(key: str, texts: Any, names: Mapping[str, Component]) -> tuple[Component, ...]:
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise UserError(f'{key} = {texts!r} is not a list of components; write {key} = ["name", "name(option=value)"].')
    return tuple(dict.fromkeys(names[text] if text in names else Component.parse(text) for text in texts))


def _tables(value: Any) -> list[dict[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(table, dict) for table in value):
        raise UserError("override is not a list of tables; write [[override]] above each.")
    return value


def _read_override(table: dict[str, Any]) -> Override:
    matchers = {role: _matched_names(role, table[role]) for role in ROLES if role in table}
    options = {role: _options(key, table[key]) for key, role in OPTIONS.items() if key in table}
    effort = {name: _count(key, table[key]) for key, name in EFFORT.items() if key in table}
    own = (*ROLES, *OPTIONS, *EFFORT)
    recipe = _recipe_fields({key: value for key, value in table.items() if key not in own}, own)
    return Override(recipe, matchers, options, effort)


def _options(key: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise UserError(f"override {key} = {value!r} is not a table; write {key} = {{ ratio = 0.25 }}.")
    return {name: tuple(own) if isinstance(own, list) else own for name, own in value.items()}


def _count(key: str, value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise UserError(f"override {key} = {value!r} is not a whole number, 0 or more.")
    return value


def _matched_names(role: str, value: Any) -> tuple[str, ...]:
    allowed = [value] if isinstance(value, str) else value
    if not isinstance(allowed, list) or not all(isinstance(name, str) for name in allowed):
        raise UserError(f"override {role} = {value!r} is not a registered name or a list of them.")
    return tuple(str(Component.parse(name)) for name in allowed)


def _recipe_fields(table: Any, also_known: Iterable[str] = ()) -> dict[str, Any]:
    if not isinstance(table, dict):
        raise UserError("recipe is not a table; write [recipe] above its fields.")
    fields = [*Recipe().as_dict(), PRESET]
    for key in table:
        if key not in fields:
            raise unknown("recipe field", key, [*fields, *also_known])
    Recipe().override(table)
    return table
