"""Ranges of a search, and what the built-in components declare."""

from __future__ import annotations

import pytest

from registry import ADAPTERS, TASKS, UserError, look_up, names
from registry.component import option_defaults
from registry.space import Around, Between, OneOf
from tasks.recipe import Recipe


@pytest.mark.parametrize(
    "make", [lambda: Around(1), lambda: Between(2, 1), lambda: Between(0, 1, log=True), lambda: OneOf((1, 1))]
)
def test_a_range_without_choice_is_refused(make) -> None:
    with pytest.raises(UserError, match=r"give"):
        make()


@pytest.mark.parametrize(
    ("registry", "name"), [(registry, name) for registry in (ADAPTERS, TASKS) for name in names(registry)]
)
def test_a_space_names_fields_of_the_recipe_or_own_options(registry, name) -> None:
    build = look_up(registry, name)
    assert build.search_space.keys() <= {*Recipe().as_dict(), *option_defaults(build)}


def test_what_trains_nothing_of_its_own_has_nothing_to_search() -> None:
    assert look_up(ADAPTERS, "linear_probe").search_space == {}
    assert "adapter_lr" in look_up(ADAPTERS, "lora").search_space
