"""STG-CMA block by block against tensors recorded from the official classes."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from open_clip.transformer import QuickGELU
from torch import Tensor, nn

from adapters.stg_cma import StgCma
from backbones.attention import Attention, DotProduct
from backbones.block import Block, Mlp, Pair
from backbones.pictures import PictureSpec, square_sound
from backbones.stem import PatchStem
from backbones.swin import read_swin

GOLDEN = Path(__file__).parents[1] / "golden" / "stg_cma"
MODALITIES = ("visual", "audio")

# Recorded names, as patterns -> ours.
ADAPTER_NAMES = {
    r"temporal_adapter_(\w+)\.": r"temporal.\1.bottleneck.",
    r"spatial_adapter_(\w+)\.": r"spatial.bottleneck.\1.",
    r"global_adapter_(\w+)\.": r"joint.bottleneck.\1.",
    r"attn\.temporal_bias_table_(\w+)": r"temporal.\1.bias.table",
    r"gate_(\w+)": r"gates.\1.weight",
}


class Recorded:
    """One golden file."""

    def __init__(self, name: str) -> None:
        file = np.load(GOLDEN / f"{name}.npz")
        self.meta = json.loads(str(file["meta/config_json"]))
        self.tensors = {key: torch.from_numpy(file[key]) for key in file.files if not key.startswith("meta/")}
        self.present = [m for m in MODALITIES if f"input/{m}_tokens" in self.tensors]
        # The CLIP code keeps the sequence first, (L, B·T, D); Swin's keeps it second.
        self.sequence = 0 if self.meta["variant"] == "clip" else 1

    def ours(self, key: str) -> Tensor:
        """Recorded tokens as (B, T, L, D)."""
        return self.tensors[key].movedim(self.sequence, 1).unflatten(0, (self.meta["batch"], -1))

    def group(self, prefix: str) -> dict[str, Tensor]:
        return {k.removeprefix(prefix): v for k, v in self.tensors.items() if k.startswith(prefix)}

    def adapter(self, prefix: str) -> dict[str, Tensor]:
        """The scheme's own tensors under `prefix` by our names; `blocks.0.` is added where a file has one block."""
        found = {}
        for key, value in self.group(prefix).items():
            name = key if key.startswith("blocks.") else f"blocks.0.{key}"
            for pattern, replacement in ADAPTER_NAMES.items():
                renamed, hits = re.subn(pattern, replacement, name)
                if hits:
                    found[renamed] = value
        return found

    def scheme(self, blocks: list[nn.Module], **options: object) -> StgCma:
        scheme = StgCma(
            SimpleNamespace(blocks=blocks),
            ratio=self.meta["adapter_ratio"], segments=self.meta["frames"], exchange=self.meta["mode"] != "multimodal",
            **options,
        ).eval()  # fmt: skip
        missing, unexpected = scheme.load_state_dict(self.adapter("param/"), strict=False)
        assert not [name for name in unexpected if "gates" not in name]
        assert not [name for name in missing if not self.may_be_absent(name)]
        return scheme

    def may_be_absent(self, name: str) -> bool:
        """Files of one modality hold nothing of the other, nor the gates between them."""
        lone = len(self.present) == 1
        return lone and (".gates." in name or self.present[0] not in name)

    def check(self, key: str, value: Tensor) -> None:
        torch.testing.assert_close(value, self.ours(key), rtol=1e-4, atol=1e-4, msg=lambda m: f"{key}: {m}")

    def check_gradients(self, scheme: StgCma, inputs: dict[str, Tensor], outputs: dict[str, Tensor]) -> None:
        loss = sum((outputs[m] * self.ours(f"loss_weight/{m}_tokens")).sum() for m in self.present)
        torch.testing.assert_close(loss, self.tensors["output/loss"], rtol=1e-4, atol=1e-4)
        loss.backward()
        parameters, recorded = dict(scheme.named_parameters()), self.adapter("grad/")
        trained = {name for name, p in parameters.items() if p.grad is not None}
        assert trained == set(recorded)
        trained_gradients = {name: parameters[name].grad for name in recorded}
        torch.testing.assert_close(trained_gradients, recorded, rtol=1e-3, atol=5e-4)
        for m in self.present:
            torch.testing.assert_close(inputs[m].grad, self.ours(f"grad/input.{m}_tokens"), rtol=1e-3, atol=5e-4)


