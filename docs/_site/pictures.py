"""Draws the pictures of the documentation as SVG: `python docs/_site/pictures.py` writes docs/pictures/.

A picture is boxes and arrows at places on a grid. Colours are classes, so that a page can show them light or dark.
Boxes are frozen (the backbone), trained (adapters and heads), data, or plain.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Literal

FOLDER = Path(__file__).resolve().parents[1] / "pictures"
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


def overview() -> Picture:
    p = Picture(860, 268, "Frames and sound pass one frozen backbone with light adapters; a head answers; records rank")
    p.box(10, 24, 120, 56, "frames\nten a clip", "data")
    p.box(10, 112, 120, 56, "sound\nlog-mel pictures", "data")
    p.box(180, 14, 330, 164, "", "frozen")
    p.words(345, 32, "one frozen image transformer, shared by both", soft=True, size=12)
    for index in range(3):
        x = 196 + index * 103
        p.box(x, 48, 92, 46, "block", "frozen")
        p.box(x, 118, 92, 46, "adapter", "trained")
        p.arrow((x + 40, 94), (x + 40, 118))
        p.arrow((x + 54, 118), (x + 54, 94))
    p.arrow((130, 52), (180, 52))
    p.arrow((130, 140), (180, 140))
    p.box(560, 68, 110, 56, "head\nof the task", "trained")
    p.box(720, 68, 130, 56, "score\nof every test item", "data")
    p.arrow((510, 96), (560, 96))
    p.arrow((670, 96), (720, 96))
    p.row(10, 206, 180, 48, 40, [("grid file\ncombinations, seeds", "plain"), ("cells\nrun, killed, resumed", "plain"),
                                 ("records\none file a cell", "plain"), ("leaderboard\nseeds, intervals, costs", "plain")])  # fmt: skip
    p.arrow((785, 124), (785, 192), (540, 192), (540, 206), dashed=True)
    return p


def block() -> Picture:
    p = Picture(860, 250, "A frozen block offers two residual branches, attend and feed_forward, and their parts")
    p.box(10, 100, 90, 50, "x\n(B, T, L, D)", "data")
    p.box(150, 14, 250, 82, "", "frozen")
    p.words(275, 30, "block.attend(x)", size=12)
    p.row(158, 44, 70, 40, 12, [("norm", "frozen"), ("windows", "frozen"), ("attention", "frozen")])
    p.box(150, 148, 250, 62, "block.attend_over_time(x)\nthe same attention along T", "frozen")
    p.arrow((55, 100), (55, 55), (150, 55))
    p.arrow((55, 150), (55, 180), (150, 180), dashed=True)
    p.plus(460, 125)
    p.arrow((100, 125), (450, 125))
    p.arrow((400, 55), (460, 55), (460, 115))
    p.box(520, 14, 220, 82, "", "frozen")
    p.words(630, 30, "block.feed_forward(x)", size=12)
    p.row(540, 44, 80, 40, 20, [("norm", "frozen"), ("MLP", "frozen")])
    p.arrow((470, 125), (500, 125), (500, 55), (520, 55))
    p.plus(800, 125)
    p.arrow((500, 125), (790, 125))
    p.arrow((740, 55), (800, 55), (800, 115))
    p.box(520, 148, 220, 62, "block.mlp_input(x)\nwhat the MLP reads", "frozen")
    p.arrow((500, 125), (500, 180), (520, 180), dashed=True)
    p.arrow((810, 125), (850, 125))
    p.words(430, 236, "also: group and ungroup (windows), delta per projection (LoRA), context tokens (prompts), dim, heads, sites",
            soft=True, size=12)  # fmt: skip
    return p


def stg_cma() -> Picture:
    p = Picture(
        860, 330, "STG-CMA: a temporal, a spatial and a global step in each block, exchange inside the bottlenecks"
    )
    steps = (("1 temporal", "along T", "no exchange"), ("2 spatial", "over tokens", "in one frame"),
             ("3 global", "MLP", "all tokens of a frame"))  # fmt: skip
    for row, name in ((74, "sight"), (220, "sound")):
        p.words(26, row + 25, name, size=13)
        p.arrow((52, row + 25), (848, row + 25))
    for index, (title, core, scope) in enumerate(steps):
        x = 70 + index * 262
        p.words(x + 115, 16, f"{title} step", size=14)
        for row in (50, 196):
            p.box(
                x, row, 112, 50, "frozen MLP\non each token" if core == "MLP" else f"frozen attention\n{core}", "frozen"
            )
            p.box(x + 128, row, 92, 50, "down, GELU,\nup", "trained")
            p.arrow((x + 112, row + 25), (x + 128, row + 25))
            p.plus(x + 240, row + 49)
            p.arrow((x + 220, row + 25), (x + 240, row + 25), (x + 240, row + 39))
        if index:
            p.arrow((x + 168, 100), (x + 168, 196))
            p.arrow((x + 182, 196), (x + 182, 100))
            p.words(x + 90, 148, f"codes attend to\nthe partner's, × gate:\n{scope}", soft=True, size=11)
        else:
            p.words(x + 120, 148, "each position by itself,\nsight and sound apart", soft=True, size=11)
    p.words(430, 278, "temporal: x + up(…);  spatial and global: x + frozen output + up(…)", soft=True, size=12)
    p.words(
        430,
        306,
        "gates and every up-projection start at zero: the first forward pass is the frozen backbone's",
        soft=True,
        size=12,
    )
    return p


def lavish() -> Picture:
    p = Picture(860, 300, "LAVISH: beside each branch an adapter reads the partner through a few latent tokens")
    p.box(10, 40, 110, 50, "partner c\n(B, T, M, D)", "data")
    p.box(10, 190, 110, 50, "own x\n(B, T, L, D)", "data")
    p.box(180, 40, 150, 50, "gather\nlatents attend to c", "trained")
    p.box(180, 118, 150, 40, "t latents Z", "trained")
    p.arrow((255, 118), (255, 90))
    p.arrow((120, 65), (180, 65))
    p.box(390, 112, 150, 54, "read\nx attends to latents", "trained")
    p.arrow((330, 65), (465, 65), (465, 112), label="Z + gathered")
    p.arrow((120, 205), (150, 205), (150, 174), (420, 174), (420, 166))
    p.box(590, 112, 170, 54, "norm, down, ReLU, up,\nnorm, × gate (0 at start)", "trained")
    p.arrow((540, 139), (590, 139), label="× gate")
    p.box(390, 206, 150, 50, "frozen branch\nattention or MLP", "frozen")
    p.arrow((120, 231), (390, 231))
    p.plus(800, 231)
    p.arrow((540, 231), (790, 231))
    p.arrow((760, 139), (800, 139), (800, 221))
    p.arrow((120, 222), (140, 222), (140, 275), (800, 275), (800, 241), label="")
    p.arrow((810, 231), (852, 231))
    p.words(660, 290, "residual", soft=True, size=11)
    p.words(
        560,
        22,
        "cost: (L + M) · t products in place of L · M; both streams look before either moves",
        soft=True,
        size=12,
    )
    return p


def packages() -> Picture:
    p = Picture(860, 340, "Six packages; each imports only those below it")
    p.box(10, 10, 840, 176, "", "plain")
    p.words(90, 28, "benchmark", size=14)
    for x, y, text in (
        (30, 48, "cli\nthe command"), (190, 48, "grid\nwhich cells"), (350, 48, "launch\nwhere they run"),
        (510, 48, "train\nhow"), (670, 48, "data\nloader, cache"), (190, 122, "verify\nauthors' code"),
        (350, 122, "kept, use\nwhat was trained"), (510, 122, "cost\ncounts, clocks"), (670, 122, "model\nfront end, encoder"),
    ):  # fmt: skip
        p.box(x, y, 140, 48, text)
    p.box(30, 122, 140, 48, "pretrain, profile,\nruntime")
    p.box(10, 212, 200, 48, "tasks\nheads, scores, clips", "data")
    p.box(225, 212, 300, 48, "adapters\none scheme a file", "trained")
    p.box(540, 212, 310, 48, "results\nrecords, statistics, pages; no torch", "data")
    p.box(225, 280, 300, 48, "backbones\nfrozen blocks, families, kernels", "frozen")
    p.box(540, 280, 310, 48, "registry\nnames, components, shared words, errors")
    for x in (110, 375, 695):
        p.arrow((x, 186), (x, 212))
    p.arrow((375, 260), (375, 280))
    p.arrow((525, 304), (540, 304))
    p.arrow((695, 260), (695, 280))
    p.arrow((110, 260), (110, 334), (600, 334), (600, 328))
    return p


def batch() -> Picture:
    p = Picture(860, 150, "How a batch travels from clips to a score")
    p.row(10, 12, 148, 50, 25, [
        ("clips\nframes, waveform", "data"), ("loader\naugment, cache", "plain"), ("front end\npictures", "plain"),
        ("encoder\nstreams, block by block", "frozen"), ("head\nloss, predict", "trained"),
    ])  # fmt: skip
    p.box(529, 92, 148, 50, "scheme\nforward_block", "trained")
    p.box(356, 92, 148, 50, "block, kernels\nattend, feed_forward", "frozen")
    p.arrow((603, 62), (603, 92))
    p.arrow((529, 117), (504, 117))
    p.box(702, 92, 148, 50, "evaluate\nscore of each item", "data")
    p.arrow((776, 62), (776, 92))
    return p


def component() -> Picture:
    p = Picture(860, 76, "How a component travels from text to a page")
    p.row(10, 12, 118, 50, 26, [
        ("text\nlora(rank=4)", "plain"), ("expand\nchecked, combined", "plain"), ("resolve\nversions, hash", "plain"),
        ("launch\nlock, process", "plain"), ("train\nrecord", "trained"), ("table\nrows, page", "data"),
    ])  # fmt: skip
    return p


def resume() -> Picture:
    p = Picture(860, 210, "What becomes of a cell: done, going on, or begun")
    p.box(10, 76, 130, 50, "cell\nhash of its facts")
    p.box(200, 10, 180, 46, "a record of this hash?\nnothing is trained", "data")
    p.box(200, 78, 180, 46, "a checkpoint?\ngo on from its epoch", "data")
    p.box(200, 146, 180, 46, "neither\nbegin", "plain")
    for y in (33, 101, 169):
        p.arrow((140, 101), (170, 101), (170, y), (200, y))
    p.box(450, 78, 160, 46, "an epoch under a lock\nthen a checkpoint", "trained")
    p.arrow((380, 101), (450, 101))
    p.arrow((380, 169), (415, 169), (415, 112), (450, 112))
    p.box(680, 78, 170, 46, "record\nwritten once", "data")
    p.arrow((610, 101), (680, 101))
    p.arrow((530, 78), (530, 50), (470, 50), (470, 78), label="")
    p.words(500, 38, "next epoch", soft=True, size=11)
    p.arrow((560, 124), (560, 178), (395, 178), (395, 106), dashed=True)
    p.words(560, 192, "killed: the same command goes on", soft=True, size=11)
    return p


def world() -> Picture:
    p = Picture(860, 200, "The procedural world: a scene is drawn from a seed, painted, sounded and asked about")
    p.box(10, 76, 120, 50, "seed\nand split")
    p.box(180, 70, 170, 62, "scene\nthings with shape, place,\nmotion, voice, times", "plain")
    p.box(410, 10, 160, 50, "paint\n32 × 32 frames", "data")
    p.box(410, 76, 160, 50, "sound\n16 kHz waveform", "data")
    p.box(410, 142, 160, 50, "labels and questions\nfrom the scene itself", "data")
    p.arrow((130, 101), (180, 101))
    for y in (35, 101, 167):
        p.arrow((350, 101), (380, 101), (380, y), (410, y))
    p.box(640, 42, 200, 50, "class = shape and rhythm", "plain")
    p.box(640, 110, 200, 50, "nuisance: colour, size, place,\npitch, loudness, silent things", "plain")
    p.arrow((570, 35), (605, 35), (605, 67), (640, 67))
    p.arrow((570, 101), (605, 101), (605, 135), (640, 135))
    return p


PICTURES = {
    draw.__name__: draw for draw in (overview, block, stg_cma, lavish, packages, batch, component, resume, world)
}


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for name, draw in PICTURES.items():
        (FOLDER / f"{name}.svg").write_text(draw().svg())


if __name__ == "__main__":
    main()
