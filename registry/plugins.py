"""Third-party components: installed packages by entry point, files and modules by `--plugin`."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import traceback
from collections.abc import Callable, Iterable
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType

from registry.errors import UserError
from registry.registries import ADAPTERS, BACKBONES, TASKS

GROUP = "benchmark.plugins"
_PREFIX = "plugin_"
"""Of the names under which requested files are imported."""

_loaded: dict[str, ModuleType | None] = {}


def load_plugins(requested: Iterable[str] = (), report: Callable[[str], None] | None = None) -> None:
    """Load every installed plug-in and every requested one, each once, however often this is called.

    Args:
        requested: Python files or importable modules, as `--plugin` names them.
        report: told in one line of an installed plug-in that fails, which is then left out. None stays silent.

    Raises:
        UserError: a requested plug-in fails; the message names it and its own failing line.
    """
    # Built-in names come first, so that a clash is the plug-in's error and not ours.
    for registry in (BACKBONES, ADAPTERS, TASKS):
        registry.import_from_location()
    for entry_point in entry_points(group=GROUP):
        _load_installed(entry_point, report)
    for name in requested:
        _load_requested(name)


def requested_plugins() -> tuple[str, ...]:
    """The files and modules that were requested and loaded so far, for a process that shall load them too."""
    return tuple(name for name, module in _loaded.items() if module is not None)


def line_of_plugin(error: BaseException) -> str:
    """The last line of a requested plug-in that led to an error, `mine.py, line 3`; empty where none did."""
    files = {module.__file__ for module in _loaded.values() if module is not None}
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename in files]
    return f"{Path(frames[-1].filename).name}, line {frames[-1].lineno}" if frames else ""


def _load_installed(entry_point: EntryPoint, report: Callable[[str], None] | None) -> None:
    key = f"{GROUP}:{entry_point.name}={entry_point.value}"
    if key in _loaded:
        return
    _loaded[key] = None
    try:
        entry_point.load()
    except (Exception, SystemExit) as error:
        origin = entry_point.dist.name if entry_point.dist else entry_point.value
        if report:
            report(f"plug-in {entry_point.name} of {origin} was left out: {_what(error, '')}")


def _load_requested(name: str) -> None:
    is_file = name.endswith(".py") or "/" in name or "\\" in name
    key = str(Path(name).resolve()) if is_file else name
    if key in _loaded:
        return
    if is_file and (imported := _imported_from(key)):
        _loaded[key] = imported
        return
    if is_file and not Path(key).is_file():
        raise UserError(f"plug-in file {name} does not exist.")
    try:
        _loaded[key] = _import_file(Path(key)) if is_file else importlib.import_module(name)
    except (Exception, SystemExit) as error:
        if isinstance(error, ModuleNotFoundError) and error.name == name:
            raise UserError(
                f"plug-in module {name} is not importable; give a file as --plugin path/to/{name}.py."
            ) from None
        raise UserError(f"plug-in {name} failed: {_what(error, key)}") from error


def _imported_from(file: str) -> ModuleType | None:
    """The module that a program has imported from a file before, whose components are registered by that."""
    for name, module in list(sys.modules.items()):
        source = None if name.startswith(_PREFIX) else getattr(module, "__file__", None)
        if isinstance(source, str) and Path(source).name == Path(file).name and str(Path(source).resolve()) == file:
            return module
    return None


def _import_file(path: Path) -> ModuleType:
    """Import a file as a module of its own name, behind a prefix that keeps it apart from installed modules."""
    name = f"{_PREFIX}{path.stem}"
    while name in sys.modules:
        name += "_"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError("not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _what(error: BaseException, file: str) -> str:
    """The error in one line, with the last line of the plug-in that led to it."""
    message = str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
    text = " ".join(message.split())
    text = text.removesuffix(".") if isinstance(error, UserError) else f"{type(error).__name__}: {text}"
    if isinstance(error, SyntaxError):
        return text
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if frame.filename == file] or frames[-1:]
    return f"{text} ({Path(own[-1].filename).name}, line {own[-1].lineno})" if own else text
