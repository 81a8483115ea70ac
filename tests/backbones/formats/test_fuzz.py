"""Whatever a file of weights holds, a model takes all of it, or refuses it in one line; nothing is taken in silence.

Ten thousand files:

    AVBENCH_FUZZ=100 python -m pytest tests/backbones/formats/test_fuzz.py
"""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from damages import harm
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from library_models import FAMILIES
from torch import Tensor, nn

from backbones.families.timm_models import load_into
from backbones.families.weights import WeightFile, load_checked
from registry.errors import WeightsError

Tensors = dict[str, Tensor]
TIMES = int(os.environ.get("AVBENCH_FUZZ", "1"))
fuzz = settings(max_examples=50 * TIMES, suppress_health_check=list(HealthCheck), deadline=None)
STATE: Tensors = FAMILIES["vit"].build().state_dict()


class Named(nn.Module):
    """Holds tensors under dotted names, as the modules of a model do."""

    def __init__(self, tensors: Tensors) -> None:
        super().__init__()
        inner: dict[str, Tensors] = {}
        for name, tensor in tensors.items():
            head, _, rest = name.partition(".")
            if rest:
                inner.setdefault(head, {})[rest] = tensor
            else:
                self.register_buffer(head, tensor)
        for head, part in inner.items():
            self.add_module(head, Named(part))

    def forward(self, x: Tensor) -> Tensor:
        return x


def write_torchscript(tensors: Tensors, path: Path) -> None:
    torch.jit.script(Named(tensors)).save(str(path))


def write_onnx(tensors: Tensors, path: Path) -> None:
    from onnx import helper, numpy_helper, save_model

    stored = [numpy_helper.from_array(tensor.numpy(), name) for name, tensor in tensors.items()]
    graph = helper.make_graph([], "model", [], [], stored)
    save_model(helper.make_model(graph), str(path))


WRITERS: dict[str, Callable[[Tensors, Path], Any]] = {
    "safetensors": safetensors.torch.save_file,
    "torch": torch.save,
    "torch, before 1.6": lambda tensors, path: torch.save(tensors, path, _use_new_zipfile_serialization=False),
    "checkpoint": lambda tensors, path: torch.save({"model": tensors, "epoch": 1, "best": np.float64(2)}, path),
    "torchscript": write_torchscript,
    "onnx": write_onnx,
}
PREFIXES = ("", "backbone.", "model.", "module.encoder.", "teacher.", "visual.", "model_state_dict.")


def writers() -> list[str]:
    try:
        import onnx  # noqa: F401
    except ImportError:
        # The extra brings it.
        return [name for name in WRITERS if name != "onnx"]
    return list(WRITERS)


def load(path: Path) -> nn.Module:
    model = FAMILIES["vit"].build()
    file = WeightFile(path.name, path)
    load_checked(file, "a_model", lambda: load_into(model, file, "a_model"))
    return model


def refused(path: Path) -> bool:
    told = None
    try:
        load(path)
    except WeightsError as error:
        told = str(error)
    assert told is None or (path.name in told and "\n" not in told)
    return told is not None


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], bytes]:
    """The same weights in each kind of file, under each prefix."""
    path, found = tmp_path_factory.mktemp("weights") / "weights", {}
    for writer in writers():
        for prefix in PREFIXES:
            WRITERS[writer]({prefix + name: tensor for name, tensor in STATE.items()}, path)
            found[writer, prefix] = path.read_bytes()
    return found


def test_whole_files_are_taken(whole: dict[tuple[str, str], bytes], tmp_path: Path) -> None:
    for content in whole.values():
        (tmp_path / "weights").write_bytes(content)
        found = load(tmp_path / "weights").state_dict()
        assert all(torch.equal(found[name], tensor) for name, tensor in STATE.items())


@fuzz
@given(st.sampled_from(writers()), st.sampled_from(PREFIXES), harm())
def test_a_damaged_file_is_refused_in_one_line_or_holds_the_whole_model(
    whole: dict[tuple[str, str], bytes], tmp_path: Path, writer: str, prefix: str, befall: Callable
) -> None:
    (tmp_path / "weights").write_bytes(befall(whole[writer, prefix]))
    refused(tmp_path / "weights")


CHANGES: dict[str, Callable[[Tensors, str], Tensors]] = {
    "lost": lambda tensors, name: {key: tensor for key, tensor in tensors.items() if key != name},
    "renamed": lambda tensors, name: {(f"{key}_" if key == name else key): t for key, t in tensors.items()},
    "of another shape": lambda tensors, name: {**tensors, name: torch.ones(3, 5)},
    "with another beside": lambda tensors, name: {**tensors, f"{name}.other": torch.ones(2)},
    "under another prefix": lambda tensors, name: {
        (f"x.{key}" if key == name else key): t for key, t in tensors.items()
    },
}


@fuzz
@given(
    st.sampled_from(["safetensors", "torch", "checkpoint"]), st.sampled_from(PREFIXES), st.sampled_from(list(CHANGES)),
    st.sampled_from(list(STATE)),
)  # fmt: skip
def test_a_file_that_is_not_quite_this_model_is_refused(
    tmp_path: Path, writer: str, prefix: str, change: str, name: str
) -> None:
    changed = CHANGES[change]({prefix + key: tensor for key, tensor in STATE.items()}, prefix + name)
    WRITERS[writer](changed, tmp_path / "weights")
    assert refused(tmp_path / "weights")


@fuzz
@given(st.binary(max_size=300) | st.recursive(
    st.none() | st.integers() | st.floats() | st.text(max_size=9) | st.binary(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5) | st.integers(), inner, max_size=3),
).map(pickle.dumps))  # fmt: skip
def test_what_holds_no_weights_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "weights").write_bytes(content)
    assert refused(tmp_path / "weights")
