"""Pictures that are left undecoded: what is chosen stays that of a decoder that decodes everything."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tasks.media.decode as decode
from tasks.media.decode import decode_clip

SIDE = 48


def write_moving(path: Path, fps: Fraction, count: int, codec: str = "libx264", **options: str) -> None:
    """Noise that drifts over the screen, with as many pictures between others as the codec's options say."""
    rng = np.random.default_rng(count)
    scene = rng.integers(0, 256, (SIDE // 4, SIDE // 4, 3), np.uint8).repeat(4, 0).repeat(4, 1)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=fps, options={"threads": "1", **options})
        stream.width = stream.height = SIDE
        stream.pix_fmt = "yuv420p"
        for number in range(count):
            picture = np.roll(scene, (number * 3, number), axis=(0, 1))
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))


def all_on_screen(path: Path, moments: list[float]) -> torch.Tensor:
    """Every frame decoded, and the last one that began by each moment taken (or the first): -> (T, 3, h, w)."""
    with av.open(str(path)) as container:
        origin = (container.start_time or 0) / av.time_base
        shown = [(float(f.pts * f.time_base) - origin, f.to_ndarray(format="rgb24")) for f in container.decode(video=0)]
    taken = [[f for begun, f in shown if begun <= moment + 1e-6] or [shown[0][1]] for moment in moments]
    return torch.from_numpy(np.stack([frames[-1] for frames in taken])).permute(0, 3, 1, 2)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    fps=st.sampled_from([Fraction(25), Fraction(30000, 1001), Fraction(15, 2)]),
    count=st.integers(15, 70),
    between=st.integers(0, 5),
    pyramid=st.sampled_from(["none", "normal"]),
    group=st.integers(1, 80),
    open_groups=st.booleans(),
    segments=st.integers(1, 12),
    start=st.sampled_from([0.0, 0.3]),
    suffix=st.sampled_from([".mp4", ".mkv"]),
)
def test_frames_are_those_of_a_decoder_that_decodes_everything(
    tmp_path: Path,
    fps: Fraction,
    count: int,
    between: int,
    pyramid: str,
    group: int,
    open_groups: bool,
    segments: int,
    start: float,
    suffix: str,
) -> None:
    path = tmp_path / f"moving{suffix}"
    options = {"bf": str(between), "b-pyramid": pyramid, "g": str(group), "b_strategy": "0"}
    write_moving(path, fps, count, **options, **({"x264-params": "open-gop=1"} if open_groups else {}))
    seconds = max(0.5, float(count / fps) - start)
    moments = [start + (i + 0.5) * seconds / segments for i in range(segments)]
    decoded = decode_clip(path, segments, seconds, start=start).frames
    torch.testing.assert_close(decoded, all_on_screen(path, moments), rtol=0, atol=0)


@pytest.mark.parametrize(("codec", "fewer"), [("libx264", True), ("mpeg4", False)])
def test_pictures_that_no_other_needs_are_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, codec: str, fewer: bool
) -> None:
    """Of x264's pictures between others, two of three; of codecs that are not known to be safe, none."""
    path = tmp_path / "moving.mp4"
    write_moving(path, Fraction(25), 100, codec, bf="3" if fewer else "0", **({"b_strategy": "0"} if fewer else {}))
    seen = []
    offer = decode.FramePicker.offer
    monkeypatch.setattr(decode.FramePicker, "offer", lambda self, *a: (seen.append(a[1]), offer(self, *a))[1])
    decode_clip(path, 4, 4)
    assert len(seen) < 60 if fewer else len(seen) > 85


def test_where_times_do_not_tell_everything_is_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A choice that turns out wrong is made anew from all frames."""
    path = tmp_path / "moving.mp4"
    write_moving(path, Fraction(25), 50, bf="3", b_strategy="0")
    right = decode_clip(path, 5, 2).frames

    class Late(decode.NeededPackets):
        def seconds(self, ticks: int) -> float:
            return super().seconds(ticks) + 0.05

    monkeypatch.setattr(decode, "NeededPackets", Late)
    torch.testing.assert_close(decode_clip(path, 5, 2).frames, right, rtol=0, atol=0)
