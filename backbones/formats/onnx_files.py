"""Tensors out of an ONNX file by the names of the modules that hold them; the graph is read, not run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from registry.errors import WeightsError

FIRST_BYTE = b"\x08"
"""Of every ONNX file that an exporter writes: the field of the format's version."""


def read_onnx(path: Path) -> dict[str, Tensor]:
    """The parameters of a graph that torch exported.

    An exporter keeps names of parameters, except of weights that it transposes (those of `MatMul`) and of tables of
    positions that it cuts in two: these are named after the place in the graph that uses them.

    Raises:
        WeightsError: the extra `onnx` is not installed.
        ValueError: weights lie in other files beside this one.
    """
    graph = _load(path).graph
    users = {name: node for node in graph.node for name in node.input}
    named: dict[str, Tensor] = {}
    positions: dict[str, list[Tensor]] = {}
    for stored in graph.initializer:
        if stored.data_location or stored.external_data:
            raise ValueError("its weights lie in other files; save them into one")
        tensor = torch.from_numpy(_array(stored).copy())
        if "::" not in stored.name:
            named[stored.name] = tensor
        elif stored.name in users:
            place = users[stored.name].name.strip("/").rpartition("/")[0].replace("/", ".")
            if users[stored.name].op_type in ("MatMul", "Gemm") and tensor.ndim == 2:
                named[f"{place}.weight"] = tensor.T.contiguous()
            elif place.endswith("embeddings") and tensor.ndim == 3 and tensor.is_floating_point():
                positions.setdefault(place, []).append(tensor)
    for place, parts in positions.items():
        # The class token's comes before those of patches.
        named[f"{place}.position_embeddings"] = torch.cat(sorted(parts, key=lambda part: part.shape[1]), dim=1)
    return named


def features_of(path: Path, pictures: Tensor) -> Tensor | None:
    """What the graph says after the model's last norm: (N, 3, S, S) -> (N, L, D).

    None where onnxruntime is not installed, or the graph has no such place.
    """
    try:
        import onnx
        import onnxruntime
    except ImportError:
        return None
    model = _load(path)
    norms = [node for node in model.graph.node if node.name.split("/")[-2:-1] in (["layernorm"], ["norm"])]
    if not norms:
        return None
    (output,) = norms[-1].output
    model.graph.output.append(onnx.helper.make_tensor_value_info(output, onnx.TensorProto.FLOAT, None))
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (features,) = session.run([output], {model.graph.input[0].name: pictures.numpy()})
    return torch.from_numpy(features)


def picture_side(path: Path) -> int | None:
    """Side of the pictures that a graph takes; None where any will do."""
    shape = _load(path).graph.input[0].type.tensor_type.shape.dim
    return shape[-1].dim_value or None


def _load(path: Path) -> Any:
    try:
        import onnx
    except ImportError:
        raise WeightsError(f"{path} is an ONNX file; pip install 'av-adapter-bench[onnx]' to read it.") from None
    return onnx.load(str(path), load_external_data=False)


def _array(stored: Any) -> Any:
    from onnx import numpy_helper

    return numpy_helper.to_array(stored)
