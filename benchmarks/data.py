"""How fast clips are decoded and read, and how long a training step waits for them: the table of docs/data_speed.md.

    python benchmarks/data.py

Clips are encoded by this script: ten seconds of 640 x 360 pixels at 25 frames per second (H.264) with sound (AAC).
Rates are for each core: clips by the seconds of processor time that they took, so that other work on the machine
changes them little. Waiting is measured by the clock.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import torch
from torch.utils.data import ConcatDataset, DataLoader, Dataset

from benchmark.assembly import build_model
from benchmark.expansion import build_task
from registry import Component
from registry.vocabulary import SAMPLE_RATE
from tasks.event_localisation.data import AveFolder
from tasks.media.encode import encode_clip
from tasks.media.prepare import prepare

FPS, WIDTH, HEIGHT, SECONDS = 25, 640, 360, 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=12, help="clips to encode (12)")
    parser.add_argument("--steps", type=int, default=6, help="training steps to measure (6)")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        data, store = Path(folder) / "ave", Path(folder) / "store"
        write_clips(data, asked.clips)
        print("| what | measured | asked for |\n|---|---|---|")
        size = sum(path.stat().st_size for path in (data / "videos").iterdir()) / asked.clips
        decoding = per_core_second(AveFolder(data).clips("train"), batch_size=1)
        print(f"| decode 360p at {size * 8 / SECONDS / 1000:.0f} kbit/s | {decoding:.1f} clips/s/core | 8 |")
        prepare(AveFolder(data), store, 224, workers=0)
        for batch_size in (2, 32):
            many = ConcatDataset([AveFolder(store).clips("train")] * 20)
            rate = per_core_second(many, batch_size)
            print(f"| prepared store into collated batches of {batch_size} | {rate:.0f} clips/s/core | 300 |")
        for name, root in (("mp4 files", data), ("prepared store", store)):
            for workers in (0, 1):
                share, step = waiting(root, workers, asked.steps)
                print(
                    f"| clip_vit_base + lavish, batch 2, {name}, workers={workers}: share of a step spent waiting | "
                    f"{100 * share:.1f} % of {step:.1f} s | – |"
                )


def write_clips(root: Path, count: int) -> None:
    """A folder in AVE's layout: two layers of blurred noise that drift past each other."""
    (root / "videos").mkdir(parents=True)
    rng, lines = np.random.default_rng(0), []
    for number in range(count):
        far, near = (cv2.resize(rng.integers(0, 256, (n, 2 * n, 3), np.uint8), (WIDTH, HEIGHT)) for n in (12, 40))
        mixed = [np.roll(far, i, 1) // 2 + np.roll(near, 3 * i, 1) // 2 for i in range(FPS * SECONDS)]
        frames = np.stack(mixed)
        sound = (0.1 * rng.standard_normal(SECONDS * SAMPLE_RATE)).astype(np.float32)
        encode_clip(root / "videos" / f"clip{number}.mp4", frames, FPS, sound)
        lines.append(f"noise&clip{number}&good&2&8\n")
    for name in ("Annotations.txt", "trainSet.txt", "valSet.txt", "testSet.txt"):
        (root / name).write_text("".join(lines))


def per_core_second(clips: Dataset, batch_size: int) -> float:
    """Clips by the processor seconds that reading and collating takes, the second time through."""
    for _ in range(2):
        begun, read = time.process_time(), 0
        for batch in DataLoader(clips, batch_size):
            read += len(batch["targets"]["id"])
        rate = read / (time.process_time() - begun)
    return rate


def waiting(root: Path, workers: int, steps: int) -> tuple[float, float]:
    """The share of a training step that waits for its batch, and the seconds of a step; the first is left out."""
    task = build_task(Component("event_localisation", {"data": str(root)}))
    backbone = Component.parse("clip_vit_base(weights='none')")
    model = build_model(backbone, Component.parse("lavish"), task, seed=0, precision="bf16")
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], 1e-4)
    loader = DataLoader(ConcatDataset([task.dataset("train")] * 4), batch_size=2, num_workers=workers)
    batches: Iterator = iter(loader)
    waited = total = 0.0
    torch.set_num_threads(2)
    for step in range(steps + 1):
        begun = time.perf_counter()
        batch = next(batches)
        arrived = time.perf_counter()
        losses = model(**model.data_preprocessor(batch, True), mode="loss")
        optimizer.zero_grad()
        model.parse_losses(losses)[0].backward()
        optimizer.step()
        if step:
            waited, total = waited + arrived - begun, total + time.perf_counter() - begun
    return waited / total, total / steps


if __name__ == "__main__":
    main()
