"""What is installed, what this machine offers, and whether the default grid could run here."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path
from typing import Literal

from huggingface_hub import constants
from packaging.requirements import Requirement

import benchmark
from backbones.families.hub import PROBE_SECONDS, hub_answers
from benchmark.grid.grid import Grid
from benchmark.runtime.name_clash import DISTRIBUTION, explain_clash
from registry.cache import cache_folder, keeps_prepared
from registry.errors import in_one_line
from registry.machine import cores
from results.render.format import count, counted

ROOM = 2**30
"""Bytes that the embedded grid's clips, cached features and records take, with some to spare."""

SECONDS_TO_MEASURE = 2.0
"""How long the files of one folder are added up; more are told as `at least`."""

State = Literal["ok", "note", "fault"]


@dataclass(frozen=True)
class Finding:
    """One line of what was found; with a `fault` the default grid does not run."""

    state: State
    subject: str
    text: str


def examine(output: Path) -> Iterator[Finding]:
    """Everything in turn, what takes no import of torch first.

    Args:
        output: where the default grid would write.
    """
    yield from _libraries()
    yield from _extras()
    clash = explain_clash()
    yield (
        Finding("fault", "names", clash)
        if clash
        else Finding("ok", "names", "no other project's package in place of ours")
    )
    yield from _folders(output)
    yield _hub()
    yield from _devices()
    yield from _default_grid()


def _libraries() -> Iterator[Finding]:
    try:
        ours = distribution(DISTRIBUTION)
    except PackageNotFoundError:
        yield Finding("note", DISTRIBUTION, "runs from a folder and is not installed, so what it needs is not declared")
        return
    yield Finding("ok", DISTRIBUTION, ours.version)
    for needed in _needed(None):
        found, fault = _installed(needed)
        yield Finding("fault" if fault else "ok", needed.name, fault or found)


def _extras() -> Iterator[Finding]:
    try:
        declared = distribution(DISTRIBUTION).metadata.get_all("Provides-Extra") or []
    except PackageNotFoundError:
        return
    for extra in declared:
        faults = [f"{needed.name} {fault}" for needed in _needed(extra) if (fault := _installed(needed)[1])]
        mend = f"{', '.join(faults)}: pip install '{DISTRIBUTION}[{extra}]'"
        yield Finding("note", f"[{extra}]", mend) if faults else Finding("ok", f"[{extra}]", "installed")


def _needed(extra: str | None) -> list[Requirement]:
    """What the project requires here, always or, for an extra, in addition."""
    requirements = [Requirement(line) for line in distribution(DISTRIBUTION).requires or ()]
    of_extra = [needed for needed in requirements if (needed.marker is not None and "extra" in str(needed.marker))]
    if extra is not None:
        return [needed for needed in of_extra if needed.marker and needed.marker.evaluate({"extra": extra})]
    always = [needed for needed in requirements if needed not in of_extra]
    return [needed for needed in always if needed.marker is None or needed.marker.evaluate()]


def _installed(needed: Requirement) -> tuple[str, str]:
    """The version that is installed, and what is wrong with it, if anything."""
    try:
        found = version(needed.name)
    except PackageNotFoundError:
        return "", "is missing"
    fits = needed.specifier.contains(found, prereleases=True)
    return found, "" if fits else f"{found} is installed and {needed.specifier} is needed"


def _folders(output: Path) -> Iterator[Finding]:
    ours, of_hub = cache_folder(), Path(constants.HF_HUB_CACHE)
    kept = "" if keeps_prepared() else ", which AVBENCH_PREPARED=none keeps from growing"
    for subject, folder, addition in (("cache", ours, kept), ("cache of the hub", of_hub, "")):
        yield Finding("ok", subject, f"{folder}: {_size(folder)}{addition}")
    for folder in dict.fromkeys((ours, output)):
        yield _writable(folder)


def _size(folder: Path) -> str:
    """Bytes and files below a folder, links not followed."""
    if not folder.is_dir():
        return "not there yet"
    total, files, until = 0, 0, time.monotonic() + SECONDS_TO_MEASURE
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(place, name)).st_size
            except OSError:  # Another process has just deleted it.
                continue
            files += 1
        if time.monotonic() > until:
            return f"at least {count(total)}B in {counted(files, 'file')}"
    return f"{count(total)}B in {counted(files, 'file')}"


def _writable(folder: Path) -> Finding:
    there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        mend = "AVBENCH_CACHE" if folder == cache_folder() else "--output"
        return Finding("fault", "room", f"{there} cannot be written; name another folder with {mend}")
    free = shutil.disk_usage(there).free
    text = f"{count(free)}B free at {folder}"
    return (
        Finding("ok", "room", text) if free >= ROOM else Finding("fault", "room", f"{text}, {count(ROOM)}B are needed")
    )


def _hub() -> Finding:
    if constants.HF_HUB_OFFLINE:
        return Finding("note", "hub", "HF_HUB_OFFLINE is set: weights come out of the cache alone")
    if hub_answers():
        return Finding("ok", "hub", f"{constants.ENDPOINT} answers")
    return Finding(
        "note", "hub", f"{constants.ENDPOINT} does not answer within {PROBE_SECONDS:g} s: only cached weights"
    )


def _devices() -> Iterator[Finding]:
    try:
        torch = import_module("torch")
        driver = import_module("benchmark.runtime.environment").driver()
    # A broken installation raises anything, of the linker's too.
    except Exception as error:
        yield Finding("fault", "torch", f"cannot be imported ({in_one_line(error)})")
        return
    built = f"torch {torch.__version__} is built for CUDA {torch.version.cuda or 'nowhere'}"
    if torch.cuda.is_available():
        for number in range(torch.cuda.device_count()):
            facts = torch.cuda.get_device_properties(number)
            yield Finding(
                "ok", f"GPU {number}", f"{facts.name}, {count(facts.total_memory)}B, {driver or 'driver unknown'}"
            )
    elif driver:
        yield Finding("note", "GPU", f"there is a driver ({driver}) that torch cannot use; {built}")
    else:
        yield Finding("note", "GPU", f"none; {built}")
    free = import_module("benchmark.runtime.memory").free_memory()
    yield Finding("ok", "processor", f"{counted(cores(), 'core')}, {count(free)}B of memory free")


def _default_grid() -> Iterator[Finding]:
    """Expand, resolve and build it without weights or data, in this process."""
    doubts: list[str] = []
    try:
        specs = benchmark.expand(Grid.embedded())
        benchmark.resolve(specs)
        benchmark.check_builds(specs, doubts.append)
    # As above: whatever is raised is what a user of `run` would meet.
    except Exception as error:
        doubts.append(in_one_line(error))
    yield from (Finding("fault", "default grid", doubt) for doubt in doubts)
    if not doubts:
        yield Finding("ok", "default grid", f"{counted(len(specs), 'cell')}, each of which can be built")
