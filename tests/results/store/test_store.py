from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from registry.errors import UserError
from registry.vocabulary import ItemScore
from results.store.files import write_atomically
from results.store.serialise import RecordError
from results.store.store import Store

ITEMS = [ItemScore("clip1", 1.0, "counting"), ItemScore("clip2", 0.25, "")]


def test_records_and_items_come_back(tmp_path, record) -> None:
    store = Store(tmp_path)
    assert store.write(record(), ITEMS)
    assert store.load() == [record()]
    assert store.items(record().hash) == ITEMS
    assert store.completed(record().hash)
    assert store.missing(["other", record().hash, "another"]) == ["other", "another"]


def test_an_empty_store_has_nothing(tmp_path) -> None:
    store = Store(tmp_path / "absent")
    assert store.load() == []
    assert store.items("abc") == []
    assert store.read("abc") is None
    assert not (tmp_path / "absent").exists()


def test_a_completed_record_is_never_rewritten(tmp_path, record) -> None:
    store = Store(tmp_path)
    store.write(record(), ITEMS)
    assert not store.write(replace(record(), scores={"accuracy": 99.0}), [])
    assert store.load() == [record()]
    assert store.items(record().hash) == ITEMS


def test_a_failed_record_gives_way_to_the_next_attempt(tmp_path, record) -> None:
    store = Store(tmp_path)
    failed = record(status="failed", hash="abc")
    assert store.write(failed)
    assert not store.completed("abc")
    assert store.write(record(hash="abc"))
    assert store.load() == [record(hash="abc")]


def test_unreadable_files_are_reported_beside_the_rest(tmp_path, record) -> None:
    store = Store(tmp_path)
    store.write(record())
    (tmp_path / "records" / "torn.json").write_text('{"schema": 1, "ha')
    (tmp_path / "records" / "copy.json").write_bytes((tmp_path / "records" / f"{record().hash}.json").read_bytes())
    loaded = store.load()
    assert loaded == [record()]
    assert [file.path.name for file in loaded.unreadable] == ["copy.json", "torn.json"]
    assert "copy.json: holds the record" in loaded.unreadable[0].reason
    assert "not readable as JSON" in loaded.unreadable[1].reason


@pytest.mark.parametrize("part", ["records", "items"])
def test_what_may_not_be_read_is_told_and_is_not_empty(tmp_path, record, monkeypatch, part: str) -> None:
    store = Store(tmp_path)
    store.write(record(), ITEMS)

    def refuse(path: Path, *words: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    if part == "records":
        monkeypatch.setattr(Path, "iterdir", refuse)
        loaded = store.load()
        assert (loaded, len(loaded.unreadable)) == ([], 1)
        assert loaded.unreadable[0].reason == f"{tmp_path / 'records'}: Permission denied"
        assert store.fingerprint() is None
    else:
        monkeypatch.setattr(os, "open", refuse)
        with pytest.raises(RecordError, match="Permission denied"):
            store.items(record().hash)


def test_an_unreadable_record_is_run_again_and_kept_aside(tmp_path, record) -> None:
    store = Store(tmp_path)
    path = tmp_path / "records" / "abc.json"
    write_atomically(path, b'{"schema": 99}')
    assert store.missing(["abc"]) == ["abc"]
    assert store.write(record(hash="abc"))
    assert store.completed("abc")
    assert path.with_name("abc.json.unreadable").read_bytes() == b'{"schema": 99}'


def test_items_that_cannot_be_read_are_an_error(tmp_path, record) -> None:
    store = Store(tmp_path)
    store.write(record(), ITEMS)
    path = tmp_path / "items" / f"{record().hash}.json.gz"
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(RecordError, match=path.name):
        store.items(record().hash)


def test_a_kill_before_the_rename_leaves_the_old_state(tmp_path, record) -> None:
    store = Store(tmp_path)
    store.write(record(status="failed", hash="abc"))
    script = f"""
import os, signal
from results.store.store import Store
from results.store.serialise import from_json
replace = os.replace
def kill(source, target):
    if target.name == "abc.json":
        os.kill(os.getpid(), signal.SIGKILL)
    replace(source, target)
os.replace = kill
text = open({str(tmp_path / "new.json")!r}).read()
Store({str(tmp_path)!r}).write(from_json(text))
"""
    Store(tmp_path / "other").write(record(hash="abc"))
    os.replace(tmp_path / "other" / "records" / "abc.json", tmp_path / "new.json")
    process = subprocess.run([sys.executable, "-c", script], cwd=Path(__file__).parents[3], check=False)
    assert process.returncode == -signal.SIGKILL
    assert store.load() == [record(status="failed", hash="abc")]
    assert store.load().unreadable == []
    assert any(path.suffix == ".tmp" for path in (tmp_path / "records").iterdir())


def test_a_write_that_fails_leaves_no_file_behind(tmp_path, monkeypatch) -> None:
    path = tmp_path / "a.txt"
    write_atomically(path, b"old")

    def refuse(source: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(UserError, match="No space left on device"):
        write_atomically(path, b"new")
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.txt"]
    assert path.read_bytes() == b"old"


def test_an_output_that_cannot_be_written_is_one_line(tmp_path, record) -> None:
    (tmp_path / "file").write_text("")
    store = Store(tmp_path / "file")
    for attempt in (store.prepare, lambda: store.write(record())):
        with pytest.raises(UserError, match="cannot write") as error:
            attempt()
        assert "\n" not in str(error.value)
    Store(tmp_path / "new").prepare()
    assert list((tmp_path / "new" / "records").iterdir()) == []
