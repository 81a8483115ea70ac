"""The files that show the records (tables for people, papers and programs, pictures, a page), made where they must be.

Light to import: what makes the files brings libraries for statistics and pictures, and is imported when it is needed.
"""

from __future__ import annotations

import hashlib
import json
import shlex
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from registry.files import read_regular
from registry.text import printable
from results.store.files import write_atomically
from results.store.source import RecordSource
from results.summary import Summary

KEPT = ".leaderboard.json"
"""Beside the files: what they were made from, their digests, and their summary."""
MOST_BYTES = 2**30
_LIBRARIES = ("numpy", "scipy", "matplotlib", "plotly")


def write(output: Path, source: RecordSource, command: str | None = None) -> Summary:
    """Make every file of the leaderboard under `output`: `leaderboard.csv`, `.md`, `.tex`, `.html` and the pictures
    `tradeoff.png` and `tradeoff.svg`.

    Args:
        output: the folder; made where it is absent.
        source: the records and their items.
        command: what the files name as the command that made them.

    Raises:
        UserError: the output cannot be written.
    """
    # Seconds of import, which an unchanged leaderboard is spared.
    from results.outputs import make  # noqa: PLC0415

    command = command or _command(output)
    # Before the records are read: one that comes meanwhile makes the next fingerprint another.
    made_from = _made_from(source, command)
    summary = make(output, source, command)
    content = {"made_from": made_from, "files": _digests(output, summary.files), "summary": summary.as_dict()}
    write_atomically(output / KEPT, json.dumps(content, indent=1).encode())
    return summary


def refresh(output: Path, source: RecordSource, command: str | None = None) -> Summary:
    """As `write`, but files that are as they were made, of records that have not changed since, are left as they are.

    Raises:
        UserError: the output cannot be written.
    """
    return _unchanged(output, source, command or _command(output)) or write(output, source, command)


def _unchanged(output: Path, source: RecordSource, command: str) -> Summary | None:
    try:
        kept = json.loads(read_regular(output / KEPT, MOST_BYTES))
        if kept["made_from"] is None or kept["made_from"] != _made_from(source, command):
            return None
        summary = Summary.from_dict(kept["summary"])
        return summary if kept["files"] == _digests(output, summary.files) else None
    # Whatever is wrong with what was kept or with a file, all are made again.
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def _command(output: Path) -> str:
    return printable(shlex.join(["python", "-m", "benchmark", "leaderboard", "--output", str(output)]))


def _made_from(source: RecordSource, command: str) -> str | None:
    """A digest of all that the files follow from: records, command, this package, and the libraries that it uses."""
    records = source.fingerprint()
    if records is None:
        return None
    digest = hashlib.sha256("\0".join([records, command, sys.version, *map(_version, _LIBRARIES)]).encode())
    package = Path(__file__).parent
    for path in sorted(path for path in package.rglob("*") if path.is_file() and path.suffix != ".pyc"):
        digest.update(f"\0{path.relative_to(package)}\0".encode() + path.read_bytes())
    return digest.hexdigest()


def _version(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError:
        return ""


def _digests(output: Path, names: tuple[str, ...]) -> dict[str, str]:
    return {name: hashlib.sha256(read_regular(output / name, MOST_BYTES)).hexdigest() for name in names}
