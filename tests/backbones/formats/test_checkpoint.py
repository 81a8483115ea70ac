"""Every way in which people keep weights is read to the same tensors, or refused with the reason."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import Tensor, nn

from backbones.formats.checkpoint import UnusableFileError, is_numpy_archive, read_checkpoint

WEIGHTS = {"a.weight": torch.arange(6.0).reshape(2, 3), "a.bias": torch.ones(2, dtype=torch.float16)}


def same(found: dict[str, Tensor]) -> bool:
    return found.keys() == WEIGHTS.keys() and all(torch.equal(found[name], WEIGHTS[name]) for name in WEIGHTS)


CONTAINERS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "bare": lambda w: w,
    "state_dict": lambda w: {"state_dict": w, "epoch": 3, "optimizer": {"state": {0: {"exp_avg": torch.ones(2)}}}},
    "model": lambda w: {"model": w, "args": argparse.Namespace(lr=1.0), "best": np.float64(0.5)},
    "model_state_dict": lambda w: {"model_state_dict": w, "scaler": {"scale": 1.0}},
    "averaged before last": lambda w: {"state_dict": {k: v + 1 for k, v in w.items()}, "state_dict_ema": w},
    "teacher before student": lambda w: {"student": {k: v + 1 for k, v in w.items()}, "teacher": w},
    "two deep": lambda w: {"checkpoint": {"state_dict": w}},
    "parameters": lambda w: {k: nn.Parameter(v) for k, v in w.items()},
    "numbers beside": lambda w: {**w, "epoch": 4, "name": "x"},
}


@pytest.mark.parametrize("container", CONTAINERS)
def test_the_model_is_found_among_what_a_training_saved(container: str, tmp_path: Path) -> None:
    torch.save(CONTAINERS[container](WEIGHTS), tmp_path / "weights.pth")
    assert same(read_checkpoint(tmp_path / "weights.pth"))


@pytest.mark.parametrize("name", ["weights.safetensors", "pytorch_model.bin", "weights.pt", "weights"])
def test_a_file_is_known_by_its_content(name: str, tmp_path: Path) -> None:
    safetensors.torch.save_file(WEIGHTS, tmp_path / name)
    assert same(read_checkpoint(tmp_path / name))
    torch.save(WEIGHTS, tmp_path / name)
    assert same(read_checkpoint(tmp_path / name))
    torch.save(WEIGHTS, tmp_path / name, _use_new_zipfile_serialization=False)
    assert same(read_checkpoint(tmp_path / name))


def test_jax_archives_are_told_apart_from_torch_files(tmp_path: Path) -> None:
    np.savez(tmp_path / "jax", x=np.ones(2))
    torch.save(WEIGHTS, tmp_path / "torch.npz")
    assert is_numpy_archive(tmp_path / "jax.npz")
    assert not is_numpy_archive(tmp_path / "torch.npz")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3\n", "git lfs pull"),
        (b"/annex/objects/SHA256E-s3--0.pth\n", "git annex get"),
        (b"\n<!DOCTYPE html><html></html>", "web page"),
        (b'{"metadata": {}, "weight_map": {}}', "weights in parts"),
        (b"\x1f\x8b\x08\x00", "unpack it"),
        (b"\x89HDF\r\n\x1a\n", "HDF5"),
        (b"", "empty"),
    ],
)
def test_what_is_no_file_of_weights_is_called_by_its_name(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "weights.pth").write_bytes(content)
    with pytest.raises(UnusableFileError, match=message):
        read_checkpoint(tmp_path / "weights.pth")


@pytest.mark.parametrize(
    ("saved", "message"),
    [
        (torch.ones(2), "holds a Tensor, not tensors by name"),
        ({"epoch": 1, "lr": 0.1}, "no tensors by name at a place known here, but: epoch, lr"),
        ({"first": WEIGHTS, "second": WEIGHTS}, "but: first, second"),
    ],
)
def test_no_obvious_model_is_told_with_what_is_there(saved: Any, message: str, tmp_path: Path) -> None:
    torch.save(saved, tmp_path / "weights.pth")
    with pytest.raises(UnusableFileError, match=re.escape(message)):
        read_checkpoint(tmp_path / "weights.pth")


@pytest.mark.parametrize("save", [torch.save, safetensors.torch.save_file])
def test_a_file_that_was_cut_off_is_no_file(save: Callable[..., None], tmp_path: Path) -> None:
    path = tmp_path / "weights"
    save({"a": torch.randn(1000)}, path)
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(Exception, match=r"\w"):
        read_checkpoint(path)
