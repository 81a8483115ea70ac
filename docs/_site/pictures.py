"""The pictures of the documentation: `python docs/_site/pictures.py` writes them to docs/pictures/."""

from __future__ import annotations

from pathlib import Path

from drawing import Picture
from methods import avmoe, block, cola, dg_sct, lavish, stg_cma

FOLDER = Path(__file__).resolve().parents[1] / "pictures"


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
    draw.__name__: draw
    for draw in (
        overview, block, stg_cma, lavish, dg_sct, avmoe, cola, packages, batch, component, resume, world,
    )
}  # fmt: skip


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for name, draw in PICTURES.items():
        (FOLDER / f"{name}.svg").write_text(draw().svg())


if __name__ == "__main__":
    main()
