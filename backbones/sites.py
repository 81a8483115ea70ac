"""Sites: the four frozen projections of a block, to whose outputs a scheme may add."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from torch import Tensor, nn

from backbones.kernels.linear import multiply

Delta = Mapping[str, nn.Module] | nn.ModuleDict
"""Per site (`qkv`, `proj`, `fc1`, `fc2`), a module that maps the projection's input to what is added to its output."""

UNCHANGED: Delta = MappingProxyType({})


def project(site: str, linear: nn.Module, x: Tensor, delta: Delta) -> Tensor:
    """The frozen projection of x, plus what `delta` adds at this site: (…, D_in) -> (…, D_out)."""
    y = multiply(x, linear.weight, linear.bias) if type(linear) is nn.Linear else linear(x)
    return y + delta[site](x) if site in delta else y
