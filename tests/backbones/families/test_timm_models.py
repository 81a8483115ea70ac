"""Files that belong to a timm model fill it; files of another model of the same width do not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from library_models import run
from open_clip.transformer import VisionTransformer
from torch import Tensor

from backbones.families.vit import vit
from registry import BACKBONES, look_up
from registry.errors import UserError

VIT, SWIN = "vit_tiny_patch16_224", "swin_tiny_patch4_window7_224"


def state_of(model: str, **options: Any) -> dict[str, Tensor]:
    """Numbers for every tensor of a timm model, without the time that its own initialisation takes."""
    torch.manual_seed(0)
    with torch.device("meta"):
        state = timm.create_model(model, **options).state_dict()
    return {key: 0.05 * torch.randn(t.shape, device="cpu") + 0.5 * (t.ndim == 1) for key, t in state.items()}


def dinov2(patch: int = 14) -> dict[str, Tensor]:
    """What a small DINOv2 file holds: layer scale and a mask token, on a grid of 37 x 37."""
    state = state_of(VIT, num_classes=0, init_values=1.0, patch_size=patch, img_size=37 * patch)
    return {**state, "mask_token": torch.zeros(1, 192)}


def build(tmp_path: Path, state: Any, name: str = "vit", **options: Any) -> Any:
    torch.save(state, tmp_path / "weights.pth")
    return look_up(BACKBONES, name)(weights=str(tmp_path / "weights.pth"), **{"model": VIT, **options})


def test_a_file_of_another_kind_of_the_same_width_is_refused(tmp_path: Path) -> None:
    message = r"holds 24 tensors of a model with layer scale, as DINOv2 .* \(blocks\.0\.ls1\.gamma, .*…\)"
    stems = r"patches of 14 x 14, and the model's are 16 x 16; it "
    with pytest.raises(UserError, match=rf"{stems}{message}; take a model like the file's, or [^\n]*$"):
        build(tmp_path, dinov2())
    with pytest.raises(UserError, match=message):
        build(tmp_path, dinov2(), resample_stem=True)
    with pytest.raises(UserError, match=message):
        build(tmp_path, dinov2(patch=16))


def test_a_stem_of_another_patch_is_resampled_where_asked_for(tmp_path: Path) -> None:
    state = {key: value for key, value in dinov2().items() if ".ls" not in key}
    backbone = build(tmp_path, state, resample_stem=True)
    assert backbone.weight_notes == (
        "positions resampled from 37 x 37 to 14 x 14",
        "stem resampled: patches of 14 x 14, and the model's are 16 x 16",
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"reg_token": torch.zeros(1, 4, 192)}, r"holds 1 tensor of a model with register tokens"),
        ({"dist_token": torch.zeros(1, 1, 192)}, r"a distillation token"),
        ({"blocks.12.norm1.weight": torch.ones(192)}, r"other blocks .*blocks\.12"),
        ({"criterion.weight": torch.ones(2)}, r"\(criterion\.weight\)"),
        ({"blocks.11.norm1.weight": None}, r"it lacks 1 tensor of the model \(blocks\.11\.norm1\.weight\)"),
        ({"cls_token": None}, r"it lacks 1 tensor of the model \(cls_token\)"),
        ({"norm.weight": torch.ones(191)}, r"norm\.weight is 191, and the model's 192"),
        ({"norm.weight": torch.full((192,), torch.nan)}, r"norm\.weight holds values that are not finite"),
        ({"norm.weight": torch.ones(192, dtype=torch.int8)}, r"norm\.weight is of int8"),
    ],
)
def test_no_tensor_of_either_side_is_left_over(change: dict[str, Tensor | None], message: str, tmp_path: Path) -> None:
    state = {key: value for key, value in {**state_of(VIT), **change}.items() if value is not None}
    with pytest.raises(UserError, match=message):
        build(tmp_path, state)


def test_a_classifier_is_allowed_where_timm_publishes_the_model_without_one(tmp_path: Path) -> None:
    model = "vit_small_patch14_dinov2"
    backbone = build(tmp_path, state_of(model, num_classes=10, img_size=28), model=model, size=28)
    assert backbone.weight_notes == ()


def test_halves_are_read_as_what_they_are(tmp_path: Path) -> None:
    state = {key: value.half() for key, value in state_of(VIT).items()}
    backbone = build(tmp_path, state)
    assert torch.equal(backbone.blocks[0].mlp.fc1.weight, state["blocks.0.mlp.fc1.weight"].float())


def test_deit_3_files_name_layer_scale_in_their_own_way(tmp_path: Path) -> None:
    model = "deit3_small_patch16_224"
    state = state_of(model)
    published = {key.replace(".ls1.gamma", ".gamma_1").replace(".ls2.gamma", ".gamma_2"): v for key, v in state.items()}
    backbone = build(tmp_path, {"model": published}, model=model)
    assert torch.equal(backbone.blocks[3].after_attention.gamma, state["blocks.3.ls1.gamma"])


def test_original_swin_files_merge_patches_at_the_end_of_a_stage(tmp_path: Path) -> None:
    model = timm.create_model(SWIN, num_classes=0)
    state = state_of(SWIN, num_classes=0)
    model.load_state_dict(state)
    published = {
        key.replace(f"layers.{stage}.downsample", f"layers.{stage - 1}.downsample"): value
        for stage in (1, 2, 3)
        for key, value in state.items()
        if f"layers.{stage}.downsample" in key
    }
    published |= {key: value for key, value in state.items() if "downsample" not in key}
    published |= {"layers.0.blocks.1.attn_mask": torch.zeros(64, 49, 49), "head.weight": torch.ones(2, 768)}
    backbone = build(tmp_path, {"model": published}, "swin", model=SWIN)
    picture = torch.randn(1, 1, 3, 224, 224)
    with torch.no_grad():
        expected = model.eval().forward_features(picture[0]).flatten(1, 2)
        torch.testing.assert_close(run(backbone, picture).tokens[0], expected, rtol=0, atol=1e-4)


def test_window_biases_of_another_window_are_noted(tmp_path: Path) -> None:
    state = state_of(SWIN, window_size=8, img_size=256)
    assert build(tmp_path, state, "swin", model=SWIN).weight_notes == (
        "window position biases resampled from 225 to 169 entries",
    )


def test_openais_names_fill_timms_own_models_of_clip(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    tower = VisionTransformer(224, 16, width=256, layers=10, heads=4, mlp_ratio=4.0, output_dim=8)
    state = {f"visual.{key}": value for key, value in tower.state_dict().items()} | {"logit_scale": torch.ones(())}
    backbone = build(tmp_path, state, model="vit_xsmall_patch16_clip_224")
    assert torch.equal(backbone.blocks[5].attention.qkv.weight, tower.transformer.resblocks[5].attn.in_proj_weight)
    assert backbone.weight_notes == ("activation gelu by the model's name",)
    assert "does not say whether it was trained with GELU or QuickGELU" in caplog.text
    with pytest.raises(UserError, match="holds a picture tower of CLIP"):
        build(tmp_path, state, "swin", model=SWIN)


def test_what_timm_publishes_for_a_model_needs_no_warning_and_may_hold_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    torch.save({**state_of("test_vit"), "attn_pool.latent": torch.ones(1)}, tmp_path / "published.bin")
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *_: str(tmp_path / "published.bin"))
    backbone = vit(model="test_vit.r160_in1k")
    assert list(backbone.weight_files) == ["timm/test_vit.r160_in1k/model.safetensors"]
    assert not caplog.records


def jax_archive(path: Path, state: dict[str, Tensor], blocks: int) -> None:
    """The layout in which Google publishes ViT, with heads of 64."""

    def turned(key: str) -> np.ndarray[Any, Any]:
        return state[key].T.numpy()

    arrays: dict[str, np.ndarray[Any, Any]] = {
        "embedding/kernel": state["patch_embed.proj.weight"].permute(2, 3, 1, 0).numpy(),
        "embedding/bias": state["patch_embed.proj.bias"].numpy(),
        "cls": state["cls_token"].numpy(),
        "Transformer/posembed_input/pos_embedding": state["pos_embed"].numpy(),
        "Transformer/encoder_norm/scale": state["norm.weight"].numpy(),
        "Transformer/encoder_norm/bias": state["norm.bias"].numpy(),
    }
    for i in range(blocks):
        ours, theirs = f"blocks.{i}.", f"Transformer/encoderblock_{i}/"
        attention = theirs + "MultiHeadDotProductAttention_1/"
        for name, weight, bias in zip(
            ("query", "key", "value"),
            state[ours + "attn.qkv.weight"].chunk(3),
            state[ours + "attn.qkv.bias"].chunk(3),
            strict=True,
        ):
            arrays[f"{attention}{name}/kernel"] = weight.T.reshape(192, 3, 64).numpy()
            arrays[f"{attention}{name}/bias"] = bias.reshape(3, 64).numpy()
        arrays[f"{attention}out/kernel"] = state[ours + "attn.proj.weight"].T.reshape(3, 64, 192).numpy()
        arrays[f"{attention}out/bias"] = state[ours + "attn.proj.bias"].numpy()
        for norm, index in (("norm1", 0), ("norm2", 2)):
            arrays[f"{theirs}LayerNorm_{index}/scale"] = state[f"{ours}{norm}.weight"].numpy()
            arrays[f"{theirs}LayerNorm_{index}/bias"] = state[f"{ours}{norm}.bias"].numpy()
        for layer in (0, 1):
            arrays[f"{theirs}MlpBlock_3/Dense_{layer}/kernel"] = turned(f"{ours}mlp.fc{layer + 1}.weight")
            arrays[f"{theirs}MlpBlock_3/Dense_{layer}/bias"] = state[f"{ours}mlp.fc{layer + 1}.bias"].numpy()
    np.savez(path, **arrays)


def test_jax_archives_fill_a_model_of_as_many_blocks(tmp_path: Path) -> None:
    state = state_of(VIT, num_classes=0)
    jax_archive(tmp_path / "whole.npz", state, blocks=12)
    backbone = vit(model=VIT, weights=str(tmp_path / "whole.npz"))
    assert torch.equal(backbone.blocks[11].attention.qkv.weight, state["blocks.11.attn.qkv.weight"])
    jax_archive(tmp_path / "short.npz", state, blocks=11)
    with pytest.raises(UserError, match="has 11 blocks, and the model 12"):
        vit(model=VIT, weights=str(tmp_path / "short.npz"))
