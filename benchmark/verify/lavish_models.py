"""From LAVISH's golden files to live parts: an adapter alone, or backbone, scheme and head."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from timm.models.swin_transformer_v2 import SwinTransformerV2
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from adapters.lavish import LatentAdapter, Lavish
from backbones.backbone import Backbone
from backbones.families.swin_v2 import read_swin_v2
from backbones.families.vit import read_vit
from backbones.pictures import PictureSpec, SoundPicture
from benchmark.verify.golden import Golden
from benchmark.verify.loading import Names, Problems, fill, translate
from registry.vocabulary import Modality
from tasks.event_localisation.paper_heads import LavishClassifier

LETTERS: dict[str, Modality] = {"a": "audio", "v": "visual"}
SITES = {"p1": "beside_attention", "p2": "beside_mlp"}
ADAPTER_NAMES: Names = {
    r"^latent_tokens$": "reader.latents",
    r"^gate_attn$": "reader.gate.weight",
    r"^gate_out$": "bottleneck.gate.weight",
    r"^(down|up)_weight$": r"bottleneck.\1.weight",
    r"^bn_(down|up)\.": r"bottleneck.batch_norm_\1.",
    r"^ln_pre\.": "bottleneck.norm_before.",
    r"^ln_post\.": "bottleneck.norm_after.",
}
HEAD_NAMES: Names = {r"^fc1\.": "classify.0.", r"^fc2\.": "classify.1."}


class Switches:
    """What distinguishes the authors' AVE, AVQA and AVS adapters, read from a file's switches and values."""

    def __init__(self, golden: Golden) -> None:
        meta, keys = golden.meta, golden.tensors.keys()
        note = str(meta.get("note", ""))
        self.exchange = bool(meta.get("multimodal", True))
        inside = [v for k, v in golden.tensors.items() if k.endswith("/up_in")]
        # Only AVE without exchange has no ReLU; what went into `up` shows it, where it was recorded.
        self.activation = self.exchange or not (
            any(bool((x < 0).any()) for x in inside) if inside else note.startswith("AVE")
        )
        # AVS gates before the last norm and never applies the first, so the value between is not recorded apart.
        silent = any(k.endswith("/down_in") for k in keys) and not any(k.endswith("/x_fused") for k in keys)
        self.gate_first = silent or note.startswith("AVS")
        self.norm_before = bool(meta["ln_pre"]) and not (self.gate_first and self.exchange)
        self.unused = ("ln_pre.",) if self.gate_first and self.exchange else ()

    def options(self, meta: dict[str, Any]) -> dict[str, Any]:
        """The options that an adapter and the scheme share."""
        return {
            "reduction": meta["reduction"],
            "groups": meta["groups"],
            "batch_norm": bool(meta["bn"]),
            "norm_before": self.norm_before,
            "norm_after": bool(meta["ln_post"]),
            "activation": self.activation,
            "gate_first": self.gate_first,
        }


def build_adapter(golden: Golden) -> tuple[LatentAdapter, Problems]:
    """The adapter of a file, with its parameters.

    Raises:
        KeyError, TypeError, ValueError, RuntimeError: what the file says of its sizes describes no adapter.
    """
    meta, switches = golden.meta, Switches(golden)
    adapter = LatentAdapter(
        meta["D"],
        latents=meta["num_tokens"] if switches.exchange else 0,
        gate=bool(meta["gate_out"]),
        **switches.options(meta),
    )
    values = {
        translate(name, ADAPTER_NAMES): value.float()
        for name, value in golden.group("param/").items()
        if not name.startswith(switches.unused)
    }
    set_norms(adapter, meta)
    return adapter, fill(adapter, values)


def build_model(golden: Golden) -> tuple[Backbone, Lavish, LavishClassifier, Problems]:
    """The backbone, scheme and head of a file, with their parameters.

    Raises:
        KeyError, TypeError, ValueError, RuntimeError: what the file says of its sizes describes no model.
    """
    meta, switches = golden.meta, Switches(golden)
    sizes, eps = meta["backbone"], meta.get("backbone_ln_eps")
    backbone, problems = build_backbone(golden, meta["kind"], sizes, meta["audio_hw"], eps)
    scheme = Lavish(
        backbone,
        latents=meta["num_tokens"] or 1,
        exchange=switches.exchange,
        gate_audio=bool(meta.get("gate_out_audio", True)),
        **switches.options(meta),
    )
    set_norms(scheme, meta)
    values = {
        scheme_name(name): value.float()
        for name, value in golden.group("param/adapter.").items()
        if not name.split(".", 3)[-1].startswith(switches.unused)
    }
    problems |= fill(scheme, values)
    order = [LETTERS[letter.strip()] for letter in meta["pooled_order"].split(",")]
    fc1, fc2 = (golden.tensors[f"param/head.{layer}.weight"] for layer in ("fc1", "fc2"))
    head = LavishClassifier(backbone.dim, len(fc2), order, hidden=len(fc1))
    problems |= fill(head, {translate(k, HEAD_NAMES): v.float() for k, v in golden.group("param/head.").items()})
    return backbone, scheme, head, problems


def scheme_name(recorded: str) -> str:
    """`{letter}.{site}.{block}.{name}` in our names."""
    letter, site, block, name = recorded.split(".", 3)
    return f"{SITES[site]}.{block}.adapters.{LETTERS[letter]}.{translate(name, ADAPTER_NAMES)}"


def set_norms(added: nn.Module, meta: dict[str, Any]) -> None:
    """The small numbers of the adapters' norms, as recorded."""
    for module in added.modules():
        if isinstance(module, nn.BatchNorm1d):
            module.eps, module.momentum = meta.get("bn_eps", module.eps), meta.get("bn_momentum", module.momentum)
        elif isinstance(module, nn.LayerNorm):
            module.eps = meta.get("adapter_ln_eps", meta.get("ln_eps", module.eps))


def build_backbone(
    golden: Golden, kind: str, sizes: Mapping[str, Any], sound: Sequence[int], eps: float | None = None
) -> tuple[Backbone, Problems]:
    """A timm model with the recorded parameters, read; positions fit sound as in LAVISH.

    Args:
        kind: `vit` or `swin`, which is Swin v2.
        sizes: arguments of the timm class.
        sound: rows and columns of sound pictures.
        eps: of its layer norms; None leaves the library's.

    Raises:
        KeyError, TypeError, ValueError, RuntimeError: what the file says of its sizes describes no model.
    """
    build: Any = {"vit": VisionTransformer, "swin": SwinTransformerV2}[kind]
    plain = {name: value for name, value in sizes.items() if _is_plain(value)}
    unknown = sizes.keys() - (plain.keys() & inspect.signature(build).parameters.keys())
    if unknown:
        raise ValueError(f"backbone option {', '.join(sorted(unknown))} is unknown or no number.")
    model = build(**plain, num_classes=0)
    for module in model.modules():
        if isinstance(module, nn.LayerNorm) and eps is not None:
            module.eps = eps
    values: dict[str, Tensor] = {k: v.float() for k, v in golden.group("param/backbone.").items()}
    problems = fill(model, values)
    rows, columns = sound
    picture = PictureSpec(plain["img_size"], (0.0,) * 3, (1.0,) * 3, SoundPicture(columns, 10.0, rows, 0.0, 1.0))
    if kind == "vit":
        return read_vit(model, picture, positions="linear"), problems
    return read_swin_v2(model, picture), problems


def _is_plain(value: Any) -> bool:
    return isinstance(value, int | float) or (
        isinstance(value, list) and all(isinstance(v, int | float) for v in value)
    )
