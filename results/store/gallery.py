"""Clips of a run to be looked at, as one compressed file: `<output>/gallery/<hash>.json.gz`."""

from __future__ import annotations

import base64
import binascii
import gzip
import io
import json
import math
import zlib
from collections.abc import Sequence

from registry.vocabulary import ClipView, ShownClip
from results.store.serialise import RecordError

MOST_CLIPS, MOST_STRIP_BYTES, MOST_GALLERY_BYTES = 40, 2**17, 8 * 2**20
_JPEG = b"\xff\xd8\xff"


def gallery_to_bytes(gallery: Sequence[ShownClip]) -> bytes:
    """The file's content."""
    entries = [
        {
            "item": clip.item,
            "score": float(clip.score),
            "place": clip.place,
            "strip": base64.b64encode(clip.view.strip).decode(),
            "truth": clip.view.truth,
            "predicted": clip.view.predicted,
        }
        for clip in gallery
    ]
    return gzip.compress(json.dumps(entries).encode(), mtime=0)


def gallery_from_bytes(content: bytes, path: str) -> tuple[ShownClip, ...]:
    """What `gallery_to_bytes` wrote.

    Raises:
        RecordError: something else.
    """
    try:
        with gzip.open(io.BytesIO(content)) as file:
            text = file.read(MOST_GALLERY_BYTES + 1)
        if len(text) > MOST_GALLERY_BYTES:
            raise ValueError(f"it unpacks to more than {MOST_GALLERY_BYTES // 2**20} MB")
        clips = tuple(_clip(entry) for entry in json.loads(text))
        if len(clips) > MOST_CLIPS:
            raise ValueError(f"{len(clips)} clips, at most {MOST_CLIPS} are read")
        return clips
    except (OSError, EOFError, ValueError, KeyError, TypeError, RecursionError, zlib.error, binascii.Error) as error:
        raise RecordError(f"{path}: not a readable gallery ({error})") from None


def _clip(entry: dict[str, object]) -> ShownClip:
    strip = base64.b64decode(str(entry["strip"]), validate=True)
    if not strip.startswith(_JPEG) or len(strip) > MOST_STRIP_BYTES:
        raise ValueError("a picture that is no JPEG, or a large one")
    score, lanes = entry["score"], (entry["truth"], entry["predicted"])
    if not isinstance(score, int | float) or not math.isfinite(score) or not all(isinstance(x, list) for x in lanes):
        raise ValueError("a clip without a score, or lanes that are no lists")
    truth, predicted = (tuple(map(str, lane)) for lane in lanes if isinstance(lane, list))
    if len(truth) != len(predicted):
        raise ValueError("lanes of different lengths")
    return ShownClip(str(entry["item"]), float(score), str(entry["place"]), ClipView(strip, truth, predicted))
