from __future__ import annotations

import base64
import gzip
import json

import pytest

from registry.vocabulary import ClipView, ShownClip
from results.store.gallery import gallery_from_bytes, gallery_to_bytes
from results.store.merged import Merged
from results.store.serialise import RecordError
from results.store.store import Store

STRIP = b"\xff\xd8\xff\xe0 a picture"
CLIPS = (
    ShownClip("a", 0.25, "worst", ClipView(STRIP, ("dog", "background"), ("dog", "dog"))),
    ShownClip("b", 0.5, "median", ClipView(STRIP)),
)


def test_clips_are_read_back(record, tmp_path) -> None:
    store = Store(tmp_path)
    store.write(record(), gallery=CLIPS)
    store.write(record(seed=1))
    merged = Merged([store])
    merged.load()
    for source in (store, merged):
        assert source.gallery(record().hash) == CLIPS
        assert source.gallery(record(seed=1).hash) == ()
    assert not (tmp_path / "gallery" / f"{record(seed=1).hash}.json.gz").exists()


def changed(**entry: object) -> bytes:
    (first, _) = json.loads(gzip.decompress(gallery_to_bytes(CLIPS)))
    return gzip.compress(json.dumps([{**first, **entry}]).encode())


@pytest.mark.parametrize(
    "content",
    [
        b"torn",
        gallery_to_bytes(CLIPS)[:-20],
        changed(strip=base64.b64encode(b"<svg onload=...>").decode()),
        changed(strip="not base64!"),
        changed(strip=base64.b64encode(STRIP + bytes(2**18)).decode()),
        changed(score=float("nan")),
        changed(truth="dog"),
        changed(predicted=["dog"]),
        gallery_to_bytes(CLIPS * 21),
    ],
)
def test_what_is_no_gallery_is_told_by_its_place(content: bytes) -> None:
    with pytest.raises(RecordError, match=r"^here: not a readable gallery"):
        gallery_from_bytes(content, "here")
