"""Picture towers that open_clip takes from timm equal open_clip's own features, and hub names are files of the hub."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import open_clip
import pytest
import torch
from library_models import run

from backbones.families import weights as sources
from backbones.families.clip import clip
from backbones.families.vit import vit
from registry.errors import UserError, WeightsError

TEXT = {"context_length": 8, "vocab_size": 16, "width": 16, "heads": 2, "layers": 1}
TOWERS = {
    "siglip": {"timm_model_name": "vit_tiny_patch16_224", "timm_pool": "map", "timm_proj": "none", "image_size": 224},
    "eva": {"timm_model_name": "eva02_tiny_patch14_224", "timm_pool": "token", "timm_proj": None, "image_size": 224},
}


@pytest.fixture(params=TOWERS)
def model(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    name = f"{request.param}-of-a-test"
    config = {"embed_dim": 192, "vision_cfg": TOWERS[request.param], "text_cfg": TEXT}
    (tmp_path / f"{name}.json").write_text(json.dumps(config))
    open_clip.add_model_config(tmp_path / f"{name}.json")
    return name


def saved(model: str, folder: Path) -> tuple[str, Any]:
    torch.manual_seed(4)
    whole = open_clip.create_model(model).eval()
    with torch.no_grad():
        for parameter in whole.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    torch.save(whole.state_dict(), folder / "weights.pt")
    return str(folder / "weights.pt"), whole.visual


def test_features_of_a_file_equal_open_clips_own(model: str, tmp_path: Path) -> None:
    file, visual = saved(model, tmp_path)
    backbone = clip(model, weights=file)
    side = backbone.picture.size
    pictures = torch.randn(2, 1, 3, side, side, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        trunk = visual.trunk
        truth = trunk.forward_head(trunk.forward_features(pictures[:, 0]), pre_logits=True)
        torch.testing.assert_close(run(backbone, pictures).pooled[:, 0], truth, rtol=0, atol=1e-5)
    assert list(backbone.weight_files) == ["weights.pt"]


def test_statistics_are_those_of_timms_model(model: str) -> None:
    with torch.device("meta"):
        picture = clip(model, weights="none").picture
    assert picture.mean == (0.5, 0.5, 0.5) if model.startswith("siglip") else picture.mean != (0.5, 0.5, 0.5)


def test_what_a_tower_of_timm_cannot_be_asked_for(model: str) -> None:
    with pytest.raises(UserError, match="activation=gelu is for towers of open_clip's own"):
        clip(model, weights="none", activation="gelu")
    with pytest.raises(UserError, match="heads=4 is for towers of open_clip's own"):
        clip(model, weights="none", heads=4)


def test_the_published_models_are_found() -> None:
    with torch.device("meta"):
        for name in ("ViT-B-16-SigLIP2", "EVA02-B-16", "PE-Core-T-16-384"):
            assert clip(name, weights="none").dim
        with pytest.raises(UserError, match="takes PatchEmbed, but this model has HybridEmbed"):
            clip("ViTamin-S", weights="none")


@pytest.mark.parametrize("prefix", ["hf-hub:", "hf_hub:"])
def test_a_hub_name_is_a_file_of_that_repository(prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import timm

    model = "vit_tiny_patch16_224"
    torch.save(timm.create_model(model, num_classes=0).state_dict(), tmp_path / "pytorch_model.bin")
    asked: list[str] = []

    def download(repository: str, names: tuple[str, ...], of: str) -> tuple[str, Path]:
        asked.append(repository)
        return "pytorch_model.bin", tmp_path / "pytorch_model.bin"

    monkeypatch.setattr(sources, "download", download)
    assert list(vit(model, weights=f"{prefix}owner/name").weight_files) == ["owner/name/pytorch_model.bin"]
    assert asked == ["owner/name"]
    # A folder that was copied from the hub is one of the user's.
    assert list(vit(model, weights=str(tmp_path)).weight_files) == ["pytorch_model.bin"]


@pytest.mark.parametrize("name", ["hf-hub:", "hf-hub:owner", "hf_hub:../../etc", "hf-hub:a/b/c"])
def test_a_hub_name_without_a_repository_is_refused(name: str) -> None:
    with pytest.raises(WeightsError, match="names no repository; write"):
        vit("vit_tiny_patch16_224", weights=name)
