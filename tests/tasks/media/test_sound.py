"""Sound whose rate and channels change, that overlaps, or that is more than memory holds."""

from __future__ import annotations

import struct
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from coded_clips import SAMPLE_RATE, assert_synchronous, tone, write_coded

from tasks.media.decode import decode_clip
from tasks.media.errors import MediaError
from tasks.media.frames import read_sound
from tasks.media.sound import SoundCollector


def frame(sound: np.ndarray, rate: int, layout: str = "mono", kind: str = "fltp") -> av.AudioFrame:
    channels = 1 if layout == "mono" else 2
    samples = np.broadcast_to(sound, (channels, len(sound)))
    samples = (samples * 32767).astype(np.int16) if kind == "s16p" else samples
    made = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples), format=kind, layout=layout)
    made.rate, made.time_base = rate, Fraction(1, rate)
    return made


PARTS = [(48_000, "stereo", "fltp"), (48_000, "mono", "fltp"), (32_000, "mono", "s16p"), (44_100, "stereo", "s16p")]


@pytest.mark.parametrize("first", PARTS)
@pytest.mark.parametrize("second", PARTS)
def test_rate_and_channels_may_change(first: tuple[int, str, str], second: tuple[int, str, str]) -> None:
    sound = SoundCollector(10.0)
    for place, (rate, layout, kind) in enumerate((first, second, first)):
        for piece in range(10):
            begin = place + piece / 10
            sound.offer(frame(tone(0.1, rate, begin), rate, layout, kind), begin)
    whole = sound.samples()
    assert len(whole) == pytest.approx(3 * SAMPLE_RATE, abs=40)
    apart = np.abs(whole[: 3 * SAMPLE_RATE - 40] - tone(3)[: 3 * SAMPLE_RATE - 40])
    for joint in (1, 2):
        apart[joint * SAMPLE_RATE - 40 : joint * SAMPLE_RATE + 40] = 0
    assert apart[40:].max() < 0.02


@pytest.mark.parametrize("late", [0.2, -0.2])
def test_each_piece_lies_at_its_time(late: float) -> None:
    sound = SoundCollector(10.0)
    for begin, time in ((0.0, 0.0), (1.0, 1.0 + late)):
        sound.offer(frame(tone(1, 16_000, begin), 16_000), time)
    whole = sound.samples()
    place = round((1 + late) * SAMPLE_RATE)
    assert len(whole) == pytest.approx(place + SAMPLE_RATE, abs=2)
    np.testing.assert_allclose(whole[place:][:SAMPLE_RATE], tone(1, 16_000, 1.0)[: len(whole) - place], atol=1e-3)
    assert (np.abs(whole[SAMPLE_RATE : place - 1]) < 1e-6).all()


def test_times_that_are_rounded_leave_no_gaps() -> None:
    """Milliseconds, as in Matroska; pieces of 21 and a third."""
    sound, whole = SoundCollector(10.0), tone(2, 48_000)
    for first in range(0, 96_000, 1024):
        sound.offer(frame(whole[first : first + 1024], 48_000), round(first / 48) / 1000)
    np.testing.assert_allclose(sound.samples()[50:31_900], tone(2)[50:31_900], atol=5e-3)


def test_a_broadcast_that_changes_its_channels_is_read(tmp_path: Path) -> None:
    parts = [
        write_coded(tmp_path / f"{i}.ts", 3.0, begin=3.0 * i, layout=layout, rate=rate)
        for i, (layout, rate) in enumerate((("stereo", 48_000), ("mono", 48_000), ("mono", 32_000)))
    ]
    (tmp_path / "change.ts").write_bytes(b"".join(part.read_bytes() for part in parts))
    assert_synchronous(decode_clip(tmp_path / "change.ts", 9, 9.0, 96), unasked=(2, 3, 5, 6))


def wave(path: Path, rate: int, samples: int, channels: int = 1) -> Path:
    """Eight-bit sound of any rate; of several channels each is louder than the one before."""
    size = samples * channels
    form = struct.pack("<IHHIIHH", 16, 1, channels, rate, rate * channels, channels, 8)
    head = b"RIFF" + struct.pack("<I", 36 + size) + b"WAVEfmt " + form
    path.write_bytes(head + b"data" + struct.pack("<I", size) + bytes(range(128, 128 + channels)) * samples)
    return path


@pytest.mark.parametrize("channels", [1, 2, 6, 7, 8, 9, 16, 64])
def test_sound_of_any_number_of_channels_becomes_their_mean(tmp_path: Path, channels: int) -> None:
    sound = read_sound(wave(tmp_path / "many.wav", 16_000, 4000, channels))
    np.testing.assert_allclose(sound, (channels - 1) / 2 / 128, atol=1e-6)
    assert len(sound) == 4000


def test_a_rate_that_is_none_of_sound_is_named(tmp_path: Path) -> None:
    path = wave(tmp_path / "slow.wav", 1, 100_000)
    with pytest.raises(MediaError, match=r"slow\.wav: its sound has 1 samples a second, expected 1000 or more"):
        read_sound(path)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is read in /proc")
def test_sound_that_would_fill_the_memory_is_named(tmp_path: Path) -> None:
    """Days of sound in little: refused before they are in memory, in a process that could not hold them."""
    wave(tmp_path / "days.wav", 1000, 100_000_000)
    # Not `ru_maxrss`, which begins at what the process held that started this one.
    code = (
        "import re, sys; from pathlib import Path; from registry.errors import UserError\n"
        "from tasks.media.frames import read_sound\n"
        "try: read_sound(Path(sys.argv[1]))\n"
        "except UserError as error: print(error)\n"
        "print(int(re.search(r'VmHWM:\\s*(\\d+)', Path('/proc/self/status').read_text())[1]) // 1024)"
    )
    said = subprocess.run([sys.executable, "-c", code, tmp_path / "days.wav"], capture_output=True, text=True)
    assert "days.wav: its sound lasts more than 3 hours" in said.stdout, said.stderr[-500:]
    assert int(said.stdout.split()[-1]) < 2000


def test_unknown_times_follow_the_piece_before() -> None:
    sound = SoundCollector(10.0)
    for begin, time in ((0.0, 0.5), (1.0, None)):
        sound.offer(frame(tone(1, 16_000, begin), 16_000), time)
    assert (sound.begin, len(sound.samples())) == (0.5, 2 * SAMPLE_RATE)
