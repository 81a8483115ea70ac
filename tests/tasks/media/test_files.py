"""Files that are written whole, and never through a link."""

from __future__ import annotations

from pathlib import Path

from tasks.media.files import leads_outside, write_text


def test_a_link_in_the_place_of_a_file_is_not_followed(tmp_path: Path) -> None:
    """Neither the file nor the name under which it is written first."""
    precious = tmp_path / "precious"
    precious.write_text("mine")
    for name in ("store.json", "store.json.partial"):
        (tmp_path / name).symlink_to(precious)
    write_text(tmp_path / "store.json", "new")
    assert (precious.read_text(), (tmp_path / "store.json").read_text()) == ("mine", "new")
    assert not (tmp_path / "store.json").is_symlink()


def test_where_links_lead(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "out.mp4").symlink_to(tmp_path / "elsewhere.mp4")
    (tmp_path / "in" / "same.mp4").symlink_to("real.mp4")
    assert leads_outside(tmp_path / "in" / "out.mp4", tmp_path / "in")
    assert not leads_outside(tmp_path / "in" / "same.mp4", tmp_path / "in")
