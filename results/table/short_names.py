"""Short names of backbones and adapters within a study: those that were given, else only the options that differ."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import PurePath
from typing import Any

from registry.component import Component
from registry.errors import UserError

SHORT = 28
"""Characters up to which a component is its own name, where all of its kind have no more."""
LONGEST = 40
"""Characters of a name that was not given."""
_PLAIN = 18
"""Characters of one value."""


def short_names(texts: Iterable[str], given: Mapping[str, str]) -> dict[str, str]:
    """A name for each component that is too long to be its own; no two components share one.

    Components of one registered name that are all short stay as they are. Of others the options count that are not the
    same in all: `vit(model='vit_small…', size=224)` and `vit(model='vit_base…', size=224)` differ in `model` alone.
    """
    own = sorted(set(texts))
    names = {text: given[text] for text in own if text in given}
    families: dict[str, list[str]] = {}
    for text in own:
        families.setdefault(text.partition("(")[0], []).append(text)
    for family in families.values():
        unnamed = [text for text in family if text not in names]
        if any(len(text) > SHORT for text in unnamed):
            names |= _derived(unnamed)
    return {text: name for text, name in _told_apart(names, own).items() if name != text}


def _derived(texts: Sequence[str]) -> dict[str, str]:
    """Names of components of one registered name, by the options in which they differ."""
    parsed = {text: component for text in texts if (component := _parsed(text))}
    values = {text: {name: _plain(value) for name, value in own.options.items()} for text, own in parsed.items()}
    told = _telling(list(values.values()))
    shared = {name: _shared_ends({own[name] for own in values.values() if name in own}) for name in told}
    alone = len(told) == 1 and all(isinstance(one.options.get(told[0], ""), str) for one in parsed.values())
    names = {text: _cut(text, LONGEST) for text in texts if text not in parsed}
    for text, component in parsed.items():
        own = values[text]
        shown = [
            differing if alone else f"{name}={differing}"
            for name in told
            if name in own
            for differing in [_differing_part(own[name], *shared[name])]
        ]
        options = f"({', '.join(shown)})" if shown else ""
        names[text] = _cut(component.name, max(LONGEST - len(options), _PLAIN)) + options
    return names


def _telling(options: Sequence[Mapping[str, str]]) -> list[str]:
    """Names of the options that differ; where those are many and long, as few of them as tell all apart."""
    every = sorted({name for own in options for name in own})
    differing = [name for name in every if len({own.get(name) for own in options}) > 1]
    if max((sum(len(name) + len(own.get(name, "")) for name in differing) for own in options), default=0) <= SHORT:
        return differing
    chosen: list[str] = []
    while differing and _distinct(options, chosen) < _distinct(options, every):
        best = max(differing, key=lambda name: (_distinct(options, [*chosen, name]), -len(name)))
        chosen.append(best)
        differing.remove(best)
    return sorted(chosen)


def _distinct(options: Sequence[Mapping[str, str]], names: Sequence[str]) -> int:
    return len({tuple(own.get(name) for name in names) for own in options})


def _differing_part(value: str, start: int, end: int) -> str:
    """Long text without the characters at its beginning and end that all values share."""
    if len(value) <= _PLAIN:
        return value
    middle = value[start : len(value) - end] if start + end < len(value) else ""
    if not middle:
        return _cut(value, _PLAIN)
    return _cut(("…" if start else "") + middle + ("…" if end else ""), _PLAIN)


def _shared_ends(values: Collection[str]) -> tuple[int, int]:
    """Characters with which all values begin, and with which all end; none of a lone value."""
    if len(values) < 2:
        return 0, 0
    return _shared_start(values), _shared_start([value[::-1] for value in values])


def _shared_start(values: Collection[str]) -> int:
    """Characters with which all values begin; the first and the last in order share the fewest."""
    first, last = min(values), max(values)
    return next((place for place, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))


def _parsed(text: str) -> Component | None:
    try:
        return Component.parse(text)
    except UserError:
        return None


def _plain(value: Any) -> str:
    """A value as text; a path by its last part."""
    text = " ".join(str(value).split())
    return PurePath(text).name if isinstance(value, str) and "/" in text and PurePath(text).name else text


def _cut(text: str, most: int) -> str:
    line = " ".join(text.split())
    if len(line) <= most:
        return line
    end = (most - 1) // 3
    return f"{line[: most - 1 - end]}…{line[-end:]}"


def _told_apart(names: Mapping[str, str], texts: Iterable[str]) -> dict[str, str]:
    """The names with a number behind those that would name two components."""
    taken = {text for text in texts if text not in names}
    told = {}
    for text, name in names.items():
        unique, number = name, 1
        while unique in taken:
            number += 1
            unique = f"{name} #{number}"
        taken.add(unique)
        told[text] = unique
    return told
