"""One search: rungs, promotions and what is asked."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pretended_trials import searches, spec
from training_fakes import registered

from benchmark.cli.study import tune as verb
from benchmark.tune import search
from benchmark.tune.search import Search, rungs
from benchmark.tune.space import parameters_of


@pytest.fixture(autouse=True, scope="module")
def _fakes() -> Iterator[None]:
    with registered():
        yield


@pytest.mark.parametrize(
    ("epochs", "steps"), [(1, (1,)), (2, (1, 2)), (5, (1, 2, 5)), (20, (2, 7, 20)), (80, (9, 27, 80))]
)
def test_rungs_grow_threefold_to_the_end_of_the_recipe(epochs: int, steps: tuple[int, ...]) -> None:
    assert rungs(epochs) == steps


def test_the_first_trial_has_the_values_of_the_grid() -> None:
    (one,) = searches(1)
    assert one.ask(1)[0].values == {"adapter_lr": 1e-3, "head_lr": 1e-2}


@pytest.mark.parametrize("sampler", search.SAMPLERS)
def test_rates_stay_around_those_of_the_grid_and_are_short(sampler: str) -> None:
    (one,) = searches(1, sampler=sampler)
    for trial in one.ask(30):
        assert 1e-4 <= trial.values["adapter_lr"] <= 1e-2
        assert len(f"{trial.values['head_lr']:g}") <= 8
        assert trial.spec.recipe.adapter_lr == trial.values["adapter_lr"]


def test_a_seed_asks_the_same_and_another_seed_something_else() -> None:
    one, same, other = (Search(spec(), parameters_of(spec()), sampler="tpe", seed=seed) for seed in (0, 0, 1))
    asked = [[trial.values for trial in each.ask(4)] for each in (one, same, other)]
    assert asked[0] == asked[1] != asked[2]


def test_the_command_offers_the_samplers_that_there_are() -> None:
    assert verb.SAMPLERS == search.SAMPLERS
