"""What searches leave: a grid file that gives the chosen cells back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from pretended_trials import search
from training_fakes import registered

from benchmark.grid.expand import expand
from benchmark.grid.grid import Grid, Override
from benchmark.tune.tuned import tuned_grid
from registry import Component, UserError
from registry.space import OneOf
from results.store.store import Store


@pytest.fixture(autouse=True, scope="module")
def _fakes() -> Iterator[None]:
    with registered():
        yield


def components(found) -> dict[str, Component]:
    return {role: getattr(found.spec, role) for role in ("backbone", "adapter", "task")}


def written(grid: Grid, found, folder: Path, settings=None) -> Grid:
    pairs = [(components(one), one) for one in found]
    path = folder / "tuned.toml"
    path.write_text(tuned_grid(grid, pairs, settings=settings or {}, heading="Found by: a test"))
    return Grid.load(path)


def test_the_grid_has_the_chosen_values_of_each_cell_and_what_they_took(tmp_path: Path) -> None:
    found = search(Store(tmp_path), count=3)
    grid = Grid(seeds=(0, 1), overrides=(Override({"epochs": 9, "precision": "fp32"}),))
    specs = expand(written(grid, found, tmp_path))
    assert len(specs) == 6
    for spec in specs:
        own = next(one for one in found if one.spec.adapter == spec.adapter)
        assert own.best is not None
        assert spec.recipe.adapter_lr == own.best.values["adapter_lr"]
        assert spec.recipe.head_lr == own.best.values["head_lr"]
        assert (spec.recipe.epochs, spec.recipe.precision) == (9, "fp32")
        assert spec.effort == {"trials": 14, "epochs": own.epochs}


def test_settings_of_the_search_hold_for_what_it_found(tmp_path: Path) -> None:
    (spec,) = expand(written(Grid(), search(Store(tmp_path), count=1), tmp_path, {"epochs": "9", "batch_size": "8"}))
    assert (spec.recipe.epochs, spec.recipe.batch_size) == (9, 8)


def test_a_recipe_that_is_changed_after_the_search_has_no_effort_behind_it(tmp_path: Path) -> None:
    grid = written(Grid(), search(Store(tmp_path), count=1), tmp_path)
    assert expand(grid, settings=["epochs=2"])[0].effort
    assert not expand(grid, settings=["head_lr=0.5"])[0].effort


def test_options_that_were_chosen_change_their_cells_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from training_fakes import FakeAdapter

    monkeypatch.setattr(
        FakeAdapter, "search_space", {"dead": OneOf((5, 6)), "adapter_lr": FakeAdapter.search_space["adapter_lr"]}
    )
    from pretended_trials import Pretender, spec

    from benchmark.tune import space
    from benchmark.tune.search import Search
    from benchmark.tune.tune import tune

    store = Store(tmp_path)
    plain, other = spec(), spec("fake_adapter(dead=1)")
    found = [Search(one, space.parameters_of(one, ["dead"]), sampler="tpe", seed=0) for one in (other, plain)]
    list(tune(found, store, Pretender(store), trials=6, at_once=6))
    specs = expand(written(Grid(), found, tmp_path))
    assert [one.adapter for one in specs] == [one.best.spec.adapter for one in found if one.best]


def test_names_and_their_components_stay(tmp_path: Path) -> None:
    grid = Grid(names={"small one": Component.parse("fake_backbone(dim=8)")})
    assert written(grid, search(Store(tmp_path), count=1), tmp_path).names == grid.names


def test_a_cell_without_a_trial_to_the_end_keeps_the_values_of_the_grid(tmp_path: Path) -> None:
    one, other = search(Store(tmp_path), count=2)
    for trial in one.trials:
        trial.state = "failed"
    kept, tuned = expand(written(Grid(overrides=(Override({"adapter_lr": 0.5}),)), [one, other], tmp_path))
    assert (kept.recipe.adapter_lr, kept.effort) == (0.5, {})
    assert tuned.effort


def test_without_a_trial_to_the_end_nothing_is_written(tmp_path: Path) -> None:
    (one,) = search(Store(tmp_path), count=1)
    for trial in one.trials:
        trial.state = "pruned"
    with pytest.raises(UserError, match="nothing is chosen"):
        written(Grid(), [one], tmp_path)


def test_a_table_in_a_grid_says_what_is_wrong_with_it() -> None:
    for table in ({"adapter_options": 3}, {"trials": -1}, {"trial_epochs": True}):
        with pytest.raises(UserError, match="override"):
            Grid._from_tables({"override": [table]})


def test_a_component_with_what_is_default_fits_no_cell_and_is_refused() -> None:
    override = Override({"epochs": 2}, {"adapter": ("fake_adapter(dead=3)",)})
    lists = {name: (Component(f"fake_{name[:-1]}"),) for name in ("backbones", "adapters", "tasks")}
    with pytest.raises(UserError, match="fits no cell"):
        expand(replace(Grid(**lists), overrides=(override,)))