@pytest.mark.parametrize("mode", ["fusion", "multimodal", "videoonly", "audioonly"])
def test_clip_block_equals_the_official_one(mode):
    """Tolerances as recorded: 1e-4 for tokens, rtol 1e-3 and atol 5e-4 for gradients."""
    recorded = Recorded(f"clip_block_{mode}")
    block = clip_block(recorded)
    scheme = recorded.scheme([block])
    inputs = {m: recorded.ours(f"input/{m}_tokens").requires_grad_() for m in recorded.present}
    hidden = watch_hidden(scheme.blocks[0])
    outputs = scheme.forward_block(0, block, inputs)
    for m in recorded.present:
        recorded.check(f"output/{m}_tokens", outputs[m])
        if mode == "fusion":
            recorded.check(f"inter/spatial_hidden_after_exchange.{m}", hidden[f"spatial.{m}"])
            recorded.check(f"inter/global_hidden_after_exchange.{m}", hidden[f"joint.{m}"])
    recorded.check_gradients(scheme, inputs, outputs)


@pytest.mark.parametrize("mode", ["fusion", "multimodal"])
def test_swin_stage_equals_the_official_one(mode, monkeypatch):
    """An even and an odd (shifted) block, then patch merging, which is where our next stage begins."""
    # The recorded grid of 6 x 12 tokens belongs to no square frame.
    monkeypatch.setattr(PatchStem, "check", lambda *_: None)
    recorded = Recorded(f"swin_stage_{mode}")
    blocks = swin_blocks(recorded)
    scheme = recorded.scheme(blocks[:2], every=2, position="bias")
    inputs = {m: recorded.ours(f"input/{m}_tokens").requires_grad_() for m in recorded.present}
    streams = inputs
    for index in range(2):
        streams = scheme.forward_block(index, blocks[index], streams)
        for m in recorded.present:
            recorded.check(f"inter/blocks.{index}.after_global.{m}", streams[m])
    outputs = {m: blocks[2].enter(x) for m, x in streams.items()}
    for m in recorded.present:
        recorded.check(f"output/{m}_tokens", outputs[m])
    recorded.check_gradients(scheme, inputs, outputs)


def watch_hidden(block_adapter: nn.Module) -> dict[str, Tensor]:
    """What goes into each `up`: the hidden codes after the exchange."""
    seen: dict[str, Tensor] = {}
    for site in ("spatial", "joint"):
        for m in MODALITIES:
            up = getattr(block_adapter, site).bottleneck[m].up
            up.register_forward_pre_hook(lambda _, x, key=f"{site}.{m}": seen.__setitem__(key, x[0]))
    return seen


def clip_block(recorded: Recorded) -> Block:
    """The recorded frozen block."""
    meta, parameters = recorded.meta, recorded.group("param/")
    dim, heads = meta["dim"], meta["heads"]

    def load(module: nn.Module, name: str) -> nn.Module:
        module.load_state_dict({k: parameters[f"{name}.{k}"] for k in ("weight", "bias")})
        return module

    return Block(
        Attention(load(nn.Linear(dim, 3 * dim), "attn.qkv"), load(nn.Linear(dim, dim), "attn.out"), heads,
                  compare=DotProduct((dim // heads) ** -0.5)),
        Mlp(load(nn.Linear(dim, 4 * dim), "mlp.fc1"), QuickGELU(), load(nn.Linear(4 * dim, dim), "mlp.fc2")),
        before=Pair(load(nn.LayerNorm(dim), "ln_attn"), load(nn.LayerNorm(dim), "ln_mlp")),
        after=Pair(nn.Identity(), nn.Identity()),
    )  # fmt: skip


def swin_blocks(recorded: Recorded) -> list[Block]:
    """The recorded frozen stage, and the first block of the stage that follows, by way of timm and our reader."""
    from timm.models.swin_transformer import SwinTransformer

    meta = recorded.meta
    size = tuple(4 * side for side in meta["resolution"])
    model = SwinTransformer(img_size=size, embed_dim=meta["dim"], depths=(2, 1), num_heads=(meta["heads"],) * 2,
                            window_size=meta["window"], num_classes=0)  # fmt: skip
    renames = {"blocks.": "layers.0.blocks.", "merge.": "layers.1.downsample.", "ln_attn": "norm1", "ln_mlp": "norm2",
               "attn.out": "attn.proj", "window_bias_table": "relative_position_bias_table"}  # fmt: skip
    state = {}
    for key, value in recorded.group("param/").items():
        for old, new in renames.items():
            key = key.replace(old, new)
        state[key] = value
    left = model.load_state_dict(state, strict=False)
    assert all(re.search("adapter|gate|temporal", name) for name in left.unexpected_keys)
    spec = PictureSpec(size[0], (0.0,) * 3, (1.0,) * 3, square_sound(size[0], 0.0, 1.0))
    return list(read_swin(model, spec).blocks)
