"""The built-in adapters that every environment can build."""

from __future__ import annotations

from registry import ADAPTERS, names

OWN_ADAPTERS = [name for name in names(ADAPTERS) if name != "peft"]
"""All but `peft`, which takes the same exams in its own tests, where its extra is installed."""
