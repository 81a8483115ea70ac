"""A stand-in backbone that offers the public block protocol and nothing else, to try a scheme in milliseconds."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from registry.vocabulary import Features

_NOTHING: Mapping[str, nn.Module] = MappingProxyType({})


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

    def attend(self, x: Tensor, *, context: Tensor | None = None, delta: Mapping[str, nn.Module] = _NOTHING) -> Tensor:
        groups = self.group(x)
        keys = groups
        if context is not None:
            keys = torch.cat([groups, context.to(x.dtype).expand(*groups.shape[:3], -1, -1)], dim=-2)
        return self.ungroup(self._attention(groups, keys, None, delta))

    def attend_over_time(
        self, x: Tensor, *, bias: Tensor | None = None, delta: Mapping[str, nn.Module] = _NOTHING
    ) -> Tensor:
        x = x.transpose(1, 2)
        return self._attention(x, x, bias, delta).transpose(1, 2)

    def feed_forward(self, x: Tensor, *, delta: Mapping[str, nn.Module] = _NOTHING) -> Tensor:
        return self._map("fc2", F.gelu(self._map("fc1", self.mlp_input(x), delta)), delta)

    def mlp_input(self, x: Tensor) -> Tensor:
        return self._norm(x)

    def group(self, x: Tensor) -> Tensor:
        return x.unflatten(2, (-1, 2))

    def ungroup(self, groups: Tensor) -> Tensor:
        return groups.flatten(2, 3)

    def _attention(self, queries: Tensor, keys: Tensor, bias: Tensor | None, delta: Mapping[str, nn.Module]) -> Tensor:
        q, _, _ = self._heads(queries, delta)
        _, k, v = self._heads(keys, delta)
        mask = None if bias is None else bias.to(q.dtype)
        heads = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        return self._map("proj", heads.transpose(-2, -3).flatten(-2), delta)

    def _heads(self, x: Tensor, delta: Mapping[str, nn.Module]) -> tuple[Tensor, ...]:
        projected = self._map("qkv", self._norm(x), delta).unflatten(-1, (3, self.heads, -1))
        return tuple(part.transpose(-2, -3) for part in projected.unbind(-3))

    def _map(self, site: str, x: Tensor, delta: Mapping[str, nn.Module]) -> Tensor:
        mapped = self._maps[site](x)
        return mapped + delta[site](x) if site in delta else mapped


class ToyBackbone(nn.Module):
    """Three frozen toy blocks in two stages of different width, on pictures of 16 x 16."""

    def __init__(self, dim: int = 32) -> None:
        super().__init__()
        self._stem = nn.Linear(3 * 8 * 8, dim)
        self.dim, self.picture = 2 * dim, 16
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

    def finish(self, x: Tensor) -> Features:
        tokens = self.final_norm(x)
        return Features(tokens=tokens, pooled=tokens.mean(dim=2))
