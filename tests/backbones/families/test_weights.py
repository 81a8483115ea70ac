"""Where weights come from, and what is said when they are missing."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import open_clip
import pytest
import safetensors.torch
import timm
import torch

from backbones import tiny
from backbones.families import hub
from backbones.families.clip import OPENAI
from backbones.families.presets import PRESETS
from backbones.kernels.activation import QuickGelu
from registry import BACKBONES, Component, look_up
from registry.component import option_defaults
from registry.errors import UserError

SMALL_VIT = "test_vit.r160_in1k"


def build(name: str, **options: Any) -> Any:
    return look_up(BACKBONES, name)(**options)


@pytest.fixture
def vit_file(tmp_path: Path) -> Path:
    torch.manual_seed(5)
    path = tmp_path / "small.safetensors"
    safetensors.torch.save_file(timm.create_model("test_vit").state_dict(), path)
    return path


@pytest.fixture
def small_clip(tmp_path: Path) -> str:
    """The name of an open_clip model small enough for a test."""
    text = {"context_length": 8, "vocab_size": 16, "width": 16, "heads": 2, "layers": 1}
    vision = {"image_size": 32, "layers": 2, "width": 64, "head_width": 16, "patch_size": 8}
    path = tmp_path / "small-clip-for-tests.json"
    path.write_text(json.dumps({"embed_dim": 16, "quick_gelu": True, "vision_cfg": vision, "text_cfg": text}))
    open_clip.add_model_config(path)
    return path.stem


@pytest.fixture
def nothing_cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *_: None)


def test_a_file_initialises_the_backbone_and_is_named_with_its_hash(vit_file: Path) -> None:
    backbone = build("vit", model=SMALL_VIT, weights=str(vit_file))
    saved = safetensors.torch.load_file(vit_file)
    assert torch.equal(backbone.blocks[0].attention.qkv.weight, saved["blocks.0.attn.qkv.weight"])
    assert backbone.weight_files == {"small.safetensors": hashlib.sha256(vit_file.read_bytes()).hexdigest()}
    assert not backbone.random_weights


def test_a_clip_file_initialises_the_tower(small_clip: str, tmp_path: Path) -> None:
    path = tmp_path / "clip.pt"
    torch.manual_seed(5)
    state = open_clip.create_model(small_clip).state_dict()
    torch.save(state, path)
    backbone = build("clip", model=small_clip, weights=str(path))
    expected = state["visual.transformer.resblocks.1.attn.in_proj_weight"]
    assert torch.equal(backbone.blocks[1].attention.qkv.weight, expected)
    assert list(backbone.weight_files) == ["clip.pt"]


def test_no_weights_is_flagged_as_random(small_clip: str, capfd: pytest.CaptureFixture[str]) -> None:
    for backbone in (build("vit", model=SMALL_VIT, weights="none"), build("clip", model=small_clip, weights="none")):
        assert backbone.random_weights
        assert backbone.weight_files == {}
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("name", "options", "quick"),
    [
        ("clip", {"model": "ViT-B-32"}, False),
        ("clip", {"model": "ViT-B-32-quickgelu"}, True),
        ("clip_vit_base", {}, True),
    ],
)
def test_without_weights_the_name_decides_the_activation(name: str, options: dict[str, str], quick: bool) -> None:
    with torch.device("meta"):
        backbone = build(name, **options, weights="none")
    assert isinstance(backbone.blocks[0].mlp.activation, QuickGelu) is quick


@pytest.mark.usefixtures("nothing_cached")
@pytest.mark.parametrize(("name", "model"), [("vit", SMALL_VIT), ("clip_vit_large", "ViT-L-14-quickgelu")])
def test_without_a_network_one_line_comes_quickly(
    name: str, model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The probe is made to hang as a broken name look-up does."""
    monkeypatch.setattr(hub, "_answers", lambda _: time.sleep(20) or True)
    options = {"model": model} if name == "vit" else {}
    start = time.monotonic()
    with pytest.raises(UserError) as refusal:
        build(name, **options)
    assert time.monotonic() - start < 3
    message = str(refusal.value)
    for part in (model, str(tmp_path / "cache"), "weights='FILE'", "weights='none'"):
        assert part in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("backbone", "cached"),
    [
        ("vit_base", ""),
        ("swin_v2_base", "models--timm--vit_base_patch16_224.augreg_in21k"),
        ("clip_vit_base(size=336)", "models--timm--vit_base_patch16_224.augreg_in21k"),
    ],
)
def test_a_presets_missing_weights_are_told_before_its_library_is_imported(
    backbone: str, cached: str, tmp_path: Path
) -> None:
    """Imports take longer than the refusal should; another model's cached weights do not bring them in."""
    (tmp_path / cached).mkdir(exist_ok=True)
    words = ["run", "--backbone", backbone, "--adapter", "linear_probe", "--task", "event_localisation"]
    program = (
        f"import sys; from benchmark.__main__ import main; status = main({words}); "
        "print(status, [name for name in ('torch', 'timm', 'open_clip') if name in sys.modules])"
    )
    # Nothing listens on that port. Offline mode would refuse without a look at the network.
    surroundings = {**os.environ, "HF_HUB_CACHE": str(tmp_path), "HF_ENDPOINT": "http://127.0.0.1:9"}
    surroundings.pop("HF_HUB_OFFLINE", None)
    ran = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=surroundings, capture_output=True, text=True, check=True
    )
    assert (ran.stdout, ran.stderr.count("\n")) == ("2 []\n", 1)
    assert str(tmp_path) in ran.stderr


