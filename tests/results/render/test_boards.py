from __future__ import annotations

from results.render.boards import board_titles, levels_in_words
from results.table.build import build

BIRDS = "classification(data='/home/somebody/birds/manifest.csv'{})"


def titles(*runs) -> list[str]:
    return sorted(board_titles(build(list(runs))).values())


def test_a_board_is_told_by_its_task_and_data_in_words(record) -> None:
    birds = record(task=BIRDS.format(""), data="manifest@0123456789")
    assert titles(birds, record(task="event_localisation", hash="b")) == [
        "classification · birds",
        "event localisation",
    ]


def test_boards_of_one_task_are_told_apart_by_what_differs(record) -> None:
    few = record(task=BIRDS.format(", segments=5"), data="manifest@0123456789")
    many = record(task=BIRDS.format(", segments=8"), data="manifest@abcdef0123", hash="b")
    assert titles(few, many) == ["classification · birds · segments 5", "classification · birds · segments 8"]
    other = record(task=BIRDS.format(", segments=5"), data="manifest@fedcba9876", hash="c")
    assert titles(few, other) == ["classification · birds · 012345", "classification · birds · fedcba"]


def test_modalities_share_a_title(record) -> None:
    both = record(task=BIRDS.format(""), data="manifest@0")
    assert len(titles(both, record(task=BIRDS.format(", modality='audio'"), data="manifest@0", hash="b"))) == 1


def test_what_needs_no_learning_in_words(record) -> None:
    (row,) = build([record()], levels=lambda run_hash: {"chance": 5.0})
    assert levels_in_words(row) == "chance 5.00 %"
    assert levels_in_words(build([record()])[0]) == ""
