"""The leaderboard as one page that opens from disk: data, style, program and plotting library in a single file."""

from __future__ import annotations

import base64
import gzip
import hashlib
import html
import json
import re
from functools import cache
from importlib import resources
from typing import Any

from registry.vocabulary import STRESS_FAMILIES
from results.render.boards import board_titles
from results.render.csv import decimals
from results.statistics.errors import Errors
from results.statistics.robustness import Robustness
from results.table.aggregate import mean_ranks, volumes
from results.table.columns import PRESENTED, columns_of, value
from results.table.gather import Leaderboard
from results.table.row import Row, shared_labels

SCRIPTS = ("rows.js", "table.js", "plot.js", "errors.js", "gallery.js", "stress.js", "record.js", "main.js")
"""Parts of the program, in the order in which they run."""


def to_html(board: Leaderboard) -> str:
    """The whole page.

    Text of records reaches the page as data only. They stand in a block that no browser runs, with every `<` escaped,
    and the content security policy lets nothing run but our program and the plotting library, by their hashes, and
    lets nothing be fetched.
    """
    program = _program()
    plotly, packed = _plotly()
    policy = f"default-src 'none'; script-src {_hash(program)} {_hash(plotly)}; style-src 'unsafe-inline'; " + (
        "img-src data: blob:; font-src data:; base-uri 'none'; form-action 'none'"
    )
    parts = {
        "policy": policy,
        "style": _asset("page.css"),
        "command": html.escape(board.command),
        "data": _json(content(board)),
        "plotly": packed,
        "program": program,
    }
    # In one pass, so that nothing which a record says is taken for a place to fill.
    return re.sub(r"\{\{(\w+)\}\}", lambda place: parts[place[1]], _asset("page.html"))


def content(board: Leaderboard) -> dict[str, Any]:
    """What the program reads: rows column by column, and what is shown of a single row."""
    rows = [*board.rows, *board.published]
    columns = columns_of(rows)
    recipes, environments = _Shared(), _Shared()
    titles = board_titles(board.rows)
    return {
        "columns": [{"name": name, **PRESENTED[name]._asdict(), "decimals": decimals(name)} for name in columns],
        "values": {name: [_plain(name, value(row, name)) for row in rows] for name in columns},
        "boards": [titles.get(row.board, row.task) for row in rows],
        "breakdowns": [[[kind.name, kind.items, round(kind.score, 2)] for kind in row.breakdown] for row in rows],
        "errors": [_errors(one) for one in board.errors],
        "stress": [_stress(one) for one in board.robustness] if any(board.robustness) else [],
        "stress_families": STRESS_FAMILIES,
        "galleries": _galleries(board),
        "curves": [_curves(row) for row in rows],
        "recipes": [recipes.place(row.runs[0].recipe if row.runs else None) for row in rows],
        "environments": [environments.place(row.runs[0].environment if row.runs else None) for row in rows],
        "failures": {str(index): row.failures for index, row in enumerate(rows) if row.failures},
        "known_recipes": recipes.distinct,
        "known_environments": environments.distinct,
        "labels": shared_labels([row for row in board.rows if row.score.mean is not None]),
        "apart": board.kept_apart,
        "notes": board.notes,
        "unreadable": [file.reason for file in board.unreadable],
        "ranks": [
            [
                one.backbone,
                one.adapter,
                round(one.mean, 2),
                {titles[board]: rank for board, rank in one.ranks.items()},
                [round(bound, 2) for bound in one.interval] if one.interval else None,
                one.letters,
            ]
            for one in mean_ranks(board.rows)
        ],
        "volumes": [
            [titles[one.context.board], one.context.backbone, one.family, one.sizes, round(one.value, 4)]
            for one in volumes(board.rows)
            if one.sizes > 1
        ],
        "command": board.command,
    }


class _Shared:
    """Values that many rows share, kept once."""

    def __init__(self) -> None:
        self.distinct: list[Any] = []
        self._places: dict[str, int] = {}

    def place(self, content: Any) -> int | None:
        if content is None:
            return None
        key = json.dumps(content, sort_keys=True, default=str)
        if key not in self._places:
            self._places[key] = len(self.distinct)
            self.distinct.append(content)
        return self._places[key]


