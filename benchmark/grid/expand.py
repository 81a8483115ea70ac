"""From a grid and the words of the command line to cells, everything checked before anything trains."""

from __future__ import annotations

import ast
import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

from benchmark.grid.check import checked
from benchmark.grid.grid import Grid, narrow, unique
from benchmark.grid.spec import RunSpec
from registry import ADAPTERS, BACKBONES, TASKS, Component, UserError, look_up
from registry.component import option_defaults
from registry.errors import unknown
from tasks.recipe import PRESET, Recipe
from tasks.task import Task

MOST_CELLS = 20_000
"""Of one grid; each is looked at several times before any trains."""

REGISTRIES = {"backbone": BACKBONES, "adapter": ADAPTERS, "task": TASKS}


def expand(
    grid: Grid,
    *,
    backbones: str | None = None,
    adapters: str | None = None,
    tasks: str | None = None,
    seeds: Sequence[int] | None = None,
    settings: Iterable[str] = (),
    protocol: str = "validation",
) -> list[RunSpec]:
    """Every cell of the grid, in the order backbone, adapter, task, recipe, seed.

    Args:
        backbones, adapters, tasks: narrow the grid, see `narrow`; None keeps the grid's own.
        settings: `field=value` for a field of the recipe, else for an option of every task that takes it;
            `recipe=NAME` takes all fields from a paper's recipe first. A field of the recipe may have several values,
            `head_lr=1e-3,1e-2`: every cell is then there with each.
        protocol: `validation`, or `paper`, which selects on the test split as papers do.

    A cell's recipe is the task's published one (on the synthetic world: the embedded grid's), changed by the grid's
    tables in order, then by `settings`.

    Raises:
        UserError: a name, option or value that is unknown or wrong, anywhere in the grid, or a grid without cells.
    """
    chosen = {
        "backbone": narrow(grid.backbones, backbones, grid.names),
        "adapter": narrow(grid.adapters, adapters, grid.names),
        "task": narrow(grid.tasks, tasks, grid.names),
    }
    for role, components in chosen.items():
        if not components:
            raise UserError(f"the grid names no {role}; list some in its file or give --{role}s.")
    _check_matchers(grid)
    recipe_settings, task_settings = split_settings(settings, chosen["task"])
    chosen["task"] = [_with_settings(task, task_settings) for task in chosen["task"]]
    checked_components = [unique(checked(REGISTRIES[role], c) for c in chosen[role]) for role in chosen]
    recipes = [_Recipes(grid, values) for values in alternatives(recipe_settings)]
    seeds = grid.seeds if seeds is None else seeds
    _refuse_too_many(math.prod([*map(len, checked_components), len(recipes), len(seeds)]))
    # Two spellings of a value, 0.1 and 1e-1, are one cell.
    return _once(
        recipe.spec(dict(zip(REGISTRIES, components, strict=True)), seed, protocol)
        for components in itertools.product(*checked_components)
        for recipe in recipes
        for seed in seeds
    )


def _refuse_too_many(cells: int) -> None:
    if cells > MOST_CELLS:
        raise UserError(f"the grid has {cells} cells, expected {MOST_CELLS} at most; narrow it, or split its seeds.")


def _allowed(recipe: Recipe, protocol: str) -> Recipe:
    if recipe.quirk != "none" and protocol != "paper":
        raise UserError(
            f"recipe quirk={recipe.quirk} repeats a mistake of published code; it is available with --protocol paper."
        )
    return recipe


def build_task(component: Component) -> Task:
    """The task behind a component.

    Raises:
        UserError: an unknown name or option, or a value that the task refuses.
    """
    return cast(Task, look_up(TASKS, component.name)(**component.options))


def split_settings(settings: Iterable[str], tasks: Sequence[Component]) -> tuple[dict[str, str], dict[str, str]]:
    """Settings of the recipe, and options of tasks.

    Raises:
        UserError: text without `=`, or a name that is neither a recipe field nor an option of one of the tasks.
    """
    fields = Recipe().as_dict()
    options = {name for task in tasks for name in option_defaults(look_up(TASKS, task.name))}
    recipe: dict[str, str] = {}
    task_options: dict[str, str] = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals:
            raise UserError(f"--set {setting} has no value; write --set {setting}=VALUE.")
        if name == "recipe":
            recipe[PRESET] = value
            continue
        if name not in fields and name not in options:
            raise unknown("setting", name, {*fields, *options, "recipe"})
        (recipe if name in fields else task_options)[name] = value
    for values in alternatives(recipe):
        Recipe().override(values)
    return recipe, task_options


def alternatives(settings: Mapping[str, str]) -> list[dict[str, str]]:
    """Settings with one value each, one for every combination of the values that commas separate."""
    values = (dict.fromkeys(part.strip() for part in text.split(",")) for text in settings.values())
    return [dict(zip(settings, combination, strict=True)) for combination in itertools.product(*values)]


def _with_settings(task: Component, settings: Mapping[str, str]) -> Component:
    defaults = option_defaults(look_up(TASKS, task.name))
    return task.with_options(**{k: _literal(v, defaults[k]) for k, v in settings.items() if k in defaults})


def _literal(text: str, default: Any) -> Any:
    """A setting's text as a value: an option that is text by default stays text, `data=2024` for example."""
    if isinstance(default, str):
        return text
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def _check_matchers(grid: Grid) -> None:
    for override in grid.overrides:
        for role, allowed in override.matchers.items():
            for name in allowed:
                component = Component.parse(name)
                canonical = checked(REGISTRIES[role], component)
                if component.options and str(canonical) != name:
                    raise UserError(
                        f"override {role} = {name!r} fits no cell; without what is default it is {canonical}."
                    )


class _Recipes:
    """What a grid and settings make of a cell; each task is built once to ask for its published numbers."""

    def __init__(self, grid: Grid, settings: Mapping[str, str]) -> None:
        self._grid, self._settings = grid, settings
        self._embedded = Grid.embedded()
        self._tasks: dict[Component, Task] = {}

    def spec(self, components: Mapping[str, Component], seed: int, protocol: str) -> RunSpec:
        """The cell of these components, by role.

        Raises:
            UserError: an option that a component does not take, or a recipe that is for another protocol.
        """
        recipe = _allowed(self._of(components), protocol)
        own = {role: self._grid.with_options(role, components) for role in components}
        changed = {role: checked(REGISTRIES[role], own[role]) for role in own if own[role] is not components[role]}
        parts = {**components, **changed}
        effort = self._grid.effort(recipe, components)
        return RunSpec(**parts, seed=seed, recipe=recipe, protocol=protocol, effort=effort)

    def _of(self, components: Mapping[str, Component]) -> Recipe:
        task = components["task"]
        if task not in self._tasks:
            self._tasks[task] = build_task(task)
        if self._tasks[task].is_synthetic:
            recipe = self._embedded.apply(Recipe(), components)
        else:
            recipe = self._tasks[task].published_recipe
        return self._grid.apply(recipe, components).override(self._settings)


def _once(specs: Iterable[RunSpec]) -> list[RunSpec]:
    return list({spec.slug: spec for spec in specs}.values())
