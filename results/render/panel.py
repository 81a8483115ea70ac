"""One panel of the trade-off picture: a board's rows as points with bars, their front, probe and levels of chance."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence

from matplotlib import ticker
from matplotlib.axes import Axes
from matplotlib.backend_bases import RendererBase
from matplotlib.transforms import ScaledTranslation

from registry.text import printable, shortened
from results.render import format
from results.render.boards import levels_in_words, words
from results.render.labels import place_labels
from results.table.row import Row

MANY = 60
"""Rows of a panel beyond which those off the front become small points without bars."""
LONGEST_TEXT = 120
"""Letters of a name."""
MOST_NAMES = 15
"""Rows of a front that are named in a panel."""
FOLD = 26
"""Characters in a line of a label."""
TITLE_WIDTH = 44
"""Characters in a line of a panel's title."""
GREY = "#7F7F7F"
"""Of the linear probe."""

Looks = tuple[dict[str, str], dict[str, str]]
"""Colour of each adapter, or of each family where there are many; marker of each backbone."""


def draw_panel(ax: Axes, rows: Sequence[Row], title: str, looks: Looks) -> None:
    """Draw rows of one board into axes; `label_front` names them once the layout stands."""
    ax.set_xscale("log")
    ax.grid(True, which="major", color="#E6E6E6", linewidth=0.8)
    ax.set_axisbelow(True)
    _frame(ax, rows)
    in_full = rows if len(rows) <= MANY else [row for row in rows if row.fronts.pareto]
    for row, shift in zip(in_full, _shifts(in_full), strict=True):
        _point(ax, row, looks, shift)
    if len(rows) > MANY:
        _crowd(ax, [row for row in rows if not row.fronts.pareto], looks)
    _front(ax, rows)
    _probe_line(ax, rows)
    _level_lines(ax, rows[0])
    _count_axis(ax)
    _panel_title(ax, title, rows[0])
    ax.set_ylabel(f"{drawn(words(rows[0].board.metric))} (%)")


def _frame(ax: Axes, rows: Sequence[Row]) -> None:
    """Limits that hold every bar, with room for labels."""
    low, high = min(_x(row) for row in rows), max(_x(row) for row in rows)
    beside = max((high / low) ** 0.16, 1.6)
    ax.set_xlim(low / beside, high * beside)
    bottom, top = min(_y(row) - _bar(row) for row in rows), max(_y(row) + _bar(row) for row in rows)
    space = max(0.08 * (top - bottom), 0.5)
    ax.set_ylim(bottom - space, top + 2 * space)


