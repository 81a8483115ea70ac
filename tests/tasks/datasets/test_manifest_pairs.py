"""Retrieval over videos of the user's own, with labels and without."""

from pathlib import Path

import pytest

from registry.errors import UserError
from tasks.datasets.manifest_clips import ManifestClips
from tasks.retrieval.task import Retrieval

HEADER = "id,path,start,end,split,label"
ROWS = ["a,a.mp4,0,4,train,{}", "b,a.mp4,4,8,val,{}", "c,c.mp4,,,test,{}"]


def written(folder: Path, *labels: str) -> str:
    (folder / "manifest.csv").write_text("\n".join([HEADER, *(r.format(x) for r, x in zip(ROWS, labels, strict=True))]))
    return str(folder)


def test_labels_are_all_or_none(tmp_path: Path) -> None:
    assert Retrieval(data=written(tmp_path, "", "", "")).source.classes == ()
    assert Retrieval(data=written(tmp_path, "x", "x", "x")).source.classes == ("x",)
    with pytest.raises(UserError, match="line 3 has no label"):
        Retrieval(data=written(tmp_path, "x", "", "x"))


def test_segments_are_part_of_the_data(tmp_path: Path) -> None:
    data = written(tmp_path, "", "", "")
    five, ten = Retrieval(data=data, segments=5), Retrieval(data=data)
    assert (five.segments, ten.segments) == (5, 10)
    assert five.data_identity() != ten.data_identity()
    assert ten.data_identity().startswith("manifest@")
    with pytest.raises(UserError, match="option segments=5 means nothing for data='synthetic'"):
        Retrieval(segments=5)


def test_an_id_occurs_once(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    path.write_text("\n".join([HEADER, ROWS[0].format("x"), ROWS[0].format("x")]))
    with pytest.raises(UserError, match="line 3 repeats id 'a' of line 2"):
        ManifestClips(path)
