"""How fast clips are decoded and read, and how long a training step waits for them: docs/evidence/data_speed.md.

    python measurements/speed/data.py
    python measurements/speed/data.py --only decode --film cyclists.mp4 --film walkers.avi
    python measurements/speed/data.py --only wait --adapter stg_cma --precision bf16 --steps 10

Clips are encoded by this script: ten seconds of 640 x 360 pixels at 25 frames per second, H.264 by x264's defaults
(medium, key frames up to 250 frames apart) with three B pictures in a row at 600 kbit/s, and stereo sound (AAC,
44.1 kHz). What these show is synthetic: two layers of noise that drift apart. `--film FILE` encodes the first 250
frames of a film of your own in the same shape, once at x264's default quality (crf 23, what cutting a clip out of a
longer video with ffmpeg gives) and once at 600 kbit/s; `--video FILE` takes a file as it is. "Bare" is PyAV's loop over
all frames of both tracks, one thread, nothing kept. "Predicted" is how many motion vectors a frame has and which share
of its blocks moves by none: how much there is to decode, whatever the bit rate.

Rates are for each core: clips by the seconds of processor time that they took, so that other work on the machine
changes them little. Waiting is measured by the clock. The C library keeps freed memory, as in the processes of `run`
and `data prepare`.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import sys
import tempfile
import time
import wave
from collections.abc import Iterator
from pathlib import Path

import av
import cv2
import numpy as np
import torch
from av.codec.context import Flags2
from torch.utils.data import ConcatDataset, DataLoader, Dataset

from benchmark.grid.expand import build_task
from benchmark.model.build import build_model
from benchmark.model.model import Precision
from benchmark.runtime.allocator import KEEP_FREED_MEMORY
from registry import Component
from registry.vocabulary import SAMPLE_RATE
from tasks.datasets.ave import AveFolder
from tasks.datasets.prepare import prepare
from tasks.media.decode import decode_clip
from tasks.media.encode import encode_clip

FPS, WIDTH, HEIGHT, SECONDS = 25, 640, 360, 10
X264 = {"preset": "medium", "g": "250", "bf": "3", "b_strategy": "0", "b": "600k", "threads": "1"}
FILM_SETTINGS = {
    "crf 23": {"preset": "medium", "crf": "23", "threads": "1"},
    "600 kbit/s": {"preset": "medium", "b": "600k", "threads": "1"},
}
RATE = 44_100


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=12, help="clips to encode (12)")
    parser.add_argument("--video", type=Path, action="append", default=[], help="also decode this file; repeatable")
    parser.add_argument("--film", type=Path, action="append", default=[], help="also encode this and decode it")
    parser.add_argument("--steps", type=int, default=10, help="training steps to measure (10)")
    parser.add_argument("--adapter", default="linear_probe", help="of the training steps (linear_probe, the fastest)")
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32", help="of the training steps (fp32)")
    parser.add_argument("--workers", type=int, nargs="*", default=[0, 1, 2], help="loader processes (0 1 2)")
    parser.add_argument("--only", choices=("decode", "wait"), help="measure only this part")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "ave"
        write_clips(data, asked.clips)
        print("| what | measured |\n|---|---|")
        if asked.only != "wait":
            show_rates(Path(folder), data, asked)
        if asked.only != "decode":
            show_waiting(Path(folder), data, asked)


def show_rates(folder: Path, data: Path, asked: argparse.Namespace) -> None:
    """Decoding of every file asked for, and reading from a store."""
    films = [encode_film(film, folder, *how) for film in asked.film for how in FILM_SETTINGS.items()]
    for path in (data / "videos" / "clip0.mp4", *films, *asked.video):
        show_decoding(path)
    for batch_size in (2, 32):
        many = ConcatDataset([AveFolder(stored(folder, data)).clips("train")] * 20)
        rate = per_core_second(many, batch_size)
        print(f"| prepared store into collated batches of {batch_size} | {rate:.0f} clips/s/core, {load()} |")


def show_waiting(folder: Path, data: Path, asked: argparse.Namespace) -> None:
    """The share of a step that waits, for each place that clips come from."""
    frames = folder / "frames"
    write_frame_folders(data, frames)
    for name, root in (("mp4 files", data), ("frame folders", frames), ("prepared store", stored(folder, data))):
        for workers in asked.workers:
            share, step = waiting(root, workers, asked.steps, asked.adapter, asked.precision)
            print(
                f"| clip_vit_base + {asked.adapter}, {asked.precision}, batch 2, {name}, workers={workers} | "
                f"waits {100 * share:.2f} % of {step:.2f} s, {asked.steps} steps, {load()} |",
                flush=True,
            )


def load() -> str:
    """How much ran on the machine during the last minute."""
    return f"load {os.getloadavg()[0]:.1f}"


def stored(folder: Path, data: Path) -> Path:
    """A store of the clips, made when first asked for."""
    store = folder / "store"
    if not store.exists():
        prepare(AveFolder(data), store, 224, workers=0)
    return store


def encode_film(film: Path, folder: Path, name: str, options: dict[str, str]) -> Path:
    """The first ten seconds' worth of frames of a film, scaled; with noise as sound."""
    size = {"width": WIDTH, "height": HEIGHT, "format": "rgb24", "interpolation": "BICUBIC"}
    with av.open(str(film)) as container:
        frames = [f.to_ndarray(**size) for _, f in zip(range(FPS * SECONDS), container.decode(video=0), strict=False)]
    # A shorter one runs back and forth.
    frames = (frames + frames[::-1]) * (FPS * SECONDS // len(frames))
    sound = (0.1 * np.random.default_rng(0).standard_normal((2, SECONDS * RATE))).astype(np.float32)
    path = folder / f"{film.stem}, {name.replace('/', ' ')}.mp4"
    encode_clip(path, np.stack(frames[: FPS * SECONDS]), FPS, sound, RATE, options)
    return path


def show_decoding(path: Path) -> None:
    """Decoding everything and keeping nothing, what a clip of ten segments takes, and how hard the clip is."""
    with av.open(str(path)) as container:
        rate = (container.bit_rate or 0) / 1000
    what = f"{path.name}, {rate:.0f} kbit/s"
    ways = (("bare PyAV, every frame", bare), ("ten frames and the sound", lambda p: decode_clip(p, 10, SECONDS, 224)))
    for name, decode in ways:
        taken = []
        for _ in range(15):
            begun = time.process_time()
            decode(path)
            taken.append(time.process_time() - begun)
        median, best = 1 / statistics.median(taken), 1 / min(taken)
        print(f"| {what}: {name} | {median:.1f} clips/s/core (best of 15: {best:.1f}), {load()} |", flush=True)
    print("| {}: predicted | {:.0f} vectors a frame, {:.0%} of the area unmoved |".format(what, *prediction(path)))


def prediction(path: Path) -> tuple[float, float]:
    """Motion vectors of a predicted frame, and the share of its area that they leave where it was."""
    vectors = frames = still = 0
    with av.open(str(path)) as container:
        video = container.streams.video[0]
        video.codec_context.flags2 |= Flags2.export_mvs
        for frame in container.decode(video):
            for data in frame.side_data:
                if data.type.name != "MOTION_VECTORS":
                    continue
                found = data.to_ndarray()
                unmoved = found[(found["motion_x"] == 0) & (found["motion_y"] == 0) & (found["source"] < 0)]
                frames, vectors = frames + 1, vectors + len(found)
                still += int((unmoved["w"].astype(int) * unmoved["h"]).sum())
    return vectors / frames, still / (frames * WIDTH * HEIGHT)


def bare(path: Path) -> None:
    """Decode both tracks on one thread."""
    with av.open(str(path)) as container:
        tracks = [*container.streams.video[:1], *container.streams.audio[:1]]
        for track in tracks:
            track.codec_context.thread_count = 1
        for packet in container.demux(tracks):
            packet.decode()


def write_frame_folders(data: Path, target: Path) -> None:
    """The same clips as the papers' repositories extract them: eight frames a second and a wav file."""
    target.mkdir()
    for path in data.glob("*.txt"):
        shutil.copy(path, target)
    for path in (data / "videos").iterdir():
        clip = decode_clip(path, 8 * SECONDS, SECONDS)
        folder = target / "video_frames" / path.stem
        folder.mkdir(parents=True)
        for number, frame in enumerate(clip.frames.permute(0, 2, 3, 1).numpy(), start=1):
            cv2.imwrite(str(folder / f"{number:04d}.jpg"), frame[..., ::-1])
        (target / "raw_audio").mkdir(exist_ok=True)
        sound = (decode_clip(path, SECONDS, SECONDS, 32).waveform.reshape(-1).numpy() * 32767).astype("<i2")
        with wave.open(str(target / "raw_audio" / f"{path.stem}.wav"), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(SAMPLE_RATE)
            file.writeframes(sound.tobytes())


def write_clips(root: Path, count: int) -> None:
    """A folder in AVE's layout: two layers of blurred noise that drift past each other."""
    (root / "videos").mkdir(parents=True)
    rng, lines = np.random.default_rng(0), []
    for number in range(count):
        far, near = (cv2.resize(rng.integers(0, 256, (n, 2 * n, 3), np.uint8), (WIDTH, HEIGHT)) for n in (12, 40))
        mixed = [np.roll(far, i, 1) // 2 + np.roll(near, 3 * i, 1) // 2 for i in range(FPS * SECONDS)]
        frames = np.stack(mixed)
        sound = (0.1 * rng.standard_normal((2, SECONDS * RATE))).astype(np.float32)
        encode_clip(root / "videos" / f"clip{number}.mp4", frames, FPS, sound, RATE, X264)
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


def waiting(root: Path, workers: int, steps: int, adapter: str, precision: Precision) -> tuple[float, float]:
    """The share of a training step that waits for its batch, and the seconds of a step; the first is left out."""
    task = build_task(Component("event_localisation", {"data": str(root)}))
    backbone = Component.parse("clip_vit_base(weights='none')")
    model = build_model(backbone, Component.parse(adapter), task, seed=0, precision=precision)
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
    if not KEEP_FREED_MEMORY.items() <= os.environ.items():
        # The C library reads these as a process starts.
        os.execve(sys.executable, [sys.executable, *sys.argv], os.environ | KEEP_FREED_MEMORY)
    main()
