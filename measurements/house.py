"""How the code is laid out, measured: how wide folders are, who imports whom, and how far things travel.

    python measurements/house.py            # the table; exit status 1 where a goal is missed

A batch is followed through one training step (`sys.setprofile` from the end of one iteration to the end of the next):
the files of this project that its calls enter, how often a call goes from one file to another, and the wings (a folder
within a package) that these files lie in. A component's text is followed from the command line to a dry run, and from a
record to the tables: the files with a function that is handed it, as text or read, and those that are handed something
that holds it.
"""

from __future__ import annotations

import ast
import contextlib
import io
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from types import FrameType
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("adapters", "backbones", "benchmark", "registry", "results", "tasks")
BATCHES = (("tiny_vit", "stg_cma(ratio=0.25)"), ("tiny_swin", "lavish"), ("tiny_vit", "linear_probe"))
FOLLOWED = "stg_cma(ratio=0.125)"


@dataclass(frozen=True)
class Line:
    """One line of the table."""

    what: str
    value: float
    goal: float | None = None
    """The most that it may be; None where nothing is asked."""
    details: str = ""

    @property
    def holds(self) -> bool:
        return self.goal is None or self.value <= self.goal


def main() -> int:
    lines = [*layout(), *trips()]
    width = max(len(line.what) for line in lines)
    for line in lines:
        goal = "" if line.goal is None else f"<= {line.goal:g}"
        print(
            f"{'ok  ' if line.holds else 'MISS'}  {line.what:<{width}}  {line.value:>7.4g}  {goal:<6}  {line.details}"
        )
    return 0 if all(line.holds for line in lines) else 1


def layout() -> list[Line]:
    """What the sources alone tell."""
    sources = {path: ast.parse(path.read_text(encoding="utf-8")) for path in source_files()}
    widths = Counter(path.parent.relative_to(ROOT).as_posix() for path in sources)
    folder, widest = widths.most_common(1)[0]
    arrows = {path: imported_files(tree) for path, tree in sources.items()}
    circles = [group for group in components(arrows) if len(group) > 1]
    units: dict[str, set[str]] = {}
    for path, tos in arrows.items():
        units.setdefault(_unit(path), set()).update({_unit(to) for to in tos} - {_unit(path)})
    tied = [group for group in components(units) if len(group) > 1]
    inside, total = imports_inside_functions(sources), sum(len(p.read_text().splitlines()) for p in sources)
    return [
        Line("files of the widest folder", widest, 18, folder),
        Line("circles of files that import each other", len(circles), 0, "; ".join(map(_names, circles))),
        Line("circles of wings that import each other", len(tied), 0, "; ".join(" ".join(sorted(g)) for g in tied)),
        Line("imports inside functions per 1000 lines", 1000 * inside / total, 2, f"{inside} in {total} lines"),
    ]


def trips() -> list[Line]:
    """What is seen while code runs."""
    found = []
    for backbone, adapter in BATCHES:
        files, moves = batch_trip(backbone, adapter)
        wings = {wing(path) for path in files}
        name = f"a batch of {backbone} x {adapter}"
        found += [
            Line(f"{name}: files", len(files), 19, f"{moves} moves"),
            Line(f"{name}: wings", len(wings), 8, " ".join(sorted(wings))),
        ]
    for what, depth, goal in (("a component or its text", 0, 11), ("what holds a component", 4, None)):
        asked, told = component_trip(depth)
        found += [
            Line(f"{what}: files to a dry run", len(asked), goal, _names(asked)),
            Line(f"{what}: files from record to tables", len(told), goal, _names(told)),
        ]
    return found


def source_files() -> list[Path]:
    return sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


def wing(path: Path) -> str:
    """The folder within its package that a file belongs to, or the package itself."""
    return "/".join(path.relative_to(ROOT).parts[:-1][:2])


def _unit(path: Path) -> str:
    """A wing, or a file that lies in no wing: what may not be tied into a circle with others."""
    within = path.relative_to(ROOT)
    return wing(path) if len(within.parts) > 2 else within.as_posix()


