"""Which source files a cell runs through, found by reading imports, and what those sources mean."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

OWN_PACKAGES = frozenset({"registry", "backbones", "adapters", "tasks", "benchmark"})
# They choose, place and describe cells; a cell's numbers do not depend on them.
NOT_DECISIVE = (
    "benchmark.cli",
    "benchmark.cost.describe",
    "benchmark.runtime.environment",
    "benchmark.grid.expand",
    "benchmark.data.cache_key",
    "benchmark.train.failures",
    "benchmark.grid.grid",
    "benchmark.grid.identity",
    "benchmark.launch",
    "benchmark.grid.check",
    "benchmark.launch.plan",
    "benchmark.runtime.progress",
    "benchmark.runtime.source_digest",
    "registry.component",
    "registry.errors",
    "registry.plugins",
    "registry.registries",
    "tasks.published_recipes",
)


def reached_from(files: Iterable[tuple[str, Path]], modules: Iterable[str]) -> dict[str, Path]:
    """Every decisive module that these reach by imports, themselves included, with its file.

    Args:
        files: modules by name and file, for those that are not importable by name, such as a plug-in's file.
        modules: modules by name.
    """
    waiting = [*files, *((name, path) for name in modules if (path := _file_of(name)))]
    reached: dict[str, Path] = {}
    while waiting:
        name, path = waiting.pop()
        if name not in reached and not _is_or_within(name, NOT_DECISIVE):
            reached[name] = path
            waiting += _imports(name, path)
    return reached


def digest(files: Iterable[tuple[str, Path]], modules: Iterable[str]) -> str:
    """16 hexadecimal digits of what the sources mean that these reach, see `reached_from`."""
    sources, summary = reached_from(files, modules), hashlib.sha256()
    for name in sorted(sources):
        summary.update(f"{name}\n{meaning(sources[name])}\n".encode())
    return summary.hexdigest()[:16]


def meaning(path: Path) -> str:
    """The syntax tree of a source without docstrings, as text."""
    return _read(path).meaning


class _Source(NamedTuple):
    meaning: str
    imports: list[ast.Import | ast.ImportFrom]


@cache
def _read(path: Path) -> _Source:
    # The tree itself, which takes far more memory, is not kept.
    tree = ast.parse(path.read_bytes())
    imports = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            imports.append(node)
        elif isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            node.body = [child for child in node.body if not _is_text(child)]
    return _Source(ast.dump(tree), imports)


@cache
def _imports(name: str, path: Path) -> list[tuple[str, Path]]:
    followed = OWN_PACKAGES | {name.partition(".")[0]}
    found = {module for module in _imported_names(name, path) if module.partition(".")[0] in followed}
    return [(module, file) for module in sorted(found) if (file := _file_of(module))]


def _imported_names(name: str, path: Path) -> Iterator[str]:
    """Names that may be modules: for `from a import b` both `a.b` and, where that is no module, `a`."""
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node in _read(path).imports:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        else:
            base = _absolute(node, package)
            for alias in node.names:
                inner = f"{base}.{alias.name}"
                yield inner if _file_of(inner) else base


def _absolute(node: ast.ImportFrom, package: str) -> str:
    if not node.level:
        return node.module or ""
    parents = package.split(".")[: len(package.split(".")) - node.level + 1]
    return ".".join([*parents, *([node.module] if node.module else [])])


@cache
def _file_of(module: str) -> Path | None:
    """The source of a module; no package is imported to find it, which for libraries would take seconds."""
    top, *inner = module.split(".")
    spec = _spec_of(top)
    if spec is None:
        return None
    if not inner:
        return Path(spec.origin) if spec.origin and spec.origin.endswith(".py") else None
    paths = [Path(folder, *inner) for folder in spec.submodule_search_locations or ()]
    files = (file for path in paths for file in (path / "__init__.py", path.with_name(f"{path.name}.py")))
    return next(filter(Path.is_file, files), None)


@cache
def _spec_of(top: str) -> ModuleSpec | None:
    try:
        return find_spec(top) if top else None
    except (ImportError, ValueError, AttributeError):
        return None


def _is_or_within(name: str, modules: Iterable[str]) -> bool:
    return any(name == module or name.startswith(f"{module}.") for module in modules)


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
