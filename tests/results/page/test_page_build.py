from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from results.page.build import content, to_html
from results.render.csv import COLUMNS, to_csv
from results.table.columns import PRESENTED
from results.table.gather import Leaderboard

MEGABYTE = 10**6


def data_block(text: str) -> str:
    return text.split('<script type="application/json" id="data">')[1].split("</script>")[0]


def test_every_column_is_presented() -> None:
    assert tuple(PRESENTED) == COLUMNS


def test_the_page_is_one_file_of_moderate_size_that_asks_for_nothing(page: Path) -> None:
    text = page.read_text()
    assert page.stat().st_size < 3 * MEGABYTE
    shell = text.replace(data_block(text), "")
    assert re.findall(r"(?:src|href)=[\"'](?!#)", shell.split("<script", 1)[0]) == []
    assert "default-src 'none'" in text
    assert "'unsafe-inline'" not in text.split("script-src")[1].split(";")[0]


def test_equal_records_give_equal_bytes(board: Leaderboard, page: Path) -> None:
    assert to_html(board) == page.read_text()


def test_text_of_records_ends_no_script(board: Leaderboard, page: Path) -> None:
    text = page.read_text()
    assert text.count("<script") == text.count("</script>") == 3
    assert "<b>{{data}}" not in text
    loaded = json.loads(data_block(text))
    assert any("</script>" in adapter for adapter in loaded["values"]["adapter"])
    assert loaded == json.loads(json.dumps(content(board)))


def test_the_data_are_those_of_the_csv(board: Leaderboard) -> None:
    values = content(board)["values"]
    header, *lines = to_csv([*board.rows, *board.published]).splitlines()
    assert list(values) == header.split(",")
    assert len(values["task"]) == len(lines)
    assert [f"{mean:.4f}" for mean in values["mean"]] == [
        f"{row.score.mean:.4f}" for row in [*board.rows, *board.published]
    ]


def test_what_many_rows_share_is_kept_once(board: Leaderboard) -> None:
    found = content(board)
    assert len(found["known_recipes"]) == 2
    machine = {"device_name": "a processor", "versions": {"torch": "2"}}
    known = found["known_environments"]
    assert len(known) == 3
    assert all(own in known for own in (machine, {**machine, "effort": {"trials": 20, "epochs": 96}}, {}))
    assert {len(curve) for curve in found["curves"][:3]} == {3}


@pytest.mark.parametrize("empty", [Leaderboard([])])
def test_a_page_without_rows_is_still_a_page(empty: Leaderboard) -> None:
    assert json.loads(data_block(to_html(empty)))["values"]["task"] == []
