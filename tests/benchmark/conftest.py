"""Fake components for the tests of grids, launching and the command line; kept cells, trained once for all tests."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from kept_fixtures import kept, sample

from registry import ADAPTERS, BACKBONES, TASKS, plugins

__all__ = ["kept", "sample"]

PLUGIN = Path(__file__).parents[1] / "helpers" / "fake_plugin.py"


@pytest.fixture
def clean_registries() -> Iterator[None]:
    """Whatever a test registers is gone afterwards; the built-in components stay."""
    registries = (BACKBONES, ADAPTERS, TASKS)
    for registry in registries:
        registry.import_from_location()
    before = [dict(registry.module_dict) for registry in registries]
    loaded, modules = dict(plugins._loaded), set(sys.modules)
    yield
    for registry, content in zip(registries, before, strict=True):
        registry.module_dict.clear()
        registry.module_dict.update(content)
    plugins._loaded.clear()
    plugins._loaded.update(loaded)
    for name in set(sys.modules) - modules:
        if name.startswith("plugin_"):
            del sys.modules[name]


@pytest.fixture
def fakes(clean_registries: None) -> str:
    """The plug-in file of the fake components, which are registered for this test."""
    plugins.load_plugins([str(PLUGIN)])
    return str(PLUGIN)
