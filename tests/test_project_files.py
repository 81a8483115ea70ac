"""The files that a stranger looks for first say the same as the package."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_the_licence_of_the_metadata_is_that_of_the_file() -> None:
    text = (ROOT / "LICENSE").read_text()
    assert PROJECT["license"] == "Apache-2.0"
    assert PROJECT["license-files"] == ["LICENSE"]
    assert "Version 2.0, January 2004" in text
    assert f"Copyright 2026 {PROJECT['authors'][0]['name']}" in text


def test_the_citation_names_this_version_and_both_papers() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == PROJECT["version"]
    assert citation["license"] == PROJECT["license"]
    assert [reference["notes"] for reference in citation["references"]] == ["LAVISH", "STG-CMA"]


@pytest.mark.parametrize("path", sorted((ROOT / ".github").rglob("*.yml")), ids=lambda path: path.stem)
def test_workflows_and_forms_are_readable(path: Path) -> None:
    assert isinstance(yaml.safe_load(path.read_text()), dict)


@pytest.mark.parametrize("path", sorted((ROOT / ".github/workflows").glob("*.yml")), ids=lambda path: path.stem)
def test_every_step_of_a_workflow_is_one_action_of_a_version_or_one_command(path: Path) -> None:
    workflow = yaml.safe_load(path.read_text())
    # YAML reads the key `on` as true.
    assert workflow.keys() <= {"name", True, "permissions", "jobs"}
    for job in workflow["jobs"].values():
        assert job.keys() <= {"runs-on", "timeout-minutes", "steps"}
        for step in job["steps"]:
            assert ("uses" in step) != ("run" in step)
            assert step.keys() <= {"name", "uses", "with", "run", "env"}
            assert re.fullmatch(r"actions/[\w-]+@v\d+", step.get("uses", "actions/checkout@v4"))


def test_the_images_are_the_stages_that_the_file_names_and_run_as_nobody_special() -> None:
    text = (ROOT / "Dockerfile").read_text()
    joined = re.sub(r"\\\n\s*", "", text)
    lines = [line.split(maxsplit=1) for line in joined.splitlines() if line and not line.startswith("#")]
    assert {word for word, _ in lines} <= {"FROM", "ENV", "RUN", "COPY", "WORKDIR", "ENTRYPOINT", "CMD", "USER"}
    stages = re.split(r"^FROM ", joined, flags=re.MULTILINE)[1:]
    named = {stage.split()[2]: stage for stage in stages}
    assert set(re.findall(r"--target (\w+)", text)) == named.keys() - {"base"}
    for name in named.keys() - {"base"}:
        assert named[name].startswith("base AS ")
        assert named[name].rstrip().endswith("USER 1000")
    assert "useradd --create-home --uid 1000 " in named["base"]


def test_the_workflow_runs_what_a_change_must_pass() -> None:
    workflow = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())
    assert {"run": "bash .ci/run"} in workflow["jobs"]["checks"]["steps"]
