"""One foreign record never costs the leaderboard: it is named and left out, or shown as it is, and nothing waits."""

from __future__ import annotations

import gzip
import json
import os
import re
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from registry.vocabulary import ItemScore
from results.leaderboard import write
from results.record import Failure, Parameters, RunRecord
from results.render import csv, latex, markdown, plots
from results.store import items, store
from results.store.merged import Merged
from results.store.serialise import to_json
from results.store.store import Store
from results.summary import Summary

GOOD = "the_good_one"
ESC = "\x1b]0;owned\x07\x1b[31m"
ITEMS = [ItemScore(str(i), float(i % 2), "ab"[i % 2]) for i in range(20)]


@pytest.fixture
def foreign(tmp_path: Path, record) -> Path:
    """A folder of records with a good one in it."""
    Store(tmp_path / "foreign").write(record(hash="z9", seed=5, adapter=GOOD), ITEMS)
    return tmp_path / "foreign"


def add(folder: Path, content: dict[str, Any] | bytes, name: str = "a1.json") -> None:
    (folder / "records" / name).write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())


def shown(folder: Path) -> Summary:
    """The leaderboard of an empty output with this folder merged in; all of its files are there."""
    output = folder.parent / "board"
    summary = write(output, Merged([Store(folder)]), "made by a test")
    for name in summary.files:
        assert (output / name).stat().st_size
    assert GOOD in (output / "leaderboard.csv").read_text()
    return summary


PARAMETERS = {"backbone": 1000, "adapter": 10, "head": 10}
UNREADABLE = {
    "a count that no float holds": {"parameters": {**PARAMETERS, "adapter": 10**400}},
    "a count of 5,000 digits": {"parameters": {**PARAMETERS, "adapter": int("9" * 4000)}},
    "a negative count": {"parameters": {**PARAMETERS, "adapter": -(10**9)}},
    "a score whose sum is no number": {"scores": {"accuracy": 1.7e308}},
    "a history that overflows": {"history": [{"epoch": 1.0, "train_loss": 1.7976931348623157e308}]},
    "a time that is no number": {"train_seconds": float("nan")},
    "half a character": {"adapter": "x\ud800"},
    "half a character in a key": {"environment": {"\udfff": 1}},
    "a name of a million characters": {"adapter": "a" * 1_000_000},
    "a label of a million characters": {"labels": ["a" * 1_000_000]},
    "a hash that leads out": {"hash": "../a1"},
}


def test_what_no_run_writes_is_named_and_left_out(foreign: Path, record) -> None:
    for number, changes in enumerate(UNREADABLE.values()):
        own = f"a{number:02}"
        add(foreign, {**json.loads(to_json(record(hash=own))), **changes}, f"{own}.json")
    lines = shown(foreign).unreadable
    assert len(lines) == len(UNREADABLE)
    for number, what in enumerate(UNREADABLE):
        (line,) = (line for line in lines if f"a{number:02}.json was left out: " in line)
        assert line.isprintable(), what


NO_JSON = [b"[" * 100_000, b'{"a":' * 50_000, b"\xff\xfe{", b"NaN", b"1" * 5000, b"", b"\0"]


def test_what_is_no_json_is_named_and_left_out(foreign: Path) -> None:
    for number, content in enumerate(NO_JSON):
        add(foreign, content, f"a{number}.json")
    lines = shown(foreign).unreadable
    assert [sum(f"a{number}.json" in line for line in lines) for number in range(len(NO_JSON))] == [1] * len(lines)


def test_deep_facts_are_shown_or_named(foreign: Path, record) -> None:
    for depth in (50, 900, 990):
        deep = "[" * depth + "]" * depth
        text = to_json(record(hash=f"a{depth}", environment={"deep": "HERE"})).replace('"HERE"', deep)
        add(foreign, text.encode(), f"a{depth}.json")
    lines = shown(foreign).unreadable
    assert len(lines) <= 2
    assert not any("a50.json" in line for line in lines)


