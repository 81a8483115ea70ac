"""Single random records from our record file and from zarr, in turn in one process: microseconds for each.

python3 -m venv /tmp/zarr && /tmp/zarr/bin/pip install zarr numpy filelock
PYTHONPATH=. /tmp/zarr/bin/python measurements/speed/array_store.py
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import zarr

from tasks.record_file import Record, write_once

SHAPES = {
    "frames": ((10, 3, 32, 32), "uint8", 512),
    "features": ((10, 197, 768), "float32", 64),
}
ROUNDS, READS = 15, 100


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        taken = {name: compare(Path(folder) / name, *shape) for name, shape in SHAPES.items()}
    print(f"One random record: microseconds, page cache warm, zarr {zarr.__version__}\n")
    print("| record | record file | zarr | zarr takes |\n|---|---|---|---|")
    for name, (shape, dtype, _) in SHAPES.items():
        ours, theirs = taken[name]["record file"], taken[name]["zarr"]
        sizes = " × ".join(map(str, shape))
        print(f"| {name}, {sizes} {dtype} | {ours:,.0f} | {theirs:,.0f} | {theirs / ours:.2g} times as long |")


def compare(folder: Path, shape: tuple[int, ...], dtype: str, count: int) -> dict[str, float]:
    """Median over rounds, in which both read the same places one after the other."""
    rng = np.random.default_rng(0)
    records = [rng.integers(0, 256, shape).astype(dtype) for _ in range(count)]
    ours = write_once(folder / "ours", count, lambda start: (Record.of({"x": record}) for record in records[start:]))
    theirs = zarr.create_array(
        folder / "zarr", shape=(count, *shape), chunks=(1, *shape), dtype=dtype, compressors=None
    )
    theirs[:] = np.stack(records)
    theirs = zarr.open_array(folder / "zarr", mode="r")
    read: dict[str, Callable[[int], np.ndarray]] = {
        "record file": lambda index: ours.arrays(index)["x"],
        "zarr": lambda index: theirs[index],
    }
    assert all(np.array_equal(read["record file"](i), read["zarr"](i)) for i in range(count))
    taken: dict[str, list[float]] = {name: [] for name in read}
    for _ in range(ROUNDS):
        places = [int(i) for i in rng.integers(0, count, READS)]
        for name, reader in read.items():
            start = time.perf_counter()
            for index in places:
                reader(index)
            taken[name].append((time.perf_counter() - start) / READS * 1e6)
    return {name: round(statistics.median(values), 1) for name, values in taken.items()}


if __name__ == "__main__":
    main()
