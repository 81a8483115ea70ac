"""Files of weights become safetensors in timm's names, whatever wrote them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from backbones.families.convert import convert
from backbones.families.vit import vit
from backbones.formats.onnx_files import read_onnx
from benchmark.__main__ import main
from registry.errors import WeightsError

MODEL = "vit_tiny_patch16_224"


@pytest.fixture
def model() -> nn.Module:
    torch.manual_seed(3)
    made = timm.create_model(MODEL, num_classes=0)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return made


def test_a_pickle_under_a_prefix_becomes_safetensors(
    model: nn.Module, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = {f"backbone.{name}": value for name, value in model.state_dict().items()}
    torch.save({"state_dict": {**weights, "head.weight": torch.ones(2, 192)}, "epoch": 3}, tmp_path / "a.pth")
    out = tmp_path / "a.safetensors"
    assert main(["weights", "convert", str(tmp_path / "a.pth"), "-o", str(out), "--model", MODEL]) == 0
    said = capsys.readouterr().out
    assert said.splitlines()[0] == f"written: {out}, {len(weights)} tensors, 5,524,416 parameters"
    assert "not compared" in said
    converted = load_file(out)
    assert {name: value.shape for name, value in converted.items()} == {
        name: value.shape for name, value in model.state_dict().items()
    }
    assert all(torch.equal(converted[name], value) for name, value in model.state_dict().items())
    assert vit(MODEL, weights=str(out)).weight_files


@pytest.mark.parametrize("word", ["hub", "none"])
def test_only_files_are_converted(word: str) -> None:
    with pytest.raises(WeightsError, match="is no file of weights"):
        convert(word, MODEL)


def test_the_result_says_what_it_is(model: nn.Module, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save(model.state_dict(), tmp_path / "a.pth")
    words = ["weights", "convert", str(tmp_path / "a.pth"), "-o", str(tmp_path / "a.bin"), "--model", MODEL]
    assert main(words) == 2
    assert "is not called .safetensors" in capsys.readouterr().err
    assert not (tmp_path / "a.bin").exists()


def test_an_onnx_file_without_the_extra_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.onnx").write_bytes(b"\x08\x07\x12\x07pytorch")
    monkeypatch.setitem(__import__("sys").modules, "onnx", None)
    with pytest.raises(WeightsError, match=r"is an ONNX file; pip install 'av-adapter-bench\[onnx\]'"):
        vit(MODEL, weights=str(tmp_path / "a.onnx"))


def onnx_of(parts: dict[str, Tensor], uses: list[tuple[str, str, str]]) -> Any:
    """A graph of stored tensors, and of nodes (kind, name, tensor) that use them."""
    onnx = pytest.importorskip("onnx")
    stored = [onnx.numpy_helper.from_array(tensor.numpy(), name) for name, tensor in parts.items()]
    nodes = [onnx.helper.make_node(kind, ["x", used], [f"{name}_out"], name=name) for kind, name, used in uses]
    return onnx.helper.make_model(onnx.helper.make_graph(nodes, "g", [], [], stored))


def test_transposed_weights_and_cut_positions_of_a_graph_find_their_names(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    weight, place, rest = torch.randn(3, 5), torch.randn(1, 1, 4), torch.randn(1, 9, 4)
    parts = {"b.fc.bias": torch.ones(5), "onnx::MatMul_1": weight, "onnx::Reshape_2": rest, "onnx::Concat_3": place}
    uses = [("MatMul", "/b/fc/MatMul", "onnx::MatMul_1"), ("Reshape", "/b/embeddings/Reshape", "onnx::Reshape_2"),
            ("Concat", "/b/embeddings/Concat_1", "onnx::Concat_3")]  # fmt: skip
    onnx.save(onnx_of(parts, uses), str(tmp_path / "a.onnx"))
    found = read_onnx(tmp_path / "a.onnx")
    assert set(found) == {"b.fc.bias", "b.fc.weight", "b.embeddings.position_embeddings"}
    assert torch.equal(found["b.fc.weight"], weight.T)
    assert torch.equal(found["b.embeddings.position_embeddings"], torch.cat((place, rest), 1))
