"""A very small backbone of each family, and pictures for it."""

from __future__ import annotations

import pytest
import torch
from small_backbones import FAMILIES, pictures_for, unlike_towers

from backbones.backbone import Backbone
from backbones.towers import Towers


@pytest.fixture(params=FAMILIES)
def backbone(request) -> Backbone:
    """A frozen backbone of one family. Unperturbed, Swin v2's branches would be zero and hide every mistake."""
    torch.manual_seed(0)
    return FAMILIES[request.param]()


@pytest.fixture
def pictures(backbone) -> dict[str, torch.Tensor]:
    """Two clips of three segments, {modality: (2, 3, 3, S, S)}."""
    return pictures_for(backbone)


@pytest.fixture
def unlike() -> Towers:
    """Two backbones whose streams differ in all that they can differ in."""
    torch.manual_seed(0)
    return unlike_towers()


@pytest.fixture
def unlike_pictures(unlike) -> dict[str, torch.Tensor]:
    return pictures_for(unlike)
