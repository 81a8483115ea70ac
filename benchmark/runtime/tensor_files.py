"""Reading a safetensors file, whatever bytes its path has."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import safe_open
from torch import Tensor


@contextmanager
def open_tensors(path: Path) -> Iterator[Any]:
    """What `safetensors.safe_open` gives, which refuses paths that are no UTF-8.

    Raises:
        OSError: it cannot be opened.
        SafetensorError: it is no such file.
    """
    try:
        str(path).encode()
    except UnicodeEncodeError:
        with path.open("rb") as held, safe_open(f"/dev/fd/{held.fileno()}", framework="pt") as file:
            yield file
        return
    with safe_open(path, framework="pt") as file:
        yield file


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """All tensors of a file, and its metadata; nothing from the file is executed.

    Raises:
        OSError, SafetensorError: see `open_tensors`.
    """
    with open_tensors(path) as file:
        return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118
