"""The embedded default: three tiny backbones, pre-trained on procedural pictures only; their weights lie here."""

from backbones.tiny.presets import tiny_clip, tiny_swin, tiny_vit

__all__ = ["tiny_clip", "tiny_swin", "tiny_vit"]
