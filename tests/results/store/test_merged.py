"""Folders of several machines as one leaderboard."""

from __future__ import annotations

from dataclasses import replace

import fsspec
import pytest

from registry.errors import UserError
from registry.vocabulary import ItemScore
from results.leaderboard import write
from results.store.merged import Merged, open_store
from results.store.remote import RemoteStore
from results.store.store import Store
from results.table.build import build
from results.table.coverage import coverage
from results.table.differences import kept_apart
from results.table.gather import gather

ITEMS = [ItemScore("clip1", 1.0, "counting"), ItemScore("clip2", 0.0, "counting")]


@pytest.fixture
def folders(tmp_path, record):
    """Seeds 0 and 1 here, seeds 1 and 2 there."""
    here, there = Store(tmp_path / "here"), Store(tmp_path / "there")
    for store, seeds in ((here, (0, 1)), (there, (1, 2))):
        for seed in seeds:
            store.write(record(seed=seed, finished=f"2026-01-0{seed + 1}"), ITEMS)
    return here, there


def test_seeds_of_two_machines_make_one_row(folders) -> None:
    board = gather(Merged(folders))
    (row,) = board.rows
    assert (row.score.seeds, row.score.mean) == (3, 50.0)
    assert row.score.interval is not None
    assert board.kept_apart == []


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"data": "synthetic@2"}, "data synthetic@1 | synthetic@2"),
        ({"protocol": "paper"}, "protocol paper | validation"),
        ({"recipe": {"epochs": 3}}, "recipe epochs "),
        ({"versions": {"task": "file:beef"}}, "version of task 1 | file:beef"),
        ({"weights": {"w": "1"}}, "weights "),
        ({"labels": []}, "labels none | synthetic data"),
    ],
)
def test_what_differs_is_kept_apart_with_its_reason(folders, record, change, reason) -> None:
    folders[1].write(record(seed=7, hash="other", **change))
    board = gather(Merged(folders))
    assert sorted(row.score.seeds for row in board.rows) == [1, 3]
    (line,) = board.kept_apart
    assert line.startswith("avqa · tiny_vit · linear_probe: 2 rows, since they differ in ")
    assert reason in line


def test_copies_with_other_scores_count_once_and_are_told(folders, record) -> None:
    here, there = folders
    path = there.output / "records" / f"{record(seed=1).hash}.json"
    path.write_text(path.read_text().replace("50.0", "60.0").replace("2026-01-02", "2026-02-02"))
    board = gather(Merged([here, there]))
    (row,) = board.rows
    assert row.score.mean == pytest.approx((50 + 60 + 50) / 3)
    assert board.kept_apart == []
    note, _ = board.notes
    assert "completed 50.0 in" in note
    assert f"the one in {there.output} counts" in note
    assert gather(Merged([there, here])).rows == board.rows


def test_a_failed_copy_gives_way_to_a_completed_one(folders, record) -> None:
    here, there = folders
    failed = replace(record(seed=2, status="failed"), hash=record(seed=2).hash, finished="2027")
    here.write(failed)
    (row,) = gather(Merged([here, there])).rows
    assert (row.score.seeds, row.status) == (3, "completed")


def test_a_store_elsewhere_is_read_through_fsspec(folders) -> None:
    here, _ = folders
    memory = fsspec.filesystem("memory")
    memory.put(str(here.output), "/bucket/runs", recursive=True)
    try:
        remote = open_store("memory://bucket/runs")
        assert isinstance(remote, RemoteStore)
        assert remote.load() == here.load()
        assert remote.items(here.load()[0].hash) == ITEMS
        assert remote.items("absent") == []
        memory.pipe("/bucket/runs/records/torn.json", b"{")
        assert [file.path.name for file in remote.load().unreadable] == ["torn.json"]
    finally:
        memory.rm("/bucket", recursive=True)


def test_the_fingerprint_of_several_stores_is_that_of_each(folders, record) -> None:
    before = Merged(folders).fingerprint()
    assert before == Merged(folders).fingerprint()
    folders[1].write(record(seed=9))
    assert Merged(folders).fingerprint() != before
    assert Merged([*folders, open_store(f"file://{folders[0].output}")]).fingerprint() is None


def test_a_file_url_gives_the_same_tables(folders, tmp_path) -> None:
    here, _ = folders
    boards = [
        write(tmp_path / name, Merged([store]), "c")
        for name, store in (("a", open_store(here.output)), ("b", open_store(f"file://{here.output}")))
    ]
    assert boards[0].files == boards[1].files
    for name in boards[0].files:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


@pytest.mark.parametrize("place", ["nowhere", "memory://nowhere", "nonsense://x", "file:///nowhere/at/all"])
def test_a_place_that_cannot_be_read_is_one_line(place) -> None:
    with pytest.raises(UserError) as error:
        open_store(place)
    assert place in str(error.value)
    assert "\n" not in str(error.value)


def test_the_coverage_by_hand(record) -> None:
    records = [
        record(),
        record(seed=1),
        record(adapter="lavish", seed=1, status="failed"),
        record(backbone="tiny_swin", adapter="lavish", task="retrieval"),
    ]
    covers = {(c.backbone, c.adapter, c.task): (c.completed, c.failed, c.missing) for c in coverage(records)}
    assert len(covers) == 8
    assert covers["tiny_vit", "linear_probe", "avqa"] == ({0, 1}, set(), set())
    assert covers["tiny_vit", "lavish", "avqa"] == (set(), {1}, {0})
    assert covers["tiny_swin", "linear_probe", "retrieval"] == (set(), set(), {0})


def test_rows_of_different_names_are_not_called_apart(record) -> None:
    assert kept_apart(build([record(), record(adapter="lavish", recipe={"epochs": 9})])) == []
