"""STG-CMA once more, from the specification's equations and nothing of the project: writes golden-like files.

Plain functions over a dictionary of parameters by the files' names. Frames are (G, N, D), G = B · T with B outside.
"""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

MODES = {"fusion": "va", "multimodal": "va", "videoonly": "v", "audioonly": "a"}
LONG = {"v": "visual", "a": "audio"}


class Reference:
    """Draws every parameter where it is first used, and keeps everything that a file holds."""

    def __init__(self, seed: int, mode: str, batch: int, frames: int, **meta: Any) -> None:
        self.generator = torch.Generator().manual_seed(seed)
        self.meta = {"mode": mode, "batch": batch, "frames": frames, **meta}
        self.streams, self.fusion = MODES[mode], mode == "fusion"
        self.batch, self.frames = batch, frames
        self.parameters: dict[str, torch.Tensor] = {}
        self.trained: set[str] = set()
        self.kept: dict[str, torch.Tensor] = {}

    def draw(self, *shape: int, scale: float = 1.0) -> torch.Tensor:
        return scale * torch.randn(*shape, generator=self.generator)

    def p(self, name: str, *shape: int, scale: float = 0.3, shift: float = 0.0, train: bool = False) -> torch.Tensor:
        if name not in self.parameters:
            self.parameters[name] = (self.draw(*shape, scale=scale) + shift).requires_grad_(train)
            if train:
                self.trained.add(name)
        return self.parameters[name]

    def linear(self, x, name, out, train=False):
        width = x.shape[-1]
        weight = self.p(f"{name}.weight", out, width, scale=width**-0.5, train=train)
        return x @ weight.T + self.p(f"{name}.bias", out, train=train)

    def norm(self, x, name, train=False):
        d = x.shape[-1]
        centred = x - x.mean(-1, keepdim=True)
        unit = centred / (centred.square().mean(-1, keepdim=True) + 1e-5).sqrt()
        return unit * self.p(f"{name}.weight", d, shift=1.0, train=train) + self.p(f"{name}.bias", d, train=train)

    def attention(self, x, name, heads, bias=None):
        """x (S, N, D); bias broadcasts to (S, heads, N, N)."""
        s, n, d = x.shape
        q, k, v = self.linear(x, f"{name}.qkv", 3 * d).reshape(s, n, 3, heads, d // heads).permute(2, 0, 3, 1, 4)
        logits = q @ k.transpose(-1, -2) / math.sqrt(d // heads)
        logits = logits if bias is None else logits + bias
        mixed = (logits.softmax(-1) @ v).transpose(1, 2).reshape(s, n, d)
        return self.linear(mixed, f"{name}.out", d)

    def code(self, x, name, hidden):
        z = self.linear(x, f"{name}.down", hidden, train=True)
        return 0.5 * z * (1 + torch.erf(z / math.sqrt(2)))

    def exchange(self, codes, pre):
        if not self.fusion:
            return codes
        gates = {s: self.p(f"{pre}gate_{LONG[s]}", 1, train=True) for s in "va"}
        va = (codes["v"] @ codes["a"].transpose(-1, -2)).softmax(-1)
        av = (codes["a"] @ codes["v"].transpose(-1, -2)).softmax(-1)
        return {
            "v": codes["v"] + gates["v"] * (va @ codes["a"]),
            "a": codes["a"] + gates["a"] * (av @ codes["v"]),
        }

    def up(self, code, name, d):
        return self.linear(code, f"{name}.up", d, train=True)

    def in_time(self, x):
        """(G, N, D) -> (B · N, T, D)"""
        return x.reshape(self.batch, self.frames, *x.shape[1:]).transpose(1, 2).flatten(0, 1)

    def out_of_time(self, x, n):
        return x.reshape(self.batch, n, self.frames, -1).transpose(1, 2).flatten(0, 1)

    def keep(self, key, xs, sequence_first=False):
        for s, x in xs.items():
            self.kept[f"inter/{key}.{LONG[s]}"] = x.transpose(0, 1) if sequence_first else x

    def clip_block(self, xs, pre, heads, hidden):
        for s, x in xs.items():
            y = self.attention(self.in_time(self.norm(x, f"{pre}ln_attn")), f"{pre}attn", heads)
            name = f"{pre}temporal_adapter_{LONG[s]}"
            xs = xs | {s: x + self.out_of_time(self.up(self.code(y, name, hidden), name, x.shape[-1]), x.shape[1])}
        self.keep(f"{pre}after_temporal", xs, True)
        attend = {s: self.attention(self.norm(x, f"{pre}ln_attn"), f"{pre}attn", heads) for s, x in xs.items()}
        xs = self.adapt(xs, attend, pre, "spatial", hidden, sequence_first=True)
        self.keep(f"{pre}after_spatial", xs, True)
        xs = self.adapt(xs, {s: self.quick_mlp(x, pre) for s, x in xs.items()}, pre, "global", hidden, True)
        self.keep(f"{pre}after_global", xs, True)
        return xs

    def quick_mlp(self, x, pre):
        z = self.linear(self.norm(x, f"{pre}ln_mlp"), f"{pre}mlp.fc1", 3 * x.shape[-1])
        return self.linear(z * torch.sigmoid(1.702 * z), f"{pre}mlp.fc2", x.shape[-1])

    def adapt(self, xs, branch, pre, site, hidden, sequence_first=False, window=None):
        names = {s: f"{pre}{site}_adapter_{LONG[s]}" for s in xs}
        codes = {s: self.code(b, names[s], hidden) for s, b in branch.items()}
        self.keep(f"{pre}{site}_hidden_before_exchange", codes, sequence_first)
        split, join = window or ((lambda x: x), (lambda x: x))
        after = {s: join(c) for s, c in self.exchange({s: split(c) for s, c in codes.items()}, pre).items()}
        self.keep(f"{pre}{site}_hidden_after_exchange", after, sequence_first)
        return {s: x + branch[s] + self.up(after[s], names[s], x.shape[-1]) for s, x in xs.items()}

    def swin_block(self, xs, pre, index, grid, window, heads, hidden):
        (rows, columns), t = grid, self.frames
        clipped = min(grid) <= window
        w, shift = (min(grid), 0) if clipped else (window, window // 2 if index % 2 else 0)
        if index % 2 == 0:
            for s, x in xs.items():
                table = self.p(f"{pre}attn.temporal_bias_table_{LONG[s]}", 2 * t - 1, heads, train=True)
                lag = torch.arange(t)[:, None] - torch.arange(t)[None, :] + t - 1
                y = self.attention(
                    self.in_time(self.norm(x, f"{pre}ln_attn")), f"{pre}attn", heads, table[lag].permute(2, 0, 1)
                )
                name = f"{pre}temporal_adapter_{LONG[s]}"
                xs = xs | {s: x + self.out_of_time(self.up(self.code(y, name, hidden), name, x.shape[-1]), x.shape[1])}
            self.keep(f"{pre}after_temporal", xs)

        # Which tokens form window g: positions in the rolled grid, by explicit enumeration.
        sets, regions = [], []
        for top in range(0, rows, w):
            for left in range(0, columns, w):
                places = [(top + i, left + j) for i in range(w) for j in range(w)]
                sets.append([((r + shift) % rows) * columns + (c + shift) % columns for r, c in places])
                regions.append([(self.region(r, rows, w, shift), self.region(c, columns, w, shift)) for r, c in places])
        members = torch.tensor(sets)
        hidden_pairs = torch.tensor([[[-100.0 * (a != b) for b in region] for a in region] for region in regions])
        back = members.flatten().argsort()

        def split(x):
            return x[:, members].flatten(0, 1)

        def join(x):
            return x.reshape(-1, len(back), x.shape[-1])[:, back]

        place = torch.cartesian_prod(torch.arange(w), torch.arange(w))
        offset = place[:, None] - place[None, :] + w - 1
        table = self.p(f"{pre}attn.window_bias_table", (2 * w - 1) ** 2, heads)
        bias = table[offset[..., 0] * (2 * w - 1) + offset[..., 1]].permute(2, 0, 1)
        bias = (bias + hidden_pairs[:, None]).repeat(next(iter(xs.values())).shape[0], 1, 1, 1)
        attend = {
            s: join(self.attention(split(self.norm(x, f"{pre}ln_attn")), f"{pre}attn", heads, bias))
            for s, x in xs.items()
        }
        xs = self.adapt(xs, attend, pre, "spatial", hidden, window=(split, join))
        self.keep(f"{pre}after_spatial", xs)
        if len(xs) == 2:
            xs = self.adapt(
                xs, {s: self.mlp(self.norm(x, f"{pre}ln_mlp"), pre) for s, x in xs.items()}, pre, "global", hidden
            )
        else:
            for s, x in xs.items():
                n, name = self.norm(x, f"{pre}ln_mlp"), f"{pre}global_adapter_{LONG[s]}"
                xs = {s: x + self.mlp(n, pre) + 0.5 * self.up(self.code(n, name, hidden), name, x.shape[-1])}
        self.keep(f"{pre}after_global", xs)
        return xs

    @staticmethod
    def region(place, size, w, shift):
        return 0 if place < size - w else (1 if place < size - shift else 2)

    def mlp(self, n, pre):
        return self.linear(F.gelu(self.linear(n, f"{pre}mlp.fc1", 2 * n.shape[-1])), f"{pre}mlp.fc2", n.shape[-1])

    def merge(self, x, pre, grid):
        x = x.reshape(len(x), *grid, -1)
        x = torch.cat([x[:, i::2, j::2] for j in (0, 1) for i in (0, 1)], -1).flatten(1, 2)
        x = self.norm(x, f"{pre}merge.norm")
        return x @ self.p(f"{pre}merge.reduction.weight", x.shape[-1] // 2, x.shape[-1], scale=0.2).T

    def head(self, pooled, classes):
        order = [s for s in "av" if s in pooled]
        z = torch.cat([pooled[s] for s in order], -1)
        self.kept["inter/head_input"] = z
        if len(order) == 2:
            return self.linear(self.linear(z, "head.fc1", 20, train=True), "head.fc2", classes, train=True)
        return self.linear(self.norm(z, "head.norm", train=True), "head.fc", classes, train=True)

    def write(self, path, outputs, inputs, scope, variant) -> None:
        weights = {key: self.draw(*x.shape) for key, x in outputs.items()}
        loss = sum((x * weights[key]).sum() for key, x in outputs.items())
        loss.backward()
        leaves = {f"grad/{n}": self.parameters[n].grad for n in self.trained if self.parameters[n].grad is not None}
        leaves |= {f"grad/input.{k}": x.grad for k, x in inputs.items() if x.grad is not None}
        tensors = {f"input/{k}": x for k, x in inputs.items()} | {f"param/{k}": x for k, x in self.parameters.items()}
        tensors |= {f"output/{k}": x for k, x in outputs.items()} | {"output/loss": loss} | self.kept | leaves
        tensors |= {f"loss_weight/{k}": x for k, x in weights.items()}
        meta = json.dumps(self.meta | {"scope": scope, "variant": variant})
        np.savez(path, **{"meta/config_json": np.array(meta)}, **{k: x.detach().numpy() for k, x in tensors.items()})


def clip_block(path, mode, *, seed=0, batch=1, frames=2, dim=24, heads=3, ratio=0.3, tokens=(4, 9)) -> None:
    hidden = int(dim * ratio)
    r = Reference(seed, mode, batch, frames, dim=dim, heads=heads, adapter_ratio=ratio, adapter_hidden=hidden)
    lengths = dict(zip("va", tokens, strict=True))
    inputs = {s: r.draw(lengths[s], batch * frames, dim).requires_grad_() for s in r.streams}
    xs = r.clip_block({s: x.transpose(0, 1) for s, x in inputs.items()}, "", heads, hidden)
    named = {f"{LONG[s]}_tokens": x.transpose(0, 1) for s, x in xs.items()}
    r.write(path, named, {f"{LONG[s]}_tokens": x for s, x in inputs.items()}, "block", "clip")


def clip_full(
    path, mode, *, seed=0, batch=1, frames=4, dim=32, heads=2, layers=4, ratio=0.2, p=8, side=24, audio=(21, 40)
):
    hidden, n = int(dim * ratio), {"v": (side // p) ** 2, "a": (audio[0] // p) * (audio[1] // p)}
    r = Reference(
        seed, mode, batch, frames, dim=dim, heads=heads, layers=layers, adapter_ratio=ratio, patch_size=p,
        image_size=side, audio_frames=audio[0], audio_mels=audio[1], num_classes=7,
    )  # fmt: skip
    inputs = {}
    if "v" in r.streams:
        inputs["visual_frames"] = r.draw(batch, 3, frames, side, side)
    if "a" in r.streams:
        inputs["audio_fbank"] = r.draw(batch, frames, *audio)
    xs = {}
    for s in r.streams:
        x = (
            inputs["visual_frames"].transpose(1, 2).flatten(0, 1)
            if s == "v"
            else inputs["audio_fbank"].flatten(0, 1)[:, None]
        )
        x = F.conv2d(x, r.p(f"{LONG[s]}_patch_embed.weight", dim, x.shape[1], p, p, scale=0.1), stride=p)
        x = torch.cat([r.p("class_token", dim).expand(len(x), 1, -1), x.flatten(2).transpose(1, 2)], 1)
        x = x + r.p(f"{LONG[s]}_pos_embed", n[s] + 1, dim)
        temporal = r.p(f"{LONG[s]}_temporal_embed", 1, frames, dim, train=True)
        x = x + temporal[0].repeat(batch, 1)[:, None]
        xs[s] = r.norm(x, "ln_pre")
    r.keep("embedded", xs)
    for i in range(layers):
        xs = r.clip_block(xs, f"blocks.{i}.", heads, hidden)
    pooled = {s: r.norm(x[:, 0], "ln_post", train=True) for s, x in xs.items()}
    r.keep("final_norm_cls", pooled)
    r.write(path, {"logits": r.head(pooled, 7)}, inputs, "full", "clip")


def swin_stage(
    path, mode, *, seed=0, batch=1, frames=2, dim=12, heads=3, depth=3, window=2, grid=(4, 8), ratio=0.34, merging=True
):
    hidden = int(dim * ratio)
    r = Reference(
        seed, mode, batch, frames, dim=dim, heads=heads, depth=depth, window=window, resolution=list(grid),
        adapter_ratio=ratio, patch_merging=merging,
    )  # fmt: skip
    inputs = {s: r.draw(batch * frames, grid[0] * grid[1], dim).requires_grad_() for s in r.streams}
    xs = inputs
    for i in range(depth):
        xs = r.swin_block(xs, f"blocks.{i}.", i, grid, window, heads, hidden)
    outputs = {f"{LONG[s]}_tokens": r.merge(x, "", grid) if merging else x for s, x in xs.items()}
    r.write(path, outputs, {f"{LONG[s]}_tokens": x for s, x in inputs.items()}, "stage", "swin")


def swin_full(
    path,
    mode,
    *,
    seed=0,
    batch=1,
    frames=2,
    dim=8,
    heads=(2, 4),
    depths=(1, 3),
    window=2,
    side=16,
    p=2,
    ratios=(0.4, 0.25),
):
    r = Reference(
        seed, mode, batch, frames, embed_dim=dim, heads=list(heads), depths=list(depths), window=window,
        image_size=side, patch=[1, p, p], adapter_ratios=list(ratios), num_classes=5,
    )  # fmt: skip
    inputs, xs = {}, {}
    for s in r.streams:
        shape = (batch, 3, frames, side, side) if s == "v" else (batch, frames, side, side)
        x = inputs["visual_frames" if s == "v" else "audio_fbank"] = r.draw(*shape)
        x = x.transpose(1, 2).flatten(0, 1) if s == "v" else x.flatten(0, 1)[:, None]
        weight = r.p(f"{LONG[s]}_patch_embed.proj.weight", dim, x.shape[1], 1, p, p)
        x = F.conv2d(x, weight[:, :, 0], r.p(f"{LONG[s]}_patch_embed.proj.bias", dim), stride=p)
        xs[s] = r.norm(x.flatten(2).transpose(1, 2), f"{LONG[s]}_patch_embed.norm")
    r.keep("embedded", xs)
    for stage, depth in enumerate(depths):
        grid, width = (side // p // 2**stage,) * 2, dim * 2**stage
        for i in range(depth):
            pre = f"stages.{stage}.blocks.{i}."
            xs = r.swin_block(xs, pre, i, grid, window, heads[stage], int(width * ratios[stage]))
        if stage < len(depths) - 1:
            xs = {s: r.merge(x, f"stages.{stage}.", grid) for s, x in xs.items()}
    xs = {s: r.norm(x, "final_norm") for s, x in xs.items()}
    r.keep("final_norm", xs)
    r.write(path, {"logits": r.head({s: x.mean(1) for s, x in xs.items()}, 5)}, inputs, "full", "swin")
