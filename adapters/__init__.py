"""Adapter schemes. Importing the package registers the built-in ones; the registry does so on its first look-up."""

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
from adapters.scheme import AdapterScheme

__all__ = [
    "AdapterScheme",
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
