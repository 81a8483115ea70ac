"""Who may import whom, read from the sources."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmark.cli.arguments import SUMMARIES

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
HEAVY = ("torch", "mmengine", "timm", "open_clip", "matplotlib", "scipy", "sklearn", "plotly", "av", "cv2")
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


@pytest.mark.parametrize("verb", SUMMARIES)
def test_no_verb_imports_anything_heavy_before_it_acts(verb: str) -> None:
    script = (
        "import sys; from benchmark.cli.parser import build_parser; build_parser([sys.argv[1]]);"
        "print(sorted(set(sys.argv[2:]) & set(sys.modules)))"
    )
    command = [sys.executable, "-c", script, verb, *HEAVY]
    assert subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout.strip() == "[]"
