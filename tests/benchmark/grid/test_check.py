"""Values of the wrong type are refused before anything is built, for every registered component."""

from __future__ import annotations

import pytest
from mmengine.registry import Registry

from benchmark.grid.check import checked
from registry import ADAPTERS, BACKBONES, TASKS, Component, UserError, look_up, names
from registry.component import option_defaults

OPTIONS = [
    (registry, name, option)
    for registry in (BACKBONES, ADAPTERS, TASKS)
    for name in names(registry)
    for option in option_defaults(look_up(registry, name))
]


@pytest.mark.parametrize(("registry", "name", "option"), OPTIONS, ids=lambda v: v if isinstance(v, str) else v.name)
def test_an_option_of_a_type_that_no_option_takes_is_refused(registry: Registry, name: str, option: str) -> None:
    with pytest.raises(UserError, match=f"option {option}=b'bytes' of {name} is not "):
        checked(registry, Component(name, {option: b"bytes"}))


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        ("lavish", {"latents": "a"}, "latents='a' of lavish is not a whole number"),
        ("lavish", {"exchange": 1}, "exchange=1 of lavish is not True or False"),
        ("stg_cma", {"ratio": True}, "ratio=True of stg_cma is not a number"),
        ("lora", {"rank": 2.5}, "rank=2.5 of lora is not a whole number"),
    ],
)
def test_the_line_says_what_was_expected(name: str, options: dict[str, object], expected: str) -> None:
    with pytest.raises(UserError, match=expected):
        checked(ADAPTERS, Component(name, options))


def test_whole_numbers_pass_for_numbers() -> None:
    assert checked(ADAPTERS, Component("stg_cma", {"ratio": 1})).options == {"ratio": 1}


def test_the_texts_of_two_backbones_are_checked_and_shortened_like_any_other():
    text = "towers(audio='tiny_vit', visual=\"tiny_swin(weights='embedded')\")"
    assert str(checked(BACKBONES, Component.parse(text))) == "towers(audio='tiny_vit', visual='tiny_swin')"
    with pytest.raises(UserError, match="tiny_vit"):
        checked(BACKBONES, Component.parse("towers(audio='tiny_wit', visual='tiny_swin')"))
    with pytest.raises(UserError, match="weight"):
        checked(BACKBONES, Component.parse("towers(audio='tiny_vit(weight=1)', visual='tiny_swin')"))
