"""Text beside points, placed where it covers neither a point nor other text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.backend_bases import RendererBase
from matplotlib.patheffects import withStroke
from matplotlib.text import Annotation, Text
from matplotlib.transforms import Bbox

Point = tuple[float, float]

_MARKER_RADIUS = 7
# Offsets in typographic points with the text's alignment, the best first: above a front there is room.
_PLACES = tuple(
    (dx * reach, dy * reach, horizontal, vertical)
    for reach in (1.0, 1.8, 2.8, 4.0)
    for dx, dy, horizontal, vertical in (
        (-9, 9, "right", "bottom"),
        (9, 9, "left", "bottom"),
        (9, -9, "left", "top"),
        (-9, -9, "right", "top"),
        (-10, 0, "right", "center"),
        (10, 0, "left", "center"),
    )
)


def place_labels(
    ax: Axes, renderer: RendererBase, texts: Mapping[Point, str], marks: Iterable[tuple[float, float, float]]
) -> list[Annotation]:
    """Write each text beside its point, both in data coordinates; one that finds no free place is left out.

    Args:
        ax: the panel, drawn once, so that its limits and its place are final.
        renderer: measures text.
        texts: by the point that each belongs to.
        marks: (x, y, half a bar's length) of every marker; markers are never covered, bars only in need.
    """
    marks = list(marks)
    taken = [_marker_box(ax, x, y) for x, y, _ in marks]
    bars = [_bar_box(ax, x, y, half) for x, y, half in marks]
    bounds = ax.get_window_extent()
    placed = []
    for point, text in sorted(texts.items()):
        annotation = _annotation(ax, point, text)
        if _settle(annotation, renderer, taken + bars, bounds) or _settle(annotation, renderer, taken, bounds):
            taken.append(_text_box(annotation, renderer))
            placed.append(annotation)
        else:
            annotation.remove()
    return placed


def _annotation(ax: Axes, point: Point, text: str) -> Annotation:
    annotation = ax.annotate(
        text,
        point,
        xytext=(0, 0),
        textcoords="offset points",
        fontsize=8,
        color="#222222",
        zorder=6,
        linespacing=1.05,
        arrowprops={"arrowstyle": "-", "color": "#999999", "linewidth": 0.6, "shrinkA": 0, "shrinkB": 5},
    )
    # Labels are placed after the layout is settled and may not change it.
    annotation.set_in_layout(False)
    annotation.set_path_effects([withStroke(linewidth=2.5, foreground="white", alpha=0.85)])
    return annotation


def _settle(annotation: Annotation, renderer: RendererBase, taken: Sequence[Bbox], bounds: Bbox) -> bool:
    for dx, dy, horizontal, vertical in _PLACES:
        annotation.set_position((dx, dy))
        annotation.set(horizontalalignment=horizontal, verticalalignment=vertical)
        box = _text_box(annotation, renderer)
        inside = bounds.x0 <= box.x0 and box.x1 <= bounds.x1 and bounds.y0 <= box.y0 and box.y1 <= bounds.y1
        if inside and not any(box.overlaps(other) for other in taken):
            return True
    return False


def _text_box(annotation: Annotation, renderer: RendererBase) -> Bbox:
    """The text alone: the annotation's own extent includes the line to its point."""
    annotation.update_positions(renderer)
    return Text.get_window_extent(annotation, renderer)


def _marker_box(ax: Axes, x: float, y: float) -> Bbox:
    across, up = ax.transData.transform((x, y))
    radius = _MARKER_RADIUS * ax.figure.dpi / 72
    return Bbox([[across - radius, up - radius], [across + radius, up + radius]])


def _bar_box(ax: Axes, x: float, y: float, half: float) -> Bbox:
    (across, low), (_, high) = ax.transData.transform([(x, y - half), (x, y + half)])
    return Bbox([[across - 2, low], [across + 2, high]])
