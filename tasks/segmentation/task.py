"""Audio-visual segmentation: which pixels of a frame show what sounds (AVSBench, ECCV 2022)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

import numpy as np

from registry.errors import UserError, unknown
from registry.registries import register_task
from registry.vocabulary import ClipView, Item, ItemScore, Outputs, Prediction, Stage, Width
from tasks.datasets.open import open_source
from tasks.heads import modalities_of, widths_of
from tasks.metrics import percent
from tasks.recipe import Recipe
from tasks.segmentation.avsbench import AvsBenchHead
from tasks.segmentation.head import PatchDrawer, SegmentationHead
from tasks.segmentation.metrics import FrameCounts, f_score, f_score_in_groups, joined_counts
from tasks.segmentation.overlay import PREDICTED, TRUE, draw_mask
from tasks.task import Evaluation, Head, SourceTask
from tasks.thumbnails import strip

HEADS = ("linear", "avsbench")
STARTS = ("torch", "stg_cma")
TPAVI = (0, 1, 2, 3)


@register_task("segmentation", version=1)
class Segmentation(SourceTask):
    """The pixels that show what is heard: mean intersection over union (J) and F-score of masks.

    data: `synthetic`, a folder with AVSBench's single (S4) or several (MS3) sources, a manifest of your own with masks,
    or `avsbench_s4` and `avsbench_ms3` (their sizes without files, for counting parameters). modality: `both`, or
    `visual`, which lets nothing be heard. segments: of a manifest's clips (10). head: `linear`, each token draws its
    patch, and sound acts through the adapter alone; or the published decoder, `avsbench`. Of that: tpavi, the stages
    that are joined with sound; matching, the weight of the loss that compares sound and masked vision, 0.5 on MS3 as
    published; start, `torch`, or `stg_cma`, whose linear maps begin otherwise. sampling: of AVSBench's clips, the
    `middle` of each second, or the papers' `published` windows of sound. allow_missing: leave out clips whose media or
    masks are missing, and say how many. resize: use a store that was prepared at another size than the backbone's.

    Scores: `miou` as published, where a frame without an object counts by its background; `miou_sounding`, over frames
    with an object; `f_score` as published, in groups of four clips; `f_score_split`, one threshold for all.

    Raises:
        UserError: an option that is none of these.
    """

    primary_metric: ClassVar[str] = "miou"
    labels = ("marked",)
    beyond_stress: ClassVar[Mapping[str, str]] = {"no_sight": "segmentation draws on frames, so it needs sight"}
    head_options: ClassVar[frozenset[str]] = frozenset({"head", "tpavi", "matching", "start", "modality"})
    published_recipe: ClassVar[Recipe] = Recipe(
        epochs=15, batch_size=4, adapter_lr=1e-4, head_lr=1e-4, schedule="constant", warmup_epochs=0.0, decayed="all",
        precision="fp32",
    )  # fmt: skip

    def __init__(
        self,
        data: str = "synthetic",
        modality: str = "both",
        segments: int | None = None,
        head: str = "linear",
        tpavi: Sequence[int] = TPAVI,
        matching: float = 0.0,
        start: str = "torch",
        sampling: Literal["middle", "published"] = "middle",
        allow_missing: bool = False,
        resize: bool = False,
    ) -> None:
        self.modalities = modalities_of(modality)
        if "visual" not in self.modalities:
            raise UserError("modality='audio' has no picture to draw on; set both or visual.")
        if head not in HEADS:
            raise unknown("head of segmentation", str(head), HEADS)
        if start not in STARTS:
            raise unknown("start of segmentation's head", str(start), STARTS)
        self.tpavi = _stages(tpavi)
        if head == "linear" and (self.tpavi, matching, start) != (TPAVI, 0.0, "torch"):
            raise UserError("tpavi, matching and start are of head='avsbench'; leave them out, or set it.")
        self.head_kind, self.matching, self.start = head, matching, start
        source = open_source(data, "masks", segments=segments, sampling=sampling, allow_missing=allow_missing)
        super().__init__(data, source, resize)
        self.classes, self.side = source.classes, source.mask_side

    def head(self, dim: Width) -> SegmentationHead:
        """The head for a single stage of patches of 16 pixels, where nothing more is known of a backbone."""
        return self.head_on(dim, (Stage(widths_of(dim)["visual"], self.side // 16, 16),))

    def head_on(self, dim: Width, stages: Sequence[Stage]) -> SegmentationHead:
        if not stages:
            return self.head(dim)
        if self.head_kind == "linear":
            return PatchDrawer(stages, self.side, self.modalities)
        return AvsBenchHead(dim, stages, self.side, self.modalities, self.tpavi, self.matching, self.start == "stg_cma")

    def view(self, item: Item, head: Head, outputs: Outputs) -> ClipView:
        """What is marked over the frames, above what is so."""
        frames = item["inputs"]["frames"].permute(0, 2, 3, 1).numpy()
        drawn = head.masks(outputs)
        assert drawn is not None
        marked, truth = drawn[0].cpu().numpy(), item["targets"]["masks"].numpy() > 0
        lines = ((marked, PREDICTED), (truth, TRUE))
        return ClipView(
            strip(*([draw_mask(f, m, colour) for f, m in zip(frames, masks, strict=True)] for masks, colour in lines))
        )

    def evaluate(self, predictions: list[Prediction]) -> Evaluation:
        clips: list[FrameCounts] = [p["counts"] for p in predictions]
        frames = joined_counts(clips)
        scores = {
            "miou": percent([float(clip.iou.mean()) for clip in clips]),
            "f_score": 100 * f_score_in_groups(clips),
            "f_score_split": 100 * f_score(frames),
        }
        if frames.sounding.any():
            scores["miou_sounding"] = percent(frames.iou[frames.sounding])
        kinds = [self.classes[p["category"]] if p["category"] >= 0 else "" for p in predictions]
        for kind in sorted(set(kinds) - {""}):
            scores[f"miou/{kind}"] = percent(
                [float(clip.iou.mean()) for clip, of in zip(clips, kinds, strict=True) if of == kind]
            )
        items = [
            ItemScore(p["id"], float(clip.iou.mean()), kind)
            for p, clip, kind in zip(predictions, clips, kinds, strict=True)
        ]
        return Evaluation(scores, items)


def _stages(value: object) -> tuple[int, ...]:
    stages = np.atleast_1d(np.asarray(value if value != () else [], dtype=object)).tolist()
    if not all(isinstance(stage, int) and not isinstance(stage, bool) for stage in stages):
        raise UserError(f"tpavi={value!r} is no tuple of stages; write tpavi=(0, 1, 2, 3), or tpavi=().")
    return tuple(stages)
