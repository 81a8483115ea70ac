"""A stand-in backbone that offers the public block protocol and nothing else, to try a scheme in milliseconds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from registry.vocabulary import Features

Delta = Mapping[str, Callable[[Tensor], Tensor]]
_NOTHING: Delta = MappingProxyType({})


class ToyBlock(nn.Module):
    """One pre-norm attention block whose tokens attend in pairs; everything else is private."""

    def __init__(self, dim: int, heads: int, enter: nn.Module | None = None) -> None:
        super().__init__()
        self.dim, self.heads = dim, heads
        self.sites = {"qkv": (dim, 3 * dim), "proj": (dim, dim), "fc1": (dim, 2 * dim), "fc2": (2 * dim, dim)}
        self._maps = nn.ModuleDict({site: nn.Linear(*size) for site, size in self.sites.items()})
        self._enter = enter or nn.Identity()
        self._norm = nn.LayerNorm(dim)

    def enter(self, x: Tensor) -> Tensor:
        return self._enter(x)

    def attend(self, x: Tensor, *, context: Tensor | None = None, delta: Delta = _NOTHING) -> Tensor:
        return self.project(self.mix(x, context=context, delta=delta), delta=delta)

    def mix(self, x: Tensor, *, context: Tensor | None = None, delta: Delta = _NOTHING) -> Tensor:
        groups = self.group(x)
        keys = groups
        if context is not None:
            keys = torch.cat([groups, context.to(x.dtype).expand(*groups.shape[:3], -1, -1)], dim=-2)
        q, _, _ = self._heads(groups, delta)
        _, k, v = self._heads(keys, delta)
        return self.ungroup(self._attention(q, k, v, None))

    def project(self, mixed: Tensor, *, delta: Delta = _NOTHING) -> Tensor:
        return self._map("proj", mixed, delta)

    def attend_over_time(self, x: Tensor, *, bias: Tensor | None = None, delta: Delta = _NOTHING) -> Tensor:
        q, k, v = (part.permute(0, 3, 2, 1, 4) for part in self._heads(x, delta))
        return self.project(self._attention(q, k, v, bias).transpose(1, 2), delta=delta)

    def feed_forward(self, x: Tensor, *, delta: Delta = _NOTHING) -> Tensor:
        return self._map("fc2", F.gelu(self._map("fc1", self.mlp_input(x), delta)), delta)

    def projection(self, site: str) -> nn.Linear:
        return cast(nn.Linear, self._maps[site])

    def mlp_input(self, x: Tensor) -> Tensor:
        return self._norm(x)

    def group(self, x: Tensor) -> Tensor:
        return x.unflatten(2, (-1, 2))

    def ungroup(self, groups: Tensor) -> Tensor:
        return groups.flatten(2, 3)

    def _attention(self, q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None) -> Tensor:
        mask = None if bias is None else bias.to(q.dtype)
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask).transpose(-2, -3).flatten(-2)

    def _heads(self, x: Tensor, delta: Delta) -> tuple[Tensor, ...]:
        projected = self._map("qkv", self._norm(x), delta).unflatten(-1, (3, self.heads, -1))
        return tuple(part.transpose(-2, -3) for part in projected.unbind(-3))

    def _map(self, site: str, x: Tensor, delta: Delta) -> Tensor:
        mapped = self._maps[site](x)
        return mapped + delta[site](x) if site in delta else mapped


class ToyBackbone(nn.Module):
    """Three frozen toy blocks in two stages of different width, on pictures of 16 x 16."""

    def __init__(self, dim: int = 32) -> None:
        super().__init__()
        self._stem = nn.Linear(3 * 8 * 8, dim)
        self.dim, self.picture, self.has_class_token = 2 * dim, 16, False
        widen = nn.Linear(dim, self.dim)
        self.blocks = nn.ModuleList([ToyBlock(dim, 4), ToyBlock(dim, 4), ToyBlock(self.dim, 4, enter=widen)])
        self.final_norm = nn.LayerNorm(self.dim)
        self.requires_grad_(False)

    def cast_projections(self, dtype: torch.dtype) -> ToyBackbone:
        for module in self.modules():
            if isinstance(module, nn.Linear):
                module.to(dtype)
        return self

    def embed(self, pictures: Tensor) -> Tensor:
        patches = pictures.unfold(-2, 8, 8).unfold(-2, 8, 8).movedim(2, -3).flatten(-3).flatten(2, 3)
        return self._stem(patches.to(self._stem.weight.dtype))

    def tokens(self, modality: str) -> list[int]:
        return [4, 4, 4]

    def finish(self, x: Tensor) -> Features:
        tokens = self.final_norm(x)
        return Features(tokens=tokens, pooled=tokens.mean(dim=2))