def test_a_pipe_a_device_a_folder_and_links_are_no_records(foreign: Path, record, tmp_path: Path) -> None:
    (tmp_path / "outside.json").write_text(to_json(record(hash="link")))
    os.mkfifo(foreign / "records" / "pipe.json")
    (foreign / "records" / "folder.json").mkdir()
    (foreign / "records" / "link.json").symlink_to(tmp_path / "outside.json")
    (foreign / "records" / "zero.json").symlink_to("/dev/zero")
    (foreign / "records" / "nowhere.json").symlink_to("nowhere")
    add(foreign, b"{}", os.fsdecode(b"\xff.json"))
    assert len(shown(foreign).unreadable) == 6


def test_a_record_larger_than_memory_is_named(foreign: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "MOST_RECORD_BYTES", 2**20)
    add(foreign, b" " * (2**20 + 1))
    assert "is larger than 1 MB" in shown(foreign).unreadable[0]


ITEM = '{"item": "1", "score": %s, "kind": "k"}'


NO_ITEMS = [
    ITEM % "NaN", ITEM % "Infinity", ITEM % "1e999", ITEM % ("9" * 400), ITEM % ("9" * 5000), ITEM % "1e200",
     '{"item": "\\ud800", "score": 1, "kind": ""}', "[" * 100_000, "{}", ITEM % '"1"',
]  # fmt: skip


def test_items_that_cannot_be_computed_with_are_named_and_their_run_counts_without_them(foreign: Path, record) -> None:
    for number, content in enumerate(NO_ITEMS):
        for seed in (1, 2):
            own = record(hash=f"a{number}_{seed}", adapter=f"adapter_{number}", seed=seed)
            add(foreign, json.loads(to_json(own)), f"{own.hash}.json")
            (foreign / "items" / f"{own.hash}.json.gz").write_bytes(gzip.compress(f"[{content}]".encode()))
    told = "\n".join(shown(foreign).unreadable)
    rows = (foreign.parent / "board" / "leaderboard.csv").read_text()
    for number, content in enumerate(NO_ITEMS):
        assert f"items/a{number}_1.json.gz was left out" in told, content[:80]
        assert f"adapter_{number}" in rows, content[:80]


def test_items_that_unpack_to_more_than_memory_are_named(
    foreign: Path, record, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(items, "MOST_ITEM_BYTES", 2**20)
    add(foreign, json.loads(to_json(record(hash="a1"))))
    pack = zlib.compressobj(9, wbits=31)
    packed = [pack.compress(b" " * 2**20) for _ in range(64)]
    (foreign / "items" / "a1.json.gz").write_bytes(b"".join(packed) + pack.flush())
    assert "unpacks to more than 1 MB" in shown(foreign).unreadable[0]


NAMES = [
    r"a(x='$\frac{$')", "$", "a$b_{c$ x", "`<img src=http://127.0.0.1:9/x>", "![i](http://127.0.0.1:9/y)", "[9cm]x",
    "*x", ESC, "a\nb | c", "=1+1", "x;=1+1", "</script>", "# x", "\u202egnp", "日本", "\0", "%", "a" * 4000,
]  # fmt: skip


def named(record) -> Iterator[RunRecord]:
    """Records that say every name wherever one can be said; of what makes a board of its own, three at a time."""
    # A family of two sizes, a failure and a label say names too.
    sizes = [Parameters(1000, adapter, 10) for adapter in (50, 90)]
    for number, name in enumerate(NAMES):
        yield record(hash=f"a{number}", backbone=name)
        yield record(hash=f"b{number}", adapter=name, labels=[name])
        for size, parameters in enumerate(sizes):
            yield record(hash=f"f{size}_{number}", adapter=f"f{name}(r={size})", parameters=parameters)
        yield record(hash=f"e{number}", seed=number, status="failed", failure=Failure("error", name))
    for number in range(0, len(NAMES), 3):
        data, task, protocol = NAMES[number : number + 3]
        metric = NAMES[number - 1]
        own = record(hash=f"d{number}", data=data, task=task, protocol=protocol)
        yield replace(own, primary_metric=metric, scores={metric: 1.0})


def test_any_name_is_shown_as_text(foreign: Path, record) -> None:
    for one in named(record):
        add(foreign, json.loads(to_json(one)), f"{one.hash}.json")
    summary = shown(foreign)
    assert not summary.unreadable
    board = foreign.parent / "board"
    told = [board / part for part in ("leaderboard.csv", "leaderboard.md", "leaderboard.tex")]
    for path in told:
        assert all(char.isprintable() for line in path.read_text().split("\n") for char in line), path.name
    page = re.sub(r"(?<!\\)`[^`\n]*`", "", (board / "leaderboard.md").read_text())
    assert not [live for live in ("<img", "](http", "\n# x") if live in page.replace("\\" + live, "")]
    assert not [line for line in (board / "leaderboard.tex").read_text().split("\n") if line[:1] in ("[", "*")]


TEXT = st.text(max_size=40) | st.text(alphabet="$`*[]()<>|\\#=+-@;&~_!.:/ \"'\n\x1b\ud800aw1", max_size=30)
quickly = settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))


