"""Cells, grid files and their recipes."""

from __future__ import annotations

import pickle
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmark.grid.expand import expand
from benchmark.grid.grid import Grid, Override, read_seeds
from benchmark.grid.spec import RunSpec
from registry import Component, UserError
from tasks.recipe import Recipe

NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True)
OPTIONS = st.dictionaries(NAMES, st.one_of(st.integers(), st.booleans(), st.text(max_size=8), st.none()), max_size=2)
COMPONENTS = st.builds(Component, NAMES, OPTIONS)
SPECS = st.builds(
    RunSpec,
    COMPONENTS,
    COMPONENTS,
    COMPONENTS,
    st.integers(0, 2**32 - 1),
    st.builds(Recipe, epochs=st.integers(1, 99), adapter_lr=st.floats(0, 1)),
)


def write(folder: Path, text: str) -> Path:
    path = folder / "grid.toml"
    path.write_text(text)
    return path


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(SPECS, SPECS)
def test_slugs_are_file_names_and_differ_where_specs_differ(first: RunSpec, second: RunSpec) -> None:
    assert re.fullmatch(r"[a-z0-9_-]+", first.slug)
    assert (first.slug == second.slug) == (first.as_dict() == second.as_dict())


def test_slug_does_not_depend_on_the_process() -> None:
    script = (
        "from benchmark.grid.spec import *;"
        "print(RunSpec(Component('a'), Component('b', {'y': 2, 'x': 1}), Component('c'), 3, Recipe(epochs=5)).slug)"
    )
    spec = RunSpec(Component("a"), Component("b", {"x": 1, "y": 2}), Component("c"), 3, Recipe(epochs=5))
    printed = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.strip()
    assert printed == spec.slug
    assert printed.startswith("a-b-c-s3-")


@given(SPECS)
def test_specs_travel_between_processes(spec: RunSpec) -> None:
    assert pickle.loads(pickle.dumps(spec)) == spec


def test_grid_file_is_read(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        """
        backbones = ["tiny_vit(weights='none')"]
        adapters = ["lavish", "lavish"]
        tasks = ["avqa"]
        seeds = [2, 1, 2]
        [recipe]
        epochs = 3
        [[override]]
        adapter = ["lavish", "lora"]
        adapter_lr = 0.5
        """,
    )
    grid = Grid.load(path)
    assert grid.backbones == (Component("tiny_vit", {"weights": "none"}),)
    assert grid.adapters == (Component("lavish"),)
    assert grid.seeds == (2, 1)
    assert grid.overrides == (
        Override({"epochs": 3}),
        Override({"adapter_lr": 0.5}, {"adapter": ("lavish", "lora")}),
    )


def test_overrides_apply_in_order_to_the_cells_that_they_name() -> None:
    cell = {"backbone": Component("vit", {"size": 2}), "adapter": Component("lora"), "task": Component("avqa")}
    grid = Grid(
        overrides=(
            Override({"epochs": 3, "batch_size": 5}),
            Override({"epochs": 4}, {"backbone": ("vit",), "task": ("avqa", "other")}),
            Override({"epochs": 9}, {"backbone": ("vit",), "task": ("retrieval",)}),
        )
    )
    assert grid.apply(Recipe(), cell) == Recipe(epochs=4, batch_size=5)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("backbone = ['a']", "unknown key 'backbone'. Did you mean backbones"),
        ("backbones = 'a'", "backbones = 'a' is not a list"),
        ("backbones = ['a(']", "cannot read component 'a('"),
        ("seeds = [1.5]", "seed 1.5 is not a whole number"),
        ("seeds = [true]", "seed True is not a whole number"),
        ("seeds = 3", "seeds = 3 is not a list"),
        ("recipe = 3", "recipe is not a table"),
        ("[recipe]\nepoch = 3", "unknown recipe field 'epoch'. Did you mean epochs"),
        ("[recipe]\nepochs = 1e999", "recipe epochs=inf is not a whole number"),
        ("[recipe]\nepochs = 'three'", "recipe epochs=three is not a whole number"),
        ("[recipe]\nadapter = 'x'", "unknown recipe field 'adapter'"),
        ("[override]\nepochs = 3", "write [[override]]"),
        ("[[override]]\nbackbones = 'vit'", "unknown recipe field 'backbones'. Did you mean backbone"),
        ("[[override]]\nbackbone = 3", "override backbone = 3 is not a registered name"),
        ("seeds = [0\n[recipe]", "is not TOML:"),
    ],
)
def test_mistakes_in_a_grid_file_are_one_line_that_names_it(tmp_path: Path, text: str, expected: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(UserError) as raised:
        Grid.load(path)
    message = str(raised.value)
    assert expected in message
    assert str(path) in message
    assert "\n" not in message


def test_a_toml_error_tells_the_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="line 2"):
        Grid.load(write(tmp_path, "seeds = [0]\nadapters = lavish"))


@pytest.mark.parametrize("name", ["absent.toml", "."])
def test_a_grid_file_that_cannot_be_read(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match="cannot read grid file"):
        Grid.load(tmp_path / name)


@pytest.mark.parametrize("seeds", [[-1], [2**32], ["1"], "01", {"0": 1}, None])
def test_seeds_that_are_refused(seeds: Any) -> None:
    with pytest.raises(UserError):
        read_seeds(seeds)


def test_the_embedded_grid_is_three_by_three_by_three() -> None:
    grid = Grid.embedded()
    assert (len(grid.backbones), len(grid.adapters), len(grid.tasks), grid.seeds) == (3, 3, 3, (0,))


def test_embedded_grids_are_asked_for_by_name() -> None:
    assert Grid.asked("embedded") == Grid.embedded()
    grid = Grid.asked("segmentation")
    assert (len(grid.backbones), len(grid.adapters), len(grid.tasks)) == (3, 4, 2)
    assert {task.name for task in grid.tasks} == {"segmentation"}
    with pytest.raises(UserError, match="segmentation"):
        Grid.asked("segmentatoin")


def test_a_file_is_still_a_file(tmp_path: Path) -> None:
    assert Grid.asked(str(write(tmp_path, "seeds = [4]"))).seeds == (4,)


def test_names_stand_for_components_and_are_no_part_of_a_cell(tmp_path: Path) -> None:
    file = tmp_path / "grid.toml"
    lists = 'adapters = ["linear_probe"]\ntasks = ["avqa"]\n'
    file.write_text(f'backbones = ["small"]\n{lists}[names]\nsmall = "tiny_vit"\n')
    named = Grid.load(file)
    file.write_text(f'backbones = ["tiny_vit"]\n{lists}')
    assert named.names == {"small": Component("tiny_vit")}
    assert expand(named) == expand(Grid.load(file)) == expand(named, backbones="small")


@pytest.mark.parametrize("table", ['"a/b" = "tiny_vit"', '"" = "tiny_vit"', "a = 3", 'a = "tiny_vit"\nb = "tiny_vit"'])
def test_names_that_no_command_could_take_are_refused(tmp_path: Path, table: str) -> None:
    file = tmp_path / "grid.toml"
    file.write_text(f"[names]\n{table}\n")
    with pytest.raises(UserError, match="name"):
        Grid.load(file)
