"""Free memory as the machine, control groups and limits of a process say it."""

from __future__ import annotations

import resource
import sys
from pathlib import Path

import pytest

from benchmark.runtime import memory

GB = 2**30


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with 16 GB available and no groups or limits; files of it are written below this folder."""
    monkeypatch.setattr(memory, "PROC", tmp_path / "proc")
    monkeypatch.setattr(memory, "CGROUPS", tmp_path / "cgroup")
    monkeypatch.setattr(memory, "_cells", 1)
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (resource.RLIM_INFINITY,) * 2)
    write(tmp_path / "proc/meminfo", f"MemTotal: {24 * 2**20} kB\nMemAvailable: {16 * 2**20} kB\n")
    write(tmp_path / "proc/self/status", f"VmSize: {5 * 2**20} kB\nVmData: {2 * 2**20} kB\n")
    return tmp_path


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_the_machine_alone(machine: Path) -> None:
    assert memory.free_memory() == 16 * GB


def test_cells_at_a_time_share(machine: Path) -> None:
    memory.share_with(4)
    assert memory.free_memory() == 4 * GB


def test_a_control_group_of_version_2_and_those_around_it(machine: Path) -> None:
    write(machine / "proc/self/cgroup", "0::/slice/job\n")
    write(machine / "cgroup/slice/job/memory.max", "max\n")
    write(machine / "cgroup/slice/job/memory.current", f"{GB}\n")
    write(machine / "cgroup/slice/memory.max", f"{6 * GB}\n")
    write(machine / "cgroup/slice/memory.current", f"{5 * GB}\n")
    write(machine / "cgroup/slice/memory.stat", f"anon 1\ninactive_file {2 * GB}\n")
    assert memory.free_memory() == 3 * GB


def test_a_control_group_of_version_1(machine: Path) -> None:
    write(machine / "proc/self/cgroup", "5:devices:/\n4:memory:/job\n0::/\n")
    write(machine / "cgroup/memory/job/memory.limit_in_bytes", f"{3 * GB}\n")
    write(machine / "cgroup/memory/job/memory.usage_in_bytes", f"{GB}\n")
    write(machine / "cgroup/memory/job/memory.stat", f"total_inactive_file {GB // 2}\n")
    memory.share_with(2)
    assert memory.free_memory() == 5 * GB // 4


@pytest.mark.parametrize(("limit", "left"), [("RLIMIT_AS", 3), ("RLIMIT_DATA", 6)])
def test_limits_of_a_process_are_its_own(machine: Path, limit: str, left: int, monkeypatch: pytest.MonkeyPatch) -> None:
    soft = {getattr(resource, limit): 8 * GB}
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (soft.get(kind, resource.RLIM_INFINITY), 9 * GB))
    memory.share_with(2)
    assert memory.free_memory() == left * GB
    soft[getattr(resource, limit)] = GB
    assert memory.free_memory() == 0


def test_a_system_that_does_not_say(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "PROC", machine / "absent")
    monkeypatch.setattr(memory, "resource", None)
    assert memory.free_memory() is None


@pytest.mark.skipif(sys.platform != "linux", reason="it is read from /proc")
def test_this_machine_says_something() -> None:
    free = memory.free_memory()
    assert free is not None
    assert 0 < free < 2**50
