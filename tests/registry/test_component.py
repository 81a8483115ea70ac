"""Components as one line of text."""

from __future__ import annotations

import keyword
import pickle
import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry import Component, UserError
from registry.component import option_defaults, split_outside_brackets

NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,12}", fullmatch=True).filter(lambda name: not keyword.iskeyword(name))
SCALARS = st.one_of(
    st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.booleans(), st.none(), st.text(max_size=12)
)
VALUES = st.one_of(SCALARS, st.lists(SCALARS, max_size=3), st.tuples(SCALARS, SCALARS))
COMPONENTS = st.builds(Component, NAMES, st.dictionaries(NAMES, VALUES, max_size=3))


@given(COMPONENTS)
def test_what_is_printed_is_read_back(component: Component) -> None:
    again = Component.parse(str(component))
    assert str(again) == str(component)
    assert again == component
    assert hash(again) == hash(component)


@given(st.lists(COMPONENTS, max_size=4))
def test_lists_are_read_back(components: list[Component]) -> None:
    assert Component.parse_list(", ".join(map(str, components))) == components


@given(st.one_of(st.text(), st.text("ab(=,)'\"[]. 1", max_size=20)))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        component = Component.parse(text)
    except UserError:
        return
    assert Component.parse(str(component)) == component


@given(COMPONENTS)
def test_components_travel_between_processes(component: Component) -> None:
    assert pickle.loads(pickle.dumps(component)) == component


@given(st.text(string.printable, max_size=30))
def test_splitting_loses_nothing_but_commas_and_spaces(text: str) -> None:
    joined = "".join(split_outside_brackets(text))
    assert [c for c in joined if c not in ", " and not c.isspace()] == [
        c for c in text if c not in ", " and not c.isspace()
    ]


def test_options_are_sorted_so_that_order_does_not_matter() -> None:
    assert str(Component.parse("lora(rank=8, alpha=1)")) == "lora(alpha=1, rank=8)"
    assert Component.parse("lora(rank=8, alpha=1)") == Component.parse(" lora( alpha=1,rank=8 )")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a b",
        "a.b",
        "a.b()",
        "a(1)",
        "a(**b)",
        "a(x=1, x=2)",
        "a(",
        "a()()",
        "[a]",
        "lambda: 1",
        "a" * 3 + "(" * 300,
    ],
)
def test_malformed_text_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="cannot read component"):
        Component.parse(text)


@pytest.mark.parametrize("value", ["open('x')", "__import__('os')", "b", "1 if 2 else 3", "f'{1}'"])
def test_option_values_are_never_executed(value: str) -> None:
    with pytest.raises(UserError, match="is not a finite number, True/False"):
        Component.parse(f"a(x={value})")


def test_options_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        Component("a", {"x": 1}).options["x"] = 2  # type: ignore[index]


def build(backbone: object, rank: int = 4, bias: bool = False, *, name: str = "x", **others: Any) -> None: ...


def test_only_parameters_with_a_default_are_options() -> None:
    assert option_defaults(build) == {"rank": 4, "bias": False, "name": "x"}


def test_options_at_their_default_are_left_out() -> None:
    component = Component("lora", {"rank": 4, "bias": False, "name": "y"})
    assert component.without_defaults(build) == Component("lora", {"name": "y"})


def test_true_is_not_one() -> None:
    """`True == 1` in Python, but `bias=1` and `bias=True` are different wishes."""
    assert str(Component("lora", {"bias": 0}).without_defaults(build)) == "lora(bias=0)"


def test_unknown_options_are_refused_with_near_misses() -> None:
    with pytest.raises(UserError, match=r"unknown option of lora 'rnk'\. Did you mean rank"):
        Component("lora", {"rnk": 4}).without_defaults(build)


def test_with_options_replaces_and_keeps() -> None:
    assert Component("a", {"x": 1, "y": 2}).with_options(x=3) == Component("a", {"x": 3, "y": 2})
