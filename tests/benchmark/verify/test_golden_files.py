"""Every golden file passes, and a wrong model, parameter or value in one does not."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import adapters.stg_cma
import benchmark.verify.avmoe as verify_avmoe
import benchmark.verify.dg_sct as verify_dg_sct
from adapters import avmoe, cola, dg_sct, lavish
from adapters.stg_cma import StgCma
from backbones import towers
from backbones.families.audio.htsat import FoldedStem
from backbones.kernels import attention, linear
from backbones.windows import ShiftedWindows
from benchmark.__main__ import main
from benchmark.verify.check import verify_file
from tasks.event_localisation import cmbs

MODES = ("output/", "inter/", "grad/", "eval/", "train/", "symmetric/", "paired/")
GOLDEN = Path(__file__).parents[2] / "golden"
FILES = sorted(GOLDEN.glob("*/*.npz"))


def of(name: str) -> Path:
    """By its name, behind its folder's where several have it."""
    return next(path for path in FILES if name in (path.stem, name_of(path)))


def name_of(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


def rewritten(name: str, folder: Path, **changes: np.ndarray | None) -> Path:
    """A golden file with some arrays changed, added or (None) left out."""
    with np.load(of(name)) as file:
        arrays = {key: file[key] for key in file.files} | changes
    path = folder / "changed.npz"
    np.savez(path, **{key: array for key, array in arrays.items() if array is not None})
    return path


def test_all_files_are_there():
    assert len(FILES) == 59


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_golden_file_passes(path, precision):
    """Tolerances of the READMEs beside the files in float32; in bf16 those that `precision.py` states."""
    report = verify_file(path, precision)
    assert [line for line in report.compared if not line.passed] == []
    losses = [line for line in report.compared if line.tensor in ("eval/loss", "train/loss")]
    assert precision == "bf16" or all(line.max_rel <= 1e-5 for line in losses)
    with np.load(path) as file:
        recorded = [k for k in file.files if k.startswith(MODES)]
    assert {line.tensor for line in report.compared} >= set(recorded)


@pytest.mark.usefixtures("onednn_at_any_size")
@pytest.mark.parametrize(
    "path", [path for path in FILES if "full" in path.stem or "tiny" in path.stem or "shared" in path.stem], ids=name_of
)
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_whole_models_pass_by_the_library_of_large_products(path, precision, monkeypatch):
    """The files' models are too small to reach it by themselves."""
    reached, preferred = [], linear.prefers_onednn
    monkeypatch.setattr(linear, "prefers_onednn", lambda *tensors: reached.append(preferred(*tensors)) or reached[-1])
    assert [line for line in verify_file(path, precision).compared if not line.passed] == []
    assert any(reached)


def scaled(query, tokens):
    return attention.cross_attend(query * query.shape[-1] ** -0.5, tokens)


def updated_first(codes, gates):
    codes = dict(codes)
    for m in ("visual", "audio"):
        partner = "audio" if m == "visual" else "visual"
        codes[m] = codes[m] + gates[m](attention.cross_attend(codes[m], codes[partner]))
    return codes


def sequential_streams(self, step, branch, streams):
    streams = dict(streams)
    for m in list(streams):
        partner = streams.get("audio" if m == "visual" else "visual")
        streams[m] = streams[m] + getattr(step, branch)(streams[m]) + self.adapters[m](streams[m], partner)
    return streams


def embedding_after_the_norm(self, index, block, streams):
    if index == 0 and self.embedding is not None:
        streams = {m: self.embedding[m](x) for m, x in streams.items()}
    return self.blocks[index](block, streams)


_route, _bind = avmoe.Mixture.route, cola.ColaBlock.bind


def without_tanh(logits):
    return logits.softmax(-2)


def guided_by_a_sum(self, x, mean):
    return (self.channel_own(x).relu() * self.channel_partner(mean).relu()[..., None, :]).sum(-2)


def partner_first(self, x, partner):
    return _route(self, partner, x)


def with_activation(self, x, partner=None):
    steps = dict(self.bottleneck.named_children())
    x = self.self_attention(x)
    for name, step in steps.items():
        x = step(x).relu() if name == "down" else step(x)
    return x


def own_summary(self, streams, *sites):
    swapped = dict(zip(streams, reversed(streams.values()), strict=True))
    return _bind(self, swapped, *sites)


def not_squashed(self, outputs, targets):
    losses = _cmbs_loss(self, outputs, targets)
    on = (targets["labels"] != self.events).float()
    return {**losses, "gate": torch.nn.functional.binary_cross_entropy(outputs["gate"], on)}


def unskipped(steps):
    return [{m: (0, place) for m, (_, place) in found.items()} for found in _places(steps)]


_places = avmoe.places
_cmbs_loss = cmbs.CmbsHead.loss
CrossModal, Temporal = adapters.stg_cma.CrossModalAdapter, adapters.temporal.TemporalAdapter
_forward, _split, _fold = CrossModal.forward, ShiftedWindows.split, FoldedStem.fold


def over_the_picture(self, updates, gates, block=None):
    return _forward(self, updates, gates, None)


def first_of_their_share(n, k):
    """Instead of the last."""
    return ((i, i * k // n if i % (n // k) == 0 else None) for i in range(n))


def bands_across(self, pictures):
    return _fold(self, pictures).transpose(-1, -2)


def unshifted(self, x):
    return _split(ShiftedWindows(self.grid, self.window), x)


MISTAKES = {
    "scaled exchange": ("clip_block_fusion", adapters.stg_cma, "cross_attend", scaled),
    "second direction uses updated codes": ("clip_full_fusion", adapters.stg_cma, "exchange_codes", updated_first),
    "no bias along time": ("swin_full_multimodal", Temporal, "attention_bias", lambda self, x: None),
    "embedding behind the first norm": ("clip_full_videoonly", StgCma, "forward_block", embedding_after_the_norm),
    "parallel adapter at full scale": ("swin_full_audioonly", adapters.stg_cma, "PARALLEL_SCALE", 1.0),
    "exchange over the picture": ("swin_stage_fusion", CrossModal, "forward", over_the_picture),
    "scaled latents": ("adapter_plain", lavish, "cross_attend", scaled),
    "one stream after the other": ("vit_tiny", lavish.BesideBranch, "forward", sequential_streams),
    "no tanh in the weights of tokens": ("dg_sct/shared_vit", verify_dg_sct, "token_attention", without_tanh),
    "a guide that sums": ("dg_sct/adapter_ave", dg_sct.Guide, "query", guided_by_a_sum),
    "a router that reads the partner first": ("avmoe/adapter_no_projection", avmoe.Mixture, "route", partner_first),
    "unimodal experts with activation": ("avmoe/adapter_ave", avmoe.UnimodalExpert, "forward", with_activation),
    "a balance of frames": ("adapter_avvp", verify_avmoe, "imbalance", lambda gating: -gating.log().mean(1).sum()),
    "summaries of oneself": ("cola/shared_vit", cola.ColaBlock, "bind", own_summary),
    "gates that are probabilities": ("head_cmbs", cmbs.CmbsHead, "loss", not_squashed),
    "pairs of other blocks": ("dg_sct/pair_3to1", towers, "_within_stage", first_of_their_share),
    "a fold the other way": ("dg_sct/pair_stages", FoldedStem, "fold", bands_across),
    "skipped stages with mixtures": ("avmoe/pair_stages", avmoe, "places", unskipped),
    "no shift": ("swin_tiny", ShiftedWindows, "split", unshifted),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_wrong_model_is_found(mistake, monkeypatch):
    """Mistakes of the READMEs' tables, made in our own classes."""
    name, owner, attribute, wrong = MISTAKES[mistake]
    monkeypatch.setattr(owner, attribute, wrong)
    report = verify_file(of(name))
    assert not report.passed
    assert report.worst.share > 10


@pytest.mark.parametrize(
    ("changes", "tensor"),
    [
        ({"output/logits": np.zeros((6, 29), np.float32)}, "output/logits"),
        ({"output/strange": np.zeros(3, np.float32)}, "output/strange"),
        ({"inter/head_input": np.full((6, 36), np.nan, np.float32)}, "inter/head_input"),
        ({"grad/ln_post.bias": np.zeros(7, np.float32)}, "grad/ln_post.bias"),
        ({"param/strange": np.zeros(3, np.float32)}, "param/strange"),
        ({"param/blocks.0.attn.qkv.bias": None}, "param/transformer.resblocks.0.attn.in_proj_bias"),
        ({"param/blocks.1.spatial_adapter_visual.up.bias": None}, "param/blocks.1.spatial.bottleneck.visual.up.bias"),
    ],
)
def test_one_wrong_strange_or_missing_tensor_is_a_miss(changes, tensor, tmp_path, capsys):
    path = rewritten("clip_full_videoonly", tmp_path, **changes)
    assert tensor in [line.tensor for line in verify_file(path).compared if not line.passed]
    assert main(["verify", "--golden", str(of("clip_block_fusion")), str(path)]) == 1
    out = capsys.readouterr().out
    assert f"{tensor} " in next(line for line in out.splitlines() if "MISS" in line and tensor in line)
    assert "1 of 2 files passed." in out


def test_json_holds_every_tensor_and_only_numbers_that_json_has(tmp_path, capsys):
    path = rewritten("adapter_plain", tmp_path, **{"eval/strange": np.zeros(2, np.float32)})
    assert main(["verify", "--golden", str(path), "--json"]) == 1
    told = json.loads(capsys.readouterr().out, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    (file,) = told["files"]
    assert (told["passed"], file["passed"], file["precision"]) == (False, False, "fp32")
    by_name = {line["tensor"]: line for line in file["tensors"]}
    assert by_name["eval/strange"]["max_abs_error"] is None
    assert by_name["eval/out"]["passed"]
    assert by_name["eval/out"]["max_abs_error"] < 1e-4
    assert by_name["eval/grad/down_weight"]["kind"] == "gradient"


def meta_of(name: str, key: str, **changes: object) -> np.ndarray:
    with np.load(of(name)) as file:
        return np.array(json.dumps(json.loads(str(file[key])) | changes))


def block_of(**changes: object) -> dict[str, np.ndarray]:
    return {"meta/config_json": meta_of("clip_block_fusion", "meta/config_json", **changes)}


UNREADABLE = {
    "unknown scope": (block_of(scope="galaxy"), "known kind"),
    "heads that do not divide": (block_of(heads=7), "no model"),
    "a size that is text": (block_of(dim="x"), "no model"),
    "broken meta": ({"meta/config_json": np.array("{")}, "no golden file"),
    "meta that is a list": ({"meta/config_json": np.array("[1]")}, "JSON object"),
    "no meta": ({"meta/config_json": None}, "neither meta/config_json nor meta/json"),
    "a missing matrix": ({"param/mlp.fc1.weight": None}, "'mlp.fc1.weight' is missing"),
    "a short matrix": ({"param/mlp.fc2.weight": np.zeros((3, 160), np.float32)}, "size mismatch"),
    "an object": ({"param/object": np.array([object()])}, "no golden file"),
}


@pytest.mark.parametrize("case", UNREADABLE)
def test_what_describes_no_model_is_one_line_and_status_2(case, tmp_path, capsys):
    changes, words = UNREADABLE[case]
    assert main(["verify", "--golden", str(rewritten("clip_block_fusion", tmp_path, **changes))]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert words in error


@pytest.mark.parametrize("content", [b"", b"text", "half"])
def test_a_file_that_is_no_archive_is_one_line_and_status_2(content, tmp_path, capsys):
    path = tmp_path / "some.npz"
    whole = of("adapter_plain").read_bytes()
    path.write_bytes(whole[: len(whole) // 2] if content == "half" else content)
    assert main(["verify", "--golden", str(path)]) == 2
    assert "is no golden file" in capsys.readouterr().err
    assert main(["verify", "--golden", str(tmp_path / "none.npz")]) == 2
    assert main(["verify", "--golden", str(tmp_path)]) == 2


def test_names_of_files_do_not_matter(tmp_path):
    for number, path in enumerate(FILES[::5]):
        copy = tmp_path / f"{number}.npz"
        copy.write_bytes(path.read_bytes())
        assert verify_file(copy).model == verify_file(path).model
