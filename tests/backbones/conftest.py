"""Every small library model as a fixture."""

from __future__ import annotations

import pytest
from library_models import FAMILIES, Family


@pytest.fixture(params=FAMILIES)
def family(request: pytest.FixtureRequest) -> Family:
    return FAMILIES[request.param]
