"""Frozen vision transformers behind one block protocol; importing this package registers the built-in ones."""

from backbones import clip, swin, swin_v2, tiny, vit

__all__ = ["clip", "swin", "swin_v2", "tiny", "vit"]
