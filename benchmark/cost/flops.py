"""Floating-point operations of one clip, forward and backward, counted on the meta device."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from benchmark.model.build import stages_of
from benchmark.model.front_end import FrontEnd
from benchmark.model.model import AudioVisualModel
from registry.vocabulary import Features, Modality, Outputs, Streams
from tasks.task import Task

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Operations:
    """Of one clip, 2 for a multiply-add. Products and convolutions are counted; additions, norms and softmax are not.

    backward: what training with a frozen backbone needs: gradients of activations behind the first trainable
        parameter, and of trainable weights. Nothing that a kernel computes a second time to save memory is in it.
    """

    forward: int
    backward: int


def count_operations(model: AudioVisualModel, task: Task) -> Operations | None:
    """Operations of training a model on the meta device; None where they cannot be counted.

    The encoder is counted there, where the counter sees every product; on CPU it misses fused ones. The head works on
    real zeros, because heads may look at values (at words that are not padding, for example).
    """
    with torch.enable_grad():
        return _counted(model, task, backward=True)


def count_forward(model: AudioVisualModel, task: Task) -> int | None:
    """Operations of the forward pass alone, which takes a third of the time to count."""
    with torch.no_grad():
        operations = _counted(model, task, backward=False)
    return None if operations is None else operations.forward


def _counted(model: AudioVisualModel, task: Task, *, backward: bool) -> Operations | None:
    encoder, backbone = model.encoder, model.encoder.backbone
    head = task.head_on(backbone.dim, stages_of(backbone)).train(model.training)
    encoded: list[tuple[Tensor, Tensor]] = []

    def encode(pictures: Streams) -> dict[Modality, Features]:
        features = encoder({m: picture.to("meta") for m, picture in pictures.items()})
        return {m: _stand_ins(f, encoded) for m, f in features.items()}

    inputs = FrontEnd(backbone.picture)(task.example_inputs(1))
    with _every_product_visible(), _Counter() as counter:
        try:
            outputs = head(encode, inputs)
            forward = counter.get_total_flops()
            if backward:
                _backward(outputs, encoded)
        except (NotImplementedError, RuntimeError) as error:
            logger.warning("operations cannot be counted: %s", error)
            return None
    return Operations(forward, counter.get_total_flops() - forward)


class _Counter(FlopCounterMode):
    """Torch's counter, for the model as a whole.

    To count module by module as well, torch hooks gradients onto what modules are given, and stops at a view of a
    trained parameter (a prompt, a copied bias) that was made with gradients off.
    """

    def __init__(self) -> None:
        super().__init__(display=False)
        self.mod_tracker = _WholeModel()  # type: ignore[assignment]


class _WholeModel:
    """A tracker of modules that knows of none."""

    parents = frozenset({"Global"})

    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...


def squared(outputs: Outputs) -> Tensor:
    """A loss that needs no labels: the mean square of every output that has a gradient, summed."""
    terms = [out.float().square().mean() for out in outputs.values() if isinstance(out, Tensor) and out.requires_grad]
    return torch.stack(terms).sum() if terms else torch.zeros(())


def _backward(outputs: Outputs, encoded: list[tuple[Tensor, Tensor]]) -> None:
    loss = squared(outputs)
    if loss.requires_grad:
        loss.backward()
    reached = [(meta, zeros.grad.to("meta")) for meta, zeros in encoded if zeros.grad is not None]
    if reached:
        features, gradients = zip(*reached, strict=True)
        torch.autograd.backward(features, gradients)


def _stand_ins(features: Features, encoded: list[tuple[Tensor, Tensor]]) -> Features:
    """Stand-ins for all that a head may read; the last stage are the tokens."""
    tokens, pooled = _stand_in(features.tokens, encoded), _stand_in(features.pooled, encoded)
    stages = [_stand_in(stage, encoded) for stage in features.stages[:-1]]
    return Features(tokens, pooled, (*stages, tokens))


def _stand_in(feature: Tensor, encoded: list[tuple[Tensor, Tensor]]) -> Tensor:
    """Real zeros that tell afterwards which gradient the head sends back."""
    zeros = torch.zeros(feature.shape, dtype=feature.dtype, requires_grad=feature.requires_grad)
    if feature.requires_grad:
        encoded.append((feature, zeros))
    return zeros


@contextmanager
def _every_product_visible() -> Iterator[Any]:
    """Attention as plain products and recurrence step by step; fused, the counter would miss them in the head."""
    with warnings.catch_warnings():
        # Reading the flags for restoring them warns of Intel GPUs.
        warnings.filterwarnings("ignore", message="TF32 acceleration")
        with torch.backends.mkldnn.flags(enabled=False), sdpa_kernel(SDPBackend.MATH):
            yield
