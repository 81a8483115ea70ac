"""DG-SCT's golden files: an adapter alone, and whole models on one shared backbone in both orders of steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from torch import Tensor, nn

from adapters.beside import BesideBlock, PartnerProjection, Wiring
from adapters.dg_sct import DgSct, Guide, GuidedAdapter, token_attention
from adapters.scheme import AdapterScheme
from backbones.backbone import Backbone
from benchmark.model.encoder import Encoder
from benchmark.model.model import Precision
from benchmark.verify.comparison import GoldenReport
from benchmark.verify.golden import Golden
from benchmark.verify.lavish import watch_adapter
from benchmark.verify.lavish_models import ADAPTER_NAMES, LETTERS, build_backbone, set_norms
from benchmark.verify.loading import Names, Problems, fill, translate
from benchmark.verify.precision import Seen, autocast, check_modes, hold_weights, parameters_of
from benchmark.verify.watching import into, watch_input, watch_method, watch_output
from registry.vocabulary import Features, Modality

LOSS = 2e-5
"""In float32, from the README beside the files, relative."""

PROJECTION_NAMES: Names = {r"^(token|channel)_projection\.": r"projection.\1s."}
NAMES: Names = {
    **ADAPTER_NAMES,
    **PROJECTION_NAMES,
    r"^channel_query_context\.": "guide.channel_partner.",
    r"^channel_query_x\.": "guide.channel_own.",
    r"^channel_(code|out)\.": r"guide.channel_\1.",
    r"^spatial_query_context\.": "guide.token_partner.",
    r"^spatial_query_x\.": "guide.token_own.",
    r"^spatial_out\.": "guide.token_out.",
}
SITES = {"p1": "first", "p2": "second"}
MODALITY_LETTERS: dict[Modality, str] = {m: letter for letter, m in LETTERS.items()}


def check_adapter(golden: Golden, precision: Precision) -> GoldenReport:
    """Run an adapter alone and compare everything that is recorded of it.

    Raises:
        KeyError, TypeError, ValueError, RuntimeError: what the file says of its sizes describes no adapter.
    """

    def run(golden: Golden, mode: str, precision: Precision) -> tuple[Seen, Problems]:
        adapter, problems = _build_adapter(golden)
        seen: Seen = {}
        _watch(adapter, seen)

        def loss(out: Tensor) -> Tensor:
            assert adapter.logits is not None
            attention = token_attention(adapter.logits).mT
            seen.update({"spatial_attention": attention, "out": out})
            return weighed_sum(golden, {"out": out[0], "attention": attention[0]})

        return run_alone(golden, adapter, mode, precision, seen, loss, lambda name: translate(name, NAMES)), problems

    return check_modes(
        golden, precision, "dg_sct adapter", run, modes=("eval", "train"), loss=LOSS,
        weighed=lambda name: "spatial_attention" if name == "attention" else name,
    )  # fmt: skip


def check_shared(golden: Golden, precision: Precision) -> GoldenReport:
    """Run a whole model on one backbone and compare everything that is recorded of it.

    Raises:
        KeyError, TypeError, ValueError, RuntimeError: what the file says of its sizes describes no model.
    """

    def run(golden: Golden, wiring: str, precision: Precision) -> tuple[Seen, Problems]:
        meta = golden.meta
        backbone, problems = shared_backbone(golden)
        scheme = DgSct(
            backbone, **options_of(meta["adapter"]), channel_share=meta["alpha"], token_share=meta["beta"],
            wiring=cast(Wiring, wiring), projection="full", pooling="attention",
        )  # fmt: skip
        seen: Seen = {}
        for m, adapter in cast(BesideBlock, scheme.blocks[-1]).second.items():
            watch_attention(cast(GuidedAdapter, adapter), f"attention.{MODALITY_LETTERS[m]}", seen)  # type: ignore[index]
        return run_shared(golden, backbone, scheme, NAMES, precision, seen, lambda f: f.pooled, problems)

    what = f"dg_sct {golden.meta['family']} model"
    return check_modes(golden, precision, what, run, modes=golden.meta["wirings"], loss=LOSS, slack=slack_of(golden))


def weighed_sum(golden: Golden, outputs: dict[str, Tensor]) -> Tensor:
    """The recorded loss: Σ value · weight."""
    terms = [(value.float() * golden.tensors[f"loss/w_{name}"]).sum() for name, value in outputs.items()]
    return sum(terms[1:], terms[0])


def run_alone(
    golden: Golden,
    adapter: nn.Module,
    mode: str,
    precision: Precision,
    seen: Seen,
    loss: Callable[[Tensor], Tensor],
    ours: Callable[[str], str],
) -> Seen:
    """An adapter on `input/x` and `input/context`, frames as the segments of one clip, there and back."""
    adapter.train(mode == "train")
    inputs = {k: golden.tensors[f"input/{k}"].float()[None].clone().requires_grad_() for k in ("x", "context")}
    with autocast(precision):
        out = adapter(inputs["x"], inputs["context"])
    total = loss(out)
    total.backward()
    seen |= {f"grad/{name}": x.grad for name, x in inputs.items() if x.grad is not None}
    found = {key: x.float().flatten(0, 1) for key, x in seen.items()} | {"loss": total.view(1)}
    return found | parameters_of(adapter, {name: ours(name) for name in golden.group("param/")})


def shared_backbone(golden: Golden) -> tuple[Backbone, Problems]:
    """The backbone of a file of a whole model."""
    meta = golden.meta
    return build_backbone(golden, meta["family"], meta["kwargs"], meta["adapter"]["sound"])


def slack_of(golden: Golden) -> float:
    """How much further than usual whole models in bfloat16 may be off.

    Where a ReLU silences both channels of a bottleneck of two, the layer norm behind it divides by next to nothing, and
    what bfloat16 rounds to zero or just above decides all that follows.
    """
    return 5.0 if golden.meta["kwargs"]["embed_dim"] // golden.meta["adapter"]["r"] <= 2 else 1.0


def options_of(adapter: dict[str, Any]) -> dict[str, Any]:
    """Options that a scheme shares with LAVISH, from the file's short names."""
    return {
        "latents": adapter["t"],
        "groups": adapter["groups"],
        "reduction": adapter["r"],
        "batch_norm": bool(adapter["bn"]),
    }


