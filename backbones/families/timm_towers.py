"""Picture towers that open_clip takes from timm: SigLIP, SigLIP 2, EVA, and the perception encoder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from backbones.backbone import Backbone
from backbones.families.common import picture_of
from backbones.families.eva import read_eva
from backbones.families.timm_models import load_into, own_statistics
from backbones.families.vit import read_vit
from backbones.families.weights import RANDOM, Loaded, WeightFile, load_checked
from backbones.pictures import VIT_SOUND
from registry.errors import UserError


@dataclass(frozen=True)
class TimmTower:
    """A timm model that stands for the picture tower of an open_clip model."""

    trunk: Any
    statistics: tuple[tuple[float, ...], tuple[float, ...]]
    """Channel mean and deviation."""

    def read(
        self,
        statistics: str,
        sound: Mapping[str, Any] | None,
        positions: str,
        heads: int | None,
        loaded: Loaded,
    ) -> Backbone:
        """The tower as a frozen backbone that shares its parameters; see `backbones.families.clip.clip`.

        Raises:
            UserError: another number of heads is asked for, or the tower has parts that no reader knows.
        """
        from timm.models.eva import Eva

        if heads is not None:
            raise UserError(f"heads={heads} is for towers of open_clip's own, but this model has one of timm.")
        side = self.trunk.patch_embed.img_size[0]
        picture = picture_of(side, self.statistics, statistics, VIT_SOUND, sound)
        read = read_eva if isinstance(self.trunk, Eva) else read_vit
        return read(self.trunk, picture, positions=positions, weight_files=loaded.files, weight_notes=loaded.notes)


def load_timm_tower(
    config: Mapping[str, Any], size: int | None, file: WeightFile | None, published: Mapping[str, Any]
) -> tuple[TimmTower, Loaded]:
    """The picture tower that open_clip takes from timm, and what initialised it."""
    name, side = config["timm_model_name"], config["image_size"] if size is None else size
    pool = {"global_pool": config["timm_pool"]} if config.get("timm_pool") else {}
    import timm
    from timm.models.eva import Eva
    from timm.models.vision_transformer import VisionTransformer

    try:
        trunk = timm.create_model(name, pretrained=False, num_classes=0, img_size=side, **pool)
    except TypeError:
        # Other kinds of models have no size.
        trunk = None
    if not isinstance(trunk, VisionTransformer | Eva):
        raise UserError(f"the clip reader takes vision transformers, but this model has {name} of timm.")
    mean, deviation = own_statistics(trunk)
    tower = TimmTower(trunk, (tuple(published.get("mean") or mean), tuple(published.get("std") or deviation)))
    if file is None:
        return tower, RANDOM
    notes = load_checked(file, name, lambda: load_into(trunk, file, name))
    return tower, Loaded(file.digest(), tuple(notes))
