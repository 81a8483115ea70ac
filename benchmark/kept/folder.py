"""A trained adapter in a folder of its own: `config.json`, `model.safetensors`, `README.md`.

The layout is that of repositories of models on the Hugging Face hub. The frozen backbone is not in it, and nothing of
it is executed: tensors, and JSON of bounded size.
"""

from __future__ import annotations

import json
import os
import shutil
import stat
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import save as to_bytes
from torch import Tensor

from benchmark.kept.card import to_card
from benchmark.kept.config import KeptConfig, ModelFacts, config_of, read_config, slug_of
from benchmark.runtime.tensor_digest import tensors_sha256
from benchmark.runtime.tensor_files import open_tensors, read_tensors
from registry.errors import UserError
from registry.vocabulary import ItemScore
from results.record import RunRecord
from results.store.files import unwritable
from results.store.serialise import RecordError, check, dataclass_from_json, dataclass_to_json

FOLDER = "adapters"
"""Of an output: a folder for each completed cell."""
CONFIG, TENSORS, CARD = "config.json", "model.safetensors", "README.md"
LEFT_TENSORS, LEFT_FACTS = "best.safetensors", "model.json"
"""What training leaves in its folder of checkpoints."""
LARGEST_CONFIG = 64 * 2**20
"""Bytes; the words and answers of a data set take some thousand."""


def facts_to_json(facts: ModelFacts) -> bytes:
    """The text of `LEFT_FACTS`."""
    return json.dumps(asdict(facts)).encode()


def keep(output: Path, record: RunRecord, items: Sequence[ItemScore], work_dir: Path) -> Path | None:
    """Make `<output>/adapters/<slug>` from what a training left, in one move; an older one of the cell gives way.

    Returns:
        The folder; None where the training left nothing.

    Raises:
        RecordError: a record that may not be written.
        OutputError: the output cannot be written.
    """
    check(record, f"record {record.hash}")
    if not (work_dir / LEFT_FACTS).is_file():
        return None
    facts = dataclass_from_json(ModelFacts, (work_dir / LEFT_FACTS).read_bytes(), LEFT_FACTS)
    tensors, _ = read_tensors(work_dir / LEFT_TENSORS)
    folder = output / FOLDER / slug_of(record)
    write_folder(folder, config_of(record, items, facts, tensors_sha256(tensors)), tensors)
    return folder


def write_folder(folder: Path, config: KeptConfig, tensors: Mapping[str, Tensor]) -> None:
    """Write the three files beside the folder, then move them to its place in one step.

    Raises:
        RecordError: the configuration holds what JSON cannot say.
        OutputError: the folder cannot be written.
    """
    contents = {
        CONFIG: dataclass_to_json(config, CONFIG).encode(),
        TENSORS: to_bytes({name: value.contiguous() for name, value in tensors.items()}, metadata={"format": "pt"}),
        CARD: to_card(config).encode(),
    }
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        for left in folder.parent.glob(f".{folder.name}.*"):
            _remove(left)
        partial = folder.with_name(f".{folder.name}.{uuid.uuid4().hex}")
        partial.mkdir()
        for name, content in contents.items():
            _write_synced(partial / name, content)
        _remove(folder)
        os.rename(partial, folder)
    except OSError as error:
        raise unwritable(folder, error) from None


def read_folder_config(folder: Path) -> KeptConfig:
    """The configuration of a kept adapter.

    Raises:
        UserError: it is missing, too large, damaged or of another format.
    """
    path = folder / CONFIG
    try:
        return read_config(_read_bounded(path, LARGEST_CONFIG), "config")
    except OSError as error:
        raise UserError(
            f"cannot read {path}: {error.strerror or error}; a kept adapter is a folder with {CONFIG} and {TENSORS}, "
            "as run leaves them under adapters/."
        ) from None
    except RecordError as error:
        raise UserError(f"{path} cannot be used: {error}; fetch it again, or train again.") from None


def read_folder_tensors(folder: Path, expected: Mapping[str, Tensor], digest: str) -> dict[str, Tensor]:
    """The tensors of a kept adapter.

    Args:
        expected: tensors of the same names, types and shapes; nothing else is read.
        digest: see `tensors_sha256`.

    Raises:
        UserError: they are missing, damaged or others.
    """
    path = folder / TENSORS
    mend = "fetch it again, or train again"
    try:
        _check_regular(path)
        with open_tensors(path) as file:
            names = set(file.keys())
            if strange := sorted(names ^ expected.keys()):
                differ = f"{len(strange)} names of tensors differ, {strange[0]!r} for one"
                raise UserError(f"{path} is of another model: {differ}; {mend}.")
            for name, tensor in expected.items():
                shape = tuple(file.get_slice(name).get_shape())
                if shape != tuple(tensor.shape):
                    raise UserError(
                        f"{path} is of another model: {name} has shape {shape}, expected {tuple(tensor.shape)}; {mend}."
                    )
            tensors = {name: file.get_tensor(name) for name in names}
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}; {mend}.") from None
    except SafetensorError as error:
        raise UserError(f"{path} is damaged ({error}); {mend}.") from None
    if tensors_sha256(tensors) != digest:
        raise UserError(f"{path} is damaged: its tensors are not those that {CONFIG} was written for; {mend}.")
    return tensors


def _read_bounded(path: Path, most: int) -> bytes:
    _check_regular(path)
    if (size := path.stat().st_size) > most:
        raise RecordError(f"it has {size} bytes, expected {most} at most")
    return path.read_bytes()


def _check_regular(path: Path) -> None:
    # A pipe would be waited for.
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError("it is no regular file")
    folder = path.parent
    # The hub's cache keeps files beside its snapshots, which link to them.
    home = folder.parent.parent if folder.parent.name == "snapshots" else folder
    if not path.resolve().is_relative_to(home.resolve()):
        raise OSError("it is a link that leads out of its folder")


def _write_synced(path: Path, content: bytes) -> None:
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _remove(path: Path) -> None:
    """A folder, or a link or file in its place, which is not followed."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
