"""What plug-ins may import stays where it is, and the page that lists it lists all of it."""

from __future__ import annotations

import ast
import inspect
import re
from importlib import import_module
from pathlib import Path

import pytest

import benchmark

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "explanation" / "architecture.md").read_text()
FACE = {
    module: re.findall(r"`(\w+)`", names)
    for module, names in re.findall(r"^\| `([\w.]+)` \| ((?:`\w+`(?:, )?)+) \|$", PAGE, flags=re.MULTILINE)
}


def test_the_page_lists_the_modules_that_do_not_move() -> None:
    assert FACE.keys() == {
        "benchmark", "registry", "registry.space", "registry.vocabulary", "adapters.scheme", "adapters.parts",
        "adapters.contract", "backbones.block", "backbones.backbone", "backbones.attention", "backbones.stem",
        "tasks.contract", "tasks.task", "tasks.datasets.open", "tasks.recipe",
    }  # fmt: skip


@pytest.mark.parametrize("module", FACE)
def test_every_listed_name_is_there(module: str) -> None:
    found = import_module(module)
    assert [name for name in FACE[module] if not hasattr(found, name)] == []


@pytest.mark.parametrize("file", sorted((ROOT / "examples").glob("*.py")), ids=lambda file: file.stem)
def test_the_examples_need_no_more(file: Path) -> None:
    ours = {"adapters", "backbones", "benchmark", "registry", "results", "tasks"}
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.partition(".")[0] in ours:
            names = {alias.name for alias in node.names}
            assert names <= set(FACE.get(node.module, ())), ast.unparse(node)


SURFACE = {
    "Prediction", "Results", "TrainedModel", "UserError", "load", "read_embeddings", "register_adapter",
    "register_backbone", "register_task", "run",
}  # fmt: skip
"""What `import benchmark` offers. Whoever changes it also changes this list and names the change in CHANGELOG.md."""
MEMBERS = {
    "TrainedModel": {
        "batches", "config", "device", "embed", "embed_segments", "evaluate", "features", "from_pretrained",
        "join_segments", "predict", "predict_each", "save_pretrained", "to",
    },
    "Results": {"compare", "failures", "load", "output", "plot", "records", "rows", "to_dataframe"},
    "Prediction": {
        "active", "best", "events", "frame_times", "frames", "labels", "log_mels", "masks", "model", "notes",
        "probabilities", "question", "sample_rate", "shown_frames", "source", "task", "times", "to_dict", "true_frames",
        "true_masks", "warnings", "waveform",
    },
}  # fmt: skip
SIGNATURES = {
    "load": "name output seed device weights",
    "run": "grid backbones adapters tasks seeds recipe protocol output device jobs workers gpus timeout retry plugins "
    "discard_adapters",
    "read_embeddings": "path",
    "register_adapter": "name version",
    "register_backbone": "name version",
    "register_task": "name version",
}
CHANGELOG = (ROOT / "CHANGELOG.md").read_text()


def test_the_surface_is_what_the_list_says() -> None:
    assert set(benchmark.__all__) == set(dir(benchmark)) == SURFACE
    assert all(hasattr(benchmark, name) for name in SURFACE)


@pytest.mark.parametrize("name", MEMBERS)
def test_classes_offer_what_the_list_says(name: str) -> None:
    kind = getattr(benchmark, name)
    found = {member for member in dir(kind) if not member.startswith("_")}
    found |= {field for field in getattr(kind, "__annotations__", {}) if not field.startswith("_")}
    found |= set(re.findall(r"self\.([a-z]\w*)(?:, self\.\w+)* = ", inspect.getsource(kind)))
    assert found == MEMBERS[name]


@pytest.mark.parametrize("name", SIGNATURES)
def test_functions_take_what_the_list_says(name: str) -> None:
    assert list(inspect.signature(getattr(benchmark, name)).parameters) == SIGNATURES[name].split()


def test_the_changelog_names_all_of_it() -> None:
    named = {name for text in re.findall(r"`benchmark\.([\w., `]+)`", CHANGELOG) for name in re.findall(r"\w+", text)}
    assert named >= SURFACE


@pytest.mark.parametrize("package", ["adapters", "backbones", "benchmark", "registry", "results", "tasks"])
def test_every_package_tells_type_checkers_that_it_is_typed(package: str) -> None:
    assert (ROOT / package / "py.typed").is_file()
    assert '"py.typed"' in (ROOT / "pyproject.toml").read_text()
