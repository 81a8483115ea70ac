"""The training numbers of the papers by name: `--set recipe=stg_cma_ave`, or `preset = "stg_cma_ave"` in a grid file.

STG-CMA trained in fp16; bfloat16 stands in for it. What belongs to head, adapter, backbone or data is an option of
theirs, see docs/recipes.md.
"""

from __future__ import annotations

from tasks.recipe import Recipe

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
"""The author's flags for ViT-B (issue 17)."""

LAVISH_AVQA = LAVISH_AVE.override(
    {"epochs": 30, "batch_size": 1, "adapter_lr": 8e-5, "head_lr": 8e-5, "schedule": "step", "step_epochs": 8,
     "step_factor": 0.1}
)  # fmt: skip
"""The README's command; the rates of its groups are ignored by the code, so one rate holds for all."""

PRESETS = {
    "stg_cma_ave": STG_CMA_AVE,
    "stg_cma_avqa": STG_CMA_AVQA,
    "lavish_ave": LAVISH_AVE,
    "lavish_ave_v2": LAVISH_AVE_V2,
    "lavish_ave_vit": LAVISH_AVE_VIT,
    "lavish_avqa": LAVISH_AVQA,
}
