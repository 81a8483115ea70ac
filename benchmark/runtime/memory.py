"""How much memory this process may still take: of the machine, of its control group and of its own limits."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

try:
    import resource
except ImportError:  # Windows has no such limits
    resource = None  # type: ignore[assignment]

PROC, CGROUPS = Path("/proc"), Path("/sys/fs/cgroup")

LIMITS = {"RLIMIT_AS": "VmSize", "RLIMIT_DATA": "VmData"}
"""Limits of a process, and what counts against each in `/proc/self/status`."""

_cells = 1


def share_with(cells: int) -> None:
    """Say how many cells run on this machine at a time, this one included; a process has one share, as of threads."""
    global _cells
    _cells = max(1, cells)


def free_memory() -> int | None:
    """Bytes that this process may still take; None where the system does not say.

    The least of: its share of what the machine and each control group around it (version 1 or 2) have left, and what
    its limits on address space and data leave, which are its own.
    """
    shared = [left // _cells for left in (*_of_machine(), *_of_control_groups())]
    return min([*shared, *_of_limits()], default=None)


def _of_machine() -> Iterator[int]:
    available = _kilobytes(PROC / "meminfo", "MemAvailable")
    if available is not None:
        yield available


def _of_control_groups() -> Iterator[int]:
    """What each group around this process has left; files that it read and may drop are no use of its memory."""
    for line in _text(PROC / "self/cgroup").splitlines():
        number, controllers, path = line.split(":", 2)
        if number == "0" and not controllers:
            root, names = CGROUPS, ("memory.max", "memory.current", "inactive_file")
        elif "memory" in controllers.split(","):
            root = CGROUPS / "memory"
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
        else:
            continue
        inside = root / path.lstrip("/")
        # A container may see its own group as the root.
        for group in {root, *(folder for folder in (inside, *inside.parents) if folder.is_relative_to(root))}:
            limit, used = (_text(group / name).strip() for name in names[:2])
            if limit.isdecimal() and used.isdecimal():
                droppable = _field(_text(group / "memory.stat"), names[2]) or 0
                yield max(0, int(limit) - int(used) + droppable)


def _of_limits() -> Iterator[int]:
    for limit, field in LIMITS.items() if resource is not None else ():
        soft, _ = resource.getrlimit(getattr(resource, limit))
        used = _kilobytes(PROC / "self/status", field)
        if soft != resource.RLIM_INFINITY and used is not None:
            yield max(0, soft - used)


def _kilobytes(path: Path, field: str) -> int | None:
    found = _field(_text(path), f"{field}:")
    return None if found is None else 1024 * found


def _field(text: str, name: str) -> int | None:
    return next((int(words[1]) for words in map(str.split, text.splitlines()) if words[:1] == [name]), None)


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
