"""Items of a data set as records on disk: their tensors bit for bit, their numbers and texts beside them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset

from registry.vocabulary import Item
from tasks.record_file import Field, Record, RecordFile, UnevenRecordsError, write_once


class ItemRecords(Dataset[Item]):
    """The items that `record_items` wrote into a folder.

    Raises:
        OSError, ValueError, KeyError, TypeError: the folder does not hold them whole.
    """

    def __init__(self, folder: Path) -> None:
        self._records = RecordFile(folder)
        self._readers = [_reader(field, self._records.places[field.name]) for field in self._records.fields]

    def __len__(self) -> int:
        return len(self._records)

    def __getitem__(self, index: int) -> Item:
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: list[int]) -> list[Item]:
        """The items of a batch: loaders ask so, and the file is opened once."""
        records = map(torch.from_numpy, self._records.read(indices))
        return [
            _nested({**self._records.notes[index], **{name: read(record) for name, read in self._readers}})
            for index, record in zip(indices, records, strict=True)
        ]


def record_items(folder: Path, count: int, items_from: Callable[[int], Iterable[Item]]) -> ItemRecords:
    """The items in `folder`, which are computed and written unless a process before did and they are still as it wrote
    them, see `write_once`.

    Args:
        count: how many there are.
        items_from: the items from a place on, in order.

    Raises:
        UnevenRecordsError: tensors whose shapes differ from item to item, or a value that is no tensor, number or text.
        OSError: the folder cannot be written.
    """
    write_once(folder, count, lambda start: map(as_record, items_from(start)), check=True)
    return ItemRecords(folder)


def as_record(item: Item) -> Record:
    """An item with the paths to its tensors, keys joined by slashes, for fields, and all other values for a note.

    Raises:
        UnevenRecordsError: a value that is no tensor, number or text.
    """
    fields, values, plain = [], [], {}
    for path, value in _flat(item):
        if isinstance(value, Tensor):
            stored = tuple(1 if step == 0 else size for size, step in zip(value.shape, value.stride(), strict=True))
            dtype = str(value.dtype).removeprefix("torch.")
            fields.append(Field(path, dtype, value.dtype.itemsize, tuple(value.shape), stored))
            narrow = value.detach().cpu()[tuple(slice(0, size) for size in stored)].contiguous()
            values.append(narrow.view(-1).view(torch.uint8).numpy())
        elif isinstance(value, str | int | float):
            plain[path] = value
        else:
            raise UnevenRecordsError(f"{path} is of type {type(value).__name__}")
    return Record(tuple(fields), tuple(values), plain)


def record_bytes(item: Item) -> int:
    """What an item takes on disk.

    Raises:
        UnevenRecordsError: see `as_record`.
    """
    return sum(field.padded for field in as_record(item).fields)


def _reader(field: Field, start: int) -> tuple[str, Callable[[Tensor], Tensor]]:
    """A field's path, and how its tensor is had from a record, (bytes,) uint8; loaders pass it to their processes."""
    shape = field.shape if field.shape != field.stored else None
    return field.name, partial(
        _read, slice(start, start + field.bytes), getattr(torch, field.dtype), field.stored, shape
    )


def _read(
    place: slice, dtype: torch.dtype, stored: tuple[int, ...], repeated: tuple[int, ...] | None, record: Tensor
) -> Tensor:
    values = record[place].view(dtype).view(stored)
    return values if repeated is None else values.expand(repeated)


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
