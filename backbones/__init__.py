"""Frozen vision transformers behind one block protocol; `backbones.builtin` registers the built-in ones."""
