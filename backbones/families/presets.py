"""Backbones that papers use, by short names: the family's reader and the model that it reads."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from backbones.backbone import Backbone


class Preset(NamedTuple):
    family: str
    model: str
    repository: str
    """Where the hub has its weights, which the family's library tells only once it is imported."""
    doc: str


def _of_timm(family: str, model: str, doc: str) -> Preset:
    return Preset(family, model, f"timm/{model}", doc)


PRESETS = {
    "vit_base": _of_timm(
        "vit", "vit_base_patch16_224.augreg_in21k", "ViT-B/16 at 224, ImageNet-21k (timm), as LAVISH uses it."
    ),
    "vit_large": _of_timm(
        "vit", "vit_large_patch16_224.augreg_in21k", "ViT-L/16 at 224, ImageNet-21k (timm), as LAVISH uses it."
    ),
    "swin_base": _of_timm(
        "swin", "swin_base_patch4_window7_224.ms_in22k", "Swin-B at 224, ImageNet-22k (timm), as STG-CMA uses it."
    ),
    "swin_large": _of_timm(
        "swin", "swin_large_patch4_window7_224.ms_in22k", "Swin-L at 224, ImageNet-22k (timm), as STG-CMA uses it."
    ),
    "swin_v2_base": _of_timm("swin_v2", "swinv2_base_window12_192.ms_in22k", "Swin v2-B at 192, ImageNet-22k (timm)."),
    "swin_v2_large": _of_timm(
        "swin_v2", "swinv2_large_window12_192.ms_in22k", "Swin v2-L at 192, ImageNet-22k (timm), as LAVISH uses it."
    ),
    "clip_vit_base": Preset(
        "clip",
        "ViT-B-16-quickgelu",
        "timm/vit_base_patch16_clip_224.openai",
        "CLIP ViT-B/16 at 224 (OpenAI's weights), as STG-CMA uses it.",
    ),
    "clip_vit_large": Preset(
        "clip",
        "ViT-L-14-quickgelu",
        "timm/vit_large_patch14_clip_224.openai",
        "CLIP ViT-L/14 at 224 (OpenAI's weights), as STG-CMA uses it.",
    ),
}


def register_presets(build: Callable[..., Backbone], version: int) -> None:
    """Register the presets of the family whose reader this is, under the version of that reader."""
    # Whoever only reads names is spared torch.
    from registry import register_backbone

    for name, preset in PRESETS.items():
        if preset.family == build.__name__:
            register_backbone(name, version)(_of_one_model(build, preset.model, preset.doc))


def _of_one_model(build: Callable[..., Backbone], model: str, doc: str) -> Callable[..., Backbone]:
    """A builder of one model: the options of `build` without `model`."""

    def built(**options: Any) -> Backbone:
        return build(model=model, **options)

    signature = inspect.signature(build)
    kept = [parameter for name, parameter in signature.parameters.items() if name != "model"]
    built.__signature__ = signature.replace(parameters=kept)  # type: ignore[attr-defined]
    built.__doc__ = doc
    return built
