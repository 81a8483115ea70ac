"""Set-ups of papers by name: in canonical form, with figures that exist, and cells that the recipes give."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from benchmark.cost.describe import count
from benchmark.grid.check import checked
from benchmark.grid.expand import REGISTRIES
from benchmark.grid.papers import GFLOPS_PER_SECOND, SECONDS_A_STEP, TRAINING_ITEMS, paper, papers
from registry import Component, UserError
from results.table.published import figure_of
from tasks.recipe import PRESETS

ROOT = Path(__file__).parents[3]
COUNTED = ("stg_cma_ave_clip_large", "lavish_ave_vit_base", "cola_ave_vit_base", "stg_cma_avs_s4_swin_base")
"""Of each method one, which is counted in a second or two."""


@pytest.mark.parametrize("one", papers().values(), ids=papers())
def test_a_set_up_is_in_canonical_form_and_its_figure_there(one) -> None:
    for role, component in one.components.items():
        assert checked(REGISTRIES[role], component) == component
    for protocol in ("paper", "validation"):
        assert one.recipe_in_full(protocol).epochs == PRESETS[one.recipe].epochs
    assert one.recipe_in_full("validation").quirk == "none"
    assert one.outline in TRAINING_ITEMS
    if one.published:
        assert figure_of(one.published).score.mean


def test_every_recipe_of_these_data_sets_has_a_set_up() -> None:
    ours = {"stg_cma_avs_ms3", "lavish_avs_ms3"}
    """Which no paper has."""
    on_these = {name for name in PRESETS if not name.endswith("avvp")} - ours
    assert {one.recipe for one in papers().values()} == on_these


@pytest.mark.parametrize("name", COUNTED)
def test_trainable_parameters_are_those_of_our_modules(name: str) -> None:
    one = paper(name)
    parts = one.components
    options = {key: own for key, own in parts["task"].options.items() if key != "sampling"}
    facts = count(parts["backbone"], parts["adapter"], Component(parts["task"].name, {**options, "data": one.outline}))
    assert one.trainable == (facts["trainable_as_published"] or facts["trainable"])


def test_hours_follow_from_the_step_that_was_measured() -> None:
    measured = json.loads((ROOT / "measurements" / "step_results.json").read_text())
    step = measured["H200, --compile/cuda/clip_vit_large+stg_cma/bf16/40"]
    operations = step["forward_gflops_per_clip"] + step["backward_gflops_per_clip"]
    assert operations / step["step_ms_per_clip"] * 1000 == pytest.approx(GFLOPS_PER_SECOND, rel=1e-4)
    smallest = measured["H200/cuda/clip_vit_base+linear_probe/bf16/1"]
    assert smallest["step_ms_per_clip"] / 1000 == pytest.approx(SECONDS_A_STEP, rel=0.01)
    one = paper("stg_cma_ave_clip_large")
    assert one.gflops == pytest.approx(operations, rel=0.02)
    assert one.hours == pytest.approx(20 * 3339 * SECONDS_A_STEP / 3600)
    whole_batches = replace(one, settings={"batch_size": 40})
    assert whole_batches.hours == pytest.approx(20 * 3339 * step["step_ms_per_clip"] / 3.6e6, rel=0.02)


def test_hours_are_no_less_than_what_starting_the_steps_takes() -> None:
    for one in papers().values():
        recipe = one.recipe_in_full("paper")
        steps = recipe.epochs * TRAINING_ITEMS[one.outline] / recipe.batch_size
        assert one.hours >= steps * SECONDS_A_STEP / 3600


def test_mistakes_of_published_code_are_for_the_papers_protocol() -> None:
    (override,) = paper("lavish_ave_swin_v2_large").grid("AVE", "paper").overrides
    assert override.recipe["quirk"] == "repeated_step"
    (override,) = paper("lavish_ave_swin_v2_large").grid("AVE", "validation").overrides
    assert "quirk" not in override.recipe


def test_an_unknown_paper_is_answered_with_the_nearest() -> None:
    with pytest.raises(UserError, match="Did you mean stg_cma_ave_clip_large"):
        paper("stg_cma_ave_clip_larg")


def test_what_a_run_had_that_the_paper_has_not_is_told() -> None:
    one = paper("stg_cma_ave_clip_large")
    ran = {role: str(component) for role, component in one.components.items()}
    recipe = one.recipe_in_full("paper").as_dict()
    moved = str(Component.parse(ran["backbone"]).with_options(weights="/some/where.pt"))
    assert one.differs_from(moved, ran["adapter"], ran["task"], {**recipe, "checkpointing": "none"}, "paper") == []
    told = one.differs_from("tiny_vit", ran["adapter"], ran["task"], {**recipe, "epochs": 2}, "paper")
    assert told == [f"backbone tiny_vit in place of {ran['backbone']}", "recipe epochs=2 in place of 20"]


def test_the_kit_tells_the_hours_of_every_set_up() -> None:
    page = (ROOT / "docs" / "how_to" / "reproduce_a_paper.md").read_text()
    told = {
        name: hours
        for names, hours in re.findall(r"^\| (`[a-z0-9_`, ]+`) \| [\w -]+ \| ([\d.]+) \|$", page, flags=re.MULTILINE)
        for name in re.findall(r"`(\w+)`", names)
    }
    assert told == {one.name: f"{one.hours:.2g}" for one in papers().values()}
