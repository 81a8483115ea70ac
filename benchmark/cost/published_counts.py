"""What the methods' authors counted: parameters that their code creates and counts, and that do not exist here."""

from __future__ import annotations

from typing import cast

from adapters.lavish import Lavish
from adapters.scheme import AdapterScheme
from adapters.stg_cma import StgCma
from adapters.temporal import TemporalBias, TemporalEmbedding
from backbones.backbone import Backbone
from benchmark.model.model import AudioVisualModel
from registry import Component
from results.record import Parameters
from tasks.segmentation.avsbench import AvsBenchHead
from tasks.segmentation.decoder import AUDIO_WIDTH, Fusion

COUNTED_WITH: dict[type[AdapterScheme], str] = {StgCma: "sound_stem", Lavish: "classifier"}
"""Which part that `left_out` knows a paper adds to its totals."""

UNUSED_OF_HEADS = {("avqa", "lavish"): 2_757_632, ("parsing", "han"): 4_738_048}
"""By task and its option `head`: layers that are created, counted and never used."""

NAMES = tuple(f"{role}_as_published" for role in ("adapter", "head", "trainable", "total"))


def as_published(model: AudioVisualModel, live: Parameters, task: Component) -> dict[str, int | None]:
    """Counts of adapter, head, both and the whole; None where the method has none or a size is not known.

    Args:
        live: of the parameters that exist.
        task: whose head the model has.
    """
    scheme, backbone = model.encoder.scheme, model.encoder.backbone
    part = next((part for kind, part in COUNTED_WITH.items() if isinstance(scheme, kind)), None)
    outside = left_out(backbone).get(part) if part is not None and isinstance(backbone, Backbone) else None
    if outside is None:
        return dict.fromkeys(NAMES)
    adapter = live.adapter + (_unused_of_stg_cma(scheme) if isinstance(scheme, StgCma) else 0)
    head = live.head + UNUSED_OF_HEADS.get((task.name, str(task.options.get("head"))), 0)
    head += _unused_of_avsbench(model.head) if isinstance(model.head, AvsBenchHead) else 0
    counts = (adapter, head, adapter + head, live.backbone + adapter + head + outside)
    return dict(zip(NAMES, counts, strict=True))


def left_out(backbone: Backbone) -> dict[str, int]:
    """Parameters that published models hold beside these, by part; a part of unknown size is missing.

    `classifier`: the pretrained one. `sound_stem`: a stem of its own for sound, 0 where this backbone has it.
    """
    sizes = {} if backbone.classifier_size is None else {"classifier": backbone.classifier_size}
    if backbone.sound_stem is not None:
        return {**sizes, "sound_stem": 0}
    shared = {id(token) for token in backbone.stem.prefix}
    own = backbone.stem.for_sound(backbone.picture.sound).parameters()
    return {**sizes, "sound_stem": sum(p.numel() for p in own if id(p) not in shared)}


def _unused_of_avsbench(head: AvsBenchHead) -> int:
    """The unit of the coarsest stage that is never called; without TPAVI, the projection of a sound nobody hears."""
    unit = sum(p.numel() for p in cast(Fusion, head.decoder.fuse[0]).merge.parameters())
    return unit + (0 if head.hear is not None else (head.dim + 1) * AUDIO_WIDTH)


def _unused_of_stg_cma(scheme: StgCma) -> int:
    """The authors' modules have two gates in each block and both modalities' positions in every mode."""
    blocks = list(scheme.blocks)
    if blocks[0].gates is not None:
        return 0
    lone = len(blocks[0].spatial.bottleneck) == 1
    kinds = (TemporalEmbedding, TemporalBias)
    positions = sum(p.numel() for m in scheme.modules() if isinstance(m, kinds) for p in m.parameters())
    return 2 * len(blocks) + (positions if lone else 0)
