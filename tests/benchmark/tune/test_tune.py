"""Searches side by side: equal effort, nothing lost to a kill, the same trials whatever happens."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from multiprocessing import get_context
from pathlib import Path

import pytest
from pretended_trials import Pretender, search, search_to_the_end, searches
from training_fakes import registered

from benchmark.tune.tune import UnfinishedError, tune
from benchmark.tune.tuned import trials_table
from results.store.store import Store


@pytest.fixture(autouse=True, scope="module")
def _fakes() -> Iterator[None]:
    with registered():
        yield


def table(found, store: Store) -> str:
    return trials_table(found, store.load())


@pytest.mark.parametrize("halves", [True, False])
def test_every_search_spends_as_many_trials_and_epochs(tmp_path: Path, halves: bool) -> None:
    found = search(Store(tmp_path), trials=10, count=3, halves=halves)
    assert {len(one.trials) for one in found} == {10}
    assert len({one.epochs for one in found}) == 1
    assert found[0].epochs < 90 if halves else found[0].epochs == 90
    assert len({str(one.trials[3].values) for one in found}) == 3


def test_the_chosen_trial_is_the_best_of_those_trained_to_the_end(tmp_path: Path) -> None:
    (found,) = search(Store(tmp_path), trials=20, count=1)
    whole = [trial for trial in found.trials if trial.state == "completed"]
    assert found.best is max(whole, key=lambda trial: trial.score)
    assert found.best.score > found.trials[0].score
    assert {trial.epochs for trial in whole} == {9}
    assert {trial.state for trial in found.trials} == {"completed", "pruned"}


def test_a_search_that_is_gone_on_with_trains_nothing_again_and_asks_the_same(tmp_path: Path) -> None:
    store = Store(tmp_path)
    first = search(store)
    again = Pretender(store)
    assert table(search(store, again), store) == table(first, store)
    assert again.trained == []


def test_more_trials_add_to_those_that_are_done(tmp_path: Path) -> None:
    store = Store(tmp_path)
    few = search(store, trials=6)
    many = search(store, trials=12)
    assert [t.values for t in many[0].trials[:6]] == [t.values for t in few[0].trials]


def test_an_interrupted_search_asks_what_an_unbroken_one_asks(tmp_path: Path) -> None:
    """Wherever it is cut off, here after each number of records in turn."""
    unbroken = table(search(Store(tmp_path / "unbroken")), Store(tmp_path / "unbroken"))
    store = Store(tmp_path / "cut")

    class CutError(Exception):
        pass

    class OneMore(Pretender):
        def __call__(self, cells):
            if self.trained:
                raise CutError
            for cell in cells:
                super().__call__([cell])
                if self.trained:
                    raise CutError
            return 0

    for cuts in range(100):  # noqa: B007
        try:
            found = search(store, OneMore(store))
        except CutError:
            continue
        break
    assert cuts > 10
    assert table(found, store) == unbroken


def test_sigkill_at_any_moment_loses_nothing(tmp_path: Path) -> None:
    unbroken = table(search(Store(tmp_path / "unbroken")), Store(tmp_path / "unbroken"))
    folder, moments = tmp_path / "killed", random.Random(0)
    store = Store(folder)
    kills = 0
    for attempt in range(40):
        seconds = 0.05 if attempt < 3 else 0.0
        process = get_context("fork").Process(target=search_to_the_end, args=(folder, seconds))
        process.start()
        if attempt < 3:
            before = len(store.load())
            while len(store.load()) <= before and process.is_alive():
                time.sleep(0.005)
            time.sleep(moments.uniform(0, 0.15))
            process.kill()
        process.join()
        if process.exitcode == 0:
            break
        kills += 1
    assert kills >= 3
    assert (folder / "trials.csv").read_text() == unbroken


def test_trials_that_fail_count_and_are_never_chosen(tmp_path: Path) -> None:
    store = Store(tmp_path)
    (found,) = search(store, Pretender(store, fails=2e-3), trials=12, count=1)
    failed = [trial for trial in found.trials if trial.state == "failed"]
    assert failed
    assert len(found.trials) == 12
    assert found.best.values["adapter_lr"] <= 2e-3
    assert "nan_loss: lost" in table([found], store)


def test_a_search_whose_first_trials_all_fail_stops(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with pytest.raises(UnfinishedError):
        search(store, Pretender(store, fails=1e-9))


def test_trials_without_records_stop_a_search_until_they_have_them(tmp_path: Path) -> None:
    with pytest.raises(UnfinishedError) as stopped:
        list(tune(searches(), Store(tmp_path), lambda cells: 130, trials=4, at_once=2))
    assert stopped.value.status == 130


def test_checkpoints_of_trials_that_are_over_are_removed(tmp_path: Path) -> None:
    store = Store(tmp_path)

    class LeavesCheckpoints(Pretender):
        def __call__(self, cells):
            for cell in cells:
                (tmp_path / "checkpoints" / cell.checkpoints).mkdir(parents=True, exist_ok=True)
            return super().__call__(cells)

    search(store, LeavesCheckpoints(store))
    assert list((tmp_path / "checkpoints").iterdir()) == []


def test_trials_that_are_asked_for_no_more_are_still_shown(tmp_path: Path) -> None:
    store = Store(tmp_path)
    search(store, sampler="random")
    text = table(search(store), store)
    assert "not asked for any more" in text
    assert len(text.splitlines()) > 1 + 2 * 14
