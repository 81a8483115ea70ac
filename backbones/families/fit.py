"""Fill a library's model from named tensors, so that every one of either side is accounted for."""

from __future__ import annotations

import re
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from backbones.formats.checkpoint import Tensors, UnusableFileError

FLOATS = (torch.float32, torch.float16, torch.bfloat16, torch.float64)

KINDS = {
    r"\bls\d\.gamma$|\bls_\d\.gamma$|gamma_\d$|lambda1$": "layer scale, as DINOv2 and DeiT III",
    r"reg(ister)?_tokens?$": "register tokens, as DINOv2's models `reg4`",
    r"dist_token$|head_dist\.": "a distillation token, as distilled DeiT",
    r"\bnorm_pre\.|\bln_pre\.": "a norm before the blocks, as CLIP",
    r"\b[qk]_norm\.": "norms of queries and keys",
    r"cpb_mlp\.|attn\.logit_scale$": "continuous position bias, as Swin v2",
    r"relative_position_bias_table$": "window position bias, as Swin and BEiT",
    r"\battn_pool\.": "attention pooling, as SigLIP",
    r"\bfc_norm\.": "a norm behind mean pooling, as fine-tuned MAE",
    r"\bfc1_[gx]\.|\bw12\.": "gated MLPs, as SwiGLU models",
    r"\bcls_token$|class_embedding$": "a class token",
    r"\b(blocks|layers|resblocks)\.\d+\.": "other blocks",
}
"""What kind of model has tensors of such names, the telling ones first."""


def fill(model: nn.Module, tensors: Tensors, superfluous: Iterable[str] = ()) -> None:
    """Copy tensors into a model in place; all parameters are set or none.

    Args:
        tensors: by the model's own names; others are left alone.
        superfluous: names that the file has and no part of this model wants.

    Raises:
        UnusableFileError: a tensor that no part of the model wants, or one that is missing, of another shape, of
            another kind than floating-point numbers, or not finite.
    """
    wanted = model.state_dict()
    given = {name: tensors[name] for name in wanted if name in tensors}
    problems = [
        describe("holds", superfluous, "that the model does not use"),
        describe("lacks", [name for name in wanted if name not in tensors], "of the model"),
        _first([wrong for name, tensor in given.items() if (wrong := _misfit(name, tensor, wanted[name]))]),
    ]
    if any(problems):
        raise UnusableFileError("; ".join(problem for problem in problems if problem))
    model.load_state_dict(given)


def _misfit(name: str, tensor: Tensor, wanted: Tensor) -> str:
    if tensor.shape != wanted.shape:
        return f"{name} is {_size(tensor)}, and the model's {_size(wanted)}"
    if tensor.dtype not in FLOATS:
        return f"{name} is of {str(tensor.dtype).removeprefix('torch.')}, not floating-point"
    return "" if tensor.isfinite().all() else f"{name} holds values that are not finite"


def _first(misfits: list[str]) -> str:
    return misfits[0] + f" (and {len(misfits) - 1} more)" * (len(misfits) > 1) if misfits else ""


def describe(verb: str, names: Iterable[str], whose: str) -> str:
    """How many tensors a file `holds` or `lacks`, the kind of model that has them, and the first; empty for none."""
    names = list(names)
    if not names:
        return ""
    shown = ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
    kind = next((kind for pattern, kind in KINDS.items() if any(re.search(pattern, name) for name in names)), "")
    of_kind = f" of a model with {kind}" if kind and verb == "holds" else ""
    return f"it {verb} {len(names)} tensor{'s' * (len(names) > 1)}{of_kind} {whose} ({shown})"


def _size(tensor: Tensor) -> str:
    return " x ".join(map(str, tensor.shape)) or "one number"
