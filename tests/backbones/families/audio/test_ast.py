"""AST: the numbers of transformers, files of both names, and what it hears."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import save_file

from backbones.backbone import Backbone
from backbones.families.audio.ast import PRETRAINED_SOUND, SOUND, AstTower, ast, grid_of, load_ast, read_ast
from backbones.families.weights import local_file
from backbones.formats.checkpoint import UnusableFileError
from backbones.pictures import PictureSpec
from benchmark.cost.describe import count
from benchmark.model.front_end import FrontEnd
from registry import Component
from registry.errors import UserError, WeightsError

PICTURE = PictureSpec(32, (0.5,) * 3, (0.5,) * 3, SOUND)
GRID = grid_of(*PRETRAINED_SOUND)
PARTS = {
    "attn.proj": ("attention.output.dense", "attn.proj"),
    "mlp.fc1": ("intermediate.dense", "mlp.fc1"),
    "mlp.fc2": ("output.dense", "mlp.fc2"),
    "norm1": ("layernorm_before", "norm1"),
    "norm2": ("layernorm_after", "norm2"),
}


def tower(eps: float = 1e-6) -> AstTower:
    torch.manual_seed(0)
    built = AstTower(32, 2, 4, GRID, 2.0, eps)
    with torch.no_grad():
        for parameter in built.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return built.eval()


def saved(built: AstTower, names: str, path) -> None:
    """A file of a small model under the names of the `authors` or of `transformers`, with a classifier."""
    state = built.state_dict()
    found = {}
    if names == "authors":
        found = {f"module.v.{name}": value for name, value in state.items()}
        found |= {"module.mlp_head.0.weight": torch.ones(32), "module.v.head.weight": torch.ones(5, 32)}
    else:
        start = "audio_spectrogram_transformer"
        ends = {
            "cls_token": "embeddings.cls_token",
            "dist_token": "embeddings.distillation_token",
            "pos_embed": "embeddings.position_embeddings",
            "patch_embed.proj.weight": "embeddings.patch_embeddings.projection.weight",
            "patch_embed.proj.bias": "embeddings.patch_embeddings.projection.bias",
            "norm.weight": "layernorm.weight",
            "norm.bias": "layernorm.bias",
        }
        for name, value in state.items():
            if name in ends:
                found[f"{start}.{ends[name]}"] = value
                continue
            _, block, rest = name.split(".", 2)
            part, kind = rest.rsplit(".", 1)
            if part == "attn.qkv":
                for letter, third in zip(("query", "key", "value"), value.chunk(3), strict=True):
                    found[f"{start}.encoder.layer.{block}.attention.attention.{letter}.{kind}"] = third.clone()
            else:
                found[f"{start}.encoder.layer.{block}.{PARTS[part][0]}.{kind}"] = value
        found |= {"classifier.dense.weight": torch.ones(5, 32), "classifier.layernorm.weight": torch.ones(32)}
    save_file({name: value.contiguous() for name, value in found.items()}, path)


def features(backbone: Backbone, pictures: torch.Tensor):
    x = backbone.embed(pictures)
    for block in backbone.blocks:
        x = block.enter(x)
        x = x + block.attend(x)
        x = x + block.feed_forward(x)
    return backbone.finish(x)


@pytest.mark.parametrize("names", ["authors", "transformers"])
def test_files_of_either_name_give_the_same_tower(names, tmp_path):
    built = tower()
    saved(built, names, tmp_path / "ast.safetensors")
    loaded, classifier = load_ast(local_file(str(tmp_path / "ast.safetensors"), "ast"), heads=4)
    assert classifier == 5 * 32 + 32
    assert loaded.state_dict().keys() == built.state_dict().keys()
    for name, value in loaded.state_dict().items():
        assert torch.equal(value, built.state_dict()[name]), name
    assert loaded.norm.eps == {"authors": 1e-6, "transformers": 1e-12}[names]


def test_a_file_by_its_path(tmp_path):
    torch.manual_seed(0)
    saved(AstTower(128, 1, 2, GRID, 2.0, 1e-6), "transformers", tmp_path / "ast.safetensors")
    backbone = ast(weights=str(tmp_path / "ast.safetensors"))
    assert (backbone.dim, backbone.blocks[0].heads, backbone.random_weights) == (128, 2, False)


def test_the_numbers_of_transformers(tmp_path):
    """On ten seconds, where all of its tokens are; ours come time by time and theirs band by band."""
    transformers = pytest.importorskip("transformers", reason="needs transformers: pip install -e '.[reference]'")
    torch.manual_seed(0)
    config = transformers.ASTConfig(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64, attn_implementation="eager"
    )
    theirs = transformers.ASTModel(config).eval()
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    theirs.save_pretrained(tmp_path)
    loaded, _ = load_ast(local_file(str(tmp_path), "ast"), heads=4)
    sound = SOUND.override({"frames": PRETRAINED_SOUND[0]})
    backbone = read_ast(loaded, PictureSpec(32, (0.5,) * 3, (0.5,) * 3, sound))
    heard = torch.randn(2, *PRETRAINED_SOUND)
    expected = theirs(heard)
    found = features(backbone, heard[:, None, None])
    tokens = found.tokens[:, 0]
    by_band = tokens[:, 2:].unflatten(1, GRID[::-1]).transpose(1, 2).flatten(1, 2)
    torch.testing.assert_close(tokens[:, :2], expected.last_hidden_state[:, :2], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(by_band, expected.last_hidden_state[:, 2:], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found.pooled[:, 0], expected.pooler_output, rtol=1e-4, atol=1e-5)


def test_the_pictures_of_transformers():
    """Frames that the sound fills; behind them theirs shows silence and ours nothing, as everywhere here."""
    transformers = pytest.importorskip("transformers", reason="needs transformers: pip install -e '.[reference]'")
    torch.manual_seed(0)
    waveform = 0.1 * torch.randn(16_000)
    theirs = transformers.ASTFeatureExtractor()(waveform.numpy(), sampling_rate=16_000, return_tensors="pt")
    ours = FrontEnd(PICTURE)({"waveform": waveform[None, None]})["audio"]
    assert ours.shape == (1, 1, 1, 102, 128)
    torch.testing.assert_close(ours[0, 0, 0, :98], theirs["input_values"][0, :98], rtol=1e-4, atol=1e-4)


def test_a_second_has_the_middle_of_the_positions():
    built = tower()
    backbone = read_ast(built, PICTURE)
    assert backbone.tokens("audio") == [2 + 9 * 12] * 2
    _, fitted = backbone.stem.positions((9, 12))
    table = built.pos_embed[0, 2:].unflatten(0, GRID)
    torch.testing.assert_close(fitted.unflatten(0, (9, 12)), table[:, 46:55].transpose(0, 1))


def test_it_hears_and_does_not_see():
    backbone = read_ast(tower(), PICTURE)
    with pytest.raises(UserError, match="modality='audio'"):
        backbone.embed(torch.randn(1, 2, 3, 32, 32))
    found = features(backbone, torch.randn(1, 2, 1, 102, 128))
    torch.testing.assert_close(found.pooled, found.tokens[:, :, :2].mean(2))
    assert not any(p.requires_grad for p in backbone.parameters())


def test_parameters_of_the_published_model():
    """transformers' ASTModel at its defaults, instantiated."""
    facts = count(Component.parse("ast(weights='none')"), Component("linear_probe"), AUDIO)
    assert facts["backbone"] == 86_187_264


AUDIO = Component.parse("event_localisation(modality='audio')")


def test_foreign_files_are_refused_in_one_line(tmp_path):
    save_file({"module.v.cls_token": torch.zeros(1, 1, 8)}, tmp_path / "other.safetensors")
    with pytest.raises(WeightsError, match="holds no AST"):
        ast(weights=str(tmp_path / "other.safetensors"))
    built = AstTower(64, 1, 1, (12, 50), 2.0, 1e-6)
    saved(built, "authors", tmp_path / "short.safetensors")
    with pytest.raises(UnusableFileError, match="602 positions"):
        load_ast(local_file(str(tmp_path / "short.safetensors"), "ast"))
