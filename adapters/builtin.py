"""Importing this module registers the built-in adapter schemes; the registry does so on its first look-up."""

from adapters import avmoe, cola, dg_sct, lavish, stg_cma
from adapters.unimodal import (
    adaptformer,
    bitfit,
    bottleneck,
    deep_prompts,
    full_finetune,
    linear_probe,
    lora,
    norm_tuning,
    peft,
)

__all__ = [
    "adaptformer",
    "avmoe",
    "bitfit",
    "bottleneck",
    "cola",
    "deep_prompts",
    "dg_sct",
    "full_finetune",
    "lavish",
    "linear_probe",
    "lora",
    "norm_tuning",
    "peft",
    "stg_cma",
]
