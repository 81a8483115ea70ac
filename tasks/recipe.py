"""Every number that training depends on, in one flat place."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, get_args, get_origin, get_type_hints

from registry.errors import UserError, unknown

PRESET = "preset"

Checkpointing = Literal["none", "auto", "blocks"]


@dataclass(frozen=True)
class Recipe:
    """How a cell is trained. A task holds its published defaults; grid files and `--set` change single fields."""

    epochs: int = 20
    """Passes over the training split."""
    batch_size: int = 2
    """Clips in one forward pass."""
    accumulate: int = 1
    """Forward passes to one step of the optimiser."""
    adapter_lr: float = 1e-4
    """Learning rate of what the adapter trains, at its highest."""
    head_lr: float = 1e-5
    """Learning rate of the head, at its highest."""
    final_lr_ratio: float = 0.0
    """Where the cosine ends, as a share of the starting rate."""
    final_lr: float = 0.0
    """Where the cosine ends, for every group; 0 leaves it to `final_lr_ratio`."""
    schedule: Literal["cosine", "constant", "step"] = "cosine"
    """After the warm-up: down a cosine, as it is, or times `step_factor` after every `step_epochs` epochs."""
    step_epochs: int = 1
    """Epochs between two steps of the schedule `step`."""
    step_factor: float = 0.1
    """What the learning rate is multiplied by at each."""
    warmup_epochs: float = 2.0
    """Epochs in which the learning rate grows from nothing; 0 starts with the full rate."""
    warmup_start: Literal["step", "zero"] = "step"
    """Whether the first iteration takes one step of the warm-up or none, so that its last has the full rate."""
    optimizer: Literal["adam", "adamw"] = "adam"
    """Adam (arXiv 1412.6980) adds weight decay to gradients; AdamW (arXiv 1711.05101) takes it off the weights."""
    beta1: float = 0.9
    """Share of the past in the running mean of gradients."""
    beta2: float = 0.999
    """Share of the past in the running mean of their squares."""
    weight_decay: float = 0.0
    """Factor of the weights that is added or taken off, see `optimizer`."""
    decayed: Literal["matrices", "all"] = "matrices"
    """What weight decay applies to: everything with two or more dimensions, or all that is trained."""
    clip_norm: float = 0.0
    """Gradient norm bound; 0 leaves gradients as they are."""
    patience: int = 0
    """Epochs without a better validation score before training stops; 0 never stops early."""
    average_from: int = 0
    """First epoch, from 1, of those whose trained parameters are averaged; 0 averages nothing. The average is what is
    tested then, in place of the best epoch."""
    average_to: int = 0
    """Last of these epochs."""
    mixup: float = 0.0
    """Probability that a training clip's sound is mixed with another clip's, labels unmixed."""
    mixup_beta: float = 10.0
    """a of the Beta(a, a) from which the share of each segment is drawn."""
    quirk: Literal["none", "repeated_step", "discarded_gradients"] = "none"
    """A mistake of published training code that its numbers depend on; only under the protocol `paper`.
    `repeated_step`: each 8th and the last step of an epoch is taken twice (LAVISH, AVE). `discarded_gradients`: of each
    `accumulate` batches all gradients but the last are thrown away (AVE, LAVISH's version 2 and DG-SCT, with
    accumulate=2)."""
    crop: float = 0.0
    """Most of a frame's area that a random crop leaves out, one crop for all frames of a clip; 0 crops nothing."""
    flip: float = 0.0
    """Probability that the frames of a clip are mirrored, all or none."""
    rand_augment: int = 0
    """Operations of RandAugment on the frames of a clip, the same on all of them; 0 for none."""
    rand_magnitude: float = 7.0
    """Their magnitude, 0 to 10."""
    erase: float = 0.0
    """Probability that one box is erased from all frames of a clip."""
    mask_bands: int = 0
    """Most mel bands that SpecAugment hides in a segment's log-mel picture (`freqm`); 0 hides none."""
    mask_frames: int = 0
    """Most frames that SpecAugment hides there (`timem`)."""
    noise: float = 0.0
    """Largest amplitude of uniform noise on normalised log-mel pictures; AST's and CAV-MAE's code has 0.1."""
    roll: int = 0
    """Most frames that a log-mel picture is shifted by, either way; the same code has 10."""
    precision: Literal["bf16", "fp16", "fp32"] = "bf16"
    """Type of the products of a forward pass, by autocast where it is not float32; trained weights are float32 always.
    `fp16` is for GPUs without bfloat16: losses are scaled so that small gradients are not lost, and a step whose
    gradients overflow is left out (mixed-precision training, arXiv:1710.03740)."""
    checkpointing: Checkpointing = "auto"
    """Whether blocks are computed again in the backward pass instead of keeping their activations: no block, all
    (`blocks`), or on CPU as many as a step needs to fit into free memory (`auto`, `benchmark.model.recompute`). The
    same numbers in less memory and more time; a record tells those too, so this belongs to its identity."""
    compile: Literal["none", "blocks"] = "none"
    """`blocks`: `torch.compile` fuses what each block does in training, where batches are full. Faster on GPUs, behind
    a first step of a minute or so; other last bits than without."""

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "accumulate", "step_epochs"):
            if getattr(self, name) < 1:
                raise UserError(f"recipe {name}={getattr(self, name)} must be at least 1.")
        for name in ("crop", "flip", "erase", "mixup"):
            if getattr(self, name) > 1:
                raise UserError(f"recipe {name}={getattr(self, name)} must be at most 1.")
        for name in _fields():
            value = getattr(self, name)
            if isinstance(value, int | float) and not 0 <= value < float("inf"):
                raise UserError(f"recipe {name}={value} must be a finite number, 0 or more.")
        if self.average_from and not self.average_from <= self.average_to <= self.epochs:
            raise UserError(
                f"recipe averages epochs {self.average_from} to {self.average_to} of {self.epochs}; set average_from "
                "and average_to within them, or average_from=0."
            )
        if self.precision == "fp16" and self.quirk == "repeated_step":
            raise UserError("recipe quirk='repeated_step' takes a step twice, which precision='fp16' cannot; use bf16.")
        if self.mixup and not self.mixup_beta:
            raise UserError("recipe mixup_beta=0 must be more than 0.")

    def override(self, values: Mapping[str, Any]) -> Recipe:
        """A recipe with these fields changed; text, as `--set` gives it, is read as the field's own type.

        The field `preset` takes all numbers from a published recipe first, see `PRESETS`.

        Raises:
            UserError: an unknown field or preset, or a value that is not of the field's type.
        """
        hints = _fields()
        if "workers" in values:
            raise UserError("workers is no field of the recipe, since no number depends on it; give run --workers N.")
        for name in values:
            if name not in (*hints, PRESET):
                raise unknown("recipe field", name, [*hints, PRESET])
        if PRESET in values:
            rest = {name: value for name, value in values.items() if name != PRESET}
            return published(values[PRESET]).override(rest)
        return dataclasses.replace(self, **{name: _read(name, hints[name], value) for name, value in values.items()})

    def as_dict(self) -> dict[str, Any]:
        """Field names and values, in the order of this class."""
        return dict(vars(self))


