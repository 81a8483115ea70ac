"""From a grid to cells, everything checked."""

from __future__ import annotations

from typing import Any

import pytest

from benchmark.grid.expand import expand
from benchmark.grid.grid import Grid, Override, narrow
from benchmark.model.checks import check_builds
from registry import Component, UserError
from tasks.recipe import Recipe


def grid(**changes: Any) -> Grid:
    parts = {
        "backbones": (Component("fake_backbone"), Component("fake_backbone", {"depth": 3})),
        "adapters": (Component("fake_adapter"), Component("other_adapter")),
        "tasks": (Component("fake_task"), Component("other_task")),
        "seeds": (0, 1),
    }
    return Grid(**{**parts, **changes})


def one(**changes: Any) -> Grid:
    return grid(
        **{
            "backbones": (Component("fake_backbone"),),
            "adapters": (Component("fake_adapter"),),
            "tasks": (Component("fake_task"),),
            "seeds": (0,),
            **changes,
        }
    )


@pytest.mark.usefixtures("fakes")
class TestExpand:
    def test_every_combination_once_in_order(self) -> None:
        specs = expand(grid())
        assert len(specs) == len({spec.slug for spec in specs}) == 16
        assert [spec.seed for spec in specs[:3]] == [0, 1, 0]
        assert [str(spec.task) for spec in specs[:3]] == ["fake_task", "fake_task", "other_task"]

    def test_options_at_their_default_are_the_same_component(self) -> None:
        spelled = (Component("fake_backbone", {"depth": 2}), Component("fake_backbone"))
        assert [str(spec.backbone) for spec in expand(one(backbones=spelled))] == ["fake_backbone"]

    def test_asked_seeds_replace_those_of_the_grid(self) -> None:
        assert [spec.seed for spec in expand(one(), seeds=[7, 5])] == [7, 5]

    def test_cells_on_the_synthetic_world_start_from_the_embedded_recipe(self) -> None:
        embedded = Recipe().override(Grid.embedded().overrides[0].recipe)
        assert expand(one())[0].recipe == embedded

    def test_several_values_of_a_field_are_a_cell_each(self) -> None:
        specs = expand(one(seeds=(0, 1)), settings=["head_lr=1e-3,1e-2,0.001", "epochs=1, 2"])
        asked = [(spec.recipe.head_lr, spec.recipe.epochs, spec.seed) for spec in specs]
        assert asked == [(lr, n, seed) for lr in (1e-3, 1e-2) for n in (1, 2) for seed in (0, 1)]

    def test_every_one_of_several_values_is_checked(self) -> None:
        with pytest.raises(UserError, match="recipe epochs=zero is not a whole number"):
            expand(one(), settings=["epochs=1,zero"])

    def test_cells_on_real_clips_start_from_the_published_recipe(self) -> None:
        real = (Component("fake_task", {"data": "clips"}),)
        assert expand(one(tasks=real))[0].recipe == Recipe(epochs=77)

    def test_settings_win_over_the_grid_and_the_grid_over_the_default(self) -> None:
        overrides = (Override({"epochs": 5, "batch_size": 9}),)
        recipe = expand(one(overrides=overrides), settings=["epochs=6"])[0].recipe
        assert (recipe.epochs, recipe.batch_size) == (6, 9)

    def test_a_task_setting_goes_to_every_task_that_takes_it(self) -> None:
        specs = expand(grid(seeds=(0,)), settings=["clips=9", "data=2024"])
        assert {str(spec.task) for spec in specs} == {"fake_task(clips=9, data='2024')", "other_task"}

    def test_a_setting_that_decides_the_data_decides_the_recipe(self) -> None:
        assert expand(one(), settings=["data=folder"])[0].recipe.epochs == 77

    @pytest.mark.parametrize(
        ("changes", "asked", "expected"),
        [
            ({"backbones": (Component("fake_bakbone"),)}, {}, "unknown backbone 'fake_bakbone'. Did you mean fake_bac"),
            ({"adapters": (Component("fake_adapter", {"mod": 1}),)}, {}, "unknown option of fake_adapter 'mod'. Did y"),
            ({"adapters": (Component("fake_adapter", {"mood": 1}),)}, {}, "option mood=1 of fake_adapter is not text."),
            ({"backbones": (Component("fake_backbone", {"depth": 1.5}),)}, {}, "is not a whole number."),
            ({"backbones": (Component("fake_backbone", {"depth": True}),)}, {}, "is not a whole number."),
            ({"adapters": (Component("fake_adapter", {"size": "x"}),)}, {}, "is not a whole number or None."),
            ({"tasks": ()}, {}, "the grid names no task"),
            ({"overrides": (Override({}, {"task": ("fake_tsk",)}),)}, {}, "unknown task 'fake_tsk'"),
            ({}, {"settings": ["epochs=zero"]}, "recipe epochs=zero is not a whole number"),
            ({}, {"settings": ["epochs=0"]}, "must be at least 1"),
            ({}, {"settings": ["epochs"]}, "--set epochs has no value"),
            ({}, {"settings": ["epoch=2"]}, "unknown setting 'epoch'. Did you mean epochs"),
            ({}, {"settings": ["clip=2"]}, "Did you mean clips"),
            ({}, {"settings": ["clips=many"]}, "option clips='many' of fake_task is not a whole number."),
            ({}, {"adapters": "fake_adapter,"}, None),
            ({}, {"adapters": ","}, "the grid names no adapter"),
        ],
    )
    def test_mistakes_are_met_before_anything_trains(
        self, changes: dict[str, Any], asked: dict[str, Any], expected: str | None
    ) -> None:
        if expected is None:
            assert len(expand(one(**changes), **asked)) == 1
            return
        with pytest.raises(UserError) as raised:
            expand(one(**changes), **asked)
        assert expected in str(raised.value)


def test_a_name_selects_all_of_its_components() -> None:
    components = [Component("a", {"x": 1}), Component("a"), Component("b")]
    assert narrow(components, "a") == components[:2]
    assert narrow(components, None) == components


def test_what_the_grid_does_not_have_is_taken_as_written() -> None:
    components = [Component("a", {"x": 1}), Component("b")]
    assert list(map(str, narrow(components, "a(x=2, y=[1, 2]), c, b, b"))) == ["a(x=2, y=[1, 2])", "c", "b"]


@pytest.mark.usefixtures("fakes")
class TestChecks:
    def test_an_option_that_a_constructor_refuses_is_the_users_mistake(self) -> None:
        with pytest.raises(UserError, match="unlucky"):
            check_builds(expand(one(adapters=(Component("fake_adapter", {"size": 13}),))), print)

    def test_a_fault_of_a_constructor_is_told_and_left_to_its_cells(self) -> None:
        told: list[str] = []
        check_builds(expand(one(adapters=(Component("fake_adapter", {"size": 14}),))), told.append)
        assert told == [
            "fake_backbone × fake_adapter(size=14) cannot be built (ZeroDivisionError), so its cells will fail"
        ]
