"""Names of other programs and prefixes of wrappers lead to the library's own names, or are told."""

from __future__ import annotations

import re

import pytest
import torch
from library_models import FAMILIES
from torch import Tensor

from backbones.formats.checkpoint import UnusableFileError
from backbones.formats.layouts import find_tower, not_to_be_left_out

Tensors = dict[str, Tensor]


def state_of(family: str) -> Tensors:
    torch.manual_seed(3)
    return {name: torch.randn_like(tensor) for name, tensor in FAMILIES[family].build().state_dict().items()}


def split(state: Tensors, pattern: str, parts: tuple[str, ...]) -> Tensors:
    """The state with each joint projection of this pattern in three."""
    thirds: Tensors = {}
    for name, tensor in state.items():
        if match := re.fullmatch(pattern, name):
            for part, third in zip(parts, tensor.chunk(3), strict=True):
                thirds[f"{match[1]}.{part}.{match[2]}"] = third
        else:
            thirds[name] = tensor
    return thirds


def renamed(state: Tensors, rules: dict[str, str]) -> Tensors:
    for pattern, replacement in rules.items():
        state = {re.sub(pattern, replacement, name): tensor for name, tensor in state.items()}
    return state


COMMON = {
    r"\.attn\.(query|key|value)\.": r".attention.ATTENTION.\1.",
    r"\.attn\.proj\.": ".attention.output.dense.",
    r"\.mlp\.fc1\.": ".intermediate.dense.",
    r"\.mlp\.fc2\.": ".output.dense.",
    r"\.norm1\.": ".layernorm_before.",
    r"\.norm2\.": ".layernorm_after.",
    r"^norm\.": "layernorm.",
    r"^patch_embed\.proj\.": "embeddings.patch_embeddings.projection.",
    r"^patch_embed\.norm\.": "embeddings.norm.",
    r"^blocks\.": "encoder.layer.",
    r"^layers\.": "encoder.layers.",
}
VIT = {r"^cls_token": "embeddings.cls_token", r"^pos_embed": "embeddings.position_embeddings", **COMMON}
SWIN = {r"\.attn\.relative_position_bias": ".attention.ATTENTION.relative_position_bias", **COMMON}


@pytest.mark.parametrize(
    ("family", "rules", "attention", "prefix"),
    [
        ("vit", VIT, "attention", "vit."),
        ("swin", SWIN, "self", "swin."),
        ("vit_without_qkv_bias", VIT, "attention", ""),
    ],
)
def test_hugging_faces_names_become_timms(family: str, rules: dict[str, str], attention: str, prefix: str) -> None:
    state = state_of(family)
    published = renamed(split(state, r"(.*attn)\.qkv\.(\w+)", ("query", "key", "value")), rules)
    published = {f"{prefix}{name.replace('ATTENTION', attention)}": tensor for name, tensor in published.items()}
    tower = find_tower({**published, "classifier.weight": torch.ones(2)})
    assert tower is not None
    assert tower.names == "timm"
    assert tower.tensors.keys() >= state.keys()
    assert all(torch.equal(tower.tensors[name], tensor) for name, tensor in state.items())
    assert not_to_be_left_out(tower, tower.tensors.keys() - state.keys()) == []


@pytest.mark.parametrize("name", ["layer_scale1.lambda1", "mlp.weights_in.weight"])
def test_dinov2s_own_parts_are_known_under_hugging_faces_names(name: str) -> None:
    stem = "embeddings.patch_embeddings.projection.weight"
    tower = find_tower(
        {stem: torch.ones(1), "embeddings.register_tokens": torch.ones(1), f"encoder.layer.0.{name}": torch.ones(1)}
    )
    assert tower is not None
    assert set(tower.tensors) >= {"patch_embed.proj.weight", "register_tokens"}
    assert {"blocks.0.ls1.gamma", "blocks.0.mlp.fc1.weight"} & tower.tensors.keys()


