"""Encoder and head as one mmengine model, from a collated batch to losses or predictions."""

from __future__ import annotations

from typing import Any, Literal

import torch
from mmengine.model import BaseDataPreprocessor, BaseModel
from torch import Tensor

from benchmark.model.encoder import Encoder
from benchmark.model.front_end import PICTURES, FrontEnd
from registry.vocabulary import Encode, Inputs, Outputs, Prediction, Targets
from tasks.task import Head

Precision = Literal["bf16", "fp16", "fp32"]
MULTIPLIED_IN: dict[str, torch.dtype] = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}
"""The type of products in each precision."""


def autocast(device_type: str, precision: str) -> torch.autocast:
    """What a model of this precision computes under; in `fp32` nothing changes."""
    return torch.autocast(device_type, MULTIPLIED_IN[precision], enabled=precision != "fp32")


class AudioVisualModel(BaseModel):
    """A frozen backbone, an adapter scheme and a task's head, as mmengine's loops drive them.

    Mixed precision lives here and nowhere else, so that training, validation, test and timing cannot differ in it:
    the forward pass runs under autocast in the type asked for, losses and predictions see float32.
    """

    def __init__(self, encoder: Encoder, head: Head, precision: Precision) -> None:
        super().__init__(data_preprocessor=_Preparation(FrontEnd(encoder.backbone.picture)))
        self.encoder, self.head, self.precision = encoder, head, precision
        if precision != "fp32":
            encoder.backbone.cast_projections(MULTIPLIED_IN[precision])

    def forward(
        self, inputs: Inputs, targets: Targets | None = None, mode: Literal["loss", "predict", "tensor"] = "tensor"
    ) -> dict[str, Tensor] | list[Prediction] | Outputs:
        """Prepared inputs to named loss terms (`loss`), one prediction per clip (`predict`) or the head's outputs."""
        outputs = self.outputs(inputs)
        penalty = self.encoder.scheme.penalty()
        if mode == "loss":
            losses = self.head.loss(outputs, targets or {})
            return losses if penalty is None else {**losses, "penalty": penalty}
        if mode == "predict":
            return self.head.predict(outputs, targets or {})
        return outputs

    def outputs(self, inputs: Inputs, encode: Encode | None = None) -> Outputs:
        """Prepared inputs to the head's outputs in float32.

        Args:
            encode: what stands in for the encoder.
        """
        with self.autocast():
            outputs = self.head(encode or self.encoder, inputs)
        return {name: _in_float32(value) for name, value in outputs.items()}

    @torch.inference_mode()
    def val_step(self, data: Any) -> list[Prediction]:
        """A collated batch to one prediction per clip; nothing of it can take part in training."""
        predictions: list[Prediction] = super().val_step(data)
        return predictions

    @torch.inference_mode()
    def test_step(self, data: Any) -> list[Prediction]:
        """As `val_step`."""
        predictions: list[Prediction] = super().test_step(data)
        return predictions

    @torch.inference_mode()
    def frozen_features(self, inputs: Inputs) -> dict[str, Any]:
        """Prepared inputs with the features of each picture in its place, as a scheme that leaves them alone has them.

        On CPU the same bits as within a run, where clips come in other batches.
        """
        head = self.head
        with self.autocast():
            return {
                name: self.encoder.kept(
                    value, PICTURES[name], tokens=head.reads_tokens, stages=name in head.reads_stages
                )
                if name in PICTURES
                else value
                for name, value in inputs.items()
            }

    def parse_losses(self, losses: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """The sum of every term, whatever its name; mmengine sums only those named after losses."""
        total = torch.stack(list(losses.values())).sum()
        return total, {"loss": total.detach()}

    def autocast(self) -> torch.autocast:
        """What forward passes run under."""
        device_type = next(self.parameters()).device.type
        return autocast(device_type, self.precision)

    def init_weights(self) -> None:
        """Nothing: parts are complete when they are built, and mmengine would initialise pretrained ones anew."""


class _Preparation(BaseDataPreprocessor):
    """Brings a batch to the model's device and makes its pictures."""

    def __init__(self, front_end: FrontEnd) -> None:
        super().__init__(non_blocking=True)
        self.front_end = front_end

    def forward(self, data: dict[str, Any], training: bool = False) -> dict[str, Any]:
        moved: Any = self.cast_data(data)
        return {"inputs": self.front_end(moved["inputs"]), "targets": moved["targets"]}


def _in_float32(value: Tensor) -> Tensor:
    return value.float() if value.is_floating_point() else value
