"""The block protocol: time, context, delta, groups, on every family."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from library_models import FAMILIES, PICTURE, perturbed
from torch import Tensor, nn
from torch.nn import functional as F

from backbones.backbone import Backbone
from backbones.block import Block

FAMILY_NAMES = ["vit", "clip_quick_gelu", "swin", "swin_v2"]


@pytest.fixture(params=FAMILY_NAMES)
def block(request: pytest.FixtureRequest) -> Block:
    """The last block: shifted where the family shifts."""
    return backbone_of(request.param).blocks[1]  # type: ignore[return-value]


def backbone_of(name: str) -> Backbone:
    return FAMILIES[name].read(perturbed(FAMILIES[name].build), PICTURE)


def tokens_for(block: Block, segments: int = 3) -> Tensor:
    length = 256 if block.dim == 16 else 17
    return torch.randn(2, segments, length, block.dim, generator=torch.Generator().manual_seed(2))


def reference_attention(block: Any, x: Tensor, keys: Tensor, bias: Tensor) -> Tensor:
    """Plain loops over heads for one set of tokens: x (l, D) attends to keys (m, D), bias (H, l, m) -> (l, D)."""
    inner = block.attention
    q, k, v = inner.qkv(x).chunk(3, -1)[0], *inner.qkv(keys).chunk(3, -1)[1:]
    heads = []
    for h, (qh, kh, vh) in enumerate(zip(*(t.chunk(inner.heads, -1) for t in (q, k, v)), strict=True)):
        if hasattr(inner.similarity, "logit_scale"):
            scale = min(inner.similarity.logit_scale[h].item(), torch.tensor(100.0).log().item())
            logits = F.cosine_similarity(qh[:, None], kh[None], dim=-1) * torch.tensor(scale).exp()
        else:
            logits = qh @ kh.T / qh.shape[-1] ** 0.5
        heads.append((logits + bias[h]).softmax(-1) @ vh)
    return inner.proj(torch.cat(heads, -1))


def test_sites_name_the_projections(block: Block) -> None:
    dim = block.dim
    assert block.sites == {"qkv": (dim, 3 * dim), "proj": (dim, dim), "fc1": (dim, 4 * dim), "fc2": (4 * dim, dim)}


def test_attention_over_time_is_the_frozen_attention_along_t(block: Block) -> None:
    x = tokens_for(block)
    bias = torch.randn(block.heads, 3, 3)
    over_time = block.attend_over_time(x, bias=bias)
    assert over_time.shape == x.shape
    for clip, position in ((0, 0), (1, 9)):
        line = block.before_attention(x[clip, :, position])
        expected = block.after_attention(reference_attention(block, line, line, bias))
        torch.testing.assert_close(over_time[clip, :, position], expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", ["vit", "clip_quick_gelu"])
def test_attention_over_time_is_attention_over_tokens_of_transposed_data(name: str) -> None:
    block = backbone_of(name).blocks[0]
    x = tokens_for(block)  # type: ignore[arg-type]
    expected = block.attend(x.transpose(1, 2)).transpose(1, 2)
    torch.testing.assert_close(block.attend_over_time(x), expected, rtol=0, atol=1e-5)


def test_context_is_attended_to_by_every_token_without_position_bias(block: Block) -> None:
    x, context = tokens_for(block), torch.randn(5, block.dim)
    attended = block.group(block.attend(x, context=context))
    inside, more = block.group(block.before_attention(x)), block.before_attention(context)
    pretrained = block.attention.bias
    for group in (0, inside.shape[2] - 1):
        near = inside[1, 2, group]
        bias = torch.zeros(block.heads, len(near), len(near) + 5)
        if pretrained is not None:
            bias[..., :-5] = pretrained[group] if pretrained.ndim == 4 else pretrained
        expected = block.after_attention(reference_attention(block, near, torch.cat((near, more)), bias))
        torch.testing.assert_close(attended[1, 2, group], expected, rtol=0, atol=1e-5)


def test_context_equals_prompts_whose_outputs_are_discarded() -> None:
    """Deep prompts as concatenated tokens through timm's own block."""
    model = perturbed(FAMILIES["vit"].build)
    block = FAMILIES["vit"].read(model, PICTURE).blocks[0]
    x, prompts = tokens_for(block), torch.randn(4, block.dim)  # type: ignore[arg-type]
    longer = torch.cat((x.flatten(0, 1), prompts.expand(6, -1, -1)), 1)
    library = model.blocks[0]  # type: ignore[index]
    expected = library.attn(library.norm1(longer))[:, :-4]
    torch.testing.assert_close(block.attend(x, context=prompts).flatten(0, 1), expected, rtol=0, atol=1e-6)


