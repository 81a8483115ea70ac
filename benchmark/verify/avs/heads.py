"""Golden files of AVSBench's decoder, its parts, and the heads of LAVISH and STG-CMA around it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from benchmark.model.model import Precision
from benchmark.verify.avs.bounds import Seen, buffers, compare, gradient, gradients
from benchmark.verify.comparison import GoldenReport
from benchmark.verify.golden import Golden
from benchmark.verify.loading import Problems, fill
from benchmark.verify.precision import autocast
from benchmark.verify.watching import watch_method, watch_output
from registry.vocabulary import Stage
from tasks.segmentation.avsbench import AvsBenchHead
from tasks.segmentation.decoder import Decoder, DilatedConvolutions, Tpavi
from tasks.segmentation.losses import audio_matching, pixel_loss

UNUSED = "fuse.{last}.skip."
"""A unit that the published code creates and never calls; it has no gradient and no counterpart here."""


def check_dilated(golden: Golden, precision: Precision) -> GoldenReport:
    weight = golden.tensors["param/dilated.0.weight"]
    module = DilatedConvolutions(weight.shape[1], weight.shape[0])
    values = {k.removeprefix("dilated."): v for k, v in golden.group("param/").items()}
    problems = fill(module, values)

    def run(mode: str) -> Seen:
        x = golden.tensors["input/x"].clone().requires_grad_()
        with autocast(precision):
            out = module(x).float()
        loss = (out * golden.tensors["loss/w_out"]).sum()
        loss.backward()
        return {"out": out, "loss": loss, "grad/x": gradient(x), **gradients(module, lambda n: f"dilated.{n}")}

    return compare(
        golden, precision, "AVSBench sum of dilated convolutions", ("eval",), lambda mode, _: run(mode), problems
    )


def check_tpavi(golden: Golden, precision: Precision) -> GoldenReport:
    meta, problems = golden.meta, dict[str, str]()
    width = golden.tensors["param/align.weight"].shape[1]

    def run(mode: str, case: str) -> Seen:
        module = Tpavi(meta["channels"], width)
        problems.update(fill(module, {n: _flat(v) for n, v in golden.group("param/").items()}))
        module.train(mode == "train")
        x, sound = (golden.tensors[f"input/{name}"].clone().requires_grad_() for name in ("x", "audio"))
        frames, segments = x.transpose(1, 2).flatten(0, 1), x.shape[2]
        seen: Seen = {}
        with autocast(precision):
            if case == "va":
                out, aligned = module(frames, sound.flatten(0, 1), segments)
                seen["audio_aligned"] = aligned.unflatten(0, sound.shape[:2])
            else:
                out = module.read(frames, module.phi(frames), segments)
        out = out.float().unflatten(0, (-1, segments)).transpose(1, 2)
        loss = (out * golden.tensors["loss/w_out"]).sum()
        loss.backward()
        seen |= {"out": out, "loss": loss, "grad/x": gradient(x)}
        seen |= {} if sound.grad is None else {"grad/audio": sound.grad}
        return seen | gradients(module, lambda name: name) | buffers(module, lambda name: name)

    return compare(golden, precision, "AVSBench TPAVI", ("eval", "train"), run, problems, ("va", "vv"))


def check_head(golden: Golden, precision: Precision) -> GoldenReport:
    meta, problems = golden.meta, dict[str, str]()

    def run(mode: str, _: str) -> Seen:
        head = _build(golden)
        problems.update(_load(head, golden))
        head.train(mode == "train")
        seen: Seen = {}
        _watch(head.decoder, meta, seen)
        inputs = {n: v.clone().requires_grad_() for n, v in golden.group("input/").items() if n != "masks"}
        norm, maps, sound = _maps(golden, inputs)
        with autocast(precision):
            if "dims" in meta:
                logits, drawn, heard = head.draw(maps, sound, meta["T"])
            else:
                logits, drawn, heard = head.decoder(maps, sound, meta["T"])
        seen |= {"logits": logits} | {f"map.{i}": x for i, x in enumerate(drawn)}
        seen |= {
            f"audio_aligned.{i}": x.unflatten(0, (-1, meta["T"])) for i, x in zip(_tpavi(golden), heard, strict=True)
        }
        seen = {k: v.float() for k, v in seen.items()}
        seen |= _losses_of(golden, seen["logits"], drawn, heard)
        seen["loss"].backward()
        seen |= {f"grad/{name}": gradient(x) for name, x in inputs.items() if x.grad is not None}
        owners = [("", head if "dims" in meta else head.decoder), *([("final_norm.", norm)] if norm else [])]
        for start, owner in owners:
            seen |= gradients(owner, lambda name, start=start: start + _recorded_name(name))  # type: ignore[misc]
            seen |= buffers(owner, lambda name, start=start: start + _recorded_name(name))  # type: ignore[misc]
        return seen

    return compare(golden, precision, f"AVSBench {meta.get('what', 'decoder')}", ("eval", "train"), run, problems)


def _build(golden: Golden) -> AvsBenchHead:
    meta, tensors = golden.meta, golden.tensors
    tpavi = _tpavi(golden)
    audio = tensors[f"param/tpavi.{tpavi[0]}.align.weight"].shape[1] if tpavi else 1
    widths = (tensors["param/out.conv1.weight"].shape[0], tensors["param/out.conv2.weight"].shape[0])
    dims, targets = meta.get("dims", meta["vis_dim"]), meta.get("targets")
    stages = [Stage(dim, 0, 0) for dim in dims]
    side = 4 * targets[0] if targets else None
    return AvsBenchHead(
        dims[-1], stages, side, tpavi=tpavi, widths=meta["vis_dim"], channels=meta["channel"], audio=audio,
        out_widths=widths,
    )  # fmt: skip


def _tpavi(golden: Golden) -> tuple[int, ...]:
    return tuple(i for i in range(len(golden.meta["vis_dim"])) if f"param/tpavi.{i}.align.weight" in golden.tensors)


def _load(head: AvsBenchHead, golden: Golden) -> Problems:
    unused = UNUSED.format(last=len(golden.meta["vis_dim"]) - 1)
    given = {n: v for n, v in golden.group("param/").items() if not n.startswith((unused, "final_norm."))}
    values = {_our_name(name): _flat(value) for name, value in given.items()}
    absent = () if "dims" in golden.meta else ("project.", "hear.")
    return fill(head, values, absent)


def _our_name(name: str) -> str:
    """Projections stand in the head, everything else in its decoder."""
    name = name.replace("project_audio.", "hear.")
    return name if name.startswith(("project.", "hear.")) else f"decoder.{name}"


def _recorded_name(name: str) -> str:
    return name.removeprefix("decoder.").replace("hear.", "project_audio.")


def _maps(golden: Golden, inputs: Seen) -> tuple[nn.Module | None, list[Tensor], Tensor | None]:
    """The final norm, if there is one, maps of every stage and what is heard."""
    meta = golden.meta
    count = len(meta["vis_dim"])
    if "dims" not in meta:
        sound = inputs.get("audio")
        return None, [inputs[f"feature.{i}"] for i in range(count)], sound
    norm = nn.LayerNorm(meta["dims"][-1])
    norm.load_state_dict(golden.group("param/final_norm."))
    tokens = [inputs[f"tokens.{i}"] for i in range(count)]
    tokens[-1] = norm(tokens[-1])
    maps = [x.transpose(1, 2).unflatten(2, tuple(grid)) for x, grid in zip(tokens, meta["grids"], strict=True)]
    sound = norm(inputs["audio_tokens"]).mean(1) if "audio_tokens" in inputs else None
    return norm, maps, sound


def _watch(decoder: Decoder, meta: dict[str, Any], seen: Seen) -> None:
    for i, dilated in enumerate(decoder.dilated):
        watch_output(dilated, _into(seen, f"dilated.{i}"))
    for i, fuse in enumerate(decoder.fuse):
        watch_output(fuse, _into(seen, f"fuse.{i}"))
    segments = meta["T"]
    for stage, tpavi in decoder.tpavi.items():
        _watch_tpavi(tpavi, f"tpavi.{stage}", segments, seen)


def _watch_tpavi(tpavi: nn.Module, place: str, segments: int, seen: Seen) -> None:
    def read(x: Tensor, *_: object) -> None:
        seen[place] = x.unflatten(0, (-1, segments)).transpose(1, 2)

    def heard(_result: object, _x: Tensor, sound: Tensor, *_: object) -> None:
        seen["audio"] = sound.unflatten(0, (-1, segments))

    watch_method(tpavi, "read", read)
    watch_method(tpavi, "forward", heard)


def _into(seen: Seen, key: str) -> Callable[[Tensor], None]:
    return lambda x: seen.update({key: x})


def _losses_of(golden: Golden, logits: Tensor, maps: Sequence[Tensor], heard: Sequence[Tensor]) -> Seen:
    """Of the objective of several sources where the file has masks, else of weighted logits."""
    if "input/masks" not in golden.tensors:
        return {"loss": (logits * golden.tensors["loss/w_logits"]).sum() / 64}
    masks = golden.tensors["input/masks"]
    bce = pixel_loss(logits, masks, torch.ones(len(masks), 1, dtype=torch.bool))
    avm = audio_matching(logits, [x.float() for x in maps], [x.float() for x in heard])
    return {"bce": bce, "avm": avm, "loss": bce + golden.meta["lambda"] * avm}


def _flat(weight: Tensor) -> Tensor:
    """Convolutions over (frame, row, column) of one pixel are ours over (row, column)."""
    return weight.squeeze(2) if weight.ndim == 5 else weight
