"""Records are read back as they were, and whatever is cut short or changed is noticed."""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.errors import DataError
from tasks.record_file import DamagedRecordError, Field, Record, RecordFile, UnevenRecordsError, write_once


def records(count: int) -> list[Record]:
    rng = np.random.default_rng(0)
    return [
        Record.of(
            {"frames": rng.integers(0, 256, (2, 3, 5), np.uint8), "sound": rng.normal(size=7).astype(np.float32)},
            note=[f"clip {i}", i % 2 == 0],
        )
        for i in range(count)
    ]


@settings(max_examples=15, deadline=None)
@given(count=st.integers(1, 6), seed=st.integers(0, 9))
def test_records_come_back_in_any_order(tmp_path_factory, count: int, seed: int) -> None:
    made = records(count)
    file = write_once(tmp_path_factory.mktemp("records") / "a", count, lambda start: made[start:])
    assert len(file) == count
    for i in np.random.default_rng(seed).permutation(count):
        read = file.arrays(int(i))
        for field, values in zip(made[i].fields, made[i].values, strict=True):
            assert read[field.name].dtype == values.dtype
            np.testing.assert_array_equal(read[field.name], values)
        assert file.notes[i] == [f"clip {i}", i % 2 == 0]


def test_an_axis_that_repeats_is_stored_once(tmp_path: Path) -> None:
    field = Field("x", "int64", 8, shape=(3, 2), stored=(1, 2))
    file = write_once(tmp_path / "a", 1, lambda start: [Record((field,), (np.array([[4, 5]]),))])
    np.testing.assert_array_equal(file.arrays(0)["x"], [[4, 5]] * 3)


def test_arrays_of_one_record_may_be_written_to(tmp_path: Path) -> None:
    file = write_once(tmp_path / "a", 1, lambda start: records(1))
    file.arrays(0)["sound"][0] = 7
    assert file.arrays(0)["sound"][0] != 7


@pytest.mark.parametrize("place", [0, 29, 64, 91])
def test_a_changed_byte_is_noticed(tmp_path: Path, place: int) -> None:
    file = write_once(tmp_path / "a", 2, lambda start: records(2))
    content = bytearray((tmp_path / "a" / "records.bin").read_bytes())
    content[128 + place] ^= 1
    (tmp_path / "a" / "records.bin").write_bytes(content)
    file.arrays(0)
    with pytest.raises(DamagedRecordError, match=r"records\.bin is damaged at record 1"):
        file.arrays(1)


@pytest.mark.parametrize("name", ["notes.jsonl", "index.json"])
def test_a_changed_note_or_field_is_noticed(tmp_path: Path, name: str) -> None:
    write_once(tmp_path / "a", 2, lambda start: records(2))
    path = tmp_path / "a" / name
    changed = path.read_text().replace("clip 1", "clip 0").replace('"frames"', '"Frames"')
    path.write_text(changed)
    with pytest.raises(ValueError, match="is not as it was written"):
        RecordFile(tmp_path / "a")


def test_damaged_records_are_made_again_where_asked(tmp_path: Path) -> None:
    write_once(tmp_path / "a", 2, lambda start: records(2))
    path = tmp_path / "a" / "records.bin"
    path.write_bytes(bytes(len(path.read_bytes())))
    with pytest.raises(DamagedRecordError):
        write_once(tmp_path / "a", 2, lambda start: records(2)).arrays(0)
    mended = write_once(tmp_path / "a", 2, lambda start: records(2), check=True)
    np.testing.assert_array_equal(mended.arrays(1)["frames"], records(2)[1].values[0])


def test_a_lock_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("precious")
    (tmp_path / "a.lock").symlink_to(tmp_path / "victim")
    (tmp_path / "b.lock").symlink_to(tmp_path / "absent")
    for name in "ab":
        with pytest.raises(OSError, match="symbolic link"):
            write_once(tmp_path / name, 1, lambda start: records(1))
    assert (tmp_path / "victim").read_text() == "precious"
    assert not (tmp_path / "absent").exists()


def test_a_file_that_was_cut_short_is_noticed(tmp_path: Path) -> None:
    file = write_once(tmp_path / "a", 2, lambda start: records(2))
    (tmp_path / "a" / "records.bin").write_bytes((tmp_path / "a" / "records.bin").read_bytes()[:-1])
    with pytest.raises(DamagedRecordError, match="ends within record 1"):
        file.arrays(1)
    with pytest.raises(ValueError, match="is incomplete"):
        RecordFile(tmp_path / "a")
    (tmp_path / "a" / "records.bin").unlink()
    with pytest.raises(DataError, match=r"cannot be read \(No such file or directory\); delete its folder"):
        file.arrays(0)


@pytest.mark.parametrize("cut", range(4))
def test_a_writer_that_was_cut_off_is_continued(tmp_path: Path, cut: int) -> None:
    def until_killed(start: int) -> Iterator[Record]:
        yield from records(3)[start:cut]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_once(tmp_path / "a", 3, until_killed)
    starts: list[int] = []
    file = write_once(tmp_path / "a", 3, lambda start: starts.append(start) or records(3)[start:])
    assert starts == ([cut] if cut < 3 else [])
    assert [file.notes[i][0] for i in range(3)] == ["clip 0", "clip 1", "clip 2"]
    np.testing.assert_array_equal(file.arrays(2)["frames"], records(3)[2].values[0])


def test_uneven_records_are_refused(tmp_path: Path) -> None:
    uneven = [records(1)[0], Record.of({"frames": np.zeros(3, np.uint8)})]
    with pytest.raises(UnevenRecordsError, match="fields or shapes"):
        write_once(tmp_path / "a", 2, lambda start: uneven)


def _write(folder: Path, queue: multiprocessing.Queue) -> None:
    made = write_once(folder, 3, lambda start: queue.put("written") or records(3)[start:])
    queue.put(float(made.arrays(2)["sound"].sum()))


def test_of_two_processes_one_writes(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    processes = [context.Process(target=_write, args=(tmp_path / "a", queue)) for _ in range(2)]
    for process in processes:
        process.start()
    said = [queue.get(timeout=60) for _ in range(3)]
    for process in processes:
        process.join()
    assert said.count("written") == 1
    assert len(set(said)) == 2


def test_whoever_renders_or_decodes_needs_no_torch() -> None:
    script = "import sys, tasks.record_file, tasks.synthetic.store; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", script], check=True, cwd=Path(__file__).parents[2])
