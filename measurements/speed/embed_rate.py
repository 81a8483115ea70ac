"""How fast `embed` is beside the forward pass alone, and whether its memory grows: one process, one run.

    python measurements/speed/embed_rate.py                       # 1000 clips of a second, ViT-Ti/16 of random weights
    python measurements/speed/embed_rate.py --clips 40 --backbone tiny_vit

The forward pass alone works on decoded clips of one batch again and again, in the same process, before and after; the
rate of `embed` is that from the first batch's end to the last's, so that the start of processes does not count, which
is told apart. Exit status 1 where the ratio is below the goal or memory grew by more than a few batches.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch

from benchmark.kept.config import KeptConfig, facts_of_model
from benchmark.model.build import build_model, build_task
from benchmark.use.clips import ClipItems, find_clips
from benchmark.use.embedding import write_embeddings
from benchmark.use.trained import TrainedModel
from registry import Component
from registry.vocabulary import MODALITIES

GOAL = 0.9
FRAMES, RATE, SIDE = 16, 16, 128
"""Of a rendered clip of a second."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=1000)
    parser.add_argument("--backbone", default="vit(model='vit_tiny_patch16_224', weights='none')")
    parser.add_argument("--adapter", default="lora")
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    model = trained(arguments.backbone, arguments.adapter)
    with tempfile.TemporaryDirectory() as folder:
        clips = find_clips(render(Path(folder), number) for number in range(arguments.clips))
        items = ClipItems(clips, model.config.model)
        batch = torch.utils.data.default_collate([items[number] for number in range(arguments.batch)])
        repeats = max(3, min(20, arguments.clips // arguments.batch // 4))
        before = forward_rate(model, batch, repeats)
        embedded = embed_rate(model, clips, Path(folder) / "a.npz", arguments)
        after = forward_rate(model, batch, repeats)
    alone = (before + after) / 2
    found = {
        "forward clips/s": [round(before, 3), round(after, 3)],
        **embedded,
        "ratio": round(embedded["embed clips/s"] / alone, 4),
        "threads": arguments.threads,
    }
    print(json.dumps(found, indent=1))
    return 0 if found["ratio"] >= GOAL and found["memory grew (MB)"] < 200 else 1


def trained(backbone: str, adapter: str) -> TrainedModel:
    """A model that nobody trained, which costs what a trained one does."""
    task = build_task(Component("retrieval"))
    parts = Component.parse(backbone), Component.parse(adapter)
    model = build_model(*parts, task, seed=0, precision="fp32")
    facts: dict[str, Any] = {"hash": "0", "seed": 0, "recipe": {}, "protocol": "validation", "data": None}
    names = {"backbone": backbone, "adapter": adapter, "task": "retrieval", "weights": {}, "tensors_sha256": ""}
    described = replace(facts_of_model(task, model), segments=1, seconds=1.0)
    return TrainedModel(KeptConfig(**names, **facts, model=described), task, model.eval())


def render(folder: Path, number: int) -> Path:
    """A short video of noise that moves, with a tone."""
    path = folder / f"{number:05d}.mp4"
    rng = np.random.default_rng(number)
    with av.open(str(path), "w") as container:
        seen, heard = container.add_stream("h264", rate=RATE), container.add_stream("aac", rate=16_000)
        seen.width = seen.height = SIDE
        seen.pix_fmt = "yuv420p"
        base = rng.integers(0, 255, (SIDE // 8, SIDE // 8, 3), np.uint8).repeat(8, 0).repeat(8, 1)
        for frame in range(FRAMES):
            picture = np.roll(base, 4 * frame, 1)
            container.mux(seen.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        tone = np.sin(np.arange(16_000) * (0.05 + 0.001 * (number % 100))).astype(np.float32)[None]
        sound = av.AudioFrame.from_ndarray(tone, format="fltp", layout="mono")
        sound.sample_rate = 16_000
        container.mux([*heard.encode(sound), *heard.encode(None), *seen.encode(None)])
    return path


def forward_rate(model: TrainedModel, batch: dict[str, Any], repeats: int) -> float:
    """Clips a second of both sides' forward passes alone."""
    begun = 0.0
    for number in range(repeats + 1):
        if number == 1:
            begun = time.perf_counter()
        for modality in MODALITIES:
            model.embed_segments(batch, modality)
    return repeats * len(batch["frames"]) / (time.perf_counter() - begun)


def resident_mb() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def embed_rate(model: TrainedModel, clips: list[Any], path: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    moments: list[tuple[int, float, float]] = []

    def report(done: int, total: int) -> None:
        if done % arguments.batch == 0 or done == total:
            moments.append((done, time.perf_counter(), resident_mb()))

    begun = time.perf_counter()
    write_embeddings(model, clips, path, batch_size=arguments.batch, workers=arguments.workers, report=report)
    settled = [moment for moment in moments if moment[0] >= arguments.batch]
    (first, start, _), (last, end, memory) = settled[0], settled[-1]
    middle = settled[len(settled) // 4][2]
    return {
        "clips": len(clips),
        "embed clips/s": round((last - first) / (end - start), 3),
        "seconds before the first batch": round(start - begun, 2),
        "memory grew (MB)": round(memory - middle, 1),
    }


if __name__ == "__main__":
    sys.exit(main())