def imported_files(tree: ast.Module) -> set[Path]:
    """The files of this project that a source imports when it runs, also inside functions."""
    names = set()
    for node in _running(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            names |= {name if _file_of(name) else node.module for name in inner}
    return {file for name in names if name.partition(".")[0] in PACKAGES and (file := _file_of(name))}


def _running(node: ast.AST) -> Iterator[ast.AST]:
    """Every node but those that only a type checker reads."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        yield child
        yield from _running(child)


def _file_of(module: str) -> Path | None:
    path = ROOT.joinpath(*module.split("."))
    # A package's own file stands for itself only where it holds something.
    return next((file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file()), None)


def components(arrows: dict[Any, set[Any]]) -> list[list[Any]]:
    """Strongly connected components (Tarjan 1972)."""
    index: dict[Any, int] = {}
    low: dict[Any, int] = {}
    stack: list[Any] = []
    groups: list[list[Any]] = []

    def visit(node: Any) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        for to in arrows.get(node, ()):
            if to not in index:
                visit(to)
                low[node] = min(low[node], low[to])
            elif to in stack:
                low[node] = min(low[node], index[to])
        if low[node] == index[node]:
            groups.append(stack[stack.index(node) :])
            del stack[stack.index(node) :]

    for node in arrows:
        if node not in index:
            visit(node)
    return groups


def imports_inside_functions(sources: dict[Path, ast.Module]) -> int:
    functions = (n for tree in sources.values() for n in ast.walk(tree) if isinstance(n, ast.FunctionDef))
    inner = {
        (id(node))
        for function in functions
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
    }
    return len(inner)


class Watch:
    """Within, sees every call that enters a file of this project."""

    def __init__(self, sees: Callable[[FrameType], bool] = lambda frame: True) -> None:
        self.files: set[Path] = set()
        self.moves = 0
        self._sees = sees
        self._known: dict[str, Path | None] = {}
        self._last: Path | None = None

    def start(self) -> None:
        sys.setprofile(self._event)

    def stop(self) -> None:
        sys.setprofile(None)

    def __enter__(self) -> Watch:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def _event(self, frame: FrameType, event: str, argument: object) -> None:
        if event != "call":
            return
        name = frame.f_code.co_filename
        if name not in self._known:
            self._known[name] = _own(name)
        path = self._known[name]
        if path is None or not self._sees(frame):
            return
        self.files.add(path)
        self.moves += path != self._last
        self._last = path


def _own(name: str) -> Path | None:
    path = Path(name)
    return path if any(path.is_relative_to(ROOT / package) for package in PACKAGES) else None


def batch_trip(backbone: str, adapter: str) -> tuple[set[Path], int]:
    """The files that the second batch of an epoch enters, and how often its calls change from one to another."""
    from mmengine.hooks import Hook

    from benchmark.grid.expand import expand
    from benchmark.grid.grid import Grid
    from benchmark.model.build import build_model, build_task
    from benchmark.train.runner import alone, build_runner
    from registry import Component

    class Follow(Hook):
        priority = "LOWEST"

        def after_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
            watch.stop()
            if batch_idx == 0:
                watch.start()
            if batch_idx == 1:
                runner.train_loop.stop_training = True
                raise StopIteration

    watch = Watch()
    parts = [Component.parse(text) for text in (backbone, adapter, "event_localisation")]
    (spec,) = expand(Grid(*((part,) for part in parts)), settings=["epochs=1", "batch_size=2"])
    task = build_task(spec.task)
    task.prepare()
    model = build_model(spec.backbone, spec.adapter, task, seed=0, precision=spec.recipe.precision)
    with alone("house") as name, tempfile.TemporaryDirectory() as folder, contextlib.suppress(StopIteration):
        runner, _ = build_runner(spec, task, model, [Follow()], name=name, folder=Path(folder))
        runner.train()
    return watch.files, watch.moves


def component_trip(depth: int) -> tuple[set[Path], set[Path]]:
    """The files that are handed a component or its text: on the way to a dry run, and from a record to the tables.

    Args:
        depth: how many levels down an argument may hold it (a spec, a cell, a record, a row); 0 is the text itself.
    """
    from benchmark.__main__ import main as command
    from registry import Component

    component = Component.parse(FOLLOWED)

    def is_handed_it(frame: FrameType) -> bool:
        code = frame.f_code
        arguments = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
        try:
            return any(_holds(frame.f_locals.get(name), component, depth) for name in arguments)
        except Exception:
            # An argument that is only half made, or compares in a way of its own, is no component's text.
            return False

    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        cell = ["--backbone", "tiny_vit", "--adapter", FOLLOWED, "--task", "event_localisation", "--output", folder]
        with Watch(is_handed_it) as asked:
            command(["run", *cell, "--dry-run"])
        _write_a_record(Path(folder))
        with Watch(is_handed_it) as told:
            command(["leaderboard", "--output", folder])
    return asked.files, told.files


def _holds(value: Any, component: Any, depth: int) -> bool:
    """Whether a value is the component or its text, or holds it so many levels down."""
    if isinstance(value, str):
        return FOLLOWED in value
    if type(value) is type(component) and value == component:
        return True
    if not depth:
        return False
    if is_dataclass(value) and not isinstance(value, type):
        value = [getattr(value, field.name, None) for field in fields(value)]
    elif isinstance(value, dict):
        value = list(value.values())
    return isinstance(value, list | tuple) and any(_holds(inner, component, depth - 1) for inner in value)


def _write_a_record(output: Path) -> None:
    from results.record import Parameters, RunRecord
    from results.store.store import Store

    Store(output).write(
        RunRecord(
            hash="0" * 16, slug="house", backbone="tiny_vit", adapter=FOLLOWED, task="event_localisation", seed=0,
            recipe={}, protocol="validation", status="completed", data="synthetic@1", primary_metric="accuracy",
            scores={"accuracy": 50.0}, parameters=Parameters(10, 5, 5),
        )
    )  # fmt: skip


def _names(files: Any) -> str:
    return " ".join(sorted(path.relative_to(ROOT).as_posix() for path in files))


if __name__ == "__main__":
    os.environ.setdefault("AVBENCH_PREPARED", "none")
    sys.path.insert(0, str(ROOT))
    sys.exit(main())
