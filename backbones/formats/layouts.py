"""Whose names the tensors of a file have, under which prefix, and what a picture tower leaves unused of them.

Hugging Face's names become those of timm (ViT, DINOv2, Swin) or of OpenAI (CLIP), which the readers know.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from backbones.formats.checkpoint import Tensors, UnusableFileError

Names = Literal["timm", "clip"]

ANCHORS = {
    "patch_embed.proj.weight": "timm",
    "conv1.weight": "clip",
    "embeddings.patch_embeddings.projection.weight": "hugging_face",
    "embeddings.patch_embedding.weight": "hugging_face_clip",
}
"""The weight of the stem in each way of naming; what stands before it is the prefix of the whole tower."""

UNUSED = re.compile(
    r"(\w+\.)*(relative_position_index|relative_coords_table|attn_mask|position_ids)"  # computed from sizes
    r"|(?!(transformer\.res)?blocks\.|layers\.)(\w+\.)*("
    r"(\w*head|heads|classifier|fc|pre_logits|pooler|visual_projection)(\..*)?"  # what turns features into answers
    r"|proj"  # CLIP's last projection
    r"|decoder.*|mask_token)"  # of masked pre-training
)
"""Tensors beside those of a tower that may be left out."""

TEXT = re.compile(
    r"(\w+\.)?(text\w*|transformer|token_embedding|positional_embedding|ln_final|logit_scale|logit_bias"
    r"|input_resolution|context_length|vocab_size)(\..*)?"
)
"""What a file of CLIP holds beside the picture tower."""

_HUGGING_FACE = (
    (r"^embeddings\.(patch_embeddings\.projection)", "patch_embed.proj"),
    (r"^embeddings\.norm", "patch_embed.norm"),
    (r"^embeddings\.position_embeddings$", "pos_embed"),
    (r"^embeddings\.(cls_token|mask_token|register_tokens)$", r"\1"),
    (r"^encoder\.layer\.", "blocks."),
    (r"^encoder\.layers\.", "layers."),
    (r"\.attention\.(attention|self)\.(query|key|value)\.", r".attn.\2."),
    (r"\.attention\.self\.continuous_position_bias_mlp\.", ".attn.cpb_mlp."),
    (r"\.attention\.self\.", ".attn."),
    (r"\.attention\.output\.dense\.", ".attn.proj."),
    (r"\.layernorm_before\.", ".norm1."),
    (r"\.layernorm_after\.", ".norm2."),
    (r"\.intermediate\.dense\.", ".mlp.fc1."),
    (r"^((?:blocks|layers)\..*)\.output\.dense\.", r"\1.mlp.fc2."),
    (r"\.mlp\.weights_in\.", ".mlp.fc1."),
    (r"\.mlp\.weights_out\.", ".mlp.fc2."),
    (r"\.layer_scale(\d)\.lambda1$", r".ls\1.gamma"),
    (r"^layernorm\.", "norm."),
)

_HUGGING_FACE_CLIP = (
    (r"^embeddings\.class_embedding$", "class_embedding"),
    (r"^embeddings\.patch_embedding\.", "conv1."),
    (r"^embeddings\.position_embedding\.weight$", "positional_embedding"),
    (r"^pre_layrnorm\.", "ln_pre."),
    (r"^post_layernorm\.", "ln_post."),
    (r"^encoder\.layers\.", "transformer.resblocks."),
    (r"\.self_attn\.([qkv])_proj\.", r".attn.\1."),
    (r"\.self_attn\.", ".attn."),
    (r"\.layer_norm(\d)\.", r".ln_\1."),
    (r"\.mlp\.fc1\.", ".mlp.c_fc."),
    (r"\.mlp\.fc2\.", ".mlp.c_proj."),
)

_THIRD = re.compile(r"(.*\.attn)\.(query|key|value|q|k|v)\.(weight|bias)")


class Tower(NamedTuple):
    """The tensors of one picture tower under names that a reader knows."""

    names: Names
    tensors: Tensors
    beside: list[str]
    """Names of the file's other tensors, as the file has them."""


def find_tower(tensors: Tensors) -> Tower | None:
    """The only picture tower of a file; None where no known stem is in it.

    Raises:
        UnusableFileError: several towers.
    """
    found = [
        (layout, name.removesuffix(stem))
        for stem, layout in ANCHORS.items()
        for name in tensors
        if (name == stem or name.endswith(f".{stem}")) and _has_company(layout, name.removesuffix(stem), tensors)
    ]
    if not found:
        return None
    if len(found) > 1:
        prefixes = ", ".join(repr(prefix) for _, prefix in found)
        raise UnusableFileError(f"it holds {len(found)} models, under {prefixes}; save one of them into its own file")
    layout, prefix = found[0]
    inside = {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
    beside = [name for name in tensors if not name.startswith(prefix)]
    if layout == "hugging_face":
        return Tower("timm", _fused(_renamed(inside, _HUGGING_FACE), ".qkv."), beside)
    if layout == "hugging_face_clip":
        return Tower("clip", _fused(_renamed(inside, _HUGGING_FACE_CLIP), ".in_proj_"), beside)
    return Tower("timm" if layout == "timm" else "clip", inside, beside)


def not_to_be_left_out(tower: Tower, left: Iterable[str]) -> list[str]:
    """The tensors beside a tower, and those of it that its model has `left`, without the ones that may be unused."""
    has_text = any(name.endswith("logit_scale") for name in tower.beside)
    beside = [name for name in tower.beside if not (has_text and TEXT.fullmatch(name))]
    return [name for name in (*left, *beside) if not UNUSED.fullmatch(name)]


def _has_company(layout: str, prefix: str, tensors: Tensors) -> bool:
    """Other networks have a `conv1` too; CLIP's picture tower has a class token with it."""
    return layout != "clip" or prefix + "class_embedding" in tensors


def _renamed(tensors: Tensors, rules: tuple[tuple[str, str], ...]) -> Tensors:
    renamed: Tensors = {}
    for name, tensor in tensors.items():
        for pattern, replacement in rules:
            name = re.sub(pattern, replacement, name)
        renamed[name] = tensor
    return renamed


def _fused(tensors: Tensors, joint: str) -> Tensors:
    """Queries, keys and values as one tensor; biases of queries and values alone are Swin v2's."""
    fused: Tensors = {}
    thirds: dict[tuple[str, str], dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        if match := _THIRD.fullmatch(name):
            thirds.setdefault((match[1], match[3]), {})[match[2][0]] = tensor
        else:
            fused[name] = tensor
    for (attention, kind), parts in thirds.items():
        if set(parts) == {"q", "k", "v"}:
            fused[f"{attention}{joint}{kind}"] = torch.cat([parts[part] for part in "qkv"])
        else:
            fused |= {f"{attention}.{part}_{kind}": tensor for part, tensor in parts.items()}
    return fused