class TestEveryFormatHasOneFunction:
    """What the formats give a meaning to, said here anew."""

    @quickly
    @given(TEXT)
    def test_csv(self, text: str) -> None:
        cell = csv.harmless(text)
        assert cell.isprintable()
        assert not [
            part for part in cell.replace("|", ";").replace(",", ";").split(";") if part.strip()[:1] in tuple("=+-@")
        ]

    @quickly
    @given(TEXT)
    def test_markdown(self, text: str) -> None:
        line = markdown.escaped(text)
        assert line.isprintable()
        bare = line.replace("\\\\", "").replace("\\", "\0")
        for place, char in enumerate(bare):
            if char in "`*<>[]|~&":
                assert bare[place - 1] == "\0", line
        assert "://" not in line
        assert line[:1] not in ("#", "+", "=", "-")

    @quickly
    @given(TEXT)
    def test_markdowns_code(self, text: str) -> None:
        said = markdown.code(text)
        assert said.isprintable()
        inside = said[1:-1] if said.startswith("`") else said
        assert inside.count("`") == inside.count("\\`")
        if said.startswith("`"):
            assert not [live for live in ("|", "<", "](") if live in inside]

    @pytest.mark.parametrize("text", ["a|![i](http://127.0.0.1:9/x)", "[c](javascript:alert(1))", "a|<img src=x>"])
    def test_markdowns_code_is_never_live_in_a_table(self, text: str) -> None:
        said = markdown.code(text)
        assert not [live for live in ("|", "<img", "[c](", "![i](") if live in said.replace("\\" + live, "")]

    @quickly
    @given(TEXT)
    def test_latex(self, text: str) -> None:
        line = latex.escaped(text)
        assert line.isascii()
        assert line.isprintable()
        assert line[:1] not in ("[", "*")
        depth = 0
        for place, char in enumerate(line):
            if char in "{}" and line[place - 1 : place] != "\\":
                depth += 1 if char == "{" else -1
                assert depth in (0, 1)
            if char in "&%#_":
                assert line[place - 1] == "\\"
            assert char not in "~^"
        assert not depth

    @quickly
    @given(TEXT)
    def test_pictures(self, text: str) -> None:
        from matplotlib import cbook

        drawn = plots.drawn(text)
        assert drawn.isprintable()
        assert not cbook.is_math_text(drawn)


def test_an_output_whose_name_is_no_text_is_written(foreign: Path, tmp_path: Path) -> None:
    output = tmp_path / os.fsdecode(b"x\xff")
    summary = write(output, Store(foreign))
    assert all((output / name).stat().st_size for name in summary.files)
    assert "x\\udcff" in (output / "leaderboard.md").read_text()
