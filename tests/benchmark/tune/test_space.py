"""What a search varies of a cell."""

from __future__ import annotations

import pytest

from benchmark.grid.spec import RunSpec
from benchmark.tune.space import Parameter, buildable, changed, check_options, parameters_of
from registry import Component, UserError
from registry.space import Around, Between, OneOf
from tasks.recipe import Recipe


def cell(adapter: str, backbone: str = "tiny_vit", **recipe: float) -> RunSpec:
    components = (Component.parse(text) for text in (backbone, adapter, "avqa"))
    return RunSpec(*components, 0, Recipe().override({"adapter_lr": 1e-3, "head_lr": 1e-2, **recipe}))


def test_rates_are_searched_and_options_where_they_are_named() -> None:
    spec = cell("stg_cma(ratio=0.3)")
    assert [p.name for p in parameters_of(spec)] == ["adapter_lr", "head_lr"]
    rate, ratio, head = parameters_of(spec, ["ratio"])
    assert (rate.where, ratio.where, head.where) == ("recipe", "adapter", "recipe")
    assert ratio.choices == (0.3, 0.03125, 0.0625, 0.125, 0.25, 0.5)
    assert [p.name for p in parameters_of(cell("linear_probe"))] == ["head_lr"]


def test_values_become_a_cell_in_canonical_form() -> None:
    spec = cell("stg_cma(ratio=0.25)")
    found = changed(spec, parameters_of(spec, ["ratio"]), {"adapter_lr": 0.1, "ratio": 0.0625, "head_lr": 0.2})
    assert str(found.adapter) == "stg_cma"
    assert (found.recipe.adapter_lr, found.recipe.head_lr) == (0.1, 0.2)


def test_values_that_the_backbone_cannot_have_are_left_out() -> None:
    spec = cell("stg_cma(ratio=0.25)", backbone="tiny_swin")
    kept = {p.name: p for p in buildable(spec, parameters_of(spec, ["ratio"]))}
    impossible = Parameter("ratio", "adapter", OneOf((0.25, 1e-6)), 0.25)
    assert 0.25 in kept["ratio"].choices
    assert buildable(spec, [impossible]) == ()


@pytest.mark.parametrize(("given", "close"), [("ratoi", "ratio"), ("rank", "ratio")])
def test_an_option_that_nothing_lets_be_searched_is_refused(given: str, close: str) -> None:
    with pytest.raises(UserError, match=close):
        check_options([cell("stg_cma"), cell("linear_probe")], [given])


def test_a_rate_of_nothing_is_refused() -> None:
    with pytest.raises(UserError, match="nothing around it"):
        parameters_of(cell("stg_cma", adapter_lr=0.0))


def test_ranges_hold_the_start_and_say_what_they_are() -> None:
    assert Parameter("x", "adapter", Between(1, 8), 20).bounds == (1, 20, False)
    assert Parameter("x", "adapter", Between(1, 8), 2).is_whole
    assert str(Parameter("lr", "recipe", Around(10), 1e-3)) == "lr: 0.0001 to 0.01, logarithmic"
    assert str(Parameter("rank", "adapter", OneOf((2, 4)), 8)) == "rank: 8, 2, 4"
