from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmark.__main__ import main
from benchmark.runtime.name_clash import a_namesake_is_installed, explain_clash


def install(folder: Path, name: str, package: str) -> None:
    """A distribution as pip leaves it, with one package."""
    (folder / package).mkdir(parents=True)
    (folder / package / "__init__.py").write_text("")
    (folder / f"{name}-1.0.dist-info").mkdir()
    (folder / f"{name}-1.0.dist-info" / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (folder / f"{name}-1.0.dist-info" / "top_level.txt").write_text(f"{package}\n")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder behind all others from which Python imports."""
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    return tmp_path


def test_here_no_other_project_has_our_names(site: Path) -> None:
    assert not a_namesake_is_installed()
    assert explain_clash() is None


def test_a_namesake_is_refused_before_any_verb_acts(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    install(site, "adapters", "adapters")
    assert a_namesake_is_installed()
    assert main(["list"]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "the package 'adapters' at" in error
    assert "belongs to the distribution adapters, not to av-adapter-bench" in error


def test_one_of_another_name_with_our_package_is_found(site: Path) -> None:
    install(site, "somebody", "tasks")
    assert not a_namesake_is_installed()
    assert "the distribution somebody" in str(explain_clash())
