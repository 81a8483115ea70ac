"""A lease is held by one process and ends with it, however it ends."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benchmark.launch import lease as module
from benchmark.launch.lease import Lease
from registry.errors import UserError

HOLDER = (
    "import sys; from pathlib import Path; from benchmark.launch.lease import Lease;"
    "lease = Lease(Path(sys.argv[1]), 'a'); print(lease.take(), flush=True); sys.stdin.read()"
)


def holder(output: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", HOLDER, str(output)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"True\n"
    return process


def test_one_at_a_time(tmp_path: Path) -> None:
    first, second = Lease(tmp_path, "a"), Lease(tmp_path, "a")
    assert not first.is_held()
    assert first.take()
    assert second.is_held()
    assert not second.take()
    assert Lease(tmp_path, "b").take()
    first.give_back()
    assert second.take()


def test_it_ends_with_a_holder_that_is_killed(tmp_path: Path) -> None:
    process = holder(tmp_path)
    assert Lease(tmp_path, "a").is_held()
    assert not Lease(tmp_path, "a").take(0.2)
    process.kill()
    process.wait()
    assert not Lease(tmp_path, "a").is_held()
    assert Lease(tmp_path, "a").take()


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"cannot lock .*--output"):
        Lease(tmp_path / "file", "a").take()


def test_a_file_system_without_locks_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def without(*rest: object, **more: object) -> None:
        raise NotImplementedError("FileSystem does not appear to support flock")

    monkeypatch.setattr(module.FileLock, "acquire", without)
    with pytest.raises(UserError, match="support flock"):
        Lease(tmp_path, "a").take()
