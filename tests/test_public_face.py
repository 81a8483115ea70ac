"""What plug-ins may import stays where it is, and the page that lists it lists all of it."""

from __future__ import annotations

import ast
import re
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "explanation" / "architecture.md").read_text()
FACE = {
    module: re.findall(r"`(\w+)`", names)
    for module, names in re.findall(r"^\| `([\w.]+)` \| ((?:`\w+`(?:, )?)+) \|$", PAGE, flags=re.MULTILINE)
}


def test_the_page_lists_the_modules_that_do_not_move() -> None:
    assert FACE.keys() == {
        "benchmark", "registry", "registry.vocabulary", "adapters.scheme", "adapters.parts", "adapters.contract",
        "backbones.block", "backbones.backbone", "backbones.attention", "backbones.stem", "tasks.task",
        "tasks.datasets.open", "tasks.recipe",
    }  # fmt: skip


@pytest.mark.parametrize("module", FACE)
def test_every_listed_name_is_there(module: str) -> None:
    found = import_module(module)
    assert [name for name in FACE[module] if not hasattr(found, name)] == []


@pytest.mark.parametrize("file", sorted((ROOT / "examples").glob("*.py")), ids=lambda file: file.stem)
def test_the_examples_need_no_more(file: Path) -> None:
    ours = {"adapters", "backbones", "benchmark", "registry", "results", "tasks"}
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.partition(".")[0] in ours:
            names = {alias.name for alias in node.names}
            assert names <= set(FACE.get(node.module, ())), ast.unparse(node)
