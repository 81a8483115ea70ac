"""Mask pictures of any tool: modes, sizes, what is missing or damaged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tasks.media.errors import MediaError
from tasks.media.masks import ClipMasks, fitted

OBJECT = np.zeros((8, 8), bool)
OBJECT[2:5, 1:4] = True


def palette(colours: list[int]) -> Image.Image:
    picture = Image.fromarray(OBJECT.astype(np.uint8), mode="P")
    picture.putpalette(colours + [0] * (768 - len(colours)))
    return picture


PICTURES = {
    "black and white": Image.fromarray(OBJECT),
    "grey": Image.fromarray(OBJECT.astype(np.uint8) * 255),
    "dark grey": Image.fromarray(OBJECT.astype(np.uint8)),
    "colour": Image.fromarray(OBJECT[..., None] * np.array([0, 0, 1], np.uint8)),
    "palette": palette([0, 0, 0, 128, 0, 0]),
    "sixteen bits": Image.fromarray(OBJECT.astype(np.uint16) * 500),
}


@pytest.mark.parametrize("kind", PICTURES)
def test_what_is_not_black_is_the_object_in_every_mode(kind: str, tmp_path: Path) -> None:
    PICTURES[kind].save(tmp_path / "1.png")
    masks, annotated = ClipMasks(tmp_path, (tmp_path / "1.png",)).read(8)
    assert np.array_equal(masks[0].numpy(), OBJECT)
    assert annotated.tolist() == [True]


def test_what_is_transparent_and_white_is_the_object_still() -> None:
    pixels = np.dstack([OBJECT.astype(np.uint8) * 255] * 3 + [np.full((8, 8), 7, np.uint8)])
    assert np.array_equal(fitted(Image.fromarray(pixels, mode="RGBA"), 8), OBJECT)


def test_another_size_is_fitted_by_the_nearest_pixel() -> None:
    picture = Image.fromarray(OBJECT.astype(np.uint8) * 255)
    assert np.array_equal(fitted(picture, 16), OBJECT.repeat(2, 0).repeat(2, 1))
    wide = Image.fromarray(OBJECT.repeat(3, 1).astype(np.uint8) * 255)
    assert np.array_equal(fitted(wide, 8), OBJECT)


def save(folder: Path, *numbers: int, size: tuple[int, int] = (8, 8)) -> tuple[Path | None, ...]:
    for number in numbers:
        Image.new("L", size, 255).save(folder / f"{number}.png")
    return tuple(folder / f"{number}.png" for number in (1, 2, 3))


def test_segments_without_a_picture_are_not_annotated(tmp_path: Path) -> None:
    masks, annotated = ClipMasks(tmp_path, save(tmp_path, 1, 3)).read(8)
    assert annotated.tolist() == [True, False, True]
    assert masks.sum((1, 2)).tolist() == [64, 0, 64]


def test_a_picture_that_is_needed_and_missing_is_named(tmp_path: Path) -> None:
    clip = ClipMasks(tmp_path, save(tmp_path, 1, 3), needed=frozenset({0, 1}))
    assert (clip.missing, clip.present) == ([1], False)
    with pytest.raises(MediaError, match=r"mask .*2\.png is missing"):
        clip.read(8)
    assert [(found.kind, found.detail) for found in clip.problems(8, decode=False)] == [
        ("missing", "no mask of segment 2")
    ]


def test_every_oddity_has_its_line(tmp_path: Path) -> None:
    files = save(tmp_path, 1, 2, size=(12, 8))
    palette([0, 0, 0, 255, 255, 255]).save(tmp_path / "2.png")
    (tmp_path / "3.png").write_bytes(b"\x89PNG\r\n\x1a\nno more")
    found = [(problem.kind, problem.detail) for problem in ClipMasks(tmp_path, files).problems(8, decode=True)]
    assert found[0] == ("mask", "1.png is 12 x 8, fitted to 8 x 8")
    assert found[1] == ("mask", "2.png has mode P; every colour but black is the object")
    assert found[2][0] == "unreadable"
    assert "3.png" in found[2][1]
    assert len(found) == 3


def test_a_clip_without_any_mask_cannot_be_used(tmp_path: Path) -> None:
    clip = ClipMasks(tmp_path, (None, None))
    assert not clip.present
    assert [found.kind for found in clip.problems(8, decode=True)] == ["missing"]


def test_a_link_that_leads_out_is_refused(tmp_path: Path) -> None:
    inside, outside = tmp_path / "data", tmp_path / "secret"
    inside.mkdir()
    outside.mkdir()
    Image.new("L", (8, 8)).save(outside / "1.png")
    (inside / "1.png").symlink_to(outside / "1.png")
    with pytest.raises(MediaError, match="leads out"):
        ClipMasks(inside, (inside / "1.png",)).read(8)
