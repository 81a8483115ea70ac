"""What adapters do to features: of both modalities, of one alone, and the gradients of what they train."""

from __future__ import annotations

import torch
from library_models import FAMILIES, PICTURE
from summary import Numbers, dropout_rates, filled, gradients, loss_of, noise, portable_draws, summary, under

from adapters.contract import encode, perturbed
from adapters.toy import ToyBackbone
from backbones.pictures import PictureSpec
from benchmark.model.build import build_scheme
from registry import Component
from registry.vocabulary import MODALITIES, Streams

SEGMENTS = 3
VARIANTS = {
    "stg_cma": [
        "stg_cma(ratio=0.25)",
        "stg_cma(ratio=0.25, exchange=False)",
        "stg_cma(ratio=0.25, position='embedding', drop_path=0.2, train_final_norm=True)",
        "stg_cma(ratio=(0.5, 0.25), every=2, position='bias', drop_path=0.2, drop_whole_batch=True)",
        "stg_cma(ratio=0.25, mlp_adapter='parallel', drop_path=0.2)",
        "stg_cma(ratio=0.25, modality='audio')",
    ],
    "bottleneck": ["bottleneck(ratio=0.25, mlp_adapter='parallel')"],
    "lavish": [
        "lavish(latents=8, groups=4, batch_norm=False, norm_before=False, norm_after=False, train_norms=True)",
        "lavish(latents=6, latent_start='zeros', groups=4, batch_norm=False, train_norms=True)",
        "lavish(latents=4, latent_start='zeros', reduction=4, batch_norm=False, norm_before=False, gate_first=True, "
        "gate_audio=False)",
        "lavish(exchange=False, activation=False, drop_path=0.2)",
    ],
    "dg_sct": [
        "dg_sct(latents=4, wiring='paired', projection='full', pooling='attention')",
        "dg_sct(latents=4, latent_start='zeros', reduction=4, batch_norm=False, norm_before=False, gate_first=True, "
        "gate_audio=False, channel_share=0.2, token_share=0.1, projection='resized', drop_path=0.2)",
    ],
    "avmoe": [
        "avmoe(latents=4, wiring='paired', projection='full', balance=0.5)",
        "avmoe(cross=2, unimodal=2, skip=1, latents=4, groups=4, batch_norm=False, gate_audio=False, "
        "self_attention='frames')",
        "avmoe(latents=4, reduction=2, self_attention='latents')",
        "avmoe(latents=4, self_attention='tokens', drop_path=0.2)",
    ],
    "cola": ["cola(rank=4, alpha=6.0, cross_scale=0.5, reduction=4, every=2, summary='mean')"],
    "lora": ["lora(rank=4, alpha=6.0, sites=('qkv', 'proj', 'fc1', 'fc2'))"],
    "adaptformer": ["adaptformer(hidden=8, scale=0.5, dropout=0.1)"],
    "deep_prompts": ["deep_prompts(prompts=3)"],
}
"""What is measured beside the defaults; on the family with windows the defaults and the first of these."""


def on_toy(name: str) -> Numbers:
    """Every variant on the backbone that is nothing but the block protocol."""
    return _all([name, *VARIANTS.get(name, [])], filled(ToyBackbone()))


def on_swin(name: str) -> Numbers:
    """On windows and two stages."""
    family = FAMILIES["swin"]
    model = filled(family.build(embed_dim=32))
    return _all([name, *VARIANTS.get(name, [])[:1]], family.read(model, PICTURE))


def _all(texts: list[str], backbone: object) -> Numbers:
    return {k: v for text in texts for k, v in under(text, _of(Component.parse(text), backbone)).items()}


def _of(component: Component, backbone: object) -> Numbers:
    torch.manual_seed(0)
    scheme = perturbed(build_scheme(component, backbone, SEGMENTS))
    modality = component.options.get("modality", "both")
    pictures = _pictures(backbone, MODALITIES if modality == "both" else (modality,))
    numbers = dropout_rates(scheme)
    with torch.no_grad():
        for m, features in encode(scheme, backbone, pictures).items():
            numbers |= {f"{m} tokens": summary(features.tokens), f"{m} pooled": summary(features.pooled)}
        if len(pictures) > 1:
            for m, picture in pictures.items():
                numbers[f"{m} alone"] = summary(encode(scheme, backbone, {m: picture})[m].tokens)
    if any(True for _ in scheme.parameters()):
        torch.manual_seed(1)
        for module in scheme.modules():
            module.training = not isinstance(module, torch.nn.Dropout)
        with portable_draws():
            features = encode(scheme, backbone, pictures)
        numbers |= {f"{m} tokens while training": summary(f.tokens) for m, f in features.items()}
        loss = loss_of(part for f in features.values() for part in (f.tokens, f.pooled))
        penalty = scheme.penalty()
        if penalty is not None:
            numbers["penalty"] = summary(penalty)
            loss = loss + penalty
        loss.backward()
        numbers |= gradients(scheme)
    return numbers


def _pictures(backbone: object, modalities: tuple[str, ...]) -> Streams:
    side = backbone.picture.size if isinstance(backbone.picture, PictureSpec) else backbone.picture
    return {m: noise(2, SEGMENTS, 3, side, side, seed=m) for m in modalities}
