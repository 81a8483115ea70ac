"""Items of a data set as records of equal size on disk: written once, going on where a writer was cut off."""

from __future__ import annotations

import json
import math
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock
from torch import Tensor
from torch.utils.data import Dataset

from registry.vocabulary import Item

_INDEX, _PLAIN = "index.json", "plain.jsonl"


class UnevenItemsError(ValueError):
    """Items that are no records of equal size."""


@dataclass(frozen=True)
class Leaf:
    """A tensor that every item has, and how it lies in its file."""

    path: str
    """Keys from the item down to the tensor, joined by slashes."""
    dtype: str
    shape: tuple[int, ...]
    stored: tuple[int, ...]
    """Its shape on disk: 1 where an axis repeats the same values."""

    @property
    def bytes(self) -> int:
        return math.prod(self.stored) * getattr(torch, self.dtype).itemsize

    def read(self, file: Path, indices: Iterable[int]) -> list[Tensor]:
        """The tensor of each item."""
        # Read, not mapped: pages of a mapping count as memory of the run, and a file cut short would kill it.
        with file.open("rb", buffering=0) as stream:
            contents = [bytearray(os.pread(stream.fileno(), self.bytes, i * self.bytes)) for i in indices]
        dtype = getattr(torch, self.dtype)
        return [torch.frombuffer(content, dtype=dtype).view(self.stored).expand(self.shape) for content in contents]


class KeptItems(Dataset[Item]):
    """The items that `keep` wrote into a folder.

    Raises:
        OSError, ValueError, KeyError, TypeError: the folder does not hold them whole.
    """

    def __init__(self, folder: Path) -> None:
        index = json.loads((folder / _INDEX).read_bytes())
        leaves = _read_leaves(index["leaves"])
        self._files = [(leaf, _file(folder, i)) for i, leaf in enumerate(leaves)]
        lines = (folder / _PLAIN).read_text().splitlines()
        self._plain: list[dict[str, Any]] = [json.loads(line) for line in lines]
        count = index["count"]
        if len(self._plain) != count or any(f.stat().st_size != count * leaf.bytes for leaf, f in self._files):
            raise ValueError(f"{folder} is incomplete")

    def __len__(self) -> int:
        return len(self._plain)

    def __getitem__(self, index: int) -> Item:
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: list[int]) -> list[Item]:
        """The items of a batch: loaders ask so, and each file is opened once."""
        tensors = {leaf.path: leaf.read(file, indices) for leaf, file in self._files}
        return [
            _nested({**self._plain[index], **{path: read[place] for path, read in tensors.items()}})
            for place, index in enumerate(indices)
        ]


def keep(folder: Path, count: int, items_from: Callable[[int], Iterable[Item]]) -> KeptItems:
    """The items in `folder`, which are computed and written unless a process before did.

    Processes that ask for the same folder wait for the one that writes. A writer that was cut off is continued.

    Args:
        count: how many there are.
        items_from: the items from a place on, in order.

    Raises:
        UnevenItemsError: tensors whose shapes differ from item to item, or values that are no tensors, numbers or text.
        OSError: the folder cannot be written.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        with suppress(OSError, ValueError, KeyError, TypeError):
            return KeptItems(folder)
        shutil.rmtree(folder, ignore_errors=True)
        partial = folder.with_name(f"{folder.name}.partial")
        partial.mkdir(exist_ok=True)
        leaves = _write(partial, count, items_from)
        index = {"count": count, "leaves": [asdict(leaf) for leaf in leaves]}
        (partial / _INDEX).write_text(json.dumps(index))
        partial.rename(folder)
        return KeptItems(folder)


def leaves_of(item: Item) -> tuple[list[Leaf], dict[str, Any]]:
    """The tensors of an item, and its numbers and texts by path.

    Raises:
        UnevenItemsError: a value of another kind.
    """
    leaves, plain = [], {}
    for path, value in _flat(item):
        if isinstance(value, Tensor):
            stored = tuple(1 if step == 0 else size for size, step in zip(value.shape, value.stride(), strict=True))
            leaves.append(Leaf(path, str(value.dtype).removeprefix("torch."), tuple(value.shape), stored))
        elif isinstance(value, str | int | float):
            plain[path] = value
        else:
            raise UnevenItemsError(f"{path} is of type {type(value).__name__}")
    return leaves, plain


def _write(folder: Path, count: int, items_from: Callable[[int], Iterable[Item]]) -> list[Leaf]:
    """Append what is missing; a description of the items."""
    description = folder / "leaves.json"
    leaves = _described(description)
    done = _whole_records(folder, leaves) if leaves else 0
    items = iter(items_from(done) if done < count else ())
    if not leaves:
        first = next(items)
        leaves, items = leaves_of(first)[0], chain([first], items)
        description.write_text(json.dumps([asdict(leaf) for leaf in leaves]))
    with ExitStack() as stack:
        files = [stack.enter_context(_opened_at(_file(folder, i), done * leaf.bytes)) for i, leaf in enumerate(leaves)]
        plain_file = stack.enter_context(_opened_at(folder / _PLAIN, _length_of_lines(folder / _PLAIN, done)))
        for item in items:
            found, plain = leaves_of(item)
            if [(leaf.path, leaf.dtype, leaf.shape) for leaf in found] != [(x.path, x.dtype, x.shape) for x in leaves]:
                raise UnevenItemsError("items differ in their shapes")
            values = dict(_flat(item))
            for leaf, file in zip(leaves, files, strict=True):
                file.write(_content(values[leaf.path], leaf))
            plain_file.write(json.dumps(plain).encode() + b"\n")
    return leaves


def _described(file: Path) -> list[Leaf]:
    with suppress(OSError, ValueError, KeyError, TypeError):
        return _read_leaves(json.loads(file.read_bytes()))
    return []


def _whole_records(folder: Path, leaves: list[Leaf]) -> int:
    """How many items every file holds whole."""
    counts = [_size(_file(folder, i)) // leaf.bytes for i, leaf in enumerate(leaves) if leaf.bytes]
    with suppress(OSError):
        counts.append((folder / _PLAIN).read_bytes().count(b"\n"))
        return min(counts)
    return 0


def _length_of_lines(file: Path, lines: int) -> int:
    return sum(len(line) for line in file.read_bytes().splitlines(keepends=True)[:lines]) if lines else 0


def _opened_at(file: Path, size: int) -> Any:
    """A file for appending, cut to its first `size` bytes."""
    file.touch()
    os.truncate(file, size)
    return file.open("ab")


def _content(value: Tensor, leaf: Leaf) -> bytes:
    narrow = value.detach().cpu()[tuple(slice(0, size) for size in leaf.stored)].contiguous()
    return bytes(narrow.view(-1).view(torch.uint8).numpy()) if narrow.numel() else b""


def _flat(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _flat(inner, f"{path}/{key}" if path else str(key))
    else:
        yield path, value


def _nested(flat: dict[str, Any]) -> Item:
    item: dict[str, Any] = {"inputs": {}, "targets": {}}
    for path, value in flat.items():
        *parents, name = path.split("/")
        inner = item
        for parent in parents:
            inner = inner.setdefault(parent, {})
        inner[name] = value
    return item


def _read_leaves(described: list[dict[str, Any]]) -> list[Leaf]:
    return [Leaf(**{**leaf, "shape": tuple(leaf["shape"]), "stored": tuple(leaf["stored"])}) for leaf in described]


def _file(folder: Path, place: int) -> Path:
    return folder / f"{place}.bin"


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return 0