def test_delta_adds_to_each_projection(block: Block) -> None:
    """A linear delta equals a changed weight, at every site and in every branch."""
    x, context, delta = tokens_for(block), torch.randn(2, block.dim), {}
    changed = copy.deepcopy(block)
    linears: dict[str, Any] = {"qkv": changed.attention.qkv, "proj": changed.attention.proj}
    linears |= {"fc1": changed.mlp.fc1, "fc2": changed.mlp.fc2}
    for site, sizes in block.sites.items():
        delta[site] = nn.Linear(*sizes, bias=False)
        with torch.no_grad():
            linears[site].weight += delta[site].weight
    for branch in (
        lambda b, **d: b.attend(x, context=context, **d),
        lambda b, **d: b.attend_over_time(x, **d),
        lambda b, **d: b.feed_forward(x, **d),
    ):
        torch.testing.assert_close(branch(block, delta=delta), branch(changed), rtol=0, atol=1e-4)
        assert (branch(block, delta=nn.ModuleDict(delta)) - branch(block)).abs().max() > 1e-2


def test_a_delta_at_an_unknown_site_is_refused(block: Block) -> None:
    with pytest.raises(KeyError, match="no site key; a block has qkv, proj, fc1, fc2"):
        block.attend(tokens_for(block), delta={"key": nn.Identity()})


def test_spatial_attention_stays_inside_groups_and_frames(block: Block) -> None:
    x = tokens_for(block)
    moved = x.clone()
    moved[1, 2, 3] += 1
    touched = (block.attend(moved) - block.attend(x)).abs().amax(-1) > 0
    marker = torch.zeros_like(x)
    marker[1, 2, 3] = 1
    reach = block.group(marker).amax(-2, keepdim=True).expand_as(block.group(marker))
    allowed = block.ungroup(reach).amax(-1) > 0
    assert touched[1, 2, 3]
    assert not (touched & ~allowed).any()
    assert touched.sum() > 1


def test_a_branch_reads_transposed_and_expanded_tokens_alike(block: Block) -> None:
    x = tokens_for(block)
    awkward = x.transpose(0, 2).contiguous().transpose(0, 2)
    for branch in (block.attend, block.attend_over_time, block.feed_forward):
        torch.testing.assert_close(branch(awkward), branch(x), rtol=0, atol=1e-5)


def test_gradients_reach_context_time_bias_and_delta(block: Block) -> None:
    context = torch.randn(2, block.dim, requires_grad=True)
    bias = torch.zeros(block.heads, 3, 3, requires_grad=True)
    delta = {site: nn.Linear(*sizes) for site, sizes in block.sites.items()}
    x = tokens_for(block)
    spatial = block.attend(x, context=context, delta=delta) + block.attend_over_time(x, bias=bias, delta=delta)
    (spatial + block.feed_forward(x, delta=delta)).square().sum().backward()
    reached = [context, bias, *(p for module in delta.values() for p in module.parameters())]
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in reached)
    assert all(p.grad is None for p in block.parameters())


def test_attention_is_its_two_halves(block: Block) -> None:
    x, context = tokens_for(block), torch.randn(2, block.dim)
    delta = {site: nn.Linear(*block.sites[site]) for site in ("qkv", "proj")}
    mixed = block.mix(x, context=context, delta=delta)
    assert mixed.shape == (*x.shape[:-1], block.sites["proj"][0])
    halves = block.project(mixed, delta=delta)
    torch.testing.assert_close(halves, block.attend(x, context=context, delta=delta), rtol=1e-5, atol=1e-5)


def test_a_change_is_given_pictures_outermost(block: Block) -> None:
    """So that one which differs from picture to picture finds the tokens of each, whatever the windows."""
    x = tokens_for(block)

    def by_picture(site: str, pictures: int) -> list[Tensor]:
        seen: list[Tensor] = []

        def keep(given: Tensor) -> Tensor:
            seen.append(given.reshape(pictures, -1, given.shape[-1]).sort(dim=1).values)
            return given.new_zeros(())

        for clips in (x,) if pictures > 1 else x.flatten(0, 1)[:, None, None]:
            block.feed_forward(clips, delta={site: keep}) if site.startswith("fc") else block.attend(
                clips, delta={site: keep}
            )
            if site in ("qkv", "proj"):
                block.attend_over_time(clips, delta={site: keep})
        return seen

    for site in block.sites:
        together, alone = by_picture(site, 6), by_picture(site, 1)
        spaces = 2 if site in ("qkv", "proj") else 1
        in_space = torch.cat(alone[::spaces])
        torch.testing.assert_close(together[0], in_space, rtol=1e-4, atol=1e-4)
        if site == "qkv":
            torch.testing.assert_close(together[1], in_space, rtol=1e-4, atol=1e-4)


def test_stages_show_only_in_width_and_entrance() -> None:
    backbone = backbone_of("swin")
    x = torch.randn(1, 2, 256, 16)
    shapes = []
    for block in backbone.blocks:
        x = block.enter(x)
        shapes.append((block.dim, x.shape[2], x.shape[3], block.group(x).shape[2]))
    assert shapes == [(16, 256, 16, 16)] * 2 + [(32, 64, 32, 4)] * 2
