"""Tables of the evidence pages, from the files in measurements/.

Such a file is one JSON object: `command`, `date`, `machine`, `commit`, `labels` (what a reader must know) and `tables`, each with
`title`, `columns`, `rows` and perhaps a `note`.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from reference import layouts, table

ROOT = Path(__file__).resolve().parents[2]
MEASUREMENTS = ROOT / "measurements"
_ASKED = re.compile(r"^<!-- measured: (\w+)(?: (.+?))? -->$", re.MULTILINE)
_PENDING = re.compile(r"^<!-- to be measured: (\w+) by (.+?) -->$", re.MULTILINE)
_STEPS = re.compile(r"^<!-- steps: (.+?) at ([0-9a-f]{7}) -->$", re.MULTILINE)
_GENERATED = re.compile(r"^<!-- generated: layouts -->$", re.MULTILINE)


def fill(markdown: str) -> str:
    """Put the tables of `measurements/NAME.json` where a page says `<!-- measured: NAME -->`, all or those of one title.

    `<!-- to be measured: NAME by COMMAND -->` says that there are none yet, with the command that measures them.

    Raises:
        FileNotFoundError: there is no such file.
    """
    markdown = _GENERATED.sub(lambda match: layouts(), markdown)
    markdown = _STEPS.sub(lambda match: steps(*match.groups()), markdown)
    markdown = _PENDING.sub(lambda match: pending(*match.groups()), markdown)
    return _ASKED.sub(lambda match: _tables(match.group(1), match.group(2)), markdown)


def pending(name: str, command: str) -> str:
    """One line for tables that nobody has measured.

    Raises:
        ValueError: somebody has.
    """
    if (MEASUREMENTS / f"{name}.json").exists():
        raise ValueError(f"measurements/{name}.json is there; the page may say 'measured: {name}'")
    return f"**Not measured yet.** `{command}` measures it, and `measurements/store.py {name}` keeps the tables for this page."


def _tables(name: str, title: str | None) -> str:
    measured = read(name)
    chosen = [one for one in measured["tables"] if title in (None, one["title"])]
    if not chosen:
        raise ValueError(f"measurements/{name}.json has no table {title!r}")
    parts = []
    for one in chosen:
        parts += [f"**{one['title']}**\n", table(one["columns"], one["rows"]), "", one.get("note", ""), ""]
    return "\n".join([*parts, _source(name, measured)])


def _source(name: str, measured: dict[str, Any]) -> str:
    """One line that tells where the figures come from."""
    commands = measured["command"] if isinstance(measured["command"], list) else [measured["command"]]
    told = ", ".join(f"`{command}`" for command in commands)
    facts = [measured["machine"], measured["date"], f"commit `{measured['commit']}`", *measured.get("labels", [])]
    return f"Source: {told}; {'; '.join(facts)}; file `measurements/{name}.json`.\n"


def read(name: str) -> dict[str, Any]:
    """A file of measurements."""
    return json.loads((MEASUREMENTS / f"{name}.json").read_text())


def steps(label: str, commit: str) -> str:
    """Training steps of one label of `measurements/step_results.json`, one clip at a time, measured at a commit."""
    results = json.loads((MEASUREMENTS / "step_results.json").read_text())
    chosen = [m for key, m in results.items() if key.split("/")[0] == label and "failure" not in m]
    rows = [
        (
            f"`{m['backbone']}`", f"`{m['adapter']}`", m["batch"], f"{m['step_ms_per_clip'] / 1000:.3g}",
            f"{100 * m['step_share']:.0f} %", f"{m['inference_ms_per_clip'] / 1000:.3g}",
            f"{m['peak_memory_mb'] * 2**20 / 1e9:.1f}" if m["peak_memory_mb"] else "–",
        )
        for m in chosen if label.startswith("H200") or m["batch"] == 1
    ]  # fmt: skip
    head = (
        "backbone",
        "adapter",
        "batch",
        "step, s per clip",
        "of the machine's rate",
        "inference, s per clip",
        "peak memory, GB",
    )
    first = chosen[0]
    facts = f"{first['device_name']}, {first['threads']} threads; {first['precision']}; {first['date']}; commit `{commit}`; random weights and inputs"
    return f"{table(head, rows)}\n\nSource: `python measurements/speed/step.py`; {facts}; file `measurements/step_results.json`.\n"
