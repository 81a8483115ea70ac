from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch.utils.data import DataLoader, Dataset

from backbones.families.weights import load_checked, local_file
from benchmark.train.failures import NonFiniteLossError, classify
from registry import plugins
from registry.errors import DataError, UserError, WeightsError
from registry.plugins import load_plugins
from tasks.datasets.manifest import read_manifest
from tasks.media.errors import MediaError
from tasks.media.library import find_data_root


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (torch.OutOfMemoryError("CUDA out of memory"), "out_of_memory"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), "out_of_memory"),
        (MemoryError(), "out_of_memory"),
        (NonFiniteLossError("the loss became nan"), "nan_loss"),
        (WeightsError("no file"), "missing_weights"),
        (DataError("truncated"), "data"),
        (MediaError("truncated"), "data"),
        (UserError("odd"), "error"),
        (RuntimeError("shapes"), "error"),
        (TypeError("unexpected"), "error"),
    ],
)
def test_kinds(error: BaseException, kind: str):
    assert classify(error).kind == kind


def damaged_weights(folder: Path) -> None:
    (folder / "w.bin").write_bytes(b"x")
    load_checked(local_file(str(folder / "w.bin"), "vit"), "vit", lambda path: torch.load(path))


@pytest.mark.parametrize(
    ("raised", "kind"),
    [
        (lambda folder: find_data_root(folder / "none", "ave"), "data"),
        (lambda folder: read_manifest(folder / "none.csv"), "data"),
        (lambda folder: read_manifest(folder), "data"),
        (lambda folder: local_file(str(folder / "none.bin"), "vit"), "missing_weights"),
        (damaged_weights, "missing_weights"),
    ],
)
def test_what_is_missing_or_damaged_says_its_kind(raised: Callable[[Path], object], kind: str, tmp_path: Path):
    with pytest.raises(UserError) as caught:
        raised(tmp_path)
    assert classify(caught.value).kind == kind


def test_a_users_mistake_is_told_in_its_own_words():
    failure = classify(UserError("clip 7 is truncated; fetch it again."), log="last lines")
    assert failure.message == "clip 7 is truncated; fetch it again."
    assert failure.log == "last lines"


def test_an_error_within_a_plugin_names_its_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    file = tmp_path / "louder.py"
    file.write_text("def loss(targets):\n    return targets['louder']\n")
    monkeypatch.setattr(plugins, "_loaded", {})
    load_plugins([str(file)])
    with pytest.raises(KeyError) as raised:
        plugins._loaded[str(file)].loss({})
    assert classify(raised.value).message == "KeyError: 'louder' (louder.py, line 2)"


def test_other_errors_name_their_type():
    assert classify(ValueError("bad\nstack")).message == "ValueError: bad"
    assert classify(MemoryError()).message == "MemoryError"


class Raising(Dataset):
    def __init__(self, error: Exception) -> None:
        self.error = error

    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int):
        raise self.error


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (DataError("clip 7: it is truncated; fetch it again."), "data", "clip 7: it is truncated; fetch it again."),
        (MediaError("cannot decode a.mp4: cut."), "data", "cannot decode a.mp4: cut."),
        (UserError("odd option."), "error", "odd option."),
        (ZeroDivisionError("by zero"), "error", "ZeroDivisionError: by zero"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_error_of_a_loaders_process_keeps_kind_and_words(error: Exception, kind: str, message: str):
    with pytest.raises(type(error)) as caught:
        next(iter(DataLoader(Raising(error), num_workers=1)))
    failure = classify(caught.value)
    assert (failure.kind, failure.message) == (kind, message)
