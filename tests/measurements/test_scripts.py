"""What measurement scripts import of the project is there, so that each can be run again."""

from __future__ import annotations

import ast
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OURS = {"adapters", "backbones", "benchmark", "registry", "results", "tasks"}
SCRIPTS = sorted((ROOT / "measurements").rglob("*.py"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_a_script_imports_what_is_there(script: Path) -> None:
    for node in ast.walk(ast.parse(script.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.partition(".")[0] in OURS:
            found = import_module(node.module)
            missing = {alias.name for alias in node.names if not hasattr(found, alias.name)}
            for name in missing:
                import_module(f"{node.module}.{name}")