def check_precision(precision: str, device: str) -> None:
    """Refuse float16 where it is no gain.

    Args:
        device: `cpu`, `cuda` or `cuda:1`.

    Raises:
        UserError: `fp16` on a processor.
    """
    if precision == "fp16" and device == "cpu":
        raise UserError("precision fp16 is for GPUs; on a processor use precision=fp32, or bf16 where it has AVX-512.")


def published(preset: object) -> Recipe:
    """A paper's recipe by name.

    Raises:
        UserError: no such name.
    """
    if preset not in PRESETS:
        raise unknown("recipe", str(preset), PRESETS)
    return PRESETS[str(preset)]


@cache
def _fields() -> dict[str, Any]:
    return get_type_hints(Recipe)


def _read(name: str, kind: Any, value: Any) -> Any:
    if get_origin(kind) is Literal:
        if value in get_args(kind):
            return value
        raise UserError(f"recipe {name}={value!r} is not one of {', '.join(get_args(kind))}.")
    try:
        if isinstance(value, bool) or (kind is int and isinstance(value, float) and value != int(value)):
            raise ValueError
        return kind(value)
    except (TypeError, ValueError, OverflowError):
        what = "a whole number" if kind is int else "a number"
        raise UserError(f"recipe {name}={value} is not {what}; write it as {name}={getattr(Recipe(), name)}.") from None


