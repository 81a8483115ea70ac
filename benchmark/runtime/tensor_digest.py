"""The sha256 of named tensors, wherever they are kept."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import torch
from torch import Tensor


def tensors_sha256(tensors: Mapping[str, Tensor], said: str = "") -> str:
    """Of names, types, shapes and bytes, in the order of the names.

    Args:
        said: text that counts too.
    """
    digest = hashlib.sha256(said.encode())
    for name in sorted(tensors):
        value = tensors[name].detach().cpu().contiguous()
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
        digest.update(value.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