def test_the_presets_repositories_are_those_of_the_libraries() -> None:
    for preset in PRESETS.values():
        if preset.family == "clip":
            repository = open_clip.get_pretrained_cfg(preset.model, OPENAI)["hf_hub"].rstrip("/")
        else:
            repository = timm.get_pretrained_cfg(preset.model).hf_hub_id
        assert preset.repository == repository


@pytest.mark.usefixtures("nothing_cached")
def test_no_request_is_made_in_offline_mode(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr(hub, "_answers", lambda _: pytest.fail("the network was asked"))
    for backbone in (Component("vit_base"), Component("swin_base", {"weights": "hub"})):
        with pytest.raises(UserError, match="cannot be reached"):
            hub.refuse_out_of_reach(backbone)
    with pytest.raises(UserError, match="cannot be reached"):
        build("vit", model=SMALL_VIT)


@pytest.mark.usefixtures("nothing_cached")
def test_only_what_is_certain_is_refused_early(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cache/models--timm--vit_base_patch16_224.augreg_in21k").mkdir(parents=True)
    monkeypatch.setattr(hub, "_answers", lambda _: pytest.fail("the network was asked"))
    for text in ("vit_base", "tiny_vit", "vit", "unheard_of", "vit_large(weights='none')", "vit_large(weights='a.pt')"):
        hub.refuse_out_of_reach(Component.parse(text))


@pytest.mark.usefixtures("nothing_cached")
def test_a_misspelled_model_is_told_as_such_without_a_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "_answers", lambda _: False)
    with pytest.raises(UserError, match="Did you mean vit_base_patch16_224"):
        build("vit", model="vit_bose_patch16_224")


@pytest.mark.usefixtures("nothing_cached")
def test_a_failed_download_names_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> str:
        raise OSError("gateway\ntimeout")

    monkeypatch.setattr(hub, "_answers", lambda _: True)
    monkeypatch.setattr("huggingface_hub.hf_hub_download", refuse)
    with pytest.raises(UserError, match=r"does not give them \(gateway timeout\)"):
        build("vit", model=SMALL_VIT)


def test_a_cached_file_needs_no_network(vit_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    (tmp_path / f"models--timm--{SMALL_VIT}").mkdir()
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *_: str(vit_file))
    monkeypatch.setattr(hub, "_answers", lambda _: pytest.fail("the network was asked"))
    backbone = build("vit", model=SMALL_VIT)
    assert list(backbone.weight_files) == ["timm/test_vit.r160_in1k/model.safetensors"]


def test_the_meta_device_needs_no_weights() -> None:
    with torch.device("meta"):
        backbone = build("vit", model=SMALL_VIT)
    assert next(backbone.parameters()).is_meta
    assert backbone.random_weights


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        (
            "vit",
            {"model": SMALL_VIT, "weights": "gone/weights.bin"},
            "weights file 'gone/weights.bin' .* does not exist",
        ),
        ("vit", {"model": "vit_bose_patch16_224"}, "timm has no model 'vit_bose.* Did you mean vit_base_patch16_224"),
        ("vit", {"model": "vit_base_patch16_224.augreg_in21q"}, "Did you mean vit_base_patch16_224.augreg_in21k"),
        ("clip", {"model": "ViT-B-61"}, "open_clip has no model 'ViT-B-61'. Did you mean ViT-B-16"),
        ("clip", {"weights": "openia"}, "unknown weights of ViT-B-16-quickgelu 'openia'. Did you mean openai"),
        (
            "swin",
            {"model": SMALL_VIT, "weights": "none"},
            "swin reader takes SwinTransformer, but this model has Vision",
        ),
    ],
)
def test_mistakes_are_told_in_one_line(name: str, options: dict[str, str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        build(name, **options)


def test_damaged_and_foreign_files_are_told_in_one_line(vit_file: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.safetensors"
    damaged.write_bytes(vit_file.read_bytes()[:1000])
    foreign = tmp_path / "foreign.safetensors"
    safetensors.torch.save_file({"something": torch.zeros(1)}, foreign)
    for path in (damaged, foreign):
        with pytest.raises(UserError, match=rf"{path.name}' cannot be loaded into {SMALL_VIT}: [^\n]*$"):
            build("vit", model=SMALL_VIT, weights=str(path))


def test_a_file_of_weights_is_never_executed(tmp_path: Path) -> None:
    marker = tmp_path / "executed"

    class Payload:
        def __reduce__(self) -> tuple[Any, tuple[str]]:
            return Path.touch, (marker,)  # type: ignore[return-value]

    path = tmp_path / "payload.pth"
    torch.save({"state_dict": Payload()}, path)
    for name, model in (("vit", SMALL_VIT), ("clip", "ViT-B-32")):
        with torch.device("cpu"), pytest.raises(UserError, match="cannot be loaded"):
            build(name, model=model, weights=str(path))
    assert not marker.exists()


def test_presets_offer_every_option_but_the_model() -> None:
    for name, family in (("vit_large", "vit"), ("clip_vit_base", "clip"), ("swin_v2_base", "swin_v2")):
        offered, all_options = (option_defaults(look_up(BACKBONES, n)) for n in (name, family))
        assert offered == {option: default for option, default in all_options.items() if option != "model"}


EVERY_BUILDER = {
    "vit": {"model": SMALL_VIT},
    "swin": {},
    "swin_v2": {},
    "clip": {},
    "vit_base": {},
    "clip_vit_base": {},
    "swin_base": {},
    "swin_v2_base": {},
    "tiny_vit": {},
    "tiny_swin": {},
    "tiny_clip": {},
}


@pytest.mark.parametrize("name", EVERY_BUILDER)
def test_random_weights_are_spelled_in_one_way(name: str) -> None:
    """Another spelling would be another cell with the same numbers."""
    with torch.device("meta"):
        assert build(name, **EVERY_BUILDER[name], weights="none").random_weights
        for spelled in (None, "None", "NONE", "", 0):
            with pytest.raises(UserError, match=r"is not known; write weights='none' for random weights\.$"):
                build(name, **EVERY_BUILDER[name], weights=spelled)


def test_a_folder_as_the_hub_has_it_is_read(vit_file: Path, tmp_path: Path) -> None:
    (tmp_path / "snapshot").mkdir()
    with pytest.raises(UserError, match=r"has no model\.safetensors or pytorch_model\.bin; name the file"):
        build("vit", model=SMALL_VIT, weights=str(tmp_path / "snapshot"))
    (tmp_path / "snapshot/model.safetensors").symlink_to(vit_file)
    backbone = build("vit", model=SMALL_VIT, weights=str(tmp_path / "snapshot"))
    assert list(backbone.weight_files) == ["model.safetensors"]


def test_the_same_bytes_have_the_same_digest_wherever_they_lie(vit_file: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/copy.pth").write_bytes(vit_file.read_bytes())
    (tmp_path / "link").symlink_to(vit_file)
    paths = (vit_file, tmp_path / "elsewhere/copy.pth", tmp_path / "link")
    found = [build("vit", model=SMALL_VIT, weights=str(path)).weight_files for path in paths]
    assert [list(files) for files in found] == [["small.safetensors"], ["copy.pth"], ["link"]]
    assert len({digest for files in found for digest in files.values()}) == 1


def test_links_and_what_is_no_file_are_told_as_such(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("gone.pth")
    with pytest.raises(UserError, match=r"link' for .* is a link to gone\.pth, which does not exist"):
        build("vit", model=SMALL_VIT, weights=str(tmp_path / "link"))
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UserError, match=r"pipe' for .* is no regular file"):
        build("vit", model=SMALL_VIT, weights=str(tmp_path / "pipe"))


def test_a_pointer_in_place_of_weights_is_told_with_the_mend(tmp_path: Path) -> None:
    (tmp_path / "pointer.bin").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n")
    for name, model in (("vit", SMALL_VIT), ("clip", "ViT-B-32"), ("tiny_vit", None)):
        options = {"model": model} if model else {}
        with torch.device("cpu"), pytest.raises(UserError, match=r"pointer of Git LFS .* git lfs pull\.$"):
            build(name, **options, weights=str(tmp_path / "pointer.bin"))


def test_the_tiny_backbones_take_no_other_models_files(tmp_path: Path) -> None:
    own = safetensors.torch.load_file(Path(tiny.__file__).with_name("tiny_vit.safetensors"))
    safetensors.torch.save_file({**own, "blocks.0.ls1.gamma": torch.ones(64)}, tmp_path / "more.safetensors")
    with pytest.raises(UserError, match="holds 1 tensor of a model with layer scale"):
        build("tiny_vit", weights=str(tmp_path / "more.safetensors"))
    with pytest.raises(UserError, match="cannot be loaded into tiny_swin: it holds"):
        build("tiny_swin", weights=str(tmp_path / "more.safetensors"))