def run_shared(
    golden: Golden,
    backbone: Backbone,
    scheme: AdapterScheme,
    names: Names | Callable[[str], str],
    precision: Precision,
    seen: Seen,
    pooled: Callable[[Features], Tensor],
    problems: Problems,
) -> tuple[Seen, Problems]:
    """Both streams through a backbone with adapters beside its blocks, there and back."""

    def ours(recorded: str) -> str:
        letter, site, block, name = recorded.split(".", 3)
        inner = names(name) if callable(names) else translate(name, names)
        return f"blocks.{block}.{SITES[site]}.{LETTERS[letter]}.{inner}"

    recorded = golden.group("param/adapter.")
    problems |= fill(scheme, {ours(name): value.float() for name, value in recorded.items()})
    scheme.eval()
    hold_weights([backbone], precision)
    for index, beside in enumerate(scheme.blocks):  # type: ignore[arg-type]
        _watch_block(beside, index, seen)
    inputs = {name: golden.tensors[f"input/{name}"].float().clone().requires_grad_() for name in ("vis", "audio")}
    sound = inputs["audio"][:, :, None].expand(-1, -1, 3, -1, -1)
    with autocast(precision):
        features = Encoder(backbone, scheme)({"visual": inputs["vis"], "audio": sound})
    for m, f in features.items():
        seen |= {f"tokens.{MODALITY_LETTERS[m]}": f.tokens, f"pooled.{MODALITY_LETTERS[m]}": pooled(f)}
    found = {key: x.float().flatten(0, 1) for key, x in seen.items()}
    loss = weighed_sum(golden, {key: found[key] for key in golden.group("loss/w_")})
    loss.backward()
    found |= {"loss": loss.view(1)} | {f"grad/input.{k}": x.grad for k, x in inputs.items() if x.grad is not None}
    return found | parameters_of(scheme, {f"adapter.{name}": ours(name) for name in recorded}), problems


def _watch_block(beside: BesideBlock, index: int, seen: Seen) -> None:
    """Streams before the first block, and in the middle and at the end of each."""
    for m, letter in MODALITY_LETTERS.items():
        if index == 0:
            watch_input(beside.first[m], into(seen, f"embed.{letter}"))
        watch_input(beside.second[m], into(seen, f"block{index}.{letter}_mid"))
    watch_output(
        beside,
        lambda streams: seen.update({f"block{index}.{MODALITY_LETTERS[m]}_out": x for m, x in streams.items()}),
    )


def watch_attention(adapter: GuidedAdapter, key: str, seen: Seen) -> None:
    watch_method(adapter.guide, "forward", lambda result, *_: seen.update({key: token_attention(result[1]).mT}))


def build_projection(meta: dict[str, Any]) -> PartnerProjection | None:
    """What brings the partner of an adapter to its tokens and width; None where the file has nothing of the kind."""
    if meta["token_map"] == "none":
        return None
    return PartnerProjection((meta["D"], meta["Dc"]), (meta["Lx"], meta["Lc"]), meta["token_map"])


def _build_adapter(golden: Golden) -> tuple[GuidedAdapter, Problems]:
    meta = golden.meta
    adapter = GuidedAdapter(
        meta["D"],
        Guide(meta["D"], meta["alpha"], meta["beta"]),
        build_projection(meta),
        latents=meta["num_tokens"],
        reduction=meta["reduction"],
        groups=meta["groups"],
        batch_norm=bool(meta["bn"]),
        norm_before=bool(meta["ln_pre"]),
        norm_after=bool(meta["ln_post"]),
        activation=bool(meta["relu"]),
        gate=bool(meta["gate_out"]),
        gate_first=bool(meta["gate_before_ln_post"]),
    )
    adapter.remembers = True
    set_norms(adapter, meta)
    return adapter, fill(adapter, {translate(k, NAMES): v.float() for k, v in golden.group("param/").items()})


def _watch(adapter: GuidedAdapter, seen: Seen) -> None:
    """Record every step of an adapter, (B, T, …) as our modules have it."""
    watch_adapter(adapter, seen, entering="x_modulated")

    def guided(result: tuple[Tensor, Tensor], x: Tensor, partner: Tensor) -> None:
        seen.update({"x_fused": x, "context_mapped": partner, "spatial_logits": result[1]})

    watch_method(adapter.guide, "forward", guided)
    watch_method(adapter.guide, "query", lambda query, _, mean: seen.update({"context_mean": mean}))
    watch_method(
        adapter.guide, "channels", lambda channels, query: seen.update(channel_map=channels, channel_product=query)
    )
