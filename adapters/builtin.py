"""Importing this module registers the built-in adapter schemes; the registry does so on its first look-up."""

from adapters import (
    adaptformer,
    bitfit,
    bottleneck,
    deep_prompts,
    full_finetune,
    lavish,
    linear_probe,
    lora,
    norm_tuning,
    stg_cma,
)

__all__ = [
    "adaptformer",
    "bitfit",
    "bottleneck",
    "deep_prompts",
    "full_finetune",
    "lavish",
    "linear_probe",
    "lora",
    "norm_tuning",
    "stg_cma",
]
