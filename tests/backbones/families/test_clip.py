"""Only the picture tower of an open_clip model is built, with the activation that was asked for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import open_clip
import pytest
import timm
import torch
from library_models import run
from torch import Tensor, nn

from backbones.backbone import Backbone
from backbones.families.clip import clip
from backbones.kernels.activation import QuickGelu
from registry.errors import UserError

TEXT = {"context_length": 8, "vocab_size": 16, "width": 16, "heads": 2, "layers": 1}
VISION = {"image_size": 32, "layers": 2, "width": 64, "head_width": 16, "patch_size": 8}
NEEDS_TRANSFORMERS = {"hf_model_name": "roberta-base", "hf_tokenizer_name": "roberta-base"}


def add(folder: Path, name: str, text: dict[str, Any] | None = None, **config: Any) -> str:
    """A small model of open_clip's by this name."""
    path = folder / f"{name}.json"
    path.write_text(json.dumps({"embed_dim": 16, "vision_cfg": VISION, "text_cfg": text or TEXT, **config}))
    open_clip.add_model_config(path)
    return name


@pytest.fixture
def plain(tmp_path: Path) -> str:
    return add(tmp_path, "plain-clip-of-a-test")


@pytest.fixture
def quick(tmp_path: Path) -> str:
    return add(tmp_path, "plain-clip-of-a-test-quickgelu", quick_gelu=True)


def file_of(model: str, folder: Path) -> tuple[str, dict[str, Tensor], Any]:
    """Path of a file, what it holds, and the picture tower in it."""
    torch.manual_seed(4)
    whole = open_clip.create_model(model)
    with torch.no_grad():
        for parameter in whole.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    torch.save(whole.state_dict(), folder / "clip.pt")
    return str(folder / "clip.pt"), whole.state_dict(), whole.visual.eval()


def is_quick(backbone: Backbone) -> bool:
    return all(isinstance(block.mlp.activation, QuickGelu) for block in backbone.blocks)


def test_every_vision_transformer_of_open_clip_can_be_built(monkeypatch: pytest.MonkeyPatch) -> None:
    """Text towers that need other libraries, or hold gigabytes, are never made; one block of each tower is."""
    configs = {model: open_clip.get_model_config(model) for model in open_clip.list_models()}
    for config in configs.values():
        if isinstance(config["vision_cfg"].get("layers"), int):
            config["vision_cfg"]["layers"] = 1
    monkeypatch.setattr("open_clip.get_model_config", configs.get)
    built = 0
    for model, config in configs.items():
        vision = config["vision_cfg"]
        if "timm_model_name" in vision or vision["layers"] != 1 or vision.get("attentional_pool"):
            continue
        with torch.device("meta"):
            assert is_quick(clip(model=model, weights="none")) == bool(config.get("quick_gelu"))
        built += 1
    assert built > 45


def test_a_text_tower_that_needs_another_library_is_not_built(tmp_path: Path) -> None:
    model = add(tmp_path, "clip-with-roberta-of-a-test", {**TEXT, **NEEDS_TRANSFORMERS})
    with torch.device("cpu"):
        assert len(clip(model=model, weights="none").blocks) == 2


@pytest.mark.parametrize(("model", "kind"), [("convnext_base", "convnext_base"), ("RN50", "a ResNet")])
def test_other_towers_are_refused_by_name(model: str, kind: str) -> None:
    with pytest.raises(UserError, match=f"takes vision transformers, but this model has {kind}"):
        clip(model=model, weights="none")


def test_random_weights_are_those_of_the_whole_model(plain: str) -> None:
    torch.manual_seed(9)
    tower = open_clip.create_model(plain).visual
    torch.manual_seed(9)
    backbone = clip(model=plain, weights="none")
    assert torch.equal(backbone.stem.project.weight, tower.conv1.weight)
    assert torch.equal(backbone.blocks[1].attention.qkv.weight, tower.transformer.resblocks[1].attn.in_proj_weight)


