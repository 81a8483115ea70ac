"""LAVISH against tensors recorded from the official modules, and its options."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from adapters.lavish import LatentAdapter, Lavish
from adapters.toy import ToyBackbone
from registry import UserError

GOLDEN = Path(__file__).parents[1] / "golden" / "lavish"

# Recorded name -> ours.
NAMES = {
    "latent_tokens": "reader.latents",
    "gate_attn": "reader.gate.weight",
    "gate_out": "bottleneck.gate.weight",
    "down_weight": "bottleneck.down.weight",
    "up_weight": "bottleneck.up.weight",
    "bn_down": "bottleneck.batch_norm_down",
    "bn_up": "bottleneck.batch_norm_up",
    "ln_pre": "bottleneck.norm_before",
    "ln_post": "bottleneck.norm_after",
}
# What an intermediate value is called there -> the step of the bottleneck that puts it out.
STEPS = {"down_in": "norm_before", "down_out": "down", "bn_down_out": "batch_norm_down", "up_in": "activation",
         "up_out": "up", "bn_up_out": "batch_norm_up"}  # fmt: skip


def our_name(recorded: str) -> str:
    head, _, tail = recorded.partition(".")
    return f"{NAMES[head]}.{tail}" if tail else NAMES[head]


class Recorded:
    """One golden file and the adapter that it describes."""

    def __init__(self, kind: str) -> None:
        file = np.load(GOLDEN / f"adapter_{kind}.npz")
        self.tensors = {key: torch.from_numpy(file[key]) for key in file.files if key != "meta/json"}
        meta = json.loads(str(file["meta/json"]))
        avs = kind == "avs"
        self.adapter = LatentAdapter(
            meta["D"], latents=meta["num_tokens"], reduction=meta["reduction"], groups=meta["groups"],
            batch_norm=meta["bn"], norm_before=meta["ln_pre"] and not avs, norm_after=meta["ln_post"],
            activation=kind != "unimodal_ave", gate=meta["gate_out"], gate_first=avs,
        )  # fmt: skip
        ours = {our_name(k): v for k, v in self.group("param/").items()}
        # The AVS adapter creates a norm before the bottleneck that it never applies.
        ours = {k: v for k, v in ours.items() if not (avs and "norm_before" in k)}
        missing, unexpected = self.adapter.load_state_dict(ours, strict=False)
        assert not unexpected
        assert all(name.endswith("num_batches_tracked") for name in missing)

    def group(self, prefix: str) -> dict[str, torch.Tensor]:
        return {key.removeprefix(prefix): value for key, value in self.tensors.items() if key.startswith(prefix)}

    def input(self, name: str) -> torch.Tensor | None:
        tensor = self.tensors.get(f"input/{name}")
        # (N, L, D) -> (B, T, L, D)
        return None if tensor is None else tensor.unflatten(0, (2, -1)).requires_grad_()


CASES = [
    *((kind, "eval") for kind in ("ave", "plain", "avqa", "avs", "unimodal_ave", "unimodal_avqa")),
    *((kind, "train") for kind in ("ave", "unimodal_ave", "unimodal_avqa")),
]


@pytest.mark.parametrize(("kind", "mode"), CASES)
def test_adapter_equals_the_official_one(kind, mode):
    """Tolerances as recorded with the files: 1e-4 forward, 1e-5 relative on the loss, 1e-4 of the largest gradient."""
    recorded = Recorded(kind)
    adapter = recorded.adapter.train(mode == "train")
    seen = {}
    for key, step in STEPS.items():
        if hasattr(adapter.bottleneck, step):
            step_module = getattr(adapter.bottleneck, step)
            step_module.register_forward_hook(lambda _m, _i, out, key=key: seen.__setitem__(key, out))
    x, context = recorded.input("x"), recorded.input("context")
    out = adapter(x, context)
    expected = recorded.group(f"{mode}/")
    for key, value in {**seen, "out": out}.items():
        if key in expected:
            torch.testing.assert_close(value.flatten(0, 1), expected[key], rtol=0, atol=1e-4)

    loss = (out.flatten(0, 1) * recorded.tensors["loss/w_out"]).sum()
    torch.testing.assert_close(loss.view(1), expected["loss"], rtol=1e-5, atol=0)
    loss.backward()
    gradients = {our_name(k): v for k, v in recorded.group(f"{mode}/grad/").items() if k not in ("x", "context")}
    parameters = dict(adapter.named_parameters())
    assert set(gradients) == set(parameters)
    ours = {name: parameters[name].grad for name in gradients}
    inputs = {f"input {k}": t.grad.flatten(0, 1) for k, t in (("x", x), ("context", context)) if t is not None}
    gradients |= {name: expected[f"grad/{name.removeprefix('input ')}"] for name in inputs}
    scale = max(float(g.abs().max()) for g in gradients.values())
    for name, value in (ours | inputs).items():
        torch.testing.assert_close(value, gradients[name], rtol=0, atol=1e-4 * scale, msg=lambda m, n=name: f"{n}: {m}")

    for key, value in recorded.group(f"{mode}/after/").items():
        torch.testing.assert_close(adapter.state_dict()[our_name(key)], value, rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    ("dim", "layers", "expected"), [(768, 12, 3_843_168), (1024, 24, 13_394_112)], ids=["ViT-B", "ViT-L"]
)
def test_parameters_of_the_published_settings(dim, layers, expected):
    """Counted from the official modules with two latents, reduction 8, two groups, batch norm, both norms and gates."""
    with torch.device("meta"):
        adapter = LatentAdapter(dim)
    assert 4 * layers * sum(p.numel() for p in adapter.parameters()) == expected


def test_both_modalities_look_before_either_moves():
    """With the adapters equal, a step on swapped streams is the swapped step; sequential updates would break this."""
    backbone = ToyBackbone()
    scheme = Lavish(backbone).eval()
    with torch.no_grad():
        for site in (scheme.beside_attention[0], scheme.beside_mlp[0]):
            site.adapters["audio"].load_state_dict(site.adapters["visual"].state_dict())
            for adapter in site.adapters.values():
                adapter.bottleneck.gate.weight.fill_(1.0)
                adapter.reader.gate.weight.fill_(1.0)
    one, two = torch.randn(2, 2, 3, 4, 32)
    straight = scheme.forward_block(0, backbone.blocks[0], {"visual": one, "audio": two})
    swapped = scheme.forward_block(0, backbone.blocks[0], {"visual": two, "audio": one})
    assert torch.equal(straight["visual"], swapped["audio"])
    assert torch.equal(straight["audio"], swapped["visual"])


def test_without_exchange_the_partner_is_not_read():
    scheme = Lavish(ToyBackbone(), exchange=False)
    assert not [name for name, _ in scheme.named_parameters() if "reader" in name]


def test_only_audio_can_lose_its_gate():
    gates = [
        name for name, _ in Lavish(ToyBackbone(), gate_audio=False).named_parameters() if "bottleneck.gate" in name
    ]
    assert len(gates) == 6
    assert all("visual" in name for name in gates)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"groups": 3}, "use groups=1"),
        ({"reduction": 64}, "reduction 1, 2, 3, 4, 8, 12, 16 would do"),
        ({"latents": 0}, "exchange=False"),
        ({"latent_start": "ones"}, "uniform, zeros"),
    ],
)
def test_a_setting_that_cannot_work_is_refused_with_the_mend(options, words):
    with pytest.raises(UserError, match=words):
        Lavish(ToyBackbone(dim=32), **options)
