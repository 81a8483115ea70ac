"""What has recorded numbers: every built-in component at the version that it declares, and where they lie."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import of_adapters
import of_backbones
import of_data
import of_tasks
import of_training
from mmengine.registry import Registry
from summary import Numbers, differences, rounded

from benchmark.grid.resolve import TRAINING
from registry import ADAPTERS, BACKBONES, TASKS, look_up, names
from registry.registries import version_of
from tasks.datasets.open import DATASETS

FOLDER = Path(__file__).parent / "numbers"
COMMAND = "python tests/reference/record.py"
OF_OTHERS = frozenset({"peft"})
"""Components whose numbers a library of an extra decides; their own tests hold them against that library."""
Measure = Callable[[Path], Numbers]
"""Given an empty folder, in some seconds at most."""


def declared() -> dict[str, Measure]:
    """What measures each part, by kind, name and version. Where several parts decide numbers, all are named."""
    swin = f"backbone/swin@{version_of(BACKBONES, 'swin')}"
    parts: dict[str, Measure] = {}
    for name, version in _built_in(ADAPTERS, "adapters."):
        parts[f"adapter/{name}@{version}"] = lambda folder, name=name: of_adapters.on_toy(name)
        parts[f"adapter/{name}@{version} on {swin}"] = lambda folder, name=name: of_adapters.on_swin(name)
    for name, version in _built_in(BACKBONES, "backbones."):
        parts[f"backbone/{name}@{version}"] = lambda folder, name=name: of_backbones.of_backbone(name)
    for name, version in _built_in(TASKS, "tasks."):
        parts[f"task/{name}@{version}"] = lambda folder, name=name: of_tasks.of_task(name)
    for name, version in _data_sets():
        parts[f"data/{name}@{version}"] = lambda folder, name=name: of_data.of_data(name, folder)
    parts[f"training@{TRAINING}"] = lambda folder: of_training.of_training()
    parts[_cell()] = lambda folder: of_training.of_cell()
    return parts


def recorded() -> dict[str, Numbers]:
    """Every entry of every file."""
    entries: dict[str, Numbers] = {}
    for path in sorted(FOLDER.glob("*.json")):
        entries |= json.loads(path.read_text())
    return entries


def write(entries: dict[str, Numbers]) -> None:
    """One file for each kind, sorted, one line for each number, so that a difference can be read."""
    FOLDER.mkdir(exist_ok=True)
    kinds: dict[str, dict[str, Any]] = {}
    for key, numbers in sorted(entries.items()):
        kinds.setdefault(_kind(key), {})[key] = {name: rounded(value) for name, value in sorted(numbers.items())}
    for path in FOLDER.glob("*.json"):
        if path.stem not in kinds:
            path.unlink()
    for kind, content in kinds.items():
        (FOLDER / f"{kind}.json").write_text(_readable(content))


def complaint(key: str, measured: Numbers, entries: dict[str, Numbers]) -> str:
    """What is wrong with the numbers of a part, with the mend; empty where nothing is."""
    if key not in entries:
        return f"no numbers are recorded for {key}; record them with: {COMMAND}"
    found = differences(measured, entries[key])
    if not found:
        return ""
    more = f" and {len(found) - 3} more" if len(found) > 3 else ""
    return (
        f"{key} gives other numbers than recorded: {'; '.join(found[:3])}{more}. If that is meant, raise the version "
        f"that is declared and record them with: {COMMAND}"
    )


def _built_in(registry: Registry, package: str) -> Iterator[tuple[str, str]]:
    for name in names(registry):
        if look_up(registry, name).__module__.startswith(package) and name not in OF_OTHERS:
            yield name, version_of(registry, name)


def _data_sets() -> Iterator[tuple[str, str]]:
    for dataset in DATASETS:
        versions = {str(_reader(reader).version) for reader in dataset.readers.values()}
        yield dataset.name, "+".join(sorted(versions))


def _reader(reader: Any) -> Any:
    if not isinstance(reader, str):
        return reader
    module, _, name = reader.partition(":")
    return getattr(import_module(module), name)


def _cell() -> str:
    """A cell's numbers are those of all its parts."""
    data = dict(_data_sets())["synthetic"]
    versions = [
        version_of(BACKBONES, "tiny_vit"),
        version_of(ADAPTERS, "stg_cma"),
        version_of(TASKS, "event_localisation"),
    ]
    parts = zip(
        ("tiny_vit", "stg_cma", "event_localisation", "synthetic", "training"), [*versions, data, TRAINING], strict=True
    )
    return "cell/" + " ".join(f"{name}@{version}" for name, version in parts)


def _kind(key: str) -> str:
    return key.partition("/")[0].partition("@")[0]


def _readable(content: dict[str, Any]) -> str:
    parts = []
    for key, numbers in content.items():
        lines = [
            f"    {json.dumps(name, ensure_ascii=False)}: {json.dumps(value, ensure_ascii=False)}"
            for name, value in numbers.items()
        ]
        parts.append(f"  {json.dumps(key)}: {{\n" + ",\n".join(lines) + "\n  }")
    return "{\n" + ",\n".join(parts) + "\n}\n"
