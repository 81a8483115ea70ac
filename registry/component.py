"""A registered name with options, written in one line: `lavish(latents=2)`."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from registry.errors import UserError, unknown
from registry.text import shortened


@dataclass(frozen=True)
class Component:
    """A name and the options its class is built with.

    Parsed with `ast`, so that text from a command line, a grid file or a record is never executed.
    """

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "options", MappingProxyType(dict(sorted(self.options.items()))))

    @classmethod
    def parse(cls, text: str) -> Component:
        """Read `name` or `name(option=literal, …)`.

        Raises:
            UserError: the text is not of that form.
        """
        try:
            node = ast.parse(text.strip(), mode="eval").body
        except (SyntaxError, ValueError, MemoryError, RecursionError):
            raise _malformed(text) from None
        if isinstance(node, ast.Name):
            return cls(node.id)
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name) or node.args:
            raise _malformed(text)
        options: dict[str, Any] = {}
        for keyword in node.keywords:
            if keyword.arg is None or keyword.arg in options:
                raise _malformed(text)
            try:
                options[keyword.arg] = _writable(ast.literal_eval(keyword.value))
            except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
                value = _source_of(keyword.value)
                raise UserError(
                    f"option {keyword.arg}={value} in {shortened(text, 200)!r} is not a finite number, True/False, "
                    f"None, list or quoted text; write {keyword.arg}='{value}' for text."
                ) from None
        return cls(node.func.id, options)

    @classmethod
    def parse_list(cls, text: str) -> list[Component]:
        """Read components separated by commas; commas inside parentheses or quotes belong to a component.

        Raises:
            UserError: a part is not of the form that `parse` reads.
        """
        return [cls.parse(part) for part in split_outside_brackets(text)]

    def with_options(self, **options: Any) -> Component:
        """The same component with these options set."""
        return Component(self.name, {**self.options, **options})

    def without_defaults(self, build: Callable[..., Any]) -> Component:
        """Check the options against the signature of `build` and leave out those that equal its defaults.

        Raises:
            UserError: an option that `build` does not take.
        """
        accepted = option_defaults(build)
        for option in self.options:
            if option not in accepted:
                raise unknown(f"option of {self.name}", option, accepted)
        kept = {k: v for k, v in self.options.items() if not _same(v, accepted[k])}
        return Component(self.name, kept)

    def __str__(self) -> str:
        if not self.options:
            return self.name
        return f"{self.name}({', '.join(f'{k}={v!r}' for k, v in self.options.items())})"

    def __hash__(self) -> int:
        return hash(str(self))

    def __reduce__(self) -> tuple[type[Component], tuple[str, dict[str, Any]]]:
        # A read-only mapping cannot be pickled, and cells travel to their own processes.
        return Component, (self.name, dict(self.options))


TOWERS, TOWER_OPTIONS = "towers", ("visual", "audio")
"""The backbone whose options are the texts of two others, and these options."""


def towers_of(backbone: Component) -> dict[str, Component]:
    """The two backbones that `towers(visual=…, audio=…)` names, by option; none of any other backbone.

    Raises:
        UserError: a text that is none of a component.
    """
    if backbone.name != TOWERS:
        return {}
    texts = {name: backbone.options.get(name) for name in TOWER_OPTIONS}
    return {name: Component.parse(text) for name, text in texts.items() if isinstance(text, str) and text}


def with_towers(backbone: Component, change: Callable[[Component], Component]) -> Component:
    """A backbone with each of the two that it names changed; any other as it is."""
    return backbone.with_options(**{name: str(change(tower)) for name, tower in towers_of(backbone).items()})


def option_defaults(build: Callable[..., Any]) -> dict[str, Any]:
    """The options that a registered class takes, with their defaults.

    Parameters without a default (an adapter's `backbone`) are supplied by the benchmark, so they are no options.
    """
    parameters = inspect.signature(build).parameters.values()
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return {p.name: p.default for p in parameters if p.kind in named and p.default is not inspect.Parameter.empty}


def split_outside_brackets(text: str, separator: str = ",") -> list[str]:
    """Split at commas, or another character, outside of brackets and quotes; empty parts are dropped."""
    parts, depth, quote, start, escaped = [], 0, "", 0, False
    for i, char in enumerate(text):
        if quote:
            quote = "" if char == quote and not escaped else quote
            escaped = char == "\\" and not escaped
        elif char in "'\"":
            quote = char
        elif char in "([{":
            depth += 1
        elif char in ")]}":
            depth -= 1
        elif char == separator and depth == 0:
            parts.append(text[start:i])
            start = i + 1
    parts.append(text[start:])
    return [part.strip() for part in parts if part.strip()]


def _source_of(node: ast.expr) -> str:
    try:
        return shortened(ast.unparse(node), 200)
    except (ValueError, RecursionError):
        return "…"


def _same(value: Any, default: Any) -> bool:
    return bool(value == default) and isinstance(value, bool) == isinstance(default, bool)


def _writable(value: Any) -> Any:
    """A value whose text gives it back.

    Raises:
        ValueError: a number that is not finite, or of more digits than Python prints.
    """
    if ast.literal_eval(repr(value)) != value:
        raise ValueError(f"{value!r} is no literal")
    return value


def _malformed(text: str) -> UserError:
    return UserError(
        f"cannot read component {shortened(text, 200)!r}; write name or name(option=value), as in lavish(latents=2)."
    )
