"""Tensors out of a TorchScript archive, as OpenAI publishes CLIP, without loading its code."""

from __future__ import annotations

import io
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

STORAGES = {
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "DoubleStorage": torch.float64,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}
"""Kinds of storage that an archive names, by what they hold."""


def is_torchscript(path: Path) -> bool:
    """Whether a file is an archive with code beside its tensors."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any("/code/" in name for name in archive.namelist())


def read_torchscript(path: Path) -> dict[str, Tensor]:
    """The tensors of an archive by the names of the modules that hold them.

    Raises:
        pickle.UnpicklingError: the archive names anything but modules, tensors and plain values.
    """
    with zipfile.ZipFile(path) as archive:
        pickled = next(name for name in archive.namelist() if name.endswith("/data.pkl"))
        module = _Reader(archive, pickled).load()
    return dict(_tensors(module, ""))


def _stored(archive: zipfile.ZipFile, name: str) -> bytes:
    """A part of an archive, which is as long as it says."""
    if archive.getinfo(name).compress_type != zipfile.ZIP_STORED:
        raise pickle.UnpicklingError("its parts are compressed, which TorchScript never does")
    return archive.read(name)


class _Module:
    """Stands for any class of the archive: attributes, no behaviour."""


# The C unpickler reserves memory for as many objects as a file says that it has.
class _Reader(pickle._Unpickler):
    """Builds modules without behaviour and tensors; every other name is refused."""

    def __init__(self, archive: zipfile.ZipFile, pickled: str) -> None:
        super().__init__(io.BytesIO(_stored(archive, pickled)))
        self._archive, self._folder = archive, pickled.removesuffix("data.pkl") + "data/"

    def find_class(self, module: str, name: str) -> Any:
        if module.startswith("__torch__"):
            return _Module
        if module == "torch" and name in STORAGES:
            return STORAGES[name]
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _rebuild
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if module == "torch.jit._pickle":
            return _first
        raise pickle.UnpicklingError(f"it names {module}.{name}, which is no part of a model")

    def persistent_load(self, pid: Any) -> Tensor:
        _, dtype, key, _, _ = pid
        data = bytearray(_stored(self._archive, self._folder + key))
        return torch.frombuffer(data, dtype=dtype) if data else torch.empty(0, dtype=dtype)


def _rebuild(storage: Tensor, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: Any) -> Tensor:
    return storage.as_strided(size, stride, offset)


def _first(value: Any, *_: Any) -> Any:
    """What the archive marks with a type is taken as it is."""
    return value


def _tensors(module: Any, prefix: str) -> Iterator[tuple[str, Tensor]]:
    for name, value in vars(module).items():
        if isinstance(value, Tensor):
            yield prefix + name, value
        elif isinstance(value, _Module):
            yield from _tensors(value, f"{prefix}{name}.")
