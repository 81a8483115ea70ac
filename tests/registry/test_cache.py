"""What is kept decides numbers: nobody else may have put it there."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from registry.cache import cache_folder
from registry.errors import UserError


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AVBENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_asking_for_it_makes_nothing(cache: Path) -> None:
    assert cache_folder("prepared") == cache / "prepared"
    assert not cache.exists()


def test_it_is_made_for_its_user_alone(cache: Path) -> None:
    before = os.umask(0)
    try:
        cache_folder("prepared", make=True)
    finally:
        os.umask(before)
    assert [stat.S_IMODE(place.stat().st_mode) for place in (cache, cache / "prepared")] == [0o700, 0o700]


@pytest.mark.parametrize("part", ["", "prepared"])
@pytest.mark.parametrize("mode", [0o770, 0o777, 0o1777])
def test_a_folder_that_others_may_write_is_refused(cache: Path, part: str, mode: int) -> None:
    cache_folder("prepared", make=True)
    (cache / part).chmod(mode)
    with pytest.raises(UserError, match=r"may be written by others.*chmod go-w"):
        cache_folder("prepared")


def test_a_folder_of_another_user_is_refused(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache_folder(make=True)
    monkeypatch.setattr(os, "geteuid", lambda: cache.stat().st_uid + 1)
    with pytest.raises(UserError, match="belongs to another user"):
        cache_folder()


def test_a_part_that_is_a_link_of_another_user_is_refused(cache: Path, tmp_path: Path) -> None:
    cache_folder(make=True)
    (tmp_path / "elsewhere").mkdir(mode=0o777)
    (tmp_path / "elsewhere").chmod(0o777)
    (cache / "prepared").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UserError, match="may be written by others"):
        cache_folder("prepared")


def test_the_cache_itself_may_be_a_link_to_another_disk(cache: Path, tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir(mode=0o700)
    cache.symlink_to(tmp_path / "disk")
    assert cache_folder("prepared", make=True).resolve() == tmp_path / "disk" / "prepared"
