"""Importing this module registers the built-in backbones; the registry does so on its first look-up."""

from backbones import tiny
from backbones.families import beit, clip, eva, swin, swin_v2, vit

__all__ = ["beit", "clip", "eva", "swin", "swin_v2", "tiny", "vit"]
