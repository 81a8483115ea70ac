"""The embedded default: three tiny backbones, pre-trained on procedural pictures only, and one on procedural
sounds only; their weights lie here."""

from backbones.tiny.presets import tiny_ast, tiny_clip, tiny_swin, tiny_vit

__all__ = ["tiny_ast", "tiny_clip", "tiny_swin", "tiny_vit"]