def test_swin_v2_has_biases_of_queries_and_values_alone() -> None:
    parts = {f"encoder.layers.0.blocks.0.attention.self.{part}": torch.ones(1) for part in (
        "query.weight", "query.bias", "key.weight", "value.weight", "value.bias", "logit_scale",
        "continuous_position_bias_mlp.0.weight",
    )}  # fmt: skip
    tower = find_tower({"embeddings.patch_embeddings.projection.weight": torch.ones(1), **parts})
    assert tower is not None
    expected = ("qkv.weight", "q_bias", "v_bias", "logit_scale", "cpb_mlp.0.weight")
    assert tower.tensors.keys() - {"patch_embed.proj.weight"} == {f"layers.0.blocks.0.attn.{name}" for name in expected}


def test_hugging_faces_clip_becomes_openais() -> None:
    state = {name: tensor for name, tensor in state_of("clip_quick_gelu").items() if name != "proj"}
    thirds = split(state, r"(.*attn)\.in_proj_(\w+)", ("q_proj", "k_proj", "v_proj"))
    published = renamed(
        thirds,
        {
            r"^class_embedding": "embeddings.class_embedding",
            r"^positional_embedding": "embeddings.position_embedding.weight",
            r"^conv1": "embeddings.patch_embedding",
            r"^ln_pre": "pre_layrnorm",
            r"^ln_post": "post_layernorm",
            r"^transformer\.resblocks": "encoder.layers",
            r"\.attn\.": ".self_attn.",
            r"\.ln_(\d)\.": r".layer_norm\1.",
            r"c_fc": "fc1",
            r"c_proj": "fc2",
        },
    )
    published = {f"vision_model.{name}": tensor for name, tensor in published.items()}
    beside = {name: torch.ones(1) for name in ("text_model.x.weight", "logit_scale", "visual_projection.weight")}
    tower = find_tower({**published, **beside})
    assert tower is not None
    assert tower.names == "clip"
    assert tower.tensors.keys() == state.keys()
    assert all(torch.equal(tower.tensors[name], tensor) for name, tensor in state.items())
    assert not_to_be_left_out(tower, []) == []


@pytest.mark.parametrize("prefix", ["", "module.", "backbone.", "model.", "_orig_mod.module.encoder.", "visual.trunk."])
@pytest.mark.parametrize("family", ["vit", "swin", "clip_gelu"])
def test_one_prefix_of_the_whole_tower_is_taken_off(prefix: str, family: str) -> None:
    state = state_of(family)
    tower = find_tower({prefix + name: tensor for name, tensor in state.items()})
    assert tower is not None
    assert tower.tensors == state
    assert tower.beside == []


def test_two_towers_are_told_with_their_prefixes() -> None:
    state = state_of("vit")
    both = {prefix + name: tensor for prefix in ("student.", "teacher.") for name, tensor in state.items()}
    with pytest.raises(UnusableFileError, match=r"2 models, under 'student\.', 'teacher\.'"):
        find_tower(both)


def test_a_residual_network_is_no_tower_of_clip() -> None:
    assert find_tower({"conv1.weight": torch.ones(1), "layer1.0.conv1.weight": torch.ones(1)}) is None


@pytest.mark.parametrize(
    ("name", "may"),
    [
        ("head.weight", True), ("head.fc.bias", True), ("fc.weight", True), ("cls_head.fc_cls.weight", True),
        ("dino_head.mlp.0.weight", True), ("decoder_blocks.0.attn.qkv.weight", True), ("mask_token", True),
        ("layers.0.blocks.1.attn.relative_position_index", True), ("layers.0.blocks.1.attn_mask", True),
        ("fc_norm.weight", False), ("head_dist.weight", False), ("blocks.3.head.weight", False), ("dist_token", False),
        ("blocks.0.ls1.gamma", False), ("text_model.x", False), ("criterion.weight", False), ("reg_token", False),
    ],
)  # fmt: skip
def test_what_may_be_left_out_is_on_a_list(name: str, may: bool) -> None:
    tower = find_tower(state_of("vit"))
    assert tower is not None
    assert not_to_be_left_out(tower, [name]) == ([] if may else [name])
