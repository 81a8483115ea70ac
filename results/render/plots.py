"""The trade-off picture: trainable parameters against score, one panel a board."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from registry.errors import UserError
from results.render.boards import board_titles
from results.render.panel import GREY, Looks, draw_panel, drawn, label_front
from results.store.files import write_atomically
from results.table.groups import Board
from results.table.row import Row, by_board, shared_labels

COLUMNS = 3
"""Panels side by side before the next line of panels."""
MOST_IN_LEGEND = 16
"""Adapters, and backbones, that the legend lists."""

# Okabe and Ito's colours, which colour-blind readers tell apart; grey is kept for the linear probe.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C564B", "#000000")
_MOST_COLOURS = 16
_MARKERS = ("o", "s", "^", "D", "P", "v", "X", "*", "<", ">", "p", "h")
_STYLE: dict[Any, Any] = {
    "font.size": 10,
    "svg.hashsalt": "tradeoff",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#666666",
    "xtick.color": "#444444",
    "ytick.color": "#444444",
}


def draw_tradeoff(rows: Sequence[Row], output: Path) -> list[Path]:
    """Write `tradeoff.png` and `tradeoff.svg` under `output`; nothing where no row has both a score and parameters.

    Colour is the adapter, shape the backbone; bars are 95 % intervals, drawn where a row has more than one seed.

    Raises:
        UserError: the output cannot be written.
    """
    boards = _boards(rows)
    if not boards:
        return []
    files = [output / "tradeoff.png", output / "tradeoff.svg"]
    with matplotlib.rc_context(_STYLE):
        figure = _figure(boards)
        for path in files:
            write_atomically(path, _render(figure, path.suffix[1:]))
    return files


def tradeoff_figure(rows: Sequence[Row]) -> Figure:
    """The same picture as a figure of matplotlib.

    Raises:
        UserError: no row has both a score and parameters.
    """
    boards = _boards(rows)
    if not boards:
        raise UserError("no row has a score yet, so that there is nothing to plot; train first.")
    with matplotlib.rc_context(_STYLE):
        return _figure(boards)


def _boards(rows: Sequence[Row]) -> dict[Board, list[Row]]:
    return by_board(row for row in rows if row.cost.trainable_parameters is not None)


def _render(figure: Figure, kind: str) -> bytes:
    # Neither the date nor the library's version is written, so that equal rows give equal bytes.
    metadata = {"Software": None} if kind == "png" else {"Date": None, "Creator": None}
    buffer = io.BytesIO()
    figure.savefig(buffer, format=kind, dpi=150, metadata=metadata)
    return buffer.getvalue()


def _figure(boards: dict[Board, list[Row]]) -> Figure:
    looks = _looks(row for rows in boards.values() for row in rows)
    columns = min(COLUMNS, len(boards))
    lines = math.ceil(len(boards) / columns)
    entries = sum(min(len(part), MOST_IN_LEGEND + 1) for part in looks) + 6
    height = max(4.8 * lines + 0.6, 0.205 * entries + 0.5)
    # The legend is as wide as its longest name.
    figure = Figure(figsize=(5.0 * columns + _legend_width(looks), height), layout="constrained")
    canvas = FigureCanvasAgg(figure)
    axes = figure.subplots(lines, columns, squeeze=False).flatten()
    panels = dict(zip(boards, axes, strict=False))
    titles = board_titles(row for rows in boards.values() for row in rows)
    for board, ax in panels.items():
        draw_panel(ax, boards[board], titles[board], looks)
    for ax in axes[len(boards) :]:
        ax.remove()
    figure.suptitle(_title(boards), x=0.01, ha="left", fontsize=13, fontweight="bold")
    _legend(figure, looks)
    # The layout moves the panels when they are drawn; labels are placed where the panels then stand.
    figure.draw_without_rendering()
    for board, ax in panels.items():
        label_front(ax, canvas.get_renderer(), boards[board])
    return figure


def _looks(rows: Iterable[Row]) -> Looks:
    rows = list(rows)
    adapters = sorted({row.short_adapter for row in rows})
    probes = sorted({row.short_adapter for row in rows if row.is_linear_probe})
    if len(adapters) > _MOST_COLOURS:
        # A legend of hundreds of sizes is no legend: a family shares its colour.
        adapters, probes = sorted({row.family for row in rows}), ["linear_probe"] if probes else []
    learned = [adapter for adapter in adapters if adapter not in probes]
    colours = dict.fromkeys(probes, GREY) | {a: _COLOURS[i % len(_COLOURS)] for i, a in enumerate(learned)}
    backbones = sorted({row.short_backbone for row in rows})
    return colours, {backbone: _MARKERS[i % len(_MARKERS)] for i, backbone in enumerate(backbones)}


def _legend_width(looks: Looks) -> float:
    """Inches of the longest name that the legend lists."""
    listed = [name for part in looks for name in list(part)[:MOST_IN_LEGEND]]
    return max(2.2, 0.085 * max(map(len, listed), default=0) + 0.7)


def _listed(part: Mapping[str, str], swatch: Callable[[str], Line2D], blank: Line2D) -> list[tuple[Line2D, str]]:
    """Lines of the legend; of many the first, and how many more there are."""
    entries = [(swatch(look), drawn(name)) for name, look in list(part.items())[:MOST_IN_LEGEND]]
    more = len(part) - len(entries)
    return [*entries, (blank, f"and {more} more")] if more else entries


def _legend(figure: Figure, looks: Looks) -> None:
    colours, markers = looks
    blank = Line2D([], [], linestyle="none")
    rows: list[tuple[Line2D, str]] = [(blank, "Adapter")]
    rows += _listed(colours, lambda colour: _swatch("o", colour), blank)
    rows += [(blank, ""), (blank, "Backbone")]
    rows += _listed(markers, lambda marker: _swatch(marker, "#555555"), blank)
    rows += [(blank, "")]
    rows += [(Line2D([], [], color="#333333", linewidth=1.3), "Pareto front")]
    rows += [(Line2D([], [], color=GREY, linewidth=1, linestyle=(0, (4, 3))), "best linear probe")]
    legend = figure.legend(*zip(*rows, strict=True), loc="outside right upper", frameon=False, fontsize=9.5)
    for text in legend.get_texts():
        if text.get_text() in ("Adapter", "Backbone"):
            text.set_fontweight("bold")
            text.set_x(-28)


def _swatch(marker: str, colour: str) -> Line2D:
    return Line2D([], [], linestyle="none", marker=marker, color=colour, markersize=8, markeredgecolor="white")


def _title(boards: dict[Board, list[Row]]) -> str:
    labels = shared_labels(row for rows in boards.values() for row in rows)
    # Over a single panel one line would run into the legend.
    between = "\n" if len(boards) == 1 else " "
    return "Score against trainable parameters" + (f"{between}({drawn(', '.join(labels))})" if labels else "")
