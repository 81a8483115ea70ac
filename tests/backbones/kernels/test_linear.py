"""Whichever library multiplies, a frozen linear map is `F.linear`."""

from __future__ import annotations

import pytest
import torch
from built_in import OWN_ADAPTERS
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from backbones.kernels import linear
from benchmark.model.build import build_backbone, build_scheme
from benchmark.model.encoder import Encoder
from registry import Component

needs_onednn = pytest.mark.skipif(not linear._ONEDNN_IS_FASTER, reason="oneDNN is not preferred on this machine")


def by_onednn(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    assert linear._ONEDNN_IS_FASTER
    product: Tensor = linear._Product.apply(x, weight, bias)
    return product


@needs_onednn
@settings(max_examples=40, deadline=None)
@given(
    shape=st.lists(st.integers(1, 5), min_size=1, max_size=3),
    inner=st.integers(1, 70),
    outer=st.integers(1, 70),
    has_bias=st.booleans(),
    is_strided=st.booleans(),
    trained=st.tuples(st.booleans(), st.booleans(), st.booleans()).filter(any),
)
def test_values_and_gradients_are_those_of_a_linear_layer(shape, inner, outer, has_bias, is_strided, trained) -> None:
    make = torch.Generator().manual_seed(inner + 71 * outer)
    x = torch.randn(inner, *shape, generator=make).movedim(0, -1)
    given_tensors = [
        x if is_strided else x.contiguous(),
        torch.randn(outer, inner, generator=make),
        *([torch.randn(outer, generator=make)] if has_bias else []),
    ]
    found = []
    for multiply, dtype in ((by_onednn, torch.float32), (F.linear, torch.float64)):
        tensors = [t.to(dtype).requires_grad_(r) for t, r in zip(given_tensors, trained, strict=False)]
        product = multiply(*tensors, *([] if has_bias else [None]))
        wanted = [t for t in tensors if t.requires_grad]
        gradients = torch.autograd.grad(product.square().sum(), wanted) if wanted else []
        found.append([product, *gradients])
    for ours, exact in zip(*found, strict=True):
        torch.testing.assert_close(ours.double(), exact, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("input_dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(("rows", "inner", "outer"), [(300, 768, 3072), (37, 3072, 768), (4099, 128, 512), (5, 33, 17)])
def test_in_bfloat16_bits_and_gradients_are_torchs(onednn_at_any_size, input_dtype, rows, inner, outer) -> None:
    make = torch.Generator().manual_seed(rows)
    x = torch.randn(1, rows, inner, generator=make).to(input_dtype)
    weight = torch.randn(outer, inner, generator=make).bfloat16()
    bias = torch.randn(outer, generator=make).bfloat16()
    outcomes = []
    with torch.autocast("cpu", torch.bfloat16):
        assert linear.prefers_onednn(x, weight, bias)
        for multiply in (linear.multiply, F.linear):
            tensors = [t.detach().requires_grad_() for t in (x, bias)]
            product = multiply(tensors[0], weight, tensors[1])
            outcomes.append((product, *torch.autograd.grad(product.float().square().sum(), tensors)))
    for ours, torchs in zip(*outcomes, strict=True):
        assert ours.dtype == torchs.dtype
        assert torch.equal(ours, torchs)


def preferred(
    rows: int,
    dtype: torch.dtype = torch.float32,
    *,
    input_dtype: torch.dtype | None = None,
    device: str = "cpu",
    has_bias: bool = True,
) -> bool:
    """Whether oneDNN multiplies `rows` by a map of 256 to 256 channels."""
    x = torch.empty(rows, 256, dtype=input_dtype or dtype, device=device)
    bias = torch.empty(256, dtype=dtype, device=device) if has_bias else None
    return linear.prefers_onednn(x, torch.empty(256, 256, dtype=dtype, device=device), bias)


@needs_onednn
def test_large_products_in_float32_leave_torch() -> None:
    assert preferred(64)
    assert preferred(64, has_bias=False)
    assert not preferred(63)
    assert not preferred(64, torch.float64)
    assert not preferred(64, device="meta")
    with torch.autocast("cpu", torch.bfloat16):
        assert not preferred(64)


@needs_onednn
def test_large_products_in_bfloat16_leave_torch_where_there_is_a_bias() -> None:
    assert preferred(2048, torch.bfloat16)
    assert not preferred(2047, torch.bfloat16)
    assert not preferred(2048, torch.bfloat16, has_bias=False)
    assert not preferred(2048, torch.bfloat16, input_dtype=torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        assert preferred(2048, torch.bfloat16, input_dtype=torch.float32)
    with torch.autocast("cpu", torch.float16):
        assert not preferred(2048, torch.bfloat16, input_dtype=torch.float32)


@needs_onednn
def test_a_frozen_map_keeps_nothing_but_its_weight() -> None:
    x, frozen = torch.randn(3, 4, requires_grad=True), torch.randn(5, 4)
    kept: list[Tensor] = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
        by_onednn(x, frozen, None)
    assert [t.shape for t in kept] == [frozen.shape]


def test_the_same_bits_twice(onednn_at_any_size: None) -> None:
    x, weight, bias = torch.randn(300, 90), torch.randn(70, 90), torch.randn(70)
    assert torch.equal(linear.multiply(x, weight, bias), linear.multiply(x, weight, bias))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_it_compiles_with_its_gradient(onednn_at_any_size: None, dtype: torch.dtype) -> None:
    layer = linear.Linear(6, 5).to(dtype)
    x = torch.randn(2, 3, 6, requires_grad=True)
    torch._dynamo.reset()
    compiled = torch.compile(layer, backend="aot_eager", fullgraph=True)
    outcomes = []
    for apply in (layer, compiled):
        with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
            assert linear.prefers_onednn(x, layer.weight, layer.bias)
            product = apply(x)
        assert product.dtype == dtype
        outcomes.append((product, *torch.autograd.grad(product.float().square().sum(), (x, *layer.parameters()))))
    torch._dynamo.reset()
    torch.testing.assert_close(*outcomes)


def test_a_map_on_shared_parameters_copies_nothing() -> None:
    layer = nn.Linear(4, 5)
    shared = linear.linear_of(layer.weight, layer.bias)
    x = torch.randn(2, 4)
    assert torch.equal(shared(x), layer(x))
    assert shared.weight is layer.weight
    assert shared.bias is layer.bias
    assert (shared.in_features, shared.out_features) == (4, 5)


@pytest.mark.parametrize(
    ("name", "products"), [("tiny_vit", {"qkv": 4, "proj": 4, "fc1": 4, "fc2": 4}), ("tiny_swin", {"reduction": 1})]
)
def test_every_frozen_product_of_tokens_is_chosen_here(name, products, monkeypatch: pytest.MonkeyPatch) -> None:
    """And those of built-in adapters; what a task's head multiplies is torch's own."""
    backbone = build_backbone(Component.parse(name))
    scheme = build_scheme(Component.parse("stg_cma(ratio=0.25)"), backbone, 2)
    encoder, seen = Encoder(backbone, scheme), set()
    choose = linear.prefers_onednn
    monkeypatch.setattr(linear, "prefers_onednn", lambda x, w, b: seen.add(w.data_ptr()) or choose(x, w, b))
    sound = backbone.picture.sound
    with torch.no_grad():
        encoder({
            "visual": torch.randn(1, 2, 3, backbone.picture.size, backbone.picture.size),
            "audio": torch.randn(1, 2, 3, sound.frames, sound.mel_bands),
        })  # fmt: skip
    frozen = {n: p for n, p in backbone.named_parameters() if p.ndim == 2 and n.endswith(".weight")}
    for part, count in products.items():
        assert sum(f".{part}." in n and p.data_ptr() in seen for n, p in frozen.items()) >= count, part
    missed = [
        n for n, p in frozen.items() if n.startswith("blocks") and ".position." not in n and p.data_ptr() not in seen
    ]
    assert not missed
    adapters = [m for m in scheme.modules() if isinstance(m, nn.Linear)]
    assert adapters
    assert all(m.weight.data_ptr() in seen for m in adapters)


@pytest.mark.parametrize("adapter", OWN_ADAPTERS)
def test_no_linear_map_of_a_built_in_adapter_is_plain(adapter: str) -> None:
    scheme = build_scheme(Component.parse(adapter), build_backbone(Component.parse("tiny_vit")), 2)
    assert not [name for name, module in scheme.named_modules() if type(module) is nn.Linear]
