"""The README's adapter is this very file; it registers itself and takes the exam of every built-in scheme."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
import torch

from adapters.contract import CHECKS
from adapters.toy import ToyBackbone
from registry import ADAPTERS, look_up

FILE = Path(__file__).parents[2] / "examples" / "my_adapter.py"


@pytest.fixture(scope="module", autouse=True)
def _plugin():
    """The example loaded from its file, and its name given back afterwards."""
    ADAPTERS.import_from_location()
    before = dict(ADAPTERS.module_dict)
    spec = importlib.util.spec_from_file_location("my_adapter", FILE)
    spec.loader.exec_module(importlib.util.module_from_spec(spec))
    yield
    ADAPTERS.module_dict.clear()
    ADAPTERS.module_dict.update(before)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_example_keeps_the_contract(check):
    torch.manual_seed(0)
    toy = ToyBackbone()
    pictures = {m: torch.randn(2, 3, 3, toy.picture, toy.picture) for m in ("visual", "audio")}
    check(look_up(ADAPTERS, "cross_excite"), toy, pictures)


def test_example_stays_short():
    assert len(FILE.read_text().splitlines()) < 60
