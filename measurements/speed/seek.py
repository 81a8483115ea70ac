"""How quickly a clip late in a long recording is reached, beside `ffmpeg -ss`: docs/reference/data_layouts.md.

    python measurements/speed/seek.py
    python measurements/speed/seek.py --minutes 60 --only ts --only mpg

Coded pictures, 25 a second, mostly with a key picture every ten seconds, and sound. Ours decodes ten seconds that begin
half a minute before the end; so does `ffmpeg -ss`, of both tracks, in turn. Seconds are those of the processor, each
the least of several tries, ffmpeg's start included. Differs: what is not bit for bit that of a reader that decodes from
the beginning.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
for folder in (ROOT, ROOT / "tests" / "helpers"):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))

import torch  # noqa: E402
from coded_clips import write_coded  # noqa: E402

from tasks.media import decode  # noqa: E402
from tasks.media.sampling import MIDDLE  # noqa: E402

SECONDS, SIDE = 10.0, 96
LAGS = 24
"""Samples of 16 kHz by which sound may be early or late: a container may tell times in milliseconds."""
BETWEEN = {"bf": "2", "b_strategy": "0", "g": "250", "preset": "ultrafast", "sc_threshold": "0"}
KINDS: dict[str, tuple[str, str, dict[str, str]]] = {
    "mp4": ("libx264", "aac", BETWEEN),
    "mkv": ("libx264", "libopus", BETWEEN),
    "ts": ("libx264", "aac", BETWEEN),
    "mpg": ("mpeg2video", "mp2", {"bf": "2", "g": "12"}),
    "flv": ("libx264", "aac", BETWEEN),
    "webm": ("libvpx", "libopus", {"g": "250", "deadline": "realtime", "cpu-used": "8"}),
    "ogv": ("libtheora", "libvorbis", {"g": "250"}),
    "avi": ("libx264", "libmp3lame", BETWEEN),
    "wmv": ("wmv2", "wmav2", {"g": "250"}),
}


def long_recording(folder: Path, kind: str, minutes: int) -> Path:
    """A recording of so many minutes in a container."""
    video, audio, options = KINDS[kind]
    stereo = {"rate": 44_100, "layout": "stereo", "bit_rate": 128_000} if audio == "wmav2" else {}
    if video != "libtheora":
        return write_coded(folder / f"long.{kind}", 60.0 * minutes, video, audio, options=options, **stereo)
    # Of the encoders here, PyAV has all but this one.
    source, path = write_coded(folder / "long.mp4", 60.0 * minutes, options=BETWEEN), folder / f"long.{kind}"
    command = ["ffmpeg", "-v", "error", "-i", source, "-c:v", video, "-g", "250", "-c:a", audio, path]
    subprocess.run(command, check=True)
    return path


def processor_seconds(work: Callable[[], object]) -> float:
    """Of this process and of the children that ended meanwhile."""
    before = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    work()
    after = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(b.ru_utime + b.ru_stime - a.ru_utime - a.ru_stime for a, b in zip(before, after, strict=True))


def difference(path: Path, start: float) -> str:
    """What tells a clip from that of a reader that never seeks."""
    ours, shape = decode.decode_clip(path, 10, SECONDS, SIDE, start), (10, SECONDS, SIDE, start, MIDDLE)
    ways = (decode.Way(seek=False), decode.Way(False, False), decode.Way(False, False, False))
    whole = next((clip for way in ways if (clip := decode._decode(path, *shape, way))), None)
    if whole is None or not torch.equal(ours.frames, whole.frames):
        return "**pictures**"
    apart = {
        lag: float((ours.waveform.roll(lag, 1) - whole.waveform)[:, LAGS:-LAGS].abs().max())
        for lag in range(-LAGS, LAGS + 1)
    }
    lag = min(apart, key=lambda lag: apart[lag])
    if torch.equal(ours.waveform, whole.waveform):
        return "nothing"
    return f"sound by {abs(lag)} samples" if lag else f"sound by {apart[0]:.0e}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=int, default=10, help="of the recording (10)")
    parser.add_argument("--tries", type=int, default=3)
    parser.add_argument("--only", choices=KINDS, action="append", default=[])
    asked = parser.parse_args()
    print(f"### A clip of ten seconds near the end of {asked.minutes} minutes\n")
    print("| container | ours, s | ffmpeg -ss, s | ratio | differs |\n|---|---|---|---|---|")
    torch.set_num_threads(1)
    for kind in asked.only or KINDS:
        with tempfile.TemporaryDirectory() as folder:
            path, start = long_recording(Path(folder), kind, asked.minutes), 60.0 * asked.minutes - 30
            ours, theirs = in_turn(path, start, asked.tries)
            apart = difference(path, start)
        print(f"| {kind} | {ours:.3f} | {theirs:.3f} | {ours / theirs:.1f} | {apart} |", flush=True)


def in_turn(path: Path, start: float, tries: int) -> tuple[float, float]:
    """The least seconds of our decoder and of ffmpeg."""
    command = ["ffmpeg", "-v", "error", "-threads", "1", "-ss", str(start), "-i", path, "-t", str(SECONDS)]
    ours, theirs = [], []
    for _ in range(tries):
        ours.append(processor_seconds(lambda: decode.decode_clip(path, 10, SECONDS, SIDE, start)))
        theirs.append(processor_seconds(lambda: subprocess.run([*command, "-f", "null", "-"], check=True)))
    return min(ours), min(theirs)


if __name__ == "__main__":
    main()