def _plain(name: str, content: Any) -> Any:
    """As the CSV has it, so that the page shows the same digits."""
    if isinstance(content, float):
        return round(content, decimals(name)) + 0.0
    return "; ".join(content) if isinstance(content, tuple) else content


MOST_CLASSES = 60
"""Up to which the page draws a confusion matrix."""


def _errors(errors: Errors | None) -> dict[str, Any] | None:
    if errors is None:
        return None
    return {
        "confusion": errors.confusion.tolist() if len(errors.classes) <= MOST_CLASSES else None,
        "classes": [[one.name, _rounded(one.precision), _rounded(one.recall), one.items] for one in errors.classes],
        "calibration_error": _rounded(errors.calibration_error),
        "reliability": [[_rounded(one.confidence), _rounded(one.accuracy), one.items] for one in errors.reliability],
        "worst": [[one.item, one.truth, one.predicted, _rounded(one.probability)] for one in errors.worst],
    }


MOST_GALLERY_BYTES = 6 * 2**20
"""Of all pictures of a page; rows further down have none."""


def _galleries(board: Leaderboard) -> list[Any]:
    """[seed, [[item, score, place, JPEG, truth, prediction], …]] of each row; "" of those that have no room."""
    shown: list[Any] = []
    room = MOST_GALLERY_BYTES
    for found in board.galleries:
        if found is None:
            shown.append(None)
            continue
        seed, clips = found
        room -= sum(len(clip.view.strip) for clip in clips)
        entries = [
            [clip.item, _rounded(100 * clip.score), clip.place, base64.b64encode(clip.view.strip).decode()]
            + [list(lane) for lane in (clip.view.truth, clip.view.predicted)]
            for clip in clips
        ]
        shown.append([seed, entries] if room >= 0 else "")
    return shown if any(shown) else []


def _stress(known: Robustness | None) -> dict[str, Any] | None:
    if known is None:
        return None
    return {
        "seeds": len(known.seeds),
        "clean": _rounded(known.clean),
        "conditions": [
            [
                drop.condition.family,
                drop.condition.level,
                _rounded(drop.score),
                *map(_rounded, (drop.test.difference.mean, drop.test.difference.low, drop.test.difference.high)),
                round(drop.corrected, 6),
            ]
            for drop in known.drops
        ],
        "families": {
            name: [_rounded(one.mean), _rounded(one.low), _rounded(one.high)] for name, one in known.families.items()
        },
        "confusion": [_rounded(share) for share in known.confusion] if known.confusion else None,
        "verdicts": known.verdicts,
        "left_out": dict(known.left_out),
    }


def _rounded(number: float | None) -> float | None:
    return None if number is None else round(number, 2) + 0.0


def _curves(row: Row) -> list[Any]:
    """[seed, best epoch, [[epoch, training loss, validation score], …]] for each completed run."""
    return [
        [
            run.seed,
            run.best_epoch,
            [
                [entry.get("epoch"), _short(entry.get("train_loss")), _short(entry.get(row.metric))]
                for entry in run.history
            ],
        ]
        for run in row.runs
    ]


def _short(number: float | None) -> float | None:
    return None if number is None else float(f"{number:.5g}")


def _json(content: Any) -> str:
    """JSON that ends no script block and no line early, whatever text is in it."""
    text = json.dumps(content, allow_nan=False, separators=(",", ":"), ensure_ascii=True)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


@cache
def _asset(name: str) -> str:
    return (resources.files("results.page") / name).read_text(encoding="utf-8")


@cache
def _program() -> str:
    return "\n" + "\n".join(_asset(name) for name in SCRIPTS)


@cache
def _plotly() -> tuple[str, str]:
    """plotly.js, and the same compressed (a third of its size) as text; the page unpacks it once the table stands."""
    # Only its one JavaScript file is needed, and importing the package takes as long as building a small page.
    text = (resources.files("plotly") / "package_data" / "plotly.min.js").read_text(encoding="utf-8")
    return text, base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode()


def _hash(script: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"
