"""AVE's index lists: HDF5 files with one list of line numbers, `order`."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

from registry.errors import DataError

_KEY = "order"


def read_order(path: Path, lines: int) -> list[int]:
    """Line numbers, from 0, into Annotations.txt without its header.

    Only whole numbers that lie in this very file are read: no links to other files, no stored objects.

    Args:
        lines: how many there are.

    Raises:
        DataError: not such a file, or a number out of range.
    """
    try:
        with h5py.File(path, "r") as file:
            numbers = _whole_numbers(file, lines)
    except (OSError, KeyError, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise DataError(f"index list {path} cannot be read: {reason}.") from None
    outside = numbers[(numbers < 0) | (numbers >= lines)]
    if len(outside):
        raise DataError(f"index list {path} names line {outside[0]} of Annotations.txt, which has {lines} lines.")
    return [int(i) for i in numbers]


def _whole_numbers(file: h5py.File, most: int) -> np.ndarray:
    if not isinstance(file.get(_KEY, getlink=True), h5py.HardLink):
        raise ValueError(f"it has no list {_KEY!r} of its own")
    data = file[_KEY]
    if not isinstance(data, h5py.Dataset) or data.is_virtual or data.external:
        raise ValueError(f"{_KEY!r} is no list that lies in the file")
    if data.ndim != 1 or data.dtype.kind not in "iu" or not 0 < len(data) <= most:
        raise ValueError(f"{_KEY!r} is {data.shape} of {data.dtype}, expected 1 to {most} whole numbers")
    return np.asarray(data[:])
