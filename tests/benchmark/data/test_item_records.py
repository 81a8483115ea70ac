"""Items kept on disk are read back as they were, once written, and a writer that was cut off is continued."""

import math
import pickle

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.data.item_records import ItemRecords, record_items
from tasks.record_file import UnevenRecordsError


def items(count, dtype=torch.float32):
    generator = torch.Generator().manual_seed(0)
    return [
        {
            "inputs": {
                "visual": {"pooled": torch.randn(2, 3, generator=generator).to(dtype)},
                "audio": torch.randn(2, 1, 4, generator=generator).expand(2, 3, 4),
            },
            "targets": {"id": f"clip-{i}", "category": i, "weight": i / 3, "labels": torch.arange(2) + i},
        }
        for i in range(count)
    ]


def assert_same(left, right):
    if isinstance(left, dict):
        assert list(left) == list(right)
        for name in left:
            assert_same(left[name], right[name])
    elif isinstance(left, torch.Tensor):
        assert left.dtype == right.dtype
        assert torch.equal(left, right)
    else:
        assert (type(left), left) == (type(right), right)


@settings(max_examples=20, deadline=None)
@given(count=st.integers(1, 5), dtype=st.sampled_from([torch.float32, torch.bfloat16, torch.int16, torch.bool]))
def test_items_come_back_bit_for_bit(tmp_path_factory, count, dtype):
    made = items(count, dtype)
    kept = record_items(tmp_path_factory.mktemp("kept") / "a", count, lambda start: made[start:])
    assert len(kept) == count
    for i, item in enumerate(made):
        assert_same(dict(sorted(kept[i]["targets"].items())), dict(sorted(item["targets"].items())))
        assert_same(kept[i]["inputs"], item["inputs"])


def test_axes_that_repeat_are_written_once(tmp_path):
    record_items(tmp_path / "a", 4, lambda start: items(4)[start:])
    padded = [64 * math.ceil(size / 64) for size in (4 * 2 * 3, 4 * 2 * 1 * 4, 2 * 8)]
    assert (tmp_path / "a" / "records.bin").stat().st_size == 4 * sum(padded)


def test_written_once(tmp_path):
    record_items(tmp_path / "a", 3, lambda start: items(3)[start:])
    again = record_items(tmp_path / "a", 3, lambda start: pytest.fail("computed again"))
    assert len(again) == 3


@pytest.mark.parametrize("cut", [0, 1, 2, 4])
def test_goes_on_where_a_writer_was_cut_off(tmp_path, cut):
    class KilledError(Exception):
        pass

    def until_killed(start):
        yield from items(5)[start:cut]
        raise KilledError

    with pytest.raises(KilledError):
        record_items(tmp_path / "a", 5, until_killed)
    starts = []

    def rest(start):
        starts.append(start)
        return items(5)[start:]

    kept = record_items(tmp_path / "a", 5, rest)
    assert starts == [cut]
    for i, item in enumerate(items(5)):
        assert_same(kept[i]["inputs"], item["inputs"])
        assert kept[i]["targets"]["id"] == f"clip-{i}"


def test_a_record_that_was_half_written_is_written_anew(tmp_path):
    def until_killed(start):
        yield from items(3)[start:2]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        record_items(tmp_path / "a", 3, until_killed)
    file = tmp_path / "a.partial" / "records.bin"
    file.write_bytes(file.read_bytes()[:-1])
    kept = record_items(tmp_path / "a", 3, lambda start: items(3)[start:])
    assert_same(kept[1]["inputs"], items(3)[1]["inputs"])
    assert_same(kept[2]["inputs"], items(3)[2]["inputs"])


def test_a_folder_that_was_damaged_is_made_anew(tmp_path):
    record_items(tmp_path / "a", 3, lambda start: items(3)[start:])
    (tmp_path / "a" / "records.bin").write_bytes(b"short")
    with pytest.raises(ValueError, match="incomplete"):
        ItemRecords(tmp_path / "a")
    assert_same(record_items(tmp_path / "a", 3, lambda start: items(3)[start:])[2]["inputs"], items(3)[2]["inputs"])


def test_items_of_unequal_shapes_are_refused(tmp_path):
    uneven = items(2)
    uneven[1]["targets"]["labels"] = torch.arange(3)
    with pytest.raises(UnevenRecordsError, match="shapes"):
        record_items(tmp_path / "a", 2, lambda start: uneven[start:])


def test_values_that_are_no_records_are_refused(tmp_path):
    odd = [{"inputs": {"x": torch.zeros(1)}, "targets": {"words": ["a", "b"]}}]
    with pytest.raises(UnevenRecordsError, match="targets/words is of type list"):
        record_items(tmp_path / "a", 1, lambda start: odd[start:])


def test_a_loaders_process_reads_the_same_items(tmp_path):
    kept = record_items(tmp_path / "a", 3, lambda start: items(3)[start:])
    passed_on = pickle.loads(pickle.dumps(kept))
    for i in range(3):
        assert_same(passed_on[i], kept[i])
