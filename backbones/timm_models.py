"""Build a timm model with the weights that were asked for."""

from __future__ import annotations

from typing import Any

from torch import nn

from backbones.weights import WeightFile, hub_file, load_checked, local_file, unknown_model, wants_no_weights
from registry.errors import UserError

HUB_FILES = ("model.safetensors", "pytorch_model.bin")


def load_timm(model: str, weights: str, size: int | None) -> tuple[Any, dict[str, str]]:
    """A timm model without its classifier, and the sha256 of the file that initialised it.

    Args:
        weights: `hub`, a file, or `none`.
        size: side of the pictures; None keeps the model's own.

    Raises:
        UserError: no such model, no such file, or no way to the hub.
    """
    import timm

    if not timm.is_model(model):
        raise unknown_model(model, "timm", timm.list_models() + timm.list_pretrained())
    options: dict[str, Any] = {"num_classes": 0} | ({} if size is None else {"img_size": size})
    if wants_no_weights(weights):
        return timm.create_model(model, pretrained=False, **options), {}
    file = _hub(model) if weights == "hub" else local_file(weights, model)

    def build(path: str) -> nn.Module:
        return timm.create_model(model, pretrained=True, pretrained_cfg_overlay={"file": path}, **options)

    return load_checked(file, model, build), file.digest()


def own_statistics(model: Any) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Channel mean and deviation that the model was trained with."""
    return model.pretrained_cfg["mean"], model.pretrained_cfg["std"]


def _hub(model: str) -> WeightFile:
    import timm

    config = timm.get_pretrained_cfg(model)
    if config is None or not config.hf_hub_id:
        raise UserError(f"timm publishes no weights for {model}; give weights='FILE' or weights='none' (random).")
    names = (config.hf_hub_filename,) if config.hf_hub_filename else HUB_FILES
    return hub_file(config.hf_hub_id, names, model)