# The training numbers of the papers. STG-CMA trained in fp16; bfloat16 stands in for it. What belongs to head, adapter,
# backbone or data is an option of theirs, see docs/how_to/reproduce_a_paper.md.

STG_CMA_AVE = Recipe(
    epochs=20,
    batch_size=1,
    adapter_lr=5e-5,
    head_lr=5e-6,
    final_lr=2e-6,
    warmup_epochs=2.0,
    warmup_start="zero",
    beta1=0.95,
    beta2=0.999,
    weight_decay=5e-7,
    decayed="all",
    average_from=8,
    average_to=20,
    mixup=0.5,
    mixup_beta=10.0,
    rand_augment=4,
    rand_magnitude=7.0,
    crop=0.92,
    flip=0.5,
    erase=0.25,
    precision="bf16",
)
"""Sections 5.1 and 6: CLIP-L and Swin-L. For the Swin-B runs the authors' comment gives adapter_lr 1e-4."""

STG_CMA_AVQA = STG_CMA_AVE.override(
    {"batch_size": 2, "adapter_lr": 2.5e-5, "head_lr": 2.5e-5, "average_from": 0, "average_to": 0, "mixup": 0.0,
     "rand_augment": 0, "crop": 0.0, "flip": 0.0, "erase": 0.0}
)  # fmt: skip
"""One rate for everything, no averaging, no augmentation."""

LAVISH_AVE = Recipe(
    epochs=50, batch_size=2, adapter_lr=5e-5, head_lr=4e-6, schedule="constant", warmup_epochs=0.0, patience=5,
    decayed="all", precision="fp32",
)  # fmt: skip
"""The README's command, Swin v2-L."""

LAVISH_AVE_V2 = LAVISH_AVE.override(
    {"adapter_lr": 1e-4, "head_lr": 5e-6, "schedule": "step", "step_epochs": 3, "step_factor": 0.35}
)
"""run_v2.sh."""

LAVISH_AVE_VIT = LAVISH_AVE.override({"adapter_lr": 3e-5, "head_lr": 6e-6})
"""The flags that its author gives for ViT-B."""

LAVISH_AVQA = LAVISH_AVE.override(
    {"epochs": 30, "batch_size": 1, "adapter_lr": 8e-5, "head_lr": 8e-5, "schedule": "step", "step_epochs": 8,
     "step_factor": 0.1}
)  # fmt: skip
"""The README's command; the rates of its groups are ignored by the code, so one rate holds for all."""

DG_SCT_AVE = LAVISH_AVE.override(
    {"batch_size": 8, "adapter_lr": 5e-4, "head_lr": 5e-4, "patience": 20, "schedule": "step", "step_epochs": 3,
     "step_factor": 0.35}
)  # fmt: skip
"""train.sh. The published code trains with quirk=discarded_gradients and accumulate=2."""

DG_SCT_AVVP = DG_SCT_AVE.override(
    {"epochs": 40, "adapter_lr": 3e-4, "head_lr": 3e-4, "patience": 0, "step_epochs": 10, "step_factor": 0.1}
)
DG_SCT_AVQA = DG_SCT_AVE.override(
    {"epochs": 80, "adapter_lr": 1e-4, "head_lr": 1e-4, "patience": 3, "step_epochs": 8, "step_factor": 0.1}
)
DG_SCT_AVS_S4 = DG_SCT_AVE.override(
    {"epochs": 15, "adapter_lr": 3e-4, "head_lr": 3e-4, "patience": 0, "schedule": "constant"}
)
DG_SCT_AVS_MS3 = DG_SCT_AVS_S4.override({"epochs": 30, "batch_size": 2, "adapter_lr": 1.5e-4, "head_lr": 1.5e-4})
"""Of all five the mixing and masking of sound belongs to their audio backbone and is left out."""

