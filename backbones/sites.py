"""Sites: the four frozen projections of a block, to whose outputs a scheme may add."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from torch import Tensor, nn

from backbones.kernels.linear import multiply

Delta = Mapping[str, Callable[[Tensor], Tensor]] | nn.ModuleDict
"""Per site (`qkv`, `proj`, `fc1`, `fc2`), what maps the projection's input to what is added to its output.

It is given (…, D_in) and returns (…, D_out). Pictures are outermost, clip by clip and segment by segment, whether B and
T are two axes or one; behind them come the tokens of each, in the order and the windows in which the block holds them.
So what differs from picture to picture takes its input as (B · T, −1, D_in). Context tokens of an attention come in a
call of their own, (1, 1, P, D_in).
"""

UNCHANGED: Delta = MappingProxyType({})
"""Nothing added at any site."""


def project(site: str, linear: nn.Module, x: Tensor, delta: Delta) -> Tensor:
    """The frozen projection of x, plus what `delta` adds at this site: (…, D_in) -> (…, D_out)."""
    y = multiply(x, linear.weight, linear.bias) if type(linear) is nn.Linear else linear(x)
    return y + delta[site](x) if site in delta else y
