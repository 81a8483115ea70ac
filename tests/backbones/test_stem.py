"""Positions on grids other than the native one, against the official implementations' recorded tensors."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from library_models import PICTURE, SOUND
from timm.models.vision_transformer import VisionTransformer
from torch import nn

from backbones.backbone import Backbone
from backbones.families.vit import read_vit
from backbones.stem import Positions
from registry.errors import UserError

GOLDEN = Path(__file__).parents[1] / "golden"


def grid_table(rows: int, columns: int) -> nn.Parameter:
    """A class position of -1, then each patch's own (row, column)."""
    patches = torch.cartesian_prod(torch.arange(rows), torch.arange(columns)).float()
    return nn.Parameter(torch.cat((torch.full((1, 2), -1.0), patches)))


@pytest.mark.parametrize("policy", ["resample", "crop", "crop_aligned", "linear"])
def test_the_native_grid_keeps_the_pretrained_table(policy: str) -> None:
    table = grid_table(4, 4)
    prefix, patches = Positions(table, (4, 4), 1, policy)((4, 4))
    assert torch.equal(torch.cat((prefix, patches)), table)


def test_resample_is_bilinear_in_both_directions_and_leaves_the_class_alone() -> None:
    prefix, patches = Positions(grid_table(4, 4), (4, 4), 1, "resample")((2, 8))
    assert prefix.tolist() == [[-1, -1]]
    rows, columns = patches.reshape(2, 8, 2).unbind(-1)
    assert rows[:, 0].tolist() == [0.5, 2.5]
    assert columns[0, 2:6].tolist() == [0.75, 1.25, 1.75, 2.25]


def test_crop_aligned_takes_the_middle_of_each_axis() -> None:
    _, patches = Positions(grid_table(8, 8), (8, 8), 1, "crop_aligned")((2, 4))
    assert patches.reshape(2, 4, 2)[:, 0].tolist() == [[3, 2], [4, 2]]


def crop_cases() -> list[tuple[str, dict[str, Any]]]:
    with np.load(GOLDEN / "stg_cma" / "aux_misc.npz") as file:
        return list(json.loads(str(file["meta/config_json"]))["clip_audio_init"].items())


@pytest.mark.parametrize(("case", "sizes"), crop_cases())
def test_crop_equals_the_official_stg_cma(case: str, sizes: dict[str, Any]) -> None:
    """Recorded from the released code; patches along mel are `f_dim`, along time `t_dim`."""
    with np.load(GOLDEN / "stg_cma" / "aux_misc.npz") as file:
        visual, audio = (torch.from_numpy(file[f"clip_audio_init/{case}/{m}_pos_embed"]) for m in ("visual", "audio"))
    native = (sizes["grid"], sizes["grid"])
    found = Positions(nn.Parameter(visual), native, 1, "crop")((sizes["t_dim"], sizes["f_dim"]))
    torch.testing.assert_close(torch.cat(found), audio, rtol=1e-5, atol=1e-6)


@pytest.fixture
def lavish() -> tuple[Backbone, dict[str, torch.Tensor]]:
    """LAVISH's recorded tiny ViT: 32 x 32 frames, and sound pictures of 22 x 32 whose last 6 rows fill no patch."""
    with np.load(GOLDEN / "lavish" / "vit_tiny.npz") as file:
        recorded = {key: torch.from_numpy(file[key]) for key in file if file[key].dtype == np.float32}
        sizes = json.loads(str(file["meta/json"]))["backbone"]
    model = VisionTransformer(**sizes, num_classes=0)
    start = "param/backbone."
    model.load_state_dict({k.removeprefix(start): v for k, v in recorded.items() if k.startswith(start)})
    picture = replace(PICTURE, sound=replace(SOUND, frames=22))
    return read_vit(model, picture, positions="linear"), recorded


def test_linear_equals_the_official_lavish(lavish: tuple[Backbone, dict[str, torch.Tensor]]) -> None:
    backbone, recorded = lavish
    sound = recorded["input/audio"][:, :, None].expand(-1, -1, 3, -1, -1)
    for pictures, key in ((recorded["input/vis"], "eval/embed.v"), (sound, "eval/embed.a")):
        torch.testing.assert_close(backbone.embed(pictures).flatten(0, 1), recorded[key], rtol=0, atol=1e-4)


def test_an_unknown_policy_is_refused() -> None:
    with pytest.raises(UserError, match=r"unknown position policy 'cropped'. Did you mean crop"):
        Positions(grid_table(4, 4), (4, 4), 1, "cropped")