def _shifts(rows: Sequence[Row]) -> list[float]:
    """Steps aside, in typographic points, so that bars of rows of one size stand side by side; the front stays."""
    places: dict[float, int] = {}
    shifts: dict[int, float] = {}
    for row in sorted(rows, key=lambda row: not row.fronts.pareto):
        place = places[_x(row)] = places.get(_x(row), -1) + 1
        side = -1 if place % 2 else 1
        shifts[id(row)] = 9.0 * side * ((place + 1) // 2) if _bar(row) else 0.0
    return [shifts[id(row)] for row in rows]


def _point(ax: Axes, row: Row, looks: Looks, shift: float) -> None:
    colours, markers = looks
    aside = ScaledTranslation(shift / 72, 0, ax.figure.dpi_scale_trans)
    ax.errorbar(
        _x(row),
        _y(row),
        yerr=_bar(row) or None,
        transform=ax.transData + aside,
        fmt=markers[row.short_backbone],
        color=colours[_colour_group(row, colours)],
        markersize=9.5 if row.fronts.pareto else 7.5,
        markeredgecolor="black" if row.fronts.pareto else "white",
        markeredgewidth=1.2 if row.fronts.pareto else 0.7,
        elinewidth=1.1,
        capsize=2.5,
        alpha=1.0 if row.fronts.pareto else 0.55,
        zorder=4 if row.fronts.pareto else 3,
    )


def _crowd(ax: Axes, rows: Sequence[Row], looks: Looks) -> None:
    colours, markers = looks
    for marker in sorted(set(markers.values())):
        own = [row for row in rows if markers[row.short_backbone] == marker]
        if own:
            shades = [colours[_colour_group(row, colours)] for row in own]
            ax.scatter(
                [*map(_x, own)], [*map(_y, own)], s=12, marker=marker, c=shades, alpha=0.5, linewidths=0, zorder=2
            )


def _colour_group(row: Row, colours: Mapping[str, str]) -> str:
    return row.short_adapter if row.short_adapter in colours else row.family


def _x(row: Row) -> float:
    # A scheme and a head without a parameter have no place on a log axis; one parameter is the nearest.
    return max(row.cost.trainable_parameters or 0, 1)


def _y(row: Row) -> float:
    return row.score.mean or 0.0


def _bar(row: Row) -> float:
    # The interval of a single seed lacks the noise between seeds: beside others it would look the surest.
    return row.score.interval or 0.0 if row.score.seeds > 1 else 0.0


def _front(ax: Axes, rows: Sequence[Row]) -> None:
    front = sorted((_x(row), _y(row)) for row in rows if row.fronts.pareto)
    right = ax.get_xlim()[1]
    xs = [x for x, _ in front] + [right]
    ys = [y for _, y in front] + [front[-1][1]]
    ax.plot(xs, ys, drawstyle="steps-post", color="#333333", linewidth=1.3, zorder=2)
    ax.fill_between(xs, ys, ax.get_ylim()[0], step="post", color="#333333", alpha=0.05, linewidth=0, zorder=1)


def _probe_line(ax: Axes, rows: Sequence[Row]) -> None:
    probes = [_y(row) for row in rows if row.is_linear_probe]
    if probes and len(probes) < len(rows):
        ax.axhline(max(probes), color=GREY, linewidth=1, linestyle=(0, (4, 3)), zorder=1.5)


def _level_lines(ax: Axes, row: Row) -> None:
    """Chance and majority where they lie within the panel; the title tells both in any case."""
    low, high = ax.get_ylim()
    for name, level in (("chance", row.score.chance), ("majority", row.score.majority)):
        if level is not None and low <= level <= high:
            ax.axhline(level, color="#B22222", linewidth=0.9, linestyle=(0, (1, 2)), zorder=1.5)
            place = ax.get_yaxis_transform()
            ax.text(0.995, level, name, transform=place, ha="right", va="bottom", fontsize=7.5, color="#B22222")


def _count_axis(ax: Axes) -> None:
    low, high = ax.get_xlim()
    decades = math.log10(high / low)
    between = (1.0,) if decades > 3.5 else (1.0, 3.0) if decades > 1.6 else (1.0, 2.0, 5.0)
    ax.xaxis.set_major_locator(ticker.LogLocator(subs=between))
    ax.xaxis.set_major_formatter(ticker.FuncFormatter(lambda value, _: format.count(value).replace(".0 ", " ")))
    ax.xaxis.set_minor_formatter(ticker.NullFormatter())
    ax.set_xlabel("trainable parameters (log scale)")


def label_front(ax: Axes, renderer: RendererBase, rows: Sequence[Row]) -> None:
    """Names beside the points of the front, clear of other points, where the panel now stands."""
    front = [row for row in rows if row.fronts.pareto]
    # Of a long front every so many, since there is no room for more.
    named = front[:: -(-len(front) // MOST_NAMES) or 1]
    texts = {(_x(row), _y(row)): "\n".join(_folded(row.short_backbone) + _folded(row.short_adapter)) for row in named}
    # A crowd of small points cannot be kept clear of.
    avoided = rows if len(rows) <= MANY else [row for row in rows if row.fronts.pareto]
    place_labels(ax, renderer, texts, [(_x(row), _y(row), _bar(row)) for row in avoided])


def _folded(name: str) -> list[str]:
    name = shortened(printable(name), LONGEST_TEXT)
    family, bracket, options = name.partition("(")
    whole = len(name) <= FOLD
    lines = [name] if whole else [*textwrap.wrap(family, FOLD), *textwrap.wrap(bracket + options, FOLD)]
    return [drawn(line) for line in lines]


def _panel_title(ax: Axes, title: str, row: Row) -> None:
    """The board in words, and below it in small print what needs no learning."""
    levels = levels_in_words(row)
    lines = "\n".join(drawn(line) for line in textwrap.wrap(shortened(printable(title), LONGEST_TEXT), TITLE_WIDTH))
    ax.set_title(lines, loc="left", fontsize=11, fontweight="bold", color="#222222", pad=18 if levels else 6)
    if levels:
        ax.text(0, 1.012, levels, transform=ax.transAxes, fontsize=8.5, color="#B22222", va="bottom")


def drawn(text: str) -> str:
    """Text as matplotlib draws it as it is: `$` would begin mathematics, and a name of a thousand letters hides all."""
    return shortened(printable(text), LONGEST_TEXT).replace("$", r"\$")
