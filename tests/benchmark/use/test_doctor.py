from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import SimpleNamespace

import pytest
from huggingface_hub import constants

import benchmark
from benchmark.use import doctor
from benchmark.use.doctor import Finding, examine

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def _own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AVBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)


@pytest.fixture
def unbuilt(monkeypatch: pytest.MonkeyPatch) -> None:
    """The models are not built, which takes seconds."""
    monkeypatch.setattr(doctor, "_default_grid", lambda: iter(()))


def found(tmp_path: Path, subject: str) -> list[Finding]:
    return [finding for finding in examine(tmp_path / "runs") if finding.subject == subject]


def test_an_environment_as_it_should_be_has_no_fault(tmp_path: Path) -> None:
    findings = list(examine(tmp_path / "runs"))
    assert [finding for finding in findings if finding.state == "fault"] == []
    assert findings[-1] == Finding("ok", "default grid", "27 cells, each of which can be built")


def test_what_takes_long_is_told_last(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from benchmark.use.doctor import examine\n"
        "for finding in examine(Path('runs')):\n"
        "    if finding.subject == 'hub': print({'torch', 'mmengine', 'timm'} & set(sys.modules)); break"
    )
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.strip() == "set()"


@pytest.mark.usefixtures("unbuilt")
class TestOneThingWrong:
    def test_a_library_is_missing(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def without_timm(name: str) -> str:
            if name == "timm":
                raise PackageNotFoundError(name)
            return version(name)

        monkeypatch.setattr(doctor, "version", without_timm)
        assert found(tmp_path, "timm") == [Finding("fault", "timm", "is missing")]

    def test_a_library_has_a_version_that_does_not_fit(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(doctor, "version", lambda name: "0.1" if name == "timm" else version(name))
        (finding,) = found(tmp_path, "timm")
        assert finding.state == "fault"
        assert finding.text.startswith("0.1 is installed and ")

    def test_an_extra_is_told_with_its_command_and_is_no_fault(self, tmp_path: Path, monkeypatch) -> None:
        def without_tensorboard(name: str) -> str:
            if name == "tensorboard":
                raise PackageNotFoundError(name)
            return version(name)

        monkeypatch.setattr(doctor, "version", without_tensorboard)
        (finding,) = found(tmp_path, "[tensorboard]")
        assert finding.state == "note"
        assert finding.text == "tensorboard is missing: pip install 'av-adapter-bench[tensorboard]'"

    def test_a_package_of_another_project_stands_in_place_of_ours(self, tmp_path: Path, monkeypatch) -> None:
        monkeypatch.setattr(doctor, "explain_clash", lambda: "the package 'adapters' belongs to somebody")
        assert found(tmp_path, "names")[0].state == "fault"

    def test_the_cache_cannot_be_written(self, tmp_path: Path) -> None:
        (tmp_path / "cache").write_text("")
        first, second = found(tmp_path, "room")
        assert (first.state, second.state) == ("fault", "ok")
        assert first.text.endswith("AVBENCH_CACHE")

    def test_the_disk_is_full(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(shutil, "disk_usage", lambda place: SimpleNamespace(free=2_000_000))
        assert {finding.text.partition(" free")[0] for finding in found(tmp_path, "room")} == {"2.0 MB"}
        assert {finding.state for finding in found(tmp_path, "room")} == {"fault"}

    def test_a_model_cannot_be_built(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.undo()

        def broken(*words: object) -> None:
            raise OSError("libGL.so.1: cannot open\nshared object file")

        monkeypatch.setattr(doctor, "hub_answers", lambda: True)
        monkeypatch.setattr(benchmark, "expand", broken)
        assert found(tmp_path, "default grid") == [
            Finding("fault", "default grid", "OSError: libGL.so.1: cannot open shared object file")
        ]


@pytest.mark.usefixtures("unbuilt")
class TestHub:
    def test_offline_is_told_and_nothing_is_asked(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(doctor, "hub_answers", lambda: pytest.fail("asked"))
        assert "HF_HUB_OFFLINE" in found(tmp_path, "hub")[0].text

    @pytest.mark.parametrize(("answers", "state"), [(True, "ok"), (False, "note")])
    def test_reachable_or_not(self, answers: bool, state: str, tmp_path: Path, monkeypatch) -> None:
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(doctor, "hub_answers", lambda: answers)
        assert found(tmp_path, "hub")[0].state == state


@pytest.mark.usefixtures("unbuilt")
def test_folders_are_told_with_their_sizes(tmp_path: Path) -> None:
    (tmp_path / "cache" / "digests").mkdir(parents=True)
    (tmp_path / "cache" / "digests" / "a").write_bytes(b"x" * 1500)
    (tmp_path / "cache" / "link").symlink_to(tmp_path / "cache" / "digests" / "a")
    assert found(tmp_path, "cache")[0].text.startswith(f"{tmp_path / 'cache'}: 1.")
    assert "2 files" in found(tmp_path, "cache")[0].text
    assert found(tmp_path, "cache of the hub")[0].text.endswith("not there yet")


class TestVerb:
    @pytest.fixture(params=["ok", "fault"])
    def state(self, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
        findings = [Finding("ok", "torch", "2"), Finding(request.param, "timm", "says")]
        monkeypatch.setattr(doctor, "examine", lambda output: iter(findings))
        return request.param

    def test_the_exit_status_says_whether_the_default_grid_could_run(self, state: str, capsys) -> None:
        from benchmark.__main__ import main

        assert main(["doctor"]) == (1 if state == "fault" else 0)
        said = "cannot run: timm." if state == "fault" else "can run."
        assert capsys.readouterr().out.splitlines()[-1] == f"The default grid {said}"

    def test_json(self, state: str, capsys) -> None:
        import json

        from benchmark.__main__ import main

        main(["doctor", "--json"])
        told = json.loads(capsys.readouterr().out)
        assert told["can_run"] == (state == "ok")
        assert told["findings"][1] == {"state": state, "subject": "timm", "text": "says"}


def test_a_library_that_breaks_on_import_is_a_line_and_no_stack_trace(tmp_path: Path) -> None:
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch" / "__init__.py").write_text("raise ImportError('libcudart.so.13: cannot open')")
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}:{ROOT}", "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-m", "benchmark", "doctor"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "fault  torch" in done.stdout
    assert "libcudart.so.13: cannot open" in done.stdout
    assert done.stderr == ""
