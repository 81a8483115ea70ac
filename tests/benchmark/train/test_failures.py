from __future__ import annotations

import pytest
import torch
from torch.utils.data import DataLoader, Dataset

from benchmark.train.failures import NonFiniteLossError, classify
from registry.errors import UserError


def raised_in(module: str, error: BaseException) -> BaseException:
    """The error with a traceback that passes through a module of that name."""
    names: dict = {"__name__": module, "error": error}
    exec("def rise():\n    raise error", names)
    with pytest.raises(type(error)) as caught:
        names["rise"]()
    return caught.value


@pytest.mark.parametrize(
    ("module", "error", "kind"),
    [
        ("torch.nn", torch.OutOfMemoryError("CUDA out of memory"), "out_of_memory"),
        ("torch.nn", RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), "out_of_memory"),
        ("numpy", MemoryError(), "out_of_memory"),
        ("benchmark.train.hooks", NonFiniteLossError("the loss became nan"), "nan_loss"),
        ("backbones.families.weights", UserError("no file"), "missing_weights"),
        ("backbones.families.weights", FileNotFoundError("weights.bin"), "missing_weights"),
        ("tasks.media.decode", UserError("truncated"), "data"),
        ("tasks.media.decode", EOFError("end of file"), "data"),
        ("tasks.avqa.head", RuntimeError("shapes"), "error"),
        ("backbones.families.vit", TypeError("unexpected"), "error"),
        ("benchmark.grid.grid", UserError("odd"), "error"),
    ],
)
def test_kinds(module: str, error: BaseException, kind: str):
    assert classify(raised_in(module, error)).kind == kind


def test_a_users_mistake_is_told_in_its_own_words():
    failure = classify(UserError("clip 7 is truncated; fetch it again."), log="last lines")
    assert failure.message == "clip 7 is truncated; fetch it again."
    assert failure.log == "last lines"


def test_other_errors_name_their_type():
    assert classify(ValueError("bad\nstack")).message == "ValueError: bad"
    assert classify(MemoryError()).message == "MemoryError"


class Truncated(Dataset):
    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int):
        raise UserError("clip 7 is truncated; fetch it again.")


def test_a_loaders_process_tells_the_same():
    with pytest.raises(UserError) as caught:
        next(iter(DataLoader(Truncated(), num_workers=1)))
    failure = classify(caught.value)
    assert failure.kind == "data"
    assert failure.message == "clip 7 is truncated; fetch it again."
