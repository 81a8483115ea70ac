"""Digests are of the bytes as they are now; those of large files are computed once for all processes."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from backbones.families import digests
from backbones.families.digests import sha256_of


@pytest.fixture
def large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that counts as large and has not changed for a while; the cache is a folder of the test."""
    monkeypatch.setenv("AVBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(digests, "LARGE", 4)
    monkeypatch.setattr(digests, "SETTLED_NS", 0)
    (tmp_path / "weights").write_bytes(b"abcdef")
    digests._sha256.cache_clear()
    return tmp_path / "weights"


def as_another_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget what this process knows, and fail where the bytes are read again."""
    digests._sha256.cache_clear()
    monkeypatch.setattr("hashlib.file_digest", lambda *_: pytest.fail("the file was read"))


def kept(folder: Path) -> Path:
    (file,) = (folder / "cache/digests").iterdir()
    return file


def test_a_large_file_is_read_once_for_all_processes(
    large: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = hashlib.sha256(b"abcdef").hexdigest()
    assert sha256_of(large) == expected
    assert kept(tmp_path).stat().st_mode & 0o777 == 0o600
    (tmp_path / "link").symlink_to(large)
    as_another_process(monkeypatch)
    assert sha256_of(large) == sha256_of(tmp_path / "link") == expected


def test_a_changed_file_is_read_again_though_size_and_time_are_kept(large: Path) -> None:
    first, was = sha256_of(large), large.stat()
    large.write_bytes(b"fedcba")
    os.utime(large, ns=(was.st_atime_ns, was.st_mtime_ns))
    digests._sha256.cache_clear()
    assert sha256_of(large) == hashlib.sha256(b"fedcba").hexdigest() != first


@pytest.mark.parametrize("way", ["open to others", "a link", "damaged", "a pipe"])
def test_a_digest_that_others_could_have_written_is_not_believed(way: str, large: Path, tmp_path: Path) -> None:
    expected, forged = sha256_of(large), "0" * 64
    file = kept(tmp_path)
    file.write_text(forged[:-1] if way == "damaged" else forged)
    if way == "open to others":
        file.chmod(0o666)
    elif way in ("a link", "a pipe"):
        file.rename(tmp_path / "other")
        file.symlink_to(tmp_path / "other") if way == "a link" else os.mkfifo(file)
    digests._sha256.cache_clear()
    assert sha256_of(large) == expected


def test_small_and_fresh_files_leave_nothing_behind(
    large: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(digests, "SETTLED_NS", 10**12)
    sha256_of(large)
    monkeypatch.setattr(digests, "SETTLED_NS", 0)
    monkeypatch.setattr(digests, "LARGE", 7)
    digests._sha256.cache_clear()
    sha256_of(large)
    assert not (tmp_path / "cache").exists()


def test_a_cache_that_cannot_be_written_costs_no_digest(
    large: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("AVBENCH_CACHE", str(tmp_path / "file"))
    assert sha256_of(large) == hashlib.sha256(b"abcdef").hexdigest()
