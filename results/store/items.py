"""The scored test items of a run, as one compressed file: `<output>/items/<hash>.json.gz`."""

from __future__ import annotations

import gzip
import io
import json
import math
import zlib
from collections.abc import Iterable
from operator import itemgetter

from registry.vocabulary import ItemScore
from results.store.serialise import LARGEST, RecordError, refuse_half_characters

_GROUPED = itemgetter(*ItemScore._fields)
_ALONE = itemgetter(*ItemScore._fields[:-1])
"""Of items that belong to no group, which are written without the field."""
MOST_ITEM_BYTES = 512 * 2**20
"""Of the items of one run, unpacked."""


def items_to_bytes(items: Iterable[ItemScore], run_hash: str) -> bytes:
    """The file's content; empty without items.

    Raises:
        RecordError: an item holds what JSON cannot say.
    """
    items = list(items)
    entries = [{"item": str(i.item), "score": float(i.score), "kind": str(i.kind)} for i in items]
    if not entries:
        return b""
    if any(i.group for i in items):
        entries = [{**entry, "group": str(i.group)} for entry, i in zip(entries, items, strict=True)]
    try:
        return gzip.compress(json.dumps(entries, allow_nan=False).encode(), mtime=0)
    except ValueError as error:
        raise RecordError(f"items of {run_hash}: {error}") from None


def items_from_bytes(content: bytes, path: str) -> list[ItemScore]:
    """The items of a file `<hash>.json.gz`.

    Raises:
        RecordError: not a readable list of items.
    """
    try:
        # Once for all items rather than one by one: a large leaderboard reads millions of them.
        text = _unpacked(content).decode()
        entries = json.loads(text)
        refuse_half_characters(text, entries)
        fields = _GROUPED if entries and "group" in entries[0] else _ALONE
        found = [ItemScore(*fields(entry)) for entry in entries]
        columns = [set(map(type, column)) for column in zip(*found, strict=True)] if found else [set()] * 4
        items, scores, *texts = columns
        if not (items.union(*texts) <= {str} and scores <= {float, int}):
            raise TypeError("an item without text for its name and kind or without a number for its score")
        if not _can_be_computed([item.score for item in found]):
            raise ValueError("a score that is no number to compute with")
        return found
    except (OSError, EOFError, ArithmeticError, ValueError, KeyError, TypeError, RecursionError, zlib.error) as error:
        raise RecordError(f"{path}: not a readable list of items ({error})") from None


def _can_be_computed(scores: list[float]) -> bool:
    # Two passes in C, however many there are; what is no number makes the sum none.
    return not scores or (math.isfinite(sum(scores)) and max(max(scores), -min(scores)) <= LARGEST)


def _unpacked(content: bytes) -> bytes:
    with gzip.open(io.BytesIO(content)) as file:
        unpacked = file.read(MOST_ITEM_BYTES + 1)
    if len(unpacked) > MOST_ITEM_BYTES:
        raise ValueError(f"it unpacks to more than {MOST_ITEM_BYTES // 2**20} MB")
    return unpacked
