"""The wings of `results` import downwards only."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

RESULTS = Path(__file__).parents[2] / "results"
FLOORS: dict[str, int] = {
    "record": 0,
    "summary": 0,
    "store": 1,
    "statistics": 1,
    "table": 2,
    "render": 3,
    "export": 4,
    "page": 4,
    "outputs": 5,
    "leaderboard": 6,
}
"""Each wing or module may import those of lower floors, and itself."""


def wing_of(path: Path) -> str:
    return path.relative_to(RESULTS).parts[0].removesuffix(".py")


def imported_wings(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "results":
            parts = node.module.split(".")
            yield from [parts[1]] if len(parts) > 1 else [alias.name for alias in node.names]


def test_every_wing_has_its_floor() -> None:
    assert {wing_of(path) for path in RESULTS.rglob("*.py")} - {"__init__"} == set(FLOORS)


@pytest.mark.parametrize(
    "path",
    sorted(set(RESULTS.rglob("*.py")) - {RESULTS / "__init__.py"}),
    ids=lambda path: str(path.relative_to(RESULTS)),
)
def test_imports_go_downwards(path: Path) -> None:
    own = wing_of(path)
    assert all(wing == own or FLOORS[wing] < FLOORS[own] for wing in imported_wings(path))
