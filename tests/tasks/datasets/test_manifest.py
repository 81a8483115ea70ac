"""The user's own table: what it means, and that a bad one is one line naming file and line, never a crash."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from registry.errors import UserError
from tasks.datasets.manifest import (
    Manifest,
    classes_of,
    find_manifest,
    parse_manifest,
    read_manifest,
    require_labels,
    require_unique,
)
from tasks.media.encode import encode_clip

HEADER = "id,path,start,end,split,label"
WALK = "walk,videos/walk.mp4,0,10,train,dog"
TALK = "talk,videos/talk.mp4,3.5,,val,dog"
TEST = "test,videos/walk.mp4,,4,test,dog"
PATH = Path("folder/clips.csv")


def parsed(*lines: str) -> Manifest:
    return parse_manifest("\n".join(lines), PATH)


def refusal(*lines: str) -> str:
    with pytest.raises(UserError) as caught:
        parsed(*lines)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_rows_say_what_their_cells_say():
    walk, talk, test = parsed(HEADER, WALK, "", TALK, TEST).rows
    assert (walk.id, walk.path, walk.start, walk.end, walk.split, walk.label) == (
        "walk", "videos/walk.mp4", 0.0, 10.0, "train", "dog",
    )  # fmt: skip
    assert (talk.start, talk.end, talk.split, talk.line) == (3.5, None, "validation", 4)
    assert (test.start, test.end) == (0.0, 4.0)


def test_columns_come_in_any_order_without_labels_or_with_more():
    row = parsed("split,note,end,start,path,id", 'train,"a, b",2,1,x.mp4,one').rows[0]
    assert (row.id, row.start, row.end, row.label) == ("one", 1.0, 2.0, "")


def test_line_ends_a_mark_and_line_numbers_make_no_difference(tmp_path: Path):
    plain, dressed = tmp_path / "a" / "m.csv", tmp_path / "b" / "m.csv"
    for path, text in ((plain, f"{HEADER}\n{WALK}\n"), (dressed, f"\ufeff{HEADER}\r\n\r\n{WALK}\r\n")):
        path.parent.mkdir()
        path.write_bytes(text.encode())
    assert read_manifest(dressed).identity() == read_manifest(plain).identity()
    assert read_manifest(plain).identity().startswith("manifest@")
    assert read_manifest(plain).identity("other") != read_manifest(plain).identity()


@pytest.mark.parametrize("changed", ["walk2", "videos/other.mp4", "1", "9", "test", "cat"])
def test_every_cell_is_part_of_the_identity(changed: str):
    before = WALK.split(",")
    column = ["walk2", "videos/other.mp4", "1", "9", "test", "cat"].index(changed)
    after = [*before[:column], changed, *before[column + 1 :]]
    assert parsed(HEADER, ",".join(after)).identity() != parsed(HEADER, WALK).identity()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("walk,videos/walk.mp4,0,10,train", "line 3 has 5 fields, its header has 6"),
        (",videos/walk.mp4,0,10,train,dog", "line 3 has no id"),
        ("a,/etc/passwd,0,10,train,dog", "line 3 has path '/etc/passwd', expected a file within"),
        ("a,../other/x.mp4,0,10,train,dog", "line 3 has path '../other/x.mp4'"),
        ("a,videos/../../x.mp4,0,10,train,dog", "line 3 has path"),
        ("a,C:\\x.mp4,0,10,train,dog", "line 3 has path"),
        ("a,,0,10,train,dog", "line 3 has path ''"),
        ("a,x.mp4,zero,10,train,dog", "line 3 has start 'zero', expected seconds"),
        ("a,x.mp4,-1,10,train,dog", "line 3 has start '-1'"),
        ("a,x.mp4,0,nan,train,dog", "line 3 has end 'nan'"),
        ("a,x.mp4,0,inf,train,dog", "line 3 has end 'inf'"),
        ("a,x.mp4,5,5,train,dog", "line 3 ends at 5 s and starts at 5 s"),
        ("a,x.mp4,0,10,trian,dog", "line 3: unknown split 'trian'. Did you mean train"),
        ('"a\nb",x.mp4,0,10,train,dog', "line 4 holds a line break"),
        ('"a,x.mp4,0,10,train,dog', "line 3 is not CSV"),
    ],
)
def test_a_bad_line_is_named(line: str, message: str):
    assert f"manifest {PATH} {message}" in refusal(HEADER, WALK, line)


def test_a_bad_table_is_named():
    assert "line 1 lacks column 'split': 'id,path,start,end'; expected id,path,start,end,split,label" in refusal(
        "id,path,start,end", "a,x.mp4,0,1"
    )
    assert "line 1 lacks column 'id': 'id|path|" in refusal(HEADER.replace(",", "|"), WALK.replace(",", "|"))
    assert "names a column twice" in refusal(f"{HEADER},label", f"{WALK},cat")
    assert "has no rows" in refusal(HEADER)
    assert "lacks column" in refusal("")


def test_a_missing_or_foreign_file_is_named(tmp_path: Path):
    with pytest.raises(UserError, match=r"manifest .*none\.csv does not exist"):
        read_manifest(tmp_path / "none.csv")
    (tmp_path / "binary.csv").write_bytes(b"\x89PNG\r\n")
    with pytest.raises(UserError, match=r"binary\.csv is not UTF-8 text"):
        read_manifest(tmp_path / "binary.csv")


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.text(max_size=200) | st.lists(st.text(alphabet=',"\n\r;0a./\\x', max_size=30)).map("\n".join))
def test_any_text_after_a_header_is_a_table_or_one_line(text: str):
    for whole in (text, f"{HEADER}\n{text}"):
        refused, rows = "", ()
        try:
            rows = parse_manifest(whole, PATH).rows
        except UserError as error:
            refused = str(error)
        assert bool(rows) != (len(refused.splitlines()) == 1 and str(PATH) in refused)
        assert all(not Path(row.path).is_absolute() and ".." not in Path(row.path).parts for row in rows)


def test_what_tasks_ask_of_rows():
    manifest = parsed(HEADER, WALK, "walk,b.mp4,0,1,train,", "c,c.mp4,0,1,test,cat")
    with pytest.raises(UserError, match=r"line 3 repeats id 'walk' of line 2"):
        require_unique(manifest, manifest.rows)
    with pytest.raises(UserError, match=r"line 3 has no label"):
        require_labels(manifest, manifest.rows)
    with pytest.raises(UserError, match=r"line 4: unknown label 'cat'\. Known: dog"):
        classes_of(manifest)
    with pytest.raises(UserError, match="has no row with split validation"):
        manifest.of("validation")
    with pytest.raises(UserError, match="has no labels for training"):
        classes_of(parsed(HEADER, "walk,b.mp4,0,1,train,"))


def test_seconds_that_two_splits_share_are_counted():
    """Rows of one file that only touch share nothing; each row of the later split counts once."""
    manifest = parsed(
        HEADER,
        "a,x.mp4,0,10,train,dog",
        "b,x.mp4,5,15,train,dog",
        "c,x.mp4,9,20,test,dog",
        "d,x.mp4,20,,test,dog",
        "e,x.mp4,25,30,val,dog",
        "f,y.mp4,0,10,val,dog",
    )
    assert manifest.overlap(manifest.rows) == {"train and validation": 0, "train and test": 1, "validation and test": 1}


def test_a_folder_or_a_file_names_it(tmp_path: Path):
    assert find_manifest(tmp_path) is None
    (tmp_path / "manifest.csv").write_text(f"{HEADER}\n{WALK}\n")
    assert find_manifest(str(tmp_path)) == tmp_path / "manifest.csv"
    assert find_manifest("any/where.CSV") == Path("any/where.CSV")
    assert read_manifest(tmp_path).file == read_manifest(tmp_path / "manifest.csv").file


def test_a_manifest_is_the_same_under_every_spelling_of_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "walks").mkdir()
    (tmp_path / "walks" / "manifest.csv").write_text(f"{HEADER}\n{WALK}\n")
    (tmp_path / "link").symlink_to(tmp_path / "walks")
    shutil.copytree(tmp_path / "walks", tmp_path / "elsewhere")
    monkeypatch.chdir(tmp_path)
    spellings = ["walks", "./walks/manifest.csv", "walks/../walks", "link", "elsewhere", str(tmp_path / "walks")]
    assert len({read_manifest(data).identity() for data in spellings}) == 1


def test_rows_are_decoded_from_their_own_seconds(tmp_path: Path):
    shades = (np.arange(40, dtype=np.uint8) * 4 + 20)[:, None, None, None]
    encode_clip(tmp_path / "x.mp4", np.broadcast_to(shades, (40, 32, 32, 3)).copy(), 4, None)
    (tmp_path / "m.csv").write_text(f"{HEADER}\na,x.mp4,2,6,train,\nb,./x.mp4,8,,test,\nc,y.mp4,,,test,\n")
    manifest = read_manifest(tmp_path / "m.csv")
    middles = [(manifest.read(row, 2).frames.float().mean(dim=(1, 2, 3)) - 20) / 4 for row in manifest.rows[:2]]
    np.testing.assert_allclose(middles[0], [12, 20], atol=1)
    np.testing.assert_allclose(middles[1], [34, 38], atol=1)
    with pytest.raises(UserError, match=r"1 of 2 files of manifest .* are missing or empty: y\.mp4"):
        manifest.require()


def test_groups_are_told_by_split_and_counted_where_they_stand_in_two():
    grouped = [f"{row},{group}" for row, group in ((WALK, "tree"), (TALK, "pond"), (TEST, "tree"))]
    manifest = parsed(f"{HEADER},group", *grouped)
    assert manifest.groups("test") == {"test": "tree"}
    assert manifest.shared_groups() == {
        "train and validation": 0,
        "train and test": 1,
        "validation and test": 0,
    }


def test_an_empty_column_of_groups_is_none():
    plain, empty = parsed(HEADER, WALK, TEST), parsed(f"{HEADER},group", f"{WALK},", f"{TEST},")
    assert plain.identity() == empty.identity()
    assert (empty.groups("test"), empty.shared_groups()) == ({}, {})
    assert parsed(f"{HEADER},group", f"{WALK},tree", f"{TEST},").identity() != plain.identity()
