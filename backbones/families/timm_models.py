"""Build a timm model with the weights that were asked for."""

from __future__ import annotations

import sys
from typing import Any

import torch

from backbones.families.weights import (
    WeightFile,
    hub_file,
    load_checked,
    local_file,
    unknown_model,
    wants_no_weights,
)
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

    if not timm.is_model(model) or not _has_tag(model):
        raise unknown_model(model, "timm", timm.list_models() + timm.list_pretrained())
    options: dict[str, Any] = {"num_classes": 0} | ({} if size is None else {"img_size": size})
    if wants_no_weights(weights):
        return timm.create_model(model, pretrained=False, **options), {}
    file = _hub(model) if weights == "hub" else local_file(weights, model)
    tower = timm.create_model(model, pretrained=False, **options)
    return load_checked(file, model, lambda path: _fill(tower, path)), file.digest()


def _has_tag(model: str) -> bool:
    import timm

    try:
        timm.get_pretrained_cfg(model)
    except RuntimeError:
        return False
    return True


def _fill(model: Any, path: str) -> Any:
    """Load a file of weights as timm does, and refuse one that leaves a parameter out.

    Without a classifier timm loads leniently: a foreign file would leave random weights that pass for pretrained ones.
    """
    from timm.models import load_pretrained

    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(torch.nan)
    config = {**model.pretrained_cfg, "file": path, "source": "", "custom_load": path.endswith(".npz")}
    convert = getattr(sys.modules[type(model).__module__], "checkpoint_filter_fn", None)
    load_pretrained(model, config, num_classes=0, filter_fn=convert)
    missing = [name for name, parameter in model.named_parameters() if parameter.isnan().any()]
    if missing:
        raise ValueError(f"no values for {len(missing)} parameters, the first is {missing[0]}")
    return model


def own_statistics(model: Any) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Channel mean and deviation that the model was trained with."""
    return model.pretrained_cfg["mean"], model.pretrained_cfg["std"]


def classifier_size(model: Any) -> int | None:
    """Parameters of the linear classifier that the pretrained model came with; None where timm does not say."""
    classes = getattr(model, "pretrained_cfg", {}).get("num_classes")
    return (model.num_features + 1) * classes if classes else None


def _hub(model: str) -> WeightFile:
    import timm

    config = timm.get_pretrained_cfg(model)
    if config is None or not config.hf_hub_id:
        raise UserError(f"timm publishes no weights for {model}; give weights='FILE' or weights='none' (random).")
    names = (config.hf_hub_filename,) if config.hf_hub_filename else HUB_FILES
    return hub_file(config.hf_hub_id, names, model)
