"""AVE's index lists say the same as its split files, and a foreign HDF5 file is one line."""

from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from registry.errors import UserError
from tasks.datasets.ave import AveFolder
from tasks.datasets.ave_orders import read_order

LINES = [f"Bark&clip{i}&good&0&{i}" for i in range(6)]
ORDERS = {"train": [4, 0, 2], "val": [1], "test": [5, 3]}
SPLIT_FILES = {"train": "trainSet.txt", "val": "valSet.txt", "test": "testSet.txt"}


def write_order(path: Path, **data: object) -> Path:
    with h5py.File(path, "w") as file:
        for name, values in data.items():
            file[name] = values
    return path


def with_orders(root: Path, header: bool = False, **changed: list[int]) -> Path:
    root.mkdir(exist_ok=True)
    first = ["Category&VideoID&Quality&StartTime&EndTime"] if header else []
    (root / "Annotations.txt").write_text("\n".join([*first, *LINES]) + "\n")
    for name, order in {**ORDERS, **changed}.items():
        write_order(root / f"{name}_order.h5", order=np.array(order, np.int64))
    return root


@pytest.mark.parametrize("header", [False, True])
def test_lists_and_split_files_are_the_same_data(tmp_path: Path, header: bool) -> None:
    """A header line shifts no index."""
    listed = AveFolder(with_orders(tmp_path / "listed", header))
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "Annotations.txt").write_text("\n".join(LINES))
    for name, order in ORDERS.items():
        (tmp_path / "files" / SPLIT_FILES[name]).write_text("\n".join(LINES[i] for i in order))
    assert [row.clip for row in listed.annotations("train")] == ["clip4", "clip0", "clip2"]
    assert listed.identity() == AveFolder(tmp_path / "files").identity()


def test_a_line_in_two_lists_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"have line 2 of Annotations\.txt more than once"):
        AveFolder(with_orders(tmp_path, val=[2]))


def test_without_splits_both_forms_are_named(tmp_path: Path) -> None:
    (with_orders(tmp_path) / "val_order.h5").unlink()
    with pytest.raises(UserError, match=r"trainSet\.txt is missing .*train_order\.h5, val_order\.h5"):
        AveFolder(tmp_path)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"order": np.array([0, 6])}, r"names line 6 of Annotations\.txt, which has 6 lines"),
        ({"order": np.array([-1])}, "names line -1"),
        ({"order": np.array([0.0])}, "of float64, expected 1 to 6 whole numbers"),
        ({"order": np.zeros((2, 2), int)}, "expected 1 to 6 whole numbers"),
        ({"order": np.zeros(7, int)}, "expected 1 to 6 whole numbers"),
        ({"order": np.zeros(0, int)}, "expected 1 to 6 whole numbers"),
        ({"order": "text"}, "expected 1 to 6 whole numbers"),
        ({"other": np.array([1])}, "has no list 'order' of its own"),
    ],
)
def test_a_foreign_list_is_named(tmp_path: Path, data: dict[str, object], message: str) -> None:
    path = write_order(tmp_path / "x.h5", **data)
    with pytest.raises(UserError, match=message) as caught:
        read_order(path, 6)
    assert "\n" not in str(caught.value)


def test_a_list_may_not_lie_in_another_file(tmp_path: Path) -> None:
    write_order(tmp_path / "other.h5", order=np.array([1]))
    with h5py.File(tmp_path / "link.h5", "w") as file:
        file["order"] = h5py.ExternalLink(str(tmp_path / "other.h5"), "order")
    with pytest.raises(UserError, match="of its own"):
        read_order(tmp_path / "link.h5", 6)
    layout = h5py.VirtualLayout((1,), "i8")
    layout[:] = h5py.VirtualSource(str(tmp_path / "other.h5"), "order", (1,))
    with h5py.File(tmp_path / "virtual.h5", "w") as file:
        file.create_virtual_dataset("order", layout)
    with pytest.raises(UserError, match="no list that lies in the file"):
        read_order(tmp_path / "virtual.h5", 6)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_damaged_list_is_a_list_or_one_line(tmp_path: Path, data: st.DataObject) -> None:
    whole = bytearray(write_order(tmp_path / "w.h5", order=np.arange(6)).read_bytes())
    for _ in range(data.draw(st.integers(0, 8))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    (tmp_path / "w.h5").write_bytes(whole[: data.draw(st.integers(0, len(whole)))])
    message = ""
    try:
        assert all(0 <= i < 6 for i in read_order(tmp_path / "w.h5", 6))
    except UserError as error:
        message = str(error)
    assert "\n" not in message
