"""From the components of a cell to its live modules."""

from __future__ import annotations

from typing import cast

from adapters.scheme import AdapterScheme
from backbones.backbone import Backbone
from benchmark.grid.expand import build_task
from benchmark.model.encoder import Encoder
from benchmark.model.model import AudioVisualModel, Precision
from benchmark.runtime.seeding import seed_everything
from registry import ADAPTERS, BACKBONES, Component, look_up
from registry.component import option_defaults
from registry.errors import UserError
from registry.vocabulary import Stage
from tasks.recipe import Checkpointing
from tasks.task import Task

__all__ = ["build_backbone", "build_model", "build_scheme", "build_task"]


def build_backbone(component: Component) -> Backbone:
    """The frozen backbone behind a component.

    Raises:
        UserError: an unknown name, an option that it refuses, weights that are not there, or what is no backbone.
    """
    built = look_up(BACKBONES, component.name)(**component.options)
    _check_kind(built, "picture", f"backbone {component.name}", "backbones.backbone.Backbone")
    return cast(Backbone, built)


def build_scheme(component: Component, backbone: Backbone, segments: int) -> AdapterScheme:
    """The scheme behind a component, for the widths of a backbone.

    A scheme with an option `segments` gets the task's, unless the component sets it.

    Raises:
        UserError: an unknown name, an option that it refuses, or what is no scheme.
    """
    build = look_up(ADAPTERS, component.name)
    known = {"segments": segments} if "segments" in option_defaults(build) else {}
    built = build(backbone, **{**known, **component.options})
    _check_kind(built, "forward_block", f"adapter {component.name}", "adapters.scheme.AdapterScheme")
    return cast(AdapterScheme, built)


def _check_kind(built: object, needed: str, registered: str, expected: str) -> None:
    """Refuse what a plug-in registered by mistake, before something deep inside misses a part of it."""
    if not hasattr(built, needed):
        raise UserError(f"{registered} builds a {type(built).__name__}, expected an object of {expected}; return one.")


def build_model(
    backbone: Component,
    adapter: Component,
    task: Task,
    *,
    seed: int,
    precision: Precision,
    checkpointing: Checkpointing = "none",
    compiled: bool = False,
) -> AudioVisualModel:
    """Every live module of a cell.

    Each part starts from a state of its own that only the seed decides: with the same seed, cells that differ in
    their adapter start from the same head, and where weights are random, from the same backbone.

    Raises:
        UserError: an unknown name, an option that a part refuses, or weights that are not there.
    """
    seed_everything(seed, "backbone")
    frozen = build_backbone(backbone)
    seed_everything(seed, "adapter")
    scheme = build_scheme(adapter, frozen, task.segments)
    seed_everything(seed, "head")
    encoder = Encoder(frozen, scheme, checkpointing=checkpointing, compiled=compiled)
    return AudioVisualModel(encoder, task.head_on(frozen.dim, stages_of(frozen)), precision)


def stages_of(backbone: Backbone) -> tuple[Stage, ...]:
    """The stages of a backbone; none of a plug-in's that does not say."""
    return getattr(backbone, "stages", ())
