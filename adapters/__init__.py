"""Adapter schemes. Importing the package registers the built-in ones; the registry does so on its first look-up."""

from adapters import bottleneck, lavish, linear_probe, stg_cma
from adapters.scheme import AdapterScheme

__all__ = ["AdapterScheme", "bottleneck", "lavish", "linear_probe", "stg_cma"]