def test_a_file_gives_the_librarys_own_features(quick: str, tmp_path: Path) -> None:
    path, _, tower = file_of(quick, tmp_path)
    picture = torch.randn(1, 1, 3, 32, 32)
    with torch.no_grad():
        expected = tower.transformer(tower._embeds(picture[0]))
        torch.testing.assert_close(
            run(clip(model=quick, weights=path), picture).tokens[0], tower.ln_post(expected), rtol=0, atol=1e-5
        )


def test_positions_of_another_size_are_those_that_open_clip_makes(plain: str, tmp_path: Path) -> None:
    path, _, _ = file_of(plain, tmp_path)
    theirs = open_clip.create_model(plain, pretrained=path, force_image_size=48).visual.positional_embedding
    backbone = clip(model=plain, weights=path, size=48)
    assert torch.equal(backbone.stem.positions.table, theirs)
    assert "positions resampled from 4 x 4 to 6 x 6" in backbone.weight_notes


@pytest.mark.parametrize("activation", ["gelu", "quickgelu"])
def test_the_activation_of_a_file_can_be_named(
    activation: str, plain: str, quick: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path, _, _ = file_of(plain, tmp_path)
    caplog.clear()
    for model in (plain, quick):
        backbone = clip(model=model, weights=path, activation=activation)
        assert is_quick(backbone) == (activation == "quickgelu")
        assert backbone.weight_notes == (f"activation {activation} as asked for",)
    assert not caplog.records


def test_a_file_without_a_tag_is_warned_of_in_one_line(
    plain: str, quick: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path, _, _ = file_of(plain, tmp_path)
    for model, activation in ((plain, "gelu"), (quick, "quickgelu")):
        caplog.clear()
        backbone = clip(model=model, weights=path)
        assert is_quick(backbone) == (activation == "quickgelu")
        assert backbone.weight_notes == (f"activation {activation} by the model's name",)
        (record,) = caplog.records
        assert record.levelname == "WARNING"
        assert "\n" not in record.getMessage()
        for part in (path, model, "activation='gelu'"):
            assert part in record.getMessage()


def test_an_unknown_activation_is_refused(plain: str) -> None:
    with pytest.raises(UserError, match=r"unknown activation 'quick_gelu'\. Did you mean quickgelu"):
        clip(model=plain, weights="none", activation="quick_gelu")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"visual.transformer.resblocks.0.ls_1.gamma": torch.ones(64)}, "holds 1 tensor of a model with layer scale"),
        ({"visual.transformer.resblocks.2.ln_1.weight": torch.ones(64)}, r"other blocks .*\(transformer\.resblocks\.2"),
        ({"visual.ln_post.weight": None}, r"lacks 1 tensor of the model \(ln_post\.weight\)"),
        ({"visual.conv1.weight": torch.ones(64, 3, 16, 16)}, r"conv1\.weight is 64 x 3 x 16 x 16, and the model's"),
        ({"adapter.weight": torch.ones(1)}, r"\(adapter\.weight\)"),
    ],
)
def test_no_tensor_of_either_side_is_left_over(
    change: dict[str, Tensor | None], message: str, plain: str, tmp_path: Path
) -> None:
    _, state, _ = file_of(plain, tmp_path)
    changed = {name: tensor for name, tensor in {**state, **change}.items() if tensor is not None}
    torch.save(changed, tmp_path / "changed.pt")
    with pytest.raises(UserError, match=message):
        clip(model=plain, weights=str(tmp_path / "changed.pt"))


def test_timms_files_are_sent_to_timms_reader(plain: str, tmp_path: Path) -> None:
    torch.save(timm.create_model("vit_tiny_patch16_224").state_dict(), tmp_path / "timm.pth")
    with pytest.raises(UserError, match=r"holds timm's names; read it with vit\(model='vit_…_clip_…'\)"):
        clip(model=plain, weights=str(tmp_path / "timm.pth"))
    torch.save(nn.Linear(2, 2).state_dict(), tmp_path / "other.pth")
    with pytest.raises(UserError, match="holds no picture tower of CLIP"):
        clip(model=plain, weights=str(tmp_path / "other.pth"))
