"""Importing this module registers the built-in backbones; the registry does so on its first look-up."""

from backbones import tiny, towers
from backbones.families import beit, clip, eva, swin, swin_v2, vit
from backbones.families.audio import ast, htsat

__all__ = ["ast", "beit", "clip", "eva", "htsat", "swin", "swin_v2", "tiny", "towers", "vit"]
