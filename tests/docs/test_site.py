"""What the site generates says what the code does, and every figure on it has its source."""

from __future__ import annotations

import importlib
import json
import re
import sys
from pathlib import Path
from types import ModuleType

import jsonschema
import pytest
import yaml

from registry import ADAPTERS, BACKBONES, TASKS, names
from results.record import Failure, Parameters, RunRecord
from results.store.serialise import to_json
from results.table.columns import COLUMNS
from tasks.recipe import PRESETS, Recipe

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
MEASURED = [path for path in sorted((ROOT / "measurements").glob("*.json")) if path.stem != "step_results"]
PAGES = [path for path in sorted(DOCS.rglob("*.md")) if "_parts" not in path.parts]


@pytest.fixture(scope="module", autouse=True)
def _scripts_of_the_site():
    sys.path.insert(0, str(DOCS / "_site"))
    yield
    sys.path.remove(str(DOCS / "_site"))


def script(name: str) -> ModuleType:
    return importlib.import_module(name)


def test_pictures_are_those_that_the_script_draws() -> None:
    drawn = {name: draw().svg() for name, draw in script("pictures").PICTURES.items()}
    assert {path.stem: path.read_text() for path in (DOCS / "pictures").glob("*.svg")} == drawn


@pytest.mark.parametrize("registry", [BACKBONES, ADAPTERS, TASKS], ids=lambda registry: registry.name)
def test_every_component_is_in_the_reference(registry) -> None:
    page = script("reference").components()
    assert [name for name in names(registry) if f"### {name}\n" not in page] == []


def test_every_field_and_every_recipe_by_name_is_in_the_reference() -> None:
    page = script("reference").recipe()
    assert [name for name in vars(Recipe()) if f"| `{name}` |" not in page] == []
    assert [name for name in PRESETS if f"### {name}\n" not in page] == []


def test_every_column_is_in_the_reference() -> None:
    page = script("reference").leaderboard_columns()
    assert re.findall(r"^\| `(\w+)` \|", page, flags=re.MULTILINE) == list(COLUMNS)


def test_every_verb_is_in_the_reference() -> None:
    reference = script("reference")
    page = reference.command_line()
    assert [verb for verb in reference.SUMMARIES if f"usage: python -m benchmark {verb}" not in page] == []


def record(**changes) -> RunRecord:
    facts = {
        "hash": "0" * 16, "slug": "a", "backbone": "tiny_vit", "adapter": "lavish", "task": "avqa", "seed": 0,
        "recipe": {"epochs": 1}, "protocol": "validation", "status": "completed", "primary_metric": "accuracy",
        "scores": {"accuracy": 50.0}, "validation": {"accuracy": 50.0}, "best_epoch": 1,
        "history": [{"epoch": 1.0, "accuracy": 50.0}], "parameters": Parameters(3, 2, 1),
    }  # fmt: skip
    return RunRecord(**(facts | changes))


@pytest.mark.parametrize(
    "changes", [{}, {"status": "failed", "scores": {}, "validation": {}, "best_epoch": None, "history": [],
                     "failure": Failure("data", "x")}], ids=["completed", "failed"],
)  # fmt: skip
def test_records_are_of_the_published_schema(changes) -> None:
    schema = script("reference").json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(json.loads(to_json(record(**changes))), schema)


def test_the_schema_refuses_what_no_record_is() -> None:
    content = json.loads(to_json(record()))
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(content | {"seed": "zero"}, script("reference").json_schema())
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(content | {"extra": 1}, script("reference").json_schema())


@pytest.mark.parametrize("path", MEASURED, ids=lambda path: path.stem)
def test_a_measurement_tells_where_it_comes_from(path: Path) -> None:
    measured = json.loads(path.read_text())
    assert measured.keys() == {"command", "date", "machine", "commit", "labels", "tables"}
    assert re.fullmatch(r"20\d\d-\d\d-\d\d", measured["date"])
    assert re.match(r"[0-9a-f]{7}\b", measured["commit"])
    assert measured["command"]
    assert measured["machine"]
    for table in measured["tables"]:
        assert table["title"]
        assert {len(row) for row in table["rows"]} == {len(table["columns"])}


def test_every_measurement_is_on_a_page_and_every_page_finds_its_own() -> None:
    asked = {name for page in PAGES for name in re.findall(r"<!-- measured: (\w+)", page.read_text())}
    assert {path.stem for path in MEASURED} <= asked
    for page in PAGES:
        assert not re.search("<!-- (?:measured|steps)", script("evidence").fill(page.read_text()))


def test_what_is_not_measured_yet_is_said_until_it_is() -> None:
    evidence = script("evidence")
    assert "**Not measured yet.** `run it`" in evidence.fill("<!-- to be measured: nothing by run it -->")
    with pytest.raises(ValueError, match="is there"):
        evidence.fill(f"<!-- to be measured: {MEASURED[0].stem} by run it -->")


def test_every_page_is_in_the_navigation() -> None:
    listed = re.findall(r"^ +- (?:[\w ]+: )?(\S+\.md)$", (ROOT / "mkdocs.yml").read_text(), flags=re.MULTILINE)
    generated = set(script("reference").pages())
    assert {str(page.relative_to(DOCS)) for page in PAGES} == set(listed) - generated
    assert generated <= set(listed)
    assert yaml.safe_load((ROOT / "mkdocs.yml").read_text())["use_directory_urls"] is False


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_link_between_pages_leads_to_a_file(page: Path) -> None:
    """As `make docs` holds, without its packages."""
    generated = {DOCS / path for path in (*script("reference").pages(), *script("reference").assets())}
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)#\s]+)", text):
        if "://" not in target:
            place = (page.parent / target).resolve()
            assert place.is_file() or place in generated, target
