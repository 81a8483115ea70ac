"""Keeps the tables that a measurement prints, with where they came from: `measurements/NAME.json`, for the pages.

    python measurements/store.py parity -- python measurements/parity_table.py 'tests/golden/*/*.npz'
    python measurements/store.py embedded_study -- python measurements/embedded_study.py runs/study

Tables are the Markdown tables of the command's output; the heading or line of text above one is its title. Command,
date, machine and commit are written beside them. `--label` adds what a reader must know ("synthetic data").
"""

from __future__ import annotations

import argparse
import json
import shlex
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from benchmark.runtime.environment import device_name  # noqa: E402
from registry.machine import cores  # noqa: E402


def tables(markdown: str) -> list[dict[str, Any]]:
    """Every table of a text: `title`, `columns`, `rows`."""
    found: list[dict[str, Any]] = []
    above, open_table = "", None
    for line in markdown.splitlines():
        if line.startswith("|"):
            cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
            if open_table is None:
                open_table = {"title": above, "columns": cells, "rows": []}
                found.append(open_table)
            elif set("".join(cells)) - set("-: "):
                open_table["rows"].append(cells)
        else:
            open_table = None
            above = line.lstrip("# ").strip() or above
    return found


def facts() -> dict[str, str]:
    """Date, machine and commit of this moment."""
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True)
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": f"{device_name('cpu')}, {cores()} cores",
        "commit": commit.stdout.strip() or "unknown",
    }


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name")
    parser.add_argument("--label", action="append", default=[])
    parser.add_argument("command", nargs="+")
    asked = parser.parse_args(words)
    done = subprocess.run(asked.command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    content = {"command": shlex.join(asked.command), **facts(), "labels": asked.label, "tables": tables(done.stdout)}
    path = ROOT / "measurements" / f"{asked.name}.json"
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")
    print(f"{len(content['tables'])} tables in {path.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
