"""LAVISH against the official code: its adapter alone, and whole small models from pixels to pooled features."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from adapters.contract import encode
from adapters.lavish import LatentAdapter, Lavish
from backbones.backbone import Backbone
from backbones.pictures import PictureSpec, SoundPicture
from backbones.swin_v2 import read_swin_v2
from backbones.vit import read_vit

GOLDEN = Path(__file__).parents[1] / "golden" / "lavish"
LETTERS = {"a": "audio", "v": "visual"}
SITES = {"p1": "beside_attention", "p2": "beside_mlp"}
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


class RecordedAdapter:
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
    recorded = RecordedAdapter(kind)
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


class RecordedModel:
    """One golden file: the backbone that it describes under LAVISH."""

    def __init__(self, kind: str) -> None:
        file = np.load(GOLDEN / f"{kind}_tiny.npz")
        self.meta = json.loads(str(file["meta/json"]))
        self.tensors = {key: torch.from_numpy(file[key]) for key in file.files if key != "meta/json"}
        self.backbone = self._backbone()
        self.scheme = Lavish(self.backbone, latents=self.meta["num_tokens"], groups=self.meta["groups"])
        missing, unexpected = self.scheme.load_state_dict(self.adapter("param/"), strict=False)
        assert not unexpected
        assert all(name.endswith("num_batches_tracked") for name in missing)

    def group(self, prefix: str) -> dict[str, Tensor]:
        return {k.removeprefix(prefix): v for k, v in self.tensors.items() if k.startswith(prefix)}

    def adapter(self, prefix: str) -> dict[str, Tensor]:
        """The scheme's tensors under `prefix`: `adapter.{letter}.{site}.{block}.{name}` by our names."""
        found = {}
        for key, value in self.group(f"{prefix}adapter.").items():
            letter, site, block, name, *rest = key.split(".")
            ours = our_name(".".join((name, *rest)))
            found[f"{SITES[site]}.{block}.adapters.{LETTERS[letter]}.{ours}"] = value
        return found

    def pictures(self) -> dict[str, Tensor]:
        sound = self.tensors["input/audio"][:, :, None].expand(-1, -1, 3, -1, -1)
        return {"visual": self.tensors["input/vis"], "audio": sound}

    def _backbone(self) -> Backbone:
        from timm.models.swin_transformer_v2 import SwinTransformerV2
        from timm.models.vision_transformer import VisionTransformer

        options = self.meta["backbone"] | {"num_classes": 0}
        model: nn.Module = (VisionTransformer if self.meta["kind"] == "vit" else SwinTransformerV2)(**options)
        model.load_state_dict(self.group("param/backbone."))
        rows, columns = self.meta["audio_hw"]
        picture = PictureSpec(options["img_size"], (0.0,) * 3, (1.0,) * 3, SoundPicture(columns, 10.0, rows, 0.0, 1.0))
        if self.meta["kind"] == "vit":
            return read_vit(model, picture, positions="linear")
        return read_swin_v2(model, picture)


@pytest.mark.parametrize("mode", ["eval", "train"])
@pytest.mark.parametrize("kind", ["vit", "swin"])
def test_whole_model_equals_the_official_one(kind, mode):
    """Tolerances as recorded with the files: 1e-4 forward, 1e-4 of the largest gradient."""
    recorded = RecordedModel(kind)
    scheme, expected = recorded.scheme.train(mode == "train"), recorded.group(f"{mode}/")
    features = encode(scheme, recorded.backbone, recorded.pictures())
    order = [LETTERS[letter] for letter in recorded.meta["pooled_order"].split(",")]
    pooled = torch.cat([features[m].pooled for m in order], dim=-1).flatten(0, 1)
    torch.testing.assert_close(pooled, expected["pooled"], rtol=0, atol=1e-4)

    head = recorded.group("param/head.")
    hidden = nn.functional.linear(pooled, head["fc1.weight"], head["fc1.bias"])
    probabilities = nn.functional.linear(hidden, head["fc2.weight"], head["fc2.bias"]).softmax(dim=-1)
    loss = (probabilities * recorded.tensors["loss/w_probs"]).sum() + (pooled * recorded.tensors["loss/w_pooled"]).sum()
    loss.backward()
    gradients = {name: parameter.grad for name, parameter in scheme.named_parameters()}
    wanted = recorded.adapter(f"{mode}/grad/")
    scale = max(float(gradient.abs().max()) for gradient in wanted.values())
    torch.testing.assert_close(gradients, wanted, rtol=0, atol=1e-4 * scale)

    after = {name: scheme.state_dict()[name] for name in recorded.adapter(f"{mode}/after/")}
    torch.testing.assert_close(after, recorded.adapter(f"{mode}/after/"), rtol=0, atol=1e-4)
