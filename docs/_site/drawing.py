"""A picture from text, as SVG.

It is boxes and arrows at places on a grid. Colours are classes, so that a page can show them light or dark.
Boxes are frozen (the backbone), trained (adapters and heads), data, or plain.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape
from typing import Literal

Kind = Literal["frozen", "trained", "data", "plain"]

STYLE = """<style>
.frozen{fill:#dbe7f5;stroke:#4a78ad}.trained{fill:#fde3c8;stroke:#c9782b}.data{fill:#dcefdc;stroke:#4f9152}
.plain{fill:#f3f3f3;stroke:#8a8a8a}.line{stroke:#555;fill:none}.head{fill:#555}.text{fill:#1c1c1c}.soft{fill:#555}
@media (prefers-color-scheme:dark){.frozen{fill:#22364d;stroke:#7aa7dc}.trained{fill:#4d3318;stroke:#e8a35c}
.data{fill:#203c22;stroke:#7fc383}.plain{fill:#2c2c30;stroke:#9a9aa2}.line{stroke:#b9b9c0}.head{fill:#b9b9c0}
.text{fill:#f0f0f0}.soft{fill:#b9b9c0}}
</style>"""


@dataclass
class Picture:
    """One drawing, `width` × `height` pixels; `title` is what a screen reader says."""

    width: int
    height: int
    title: str
    parts: list[str] = field(default_factory=list)

    def box(self, x: float, y: float, w: float, h: float, text: str, kind: Kind = "plain") -> None:
        self.parts.append(f'<rect class="{kind}" x="{x}" y="{y}" width="{w}" height="{h}" rx="6" stroke-width="1.3"/>')
        self.words(x + w / 2, y + h / 2, text)

    def words(self, x: float, y: float, text: str, soft: bool = False, size: int = 13, anchor: str = "middle") -> None:
        lines = text.split("\n")
        for index, line in enumerate(lines):
            at = y + (index - (len(lines) - 1) / 2) * size * 1.25 + size * 0.35
            small = size - 1.5 if index and not soft else size
            self.parts.append(
                f'<text class="{"soft" if soft or index else "text"}" x="{x}" y="{at:.1f}" font-size="{small}" '
                f'text-anchor="{anchor}">{escape(line)}</text>'
            )

    def arrow(self, *points: tuple[float, float], label: str = "", dashed: bool = False) -> None:
        path = " ".join(f"{'M' if i == 0 else 'L'}{x},{y}" for i, (x, y) in enumerate(points))
        dash = ' stroke-dasharray="5 4"' if dashed else ""
        self.parts.append(f'<path class="line" d="{path}" stroke-width="1.4"{dash}/>')
        (x0, y0), (x, y) = points[-2:]
        length = ((x - x0) ** 2 + (y - y0) ** 2) ** 0.5
        dx, dy = (x - x0) / length, (y - y0) / length
        corners = ((0, 0), (-8, 4), (-8, -4))
        at = " ".join(f"{x + a * dx - b * dy:.1f},{y + a * dy + b * dx:.1f}" for a, b in corners)
        self.parts.append(f'<polygon class="head" points="{at}"/>')
        if label:
            (x1, y1), (x2, y2) = points[0], points[1]
            self.words((x1 + x2) / 2, (y1 + y2) / 2 - 9, label, soft=True, size=11)

    def plus(self, x: float, y: float, sign: str = "+") -> None:
        self.parts.append(f'<circle class="plain" cx="{x}" cy="{y}" r="10" stroke-width="1.3"/>')
        self.words(x, y, sign)

    def row(self, x: float, y: float, w: float, h: float, gap: float, texts: list[tuple[str, Kind]]) -> None:
        """Boxes from left to right, an arrow from each to the next."""
        for index, (text, kind) in enumerate(texts):
            left = x + index * (w + gap)
            self.box(left, y, w, h, text, kind)
            if index:
                self.arrow((left - gap, y + h / 2), (left, y + h / 2))

    def svg(self) -> str:
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width} {self.height}" role="img" '
            f'font-family="system-ui, sans-serif"><title>{escape(self.title)}</title>\n{STYLE}\n'
            + "\n".join(self.parts)
            + "\n</svg>\n"
        )
