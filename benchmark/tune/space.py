"""What a search varies of one cell: fields of its recipe, and options that are asked for, where adapter or task say."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from benchmark.grid.expand import REGISTRIES
from benchmark.grid.spec import RunSpec
from benchmark.model.checks import check_builds
from registry import look_up
from registry.component import option_defaults
from registry.errors import UserError, unknown
from registry.space import Around, Between, OneOf, Range, SearchSpace

DIGITS = 3
"""Significant ones of a rate that is tried: more tell nothing and are hard to read."""
Where = Literal["recipe", "adapter", "task"]


@dataclass(frozen=True)
class Parameter:
    """One thing that a search varies."""

    name: str
    where: Where
    range: Range
    start: Any
    """The value without a search, which the first trial has."""

    @property
    def choices(self) -> tuple[Any, ...]:
        """Of `OneOf`: its values, and the start where that is another."""
        if not isinstance(self.range, OneOf):
            return ()
        return self.range.values if self.start in self.range.values else (self.start, *self.range.values)

    @property
    def bounds(self) -> tuple[float, float, bool]:
        """Of any other range: lowest and highest value, the start among them, and whether it is logarithmic."""
        if isinstance(self.range, Around):
            return self.start / self.range.factor, self.start * self.range.factor, True
        assert isinstance(self.range, Between)
        return min(self.range.low, self.start), max(self.range.high, self.start), self.range.log

    @property
    def is_whole(self) -> bool:
        """Whether only whole numbers are tried."""
        return isinstance(self.range, Between) and all(isinstance(end, int) for end in self.bounds[:2])

    def __str__(self) -> str:
        if choices := self.choices:
            return f"{self.name}: {', '.join(map(str, choices))}"
        low, high, log = self.bounds
        return f"{self.name}: {low:.{DIGITS}g} to {high:.{DIGITS}g}{', logarithmic' if log else ''}"


def parameters_of(spec: RunSpec, options: Collection[str] = ()) -> tuple[Parameter, ...]:
    """What a search varies of this cell: every field of the recipe that adapter and task declare, and these options.

    Raises:
        UserError: there is nothing to vary, or a rate that is 0 and so has no surroundings.
    """
    found = tuple(_declared(spec, options))
    if not found:
        raise UserError(f"{spec.title} has nothing to search; declare a search_space, or leave it out of the grid.")
    for parameter in found:
        if isinstance(parameter.range, Around) and not parameter.start > 0:
            raise UserError(f"{spec.title}: {parameter.name}={parameter.start} has nothing around it; set it above 0.")
    return found


def buildable(spec: RunSpec, parameters: Iterable[Parameter]) -> tuple[Parameter, ...]:
    """The parameters without values that the backbone cannot have, and without those that then leave no choice: a trial
    that cannot be built would count as one."""
    kept = []
    for parameter in parameters:
        if parameter.where != "recipe" and isinstance(parameter.range, OneOf):
            values = tuple(
                value for value in parameter.choices if _builds(changed(spec, [parameter], {parameter.name: value}))
            )
            if len(values) < 2:
                continue
            parameter = replace(parameter, range=OneOf(values))
        kept.append(parameter)
    return tuple(kept)


def _builds(spec: RunSpec) -> bool:
    try:
        check_builds([spec], lambda line: None)
    except UserError:
        return False
    return True


def check_options(specs: Iterable[RunSpec], options: Sequence[str]) -> None:
    """Refuse the name of an option that no adapter or task of these cells lets be searched.

    Raises:
        UserError: there is one.
    """
    known = {
        name
        for spec in specs
        for role in ("adapter", "task")
        for name in _space(spec, role)
        if not _is_field(spec, name)
    }
    for name in options:
        if name not in known:
            raise unknown("option to search", name, sorted(known))


def changed(spec: RunSpec, parameters: Iterable[Parameter], values: Mapping[str, Any]) -> RunSpec:
    """The cell with these values, by name of the parameter."""
    recipe = {p.name: values[p.name] for p in parameters if p.where == "recipe"}
    options = {role: {p.name: values[p.name] for p in parameters if p.where == role} for role in ("adapter", "task")}
    components = {
        role: getattr(spec, role)
        .with_options(**own)
        .without_defaults(look_up(REGISTRIES[role], getattr(spec, role).name))
        for role, own in options.items()
        if own
    }
    return replace(spec, recipe=spec.recipe.override(recipe), **components)


def _declared(spec: RunSpec, options: Collection[str]) -> Iterator[Parameter]:
    fields = spec.recipe.as_dict()
    roles: tuple[Where, ...] = ("adapter", "task")
    for role in roles:
        component = getattr(spec, role)
        defaults = option_defaults(look_up(REGISTRIES[role], component.name))
        for name, within in _space(spec, role).items():
            if name in fields:
                yield Parameter(name, "recipe", within, fields[name])
            elif name in options:
                yield Parameter(name, role, within, component.options.get(name, defaults.get(name)))


def _space(spec: RunSpec, role: str) -> SearchSpace:
    space: SearchSpace = getattr(look_up(REGISTRIES[role], getattr(spec, role).name), "search_space", {})
    return space


def _is_field(spec: RunSpec, name: str) -> bool:
    return name in spec.recipe.as_dict()
