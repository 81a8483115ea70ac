"""Tables as spreadsheets in many languages save them."""

from __future__ import annotations

from pathlib import Path

import pytest

from registry.errors import UserError
from tasks.datasets.manifest import Manifest, read_manifest

TABLE = "id,path,start,end,split,label\na,videos/a.mp4,0.5,1,train,dog\nb,videos/b.mp4,0,1,val,dog\n"


def read(tmp_path: Path, content: bytes) -> Manifest:
    (tmp_path / "table.csv").write_bytes(content)
    return read_manifest(tmp_path / "table.csv")


SAVED = {
    "plain": TABLE.encode(),
    "mark": TABLE.encode("utf-8-sig"),
    "windows line ends": TABLE.replace("\n", "\r\n").encode(),
    "old line ends": TABLE.replace("\n", "\r").encode(),
    "semicolons": TABLE.replace(",", ";").encode(),
    "semicolons and commas in numbers": TABLE.replace(",", ";").replace("0.5", "0,5").encode(),
    "tabs": TABLE.replace(",", "\t").encode(),
    "separator told": ("sep=;\n" + TABLE.replace(",", ";")).encode(),
    "separator told in quotes": ('"sep=;"\r\n' + TABLE.replace(",", ";")).encode(),
    "Unicode text": TABLE.replace(",", "\t").encode("utf-16"),
    "utf-16, big end first": b"\xfe\xff" + TABLE.encode("utf-16-be"),
    "empty columns": TABLE.replace("\n", ",,\n").encode(),
    "more empty fields than columns": TABLE.replace("dog\n", "dog,,\n").encode(),
    "an empty column in between": TABLE.replace("id,path", "id,,path").replace("a,videos", "a,,videos")
    .replace("b,videos", "b,,videos").encode(),
    "empty lines": ("\n\n" + TABLE.replace("\n", "\n,,,,,\n")).encode(),
}  # fmt: skip


@pytest.mark.parametrize("saved", SAVED)
def test_a_table_is_read_however_it_was_saved(tmp_path: Path, saved: str) -> None:
    rows = read(tmp_path, SAVED[saved]).rows
    assert [(row.id, row.path, row.start, row.end, row.split, row.label) for row in rows] == [
        ("a", "videos/a.mp4", 0.5, 1.0, "train", "dog"),
        ("b", "videos/b.mp4", 0.0, 1.0, "validation", "dog"),
    ]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (TABLE.replace("dog", "Köter").encode("windows-1252"), "table.csv is not UTF-8 text (byte "),
        (TABLE.encode("utf-16")[:-1], "table.csv is not UTF-16 text (byte "),
        (
            TABLE.replace("videos/a", "videos\\a").encode(),
            "with backslashes, expected a file within the manifest's folder with / between folders",
        ),
        (TABLE.replace("\n", ",x\n").replace("label,x", "label,").encode(), "line 2 says 'x' in column 7, which is"),
        (("," + TABLE.replace("\n", "\n7,")).encode(), "line 2 says '7' in column 1, which is without a name"),
    ],
)
def test_a_table_that_is_not_certain_is_named(tmp_path: Path, content: bytes, told: str) -> None:
    with pytest.raises(UserError) as caught:
        read(tmp_path, content)
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)
