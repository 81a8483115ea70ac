"""LAVISH once more, from the specification's equations and nothing of the project: writes golden-like files."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import torch


def norm(x, weight, bias, eps):
    centred = x - x.mean(-1, keepdim=True)
    return centred / (centred.square().mean(-1, keepdim=True) + eps).sqrt() * weight + bias


def grouped(x, weight, groups):
    parts = zip(x.chunk(groups, -1), weight.chunk(groups, 0), strict=True)
    return torch.cat([part @ block.T for part, block in parts], -1)


class Adapter:
    """One adapter; `run` keeps every value on the way by its recorded name."""

    def __init__(self, draw, d, t, groups, reduction, *, bn, ln_pre, ln_post, gate, kind, multimodal=True):
        h = d // reduction
        self.kind, self.groups, self.multimodal = kind, groups, multimodal
        self.params = {"down_weight": draw(h, d // groups), "up_weight": draw(d, h // groups)}
        if multimodal:
            self.params |= {"latent_tokens": draw(t, d), "gate_attn": draw(1)}
        if gate:
            self.params["gate_out"] = draw(1)
        for name, width, on in (("bn_down", h, bn), ("bn_up", d, bn), ("ln_pre", d, ln_pre), ("ln_post", d, ln_post)):
            if on:
                self.params |= {f"{name}.weight": 1 + draw(width), f"{name}.bias": draw(width)}
        self.stats = {}
        for name, width in (("bn_down", h), ("bn_up", d)) if bn else ():
            self.stats |= {f"{name}.running_mean": draw(width), f"{name}.running_var": 0.5 + draw(width).square()}
        for parameter in self.params.values():
            parameter.requires_grad_()

    def batch_norm(self, x, name, train, after):
        mean, var = self.stats[f"{name}.running_mean"], self.stats[f"{name}.running_var"]
        if train:
            rows = x.flatten(0, 1)
            after[f"{name}.running_mean"] = 0.9 * mean + 0.1 * rows.mean(0)
            after[f"{name}.running_var"] = 0.9 * var + 0.1 * rows.var(0)
            mean, var = rows.mean(0), rows.var(0, unbiased=False)
        unit = (x - mean) / (var + 1e-5).sqrt()
        return unit * self.params[f"{name}.weight"] + self.params[f"{name}.bias"]

    def run(self, x, c, train, kept, after):
        p = self.params
        if self.multimodal:
            kept["att_tokens_to_context"] = (p["latent_tokens"] @ c.transpose(1, 2)).softmax(-1)
            kept["latent_update"] = kept["att_tokens_to_context"] @ c
            latents = p["latent_tokens"] + kept["latent_update"]
            kept["att_x_to_tokens"] = (x @ latents.transpose(1, 2)).softmax(-1)
            kept["x_update"] = kept["att_x_to_tokens"] @ latents
            x = x + p["gate_attn"] * kept["x_update"]
        if self.kind != "AVS":
            kept["x_fused"] = x
        applies = "ln_pre.weight" in p and not (self.kind == "AVS" and self.multimodal)
        kept["down_in"] = norm(x, p["ln_pre.weight"], p["ln_pre.bias"], 1e-5) if applies else x
        z = kept["down_out"] = grouped(kept["down_in"], p["down_weight"], self.groups)
        if self.stats:
            z = kept["bn_down_out"] = self.batch_norm(z, "bn_down", train, after)
        linear = self.kind == "AVE" and not self.multimodal
        kept["up_in"] = z if linear else z.clamp_min(0)
        o = kept["up_out"] = grouped(kept["up_in"], p["up_weight"], self.groups)
        if self.stats:
            o = kept["bn_up_out"] = self.batch_norm(o, "bn_up", train, after)
        gate = p.get("gate_out", torch.ones(1))
        if "ln_post.weight" not in p:
            return o * gate
        if self.kind == "AVS":
            return norm(gate * o, p["ln_post.weight"], p["ln_post.bias"], 1e-5)
        return gate * norm(o, p["ln_post.weight"], p["ln_post.bias"], 1e-5)


def adapter(path, *, seed=0, n=3, lx=5, lc=8, d=24, t=3, groups=3, reduction=4, **switches: Any) -> None:
    """An adapter file; switches: bn, ln_pre, ln_post, gate, kind (AVE, AVQA, AVS), multimodal."""
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape):
        return 0.5 * torch.randn(*shape, generator=generator)

    tested = Adapter(draw, d, t, groups, reduction, **switches)
    multimodal = tested.multimodal
    meta = {
        "N": n, "Lx": lx, "Lc": lc if multimodal else None, "D": d, "num_tokens": t if multimodal else 0,
        "groups": groups, "reduction": reduction, "hidden": d // reduction, "bn": switches["bn"],
        "ln_pre": switches["ln_pre"], "ln_post": switches["ln_post"], "gate_out": switches["gate"],
        "multimodal": multimodal, "ln_eps": 1e-5, "bn_eps": 1e-5, "bn_momentum": 0.1, "note": "of another size",
    }  # fmt: skip
    inputs = {"x": draw(n, lx, d)} | ({"context": draw(n, lc, d)} if multimodal else {})
    tensors = {f"input/{k}": x for k, x in inputs.items()} | {"loss/w_out": draw(n, lx, d)}
    tensors |= {f"param/{k}": x for k, x in (tested.params | tested.stats).items()}
    for mode in ("eval", "train") if switches["bn"] else ("eval",):
        leaves = {k: x.clone().requires_grad_() for k, x in inputs.items()}
        kept: dict[str, torch.Tensor] = {}
        after: dict[str, torch.Tensor] = {}
        out = tested.run(leaves["x"], leaves.get("context"), mode == "train", kept, after)
        loss = (out * tensors["loss/w_out"]).sum()
        loss.backward()
        grads = {k: p.grad for k, p in (tested.params | leaves).items() if p.grad is not None}
        values = kept | {"out": out, "loss": loss.view(1)}
        values |= {f"grad/{k}": g.clone() for k, g in grads.items()} | {f"after/{k}": x for k, x in after.items()}
        tensors |= {f"{mode}/{k}": x for k, x in values.items()}
        for parameter in tested.params.values():
            parameter.grad = None
    arrays = {k: x.detach().numpy() for k, x in tensors.items()}
    np.savez(path, **{"meta/json": np.array(json.dumps(meta))}, **arrays)