HAN_AVVP = DG_SCT_AVVP.override({"batch_size": 16})
"""The options of its main_avvp.py by default; a frozen backbone takes the place of its features."""

AVMOE_AVE = DG_SCT_AVE.override({"batch_size": 2, "accumulate": 8})
"""train.sh; the authors start from DG-SCT's trained head."""

AVMOE_AVVP = DG_SCT_AVVP.override({"batch_size": 1, "accumulate": 8})
AVMOE_AVQA = DG_SCT_AVQA.override({"batch_size": 2, "accumulate": 4, "patience": 5})
AVMOE_AVS_S4 = DG_SCT_AVS_S4.override({"epochs": 50, "batch_size": 2, "accumulate": 4})
AVMOE_AVS_MS3 = DG_SCT_AVS_MS3.override({"epochs": 60})

COLA_AVE = LAVISH_AVE.override({"adapter_lr": 5e-6, "head_lr": 4e-6, "patience": 10})
"""train.sh, ViT-B/16."""

COLA_AVS = COLA_AVE.override({"epochs": 20, "accumulate": 4, "adapter_lr": 2e-4, "head_lr": 2e-4, "patience": 0})

STG_CMA_AVS_S4 = Recipe(
    epochs=20, batch_size=2, adapter_lr=3e-4, head_lr=3e-4, final_lr=2e-5, warmup_epochs=5.0, warmup_start="zero",
    beta1=0.95, weight_decay=5e-7, decayed="all", precision="fp32",
)  # fmt: skip
"""run_swin_adapt_avs.sh: one rate for adapter and decoder."""

STG_CMA_AVS_MS3 = STG_CMA_AVS_S4.override({"epochs": 30})
"""Ours: its authors trained on single sources alone. Their numbers for those, and AVSBench's epochs for several."""

LAVISH_AVS_S4 = Recipe(
    epochs=30, batch_size=4, adapter_lr=1e-4, head_lr=1e-4, schedule="constant", warmup_epochs=0.0, decayed="all",
    precision="fp32",
)  # fmt: skip
"""The README's command. Its early stopping never comes about, since its counter is set back after each epoch."""

LAVISH_AVS_MS3 = LAVISH_AVS_S4
"""Ours: its authors trained on single sources alone, in the batches and epochs that AVSBench has for several."""

PRESETS = {
    "stg_cma_ave": STG_CMA_AVE,
    "stg_cma_avqa": STG_CMA_AVQA,
    "lavish_ave": LAVISH_AVE,
    "lavish_ave_v2": LAVISH_AVE_V2,
    "lavish_ave_vit": LAVISH_AVE_VIT,
    "lavish_avqa": LAVISH_AVQA,
    "dg_sct_ave": DG_SCT_AVE,
    "dg_sct_avvp": DG_SCT_AVVP,
    "dg_sct_avqa": DG_SCT_AVQA,
    "dg_sct_avs_s4": DG_SCT_AVS_S4,
    "dg_sct_avs_ms3": DG_SCT_AVS_MS3,
    "han_avvp": HAN_AVVP,
    "avmoe_ave": AVMOE_AVE,
    "avmoe_avvp": AVMOE_AVVP,
    "avmoe_avqa": AVMOE_AVQA,
    "avmoe_avs_s4": AVMOE_AVS_S4,
    "avmoe_avs_ms3": AVMOE_AVS_MS3,
    "cola_ave": COLA_AVE,
    "cola_avs": COLA_AVS,
    "stg_cma_avs_s4": STG_CMA_AVS_S4,
    "stg_cma_avs_ms3": STG_CMA_AVS_MS3,
    "lavish_avs_s4": LAVISH_AVS_S4,
    "lavish_avs_ms3": LAVISH_AVS_MS3,
}
