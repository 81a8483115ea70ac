"""The pictures of a block and of what each method adds to it."""

from __future__ import annotations

from drawing import Picture


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


def dg_sct() -> Picture:
    p = Picture(860, 320, "DG-SCT: between LAVISH's reading and its bottleneck, channels and tokens are weighed")
    p.box(10, 40, 104, 50, "partner c\n(B, T, M, D)", "data")
    p.box(10, 202, 104, 50, "own x\n(B, T, L, D)", "data")
    p.box(150, 202, 120, 50, "read\nlatents, as LAVISH", "trained")
    p.box(150, 40, 120, 50, "mean token s", "plain")
    p.arrow((114, 65), (150, 65))
    p.arrow((114, 227), (150, 227))
    p.arrow((62, 90), (62, 146), (180, 146), (180, 202))
    p.box(320, 24, 170, 52, "channels κ\n(B, T, D) in 0..1", "trained")
    p.box(320, 112, 170, 52, "tokens σ\n(B, T, L, 1) in 0..1", "trained")
    p.arrow((270, 60), (320, 60))
    p.arrow((270, 74), (295, 74), (295, 128), (320, 128))
    p.arrow((230, 202), (230, 182), (300, 182), (300, 44), (320, 44))
    p.arrow((300, 182), (300, 150), (320, 150))
    p.arrow((405, 76), (405, 112))
    p.words(372, 94, "1 + κ", soft=True, size=11)
    p.plus(560, 227, "×")
    p.arrow((270, 227), (550, 227), label="x'")
    p.arrow((490, 50), (560, 50), (560, 217))
    p.arrow((490, 138), (550, 138), (550, 219))
    p.words(636, 94, "α κ + β σ + 1 − α", soft=True, size=12)
    p.box(610, 202, 140, 50, "bottleneck\nand gate, as LAVISH", "trained")
    p.arrow((570, 227), (610, 227), label="u")
    p.arrow((750, 227), (852, 227))
    p.words(788, 186, "added to\nthe stream", soft=True, size=11)
    p.words(430, 296, "one adapter for each modality beside attention, one beside the MLP; both read before either stream moves",
            soft=True, size=12)  # fmt: skip
    return p


def avmoe() -> Picture:
    p = Picture(860, 300, "AVMoE: a router weighs cross-modal and unimodal experts anew for each frame")
    p.box(10, 30, 104, 50, "partner c\n(B, T, M, D)", "data")
    p.box(10, 176, 104, 50, "own x\n(B, T, L, D)", "data")
    p.box(200, 20, 200, 52, "router on both means\n2D → 128 → 32 → E, softmax", "trained")
    p.box(200, 104, 200, 52, "cross-modal experts\nLAVISH's adapter, reads c", "trained")
    p.box(200, 188, 200, 52, "unimodal experts\na linear bottleneck of x alone", "trained")
    p.arrow((114, 46), (200, 46))
    p.arrow((114, 64), (140, 64), (140, 120), (200, 120))
    p.arrow((114, 214), (200, 214))
    p.arrow((170, 214), (170, 142), (200, 142))
    p.arrow((170, 142), (170, 60), (200, 60))
    p.plus(500, 130, "×")
    p.plus(500, 214, "×")
    p.arrow((400, 130), (490, 130))
    p.arrow((400, 214), (490, 214))
    p.arrow((400, 38), (500, 38), (500, 120), label="weights (B, T, E)")
    p.arrow((400, 54), (450, 54), (450, 196), (494, 206))
    p.plus(600, 172)
    p.arrow((510, 130), (600, 130), (600, 162))
    p.arrow((510, 214), (600, 214), (600, 182))
    p.arrow((610, 172), (852, 172), label="added to the stream")
    p.words(430, 276, "all experts run in every frame; each has its own gate that starts at zero", soft=True, size=12)
    return p


def cola() -> Picture:
    p = Picture(860, 320, "CoLA: a low-rank change of each projection, and a second one whose core the partner writes")
    p.box(10, 128, 104, 50, "own x\n(B, T, L, D)", "data")
    p.box(10, 240, 124, 50, "partner's\nsummary (B, T, C)", "data")
    p.box(220, 20, 330, 50, "frozen projection W x + b", "frozen")
    p.box(220, 112, 100, 44, "down r × D", "trained")
    p.box(450, 112, 100, 44, "up D × r", "trained")
    p.arrow((320, 134), (450, 134), label="LoRA")
    p.box(220, 186, 92, 44, "down r × D", "trained")
    p.box(334, 186, 112, 44, "core Φ(c) r × r", "plain")
    p.box(468, 186, 82, 44, "up D × r", "trained")
    p.arrow((312, 208), (334, 208))
    p.arrow((446, 208), (468, 208))
    p.box(270, 252, 230, 44, "small MLP writes Φ, once a frame", "trained")
    p.arrow((134, 274), (270, 274))
    p.arrow((385, 252), (385, 230))
    p.arrow((114, 153), (165, 153), (165, 45), (220, 45))
    p.arrow((165, 134), (220, 134))
    p.arrow((165, 153), (165, 208), (220, 208))
    p.plus(660, 134)
    p.arrow((550, 45), (660, 45), (660, 124))
    p.arrow((550, 134), (650, 134), label="× α / r")
    p.arrow((550, 208), (660, 208), (660, 144), label="× s, 0.1 at start")
    p.arrow((670, 134), (852, 134), label="what the block goes on with")
    p.words(714, 252, "at qkv, proj, fc1 and fc2;\nboth up start at zero", soft=True, size=12)
    return p
