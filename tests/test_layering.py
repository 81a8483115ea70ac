"""Who may import whom, read from the sources."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("registry", "backbones", "adapters", "tasks", "results", "benchmark")
LAYERS = {
    "registry": {"registry"},
    "backbones": {"registry", "backbones"},
    "adapters": {"registry", "adapters", "backbones"},
    "tasks": {"registry", "tasks"},
    "results": {"registry", "results"},
    "benchmark": set(PACKAGES),
}
# The protocol, and faster ways to compute: an adapter that needs more of `backbones` would be written for one family.
PROTOCOL = {"backbones.backbone", "backbones.block", "backbones.kernels"}
VERB_MODULES = (
    "parser",
    "arguments",
    "run",
    "listing",
    "describe",
    "leaderboard",
    "compare",
    "status",
    "pretrain",
    "data",
    "verify",
)
FOREIGN = {"results": {"torch", "mmengine"}, "tasks": {"mmengine"}, "adapters": {"mmengine", "timm", "open_clip"}}


def sources(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def imported(path: Path) -> Iterator[str]:
    """Every absolute module that a source imports, also inside functions; `from a import b` gives `a.b`."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relative to itself; the project writes absolute names"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def violations(package: str) -> list[str]:
    found = []
    for path in sources(package):
        for name in imported(path):
            top = name.partition(".")[0]
            if (top in PACKAGES and top not in LAYERS[package]) or top in FOREIGN.get(package, ()):
                found.append(f"{path.relative_to(ROOT)} imports {name}")
    return found


@pytest.mark.parametrize("package", PACKAGES)
def test_layers_import_downwards_only(package: str) -> None:
    assert sources(package)
    assert not violations(package)


def test_adapters_know_the_protocol_and_no_family() -> None:
    of_backbones = {
        f"{path.relative_to(ROOT)} imports {name}"
        for path in sources("adapters")
        for name in imported(path)
        if name.startswith("backbones") and not any(name.startswith(f"{module}.") for module in PROTOCOL)
    }
    assert not of_backbones


def test_the_command_line_imports_nothing_heavy_before_a_verb_runs() -> None:
    """Top-level imports of what `__main__` reaches at start; a module of ours counts only where it is light itself."""
    light = {"benchmark.cli", "registry.errors"}
    start = [ROOT / "benchmark/__main__.py", *(ROOT / "benchmark/cli" / f"{name}.py" for name in VERB_MODULES)]
    for path in start:
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ImportFrom) and node.module and node.module.partition(".")[0] in PACKAGES:
                assert any(node.module.startswith(prefix) for prefix in light), f"{path.name} imports {node.module}"
