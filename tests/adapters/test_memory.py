"""The exchange stores no matrix of all tokens by all tokens, in neither direction, forward or backward."""

from __future__ import annotations

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from adapters.contract import perturbed
from adapters.lavish import Lavish
from adapters.stg_cma import StgCma
from adapters.toy import ToyBackbone

TOKENS = 56 * 56
"""Of a picture in Swin's first stage at 224."""


class LargestTensor(TorchDispatchMode):
    """How many numbers the largest tensor held that any operation put out, and which operations ran."""

    def __init__(self) -> None:
        super().__init__()
        self.numel, self.operations = 0, set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        self.operations.add(func.overloadpacket.__name__)
        self.numel = max([self.numel, *(x.numel() for x in tree_leaves(out) if isinstance(x, torch.Tensor))])
        return out


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("make", [StgCma, Lavish], ids=["stg_cma", "lavish"])
def test_a_whole_picture_is_exchanged_without_its_attention_matrix(make, precision):
    """3136 x 3136 products would be 9.8 million numbers; the largest tensor is one of tokens or of their projections.

    The toy's own attention is in pairs of tokens, so that whatever is large comes from the scheme.
    """
    torch.manual_seed(0)
    backbone = ToyBackbone(dim=16)
    scheme = perturbed(make(backbone, **({"ratio": 0.25} if make is StgCma else {})))
    streams = {m: torch.randn(1, 1, TOKENS, 16, requires_grad=True) for m in ("visual", "audio")}
    with LargestTensor() as largest, torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
        out = scheme.forward_block(0, backbone.blocks[0], streams)
        (out["visual"].sum() + out["audio"].sum()).backward()
    assert largest.numel < TOKENS * TOKENS / 20
    if make is StgCma:
        assert "_scaled_dot_product_flash_attention_for_cpu" in largest.operations
        assert "_scaled_dot_product_flash_attention_for_cpu_backward" in largest.operations
