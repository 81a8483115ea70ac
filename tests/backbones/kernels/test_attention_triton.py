"""The kernel itself, run by Triton's interpreter; on a GPU: `tests/cuda`."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch

from backbones.kernels import attention_triton

COMPARE = """
import torch
from backbones.kernels import attention_triton

make = torch.Generator().manual_seed(0)
for dtype, allowed in ((torch.float32, 1e-6), (torch.float16, 1e-3)):
    for tokens, width, biased in ((10, 16, False), (3, 24, True), (17, 8, True)):
        qkv = torch.randn(2, tokens, 3, 3, 2, width, generator=make).to(dtype).requires_grad_()
        bias = torch.randn(2, tokens, tokens, generator=make).requires_grad_() if biased else None
        mixed = attention_triton.attend_few(*qkv.permute(3, 0, 2, 4, 1, 5), bias, 0.3)
        assert mixed.permute(0, 3, 1, 2, 4).is_contiguous()
        gradient = torch.randn(mixed.shape, generator=make).to(dtype)
        inputs = [qkv, *([bias] if biased else [])]
        found = torch.autograd.grad(mixed, inputs, gradient)
        exact = [x.detach().double().requires_grad_() for x in inputs]
        q, k, v = exact[0].permute(3, 0, 2, 4, 1, 5)
        logits = 0.3 * q @ k.mT
        expected = (logits + exact[1] if biased else logits).softmax(-1) @ v
        wanted = torch.autograd.grad(expected, exact, gradient.double())
        for ours, theirs in ((mixed, expected), *zip(found, wanted, strict=True)):
            error = (ours.double() - theirs).norm() / theirs.norm()
            assert error < allowed, (dtype, tokens, width, biased, error)
print("compared")
"""


def test_the_kernel_gives_softmax_attention_and_its_gradients() -> None:
    pytest.importorskip("triton")
    # Triton decides on import whether it interprets.
    environment = {**os.environ, "TRITON_INTERPRET": "1"}
    done = subprocess.run([sys.executable, "-c", COMPARE], env=environment, capture_output=True, text=True, check=False)
    assert done.stdout == "compared\n", done.stderr[-2000:]


def test_shapes_are_known_without_computing() -> None:
    qkv = torch.empty(2, 10, 5, 3, 4, 16, device="meta", requires_grad=True)
    bias = torch.empty(4, 10, 10, device="meta", requires_grad=True)
    mixed = attention_triton.attend_few(*qkv.permute(3, 0, 2, 4, 1, 5), bias, 1.0)
    assert mixed.shape == (2, 5, 4, 10, 16)
    mixed.sum().backward()
    assert qkv.grad is not None
    assert qkv.grad.shape == qkv.shape
    assert bias.grad is not None
    assert bias.grad.shape == bias.shape


def test_it_is_for_gpus_only() -> None:
    q = torch.empty(1, 2, 1, 4, 8)
    assert not attention_triton.takes(q, q, q)
