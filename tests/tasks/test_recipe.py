"""The papers' recipes by name, in grid files and on the command line; numbers as the specifications have them."""

from __future__ import annotations

import pytest

from benchmark.__main__ import main
from benchmark.grid.expand import expand
from benchmark.grid.grid import Grid
from registry import Component
from registry.errors import UserError
from tasks.recipe import PRESETS, Recipe, check_precision

STG = {"beta1": 0.95, "beta2": 0.999, "weight_decay": 5e-7, "decayed": "all", "epochs": 20, "warmup_epochs": 2.0,
       "warmup_start": "zero", "final_lr": 2e-6, "schedule": "cosine", "clip_norm": 0.0}  # fmt: skip
LAVISH = {"beta1": 0.9, "beta2": 0.999, "weight_decay": 0.0, "patience": 5, "warmup_epochs": 0.0, "precision": "fp32",
          "mixup": 0.0, "average_from": 0, "clip_norm": 0.0, "quirk": "none"}  # fmt: skip
CONSTANT = {"schedule": "constant"}
STEP_3, STEP_8, STEP_10 = (
    {"schedule": "step", "step_epochs": epochs, "step_factor": factor}
    for epochs, factor in ((3, 0.35), (8, 0.1), (10, 0.1))
)
STG_CMA_AVS = {"epochs": 20, "batch_size": 2, "adapter_lr": 3e-4, "head_lr": 3e-4, "schedule": "cosine",
               "final_lr": 2e-5, "warmup_epochs": 5.0, "warmup_start": "zero", "optimizer": "adam", "beta1": 0.95,
               "weight_decay": 5e-7, "decayed": "all", "average_from": 0, "precision": "fp32"}  # fmt: skip
LAVISH_AVS = {"epochs": 30, "batch_size": 4, "adapter_lr": 1e-4, "head_lr": 1e-4, "schedule": "constant",
              "warmup_epochs": 0.0, "optimizer": "adam", "beta1": 0.9, "weight_decay": 0.0, "patience": 0,
              "average_from": 0, "precision": "fp32"}  # fmt: skip
TABLE = {
    "stg_cma_ave": {**STG, "batch_size": 1, "adapter_lr": 5e-5, "head_lr": 5e-6, "average_from": 8, "average_to": 20,
                    "mixup": 0.5, "mixup_beta": 10.0, "mask_bands": 0, "mask_frames": 0, "noise": 0.0,
                    "rand_augment": 4, "rand_magnitude": 7.0, "crop": 0.92, "flip": 0.5, "erase": 0.25},
    "stg_cma_avqa": {**STG, "batch_size": 2, "adapter_lr": 2.5e-5, "head_lr": 2.5e-5, "average_from": 0, "mixup": 0.0,
                     "rand_augment": 0, "crop": 0.0, "flip": 0.0, "erase": 0.0},
    "lavish_ave": {**LAVISH, "epochs": 50, "batch_size": 2, "adapter_lr": 5e-5, "head_lr": 4e-6,
                   "schedule": "constant"},
    "lavish_ave_v2": {**LAVISH, "epochs": 50, "batch_size": 2, "adapter_lr": 1e-4, "head_lr": 5e-6, "schedule": "step",
                      "step_epochs": 3, "step_factor": 0.35},
    "lavish_ave_vit": {**LAVISH, "epochs": 50, "batch_size": 2, "adapter_lr": 3e-5, "head_lr": 6e-6,
                       "schedule": "constant"},
    "lavish_avqa": {**LAVISH, "epochs": 30, "batch_size": 1, "adapter_lr": 8e-5, "head_lr": 8e-5, "schedule": "step",
                    "step_epochs": 8, "step_factor": 0.1},
    **{
        name: {**LAVISH, "epochs": epochs, "batch_size": batch, "accumulate": accumulate, "adapter_lr": rate,
               "head_lr": rate, "patience": patience, **schedule}
        for name, epochs, batch, accumulate, rate, patience, schedule in (
            ("dg_sct_ave", 50, 8, 1, 5e-4, 20, STEP_3), ("dg_sct_avvp", 40, 8, 1, 3e-4, 0, STEP_10),
            ("dg_sct_avqa", 80, 8, 1, 1e-4, 3, STEP_8), ("dg_sct_avs_s4", 15, 8, 1, 3e-4, 0, CONSTANT),
            ("dg_sct_avs_ms3", 30, 2, 1, 1.5e-4, 0, CONSTANT), ("avmoe_ave", 50, 2, 8, 5e-4, 20, STEP_3),
            ("avmoe_avvp", 40, 1, 8, 3e-4, 0, STEP_10), ("avmoe_avqa", 80, 2, 4, 1e-4, 5, STEP_8),
            ("avmoe_avs_s4", 50, 2, 4, 3e-4, 0, CONSTANT), ("avmoe_avs_ms3", 60, 2, 1, 1.5e-4, 0, CONSTANT),
            ("han_avvp", 40, 16, 1, 3e-4, 0, STEP_10), ("cola_avs", 20, 2, 4, 2e-4, 0, CONSTANT),
        )
    },
    "cola_ave": {**LAVISH, "epochs": 50, "batch_size": 2, "adapter_lr": 5e-6, "head_lr": 4e-6, "patience": 10,
                 **CONSTANT},
    "stg_cma_avs_s4": STG_CMA_AVS,
    "stg_cma_avs_ms3": {**STG_CMA_AVS, "epochs": 30},
    "lavish_avs_s4": LAVISH_AVS,
    "lavish_avs_ms3": LAVISH_AVS,
}  # fmt: skip
CELL = Grid(*((Component(name),) for name in ("tiny_vit", "linear_probe", "event_localisation")))


@pytest.mark.parametrize("name", PRESETS)
def test_every_number(name):
    recipe = PRESETS[name].as_dict()
    assert {field: recipe[field] for field in TABLE[name]} == TABLE[name]


def test_by_name_on_the_command_line_with_single_fields_changed():
    (cell,) = expand(CELL, settings=["recipe=lavish_avqa", "epochs=3"])
    assert cell.recipe == PRESETS["lavish_avqa"].override({"epochs": 3})


def test_order_on_the_command_line_does_not_matter():
    (cell,) = expand(CELL, settings=["epochs=3", "recipe=lavish_avqa"])
    assert cell.recipe.epochs == 3


@pytest.mark.parametrize("text", ['recipe = "stg_cma_ave"', '[recipe]\npreset = "stg_cma_ave"',
                                  '[[override]]\ntask = "event_localisation"\npreset = "stg_cma_ave"'])  # fmt: skip
def test_by_name_in_a_grid_file(text, tmp_path):
    path = tmp_path / "grid.toml"
    lists = 'backbones = ["tiny_vit"]\nadapters = ["linear_probe"]\ntasks = ["event_localisation"]\n'
    path.write_text(lists + text + "\n")
    (cell,) = expand(Grid.load(path))
    assert cell.recipe == PRESETS["stg_cma_ave"]


def test_unknown_names_and_values_are_told(tmp_path):
    with pytest.raises(UserError, match="Did you mean stg_cma_ave"):
        expand(CELL, settings=["recipe=stg_cma_av"])
    path = tmp_path / "grid.toml"
    path.write_text('recipe = "lavish_av"\n')
    with pytest.raises(UserError, match=r"grid\.toml: .*Did you mean lavish_av"):
        Grid.load(path)
    with pytest.raises(UserError, match="averages epochs 8 to 20 of 3"):
        expand(CELL, settings=["recipe=stg_cma_ave", "epochs=3"])
    with pytest.raises(UserError, match=r"mixup=1\.5 must be at most 1"):
        Recipe(mixup=1.5)


def test_a_quirk_needs_the_protocol_of_papers():
    with pytest.raises(UserError, match="--protocol paper"):
        expand(CELL, settings=["recipe=lavish_ave", "quirk=repeated_step"])
    (cell,) = expand(CELL, settings=["recipe=lavish_ave", "quirk=repeated_step"], protocol="paper")
    assert (cell.protocol, cell.recipe.quirk) == ("paper", "repeated_step")


def test_float16_is_for_gpus(tmp_path, capsys):
    words = ["run", "--backbone", "tiny_vit", "--adapter", "linear_probe", "--task", "avqa", "--set", "precision=fp16"]
    assert main([*words, "--device", "cpu", "--output", str(tmp_path)]) == 2
    told = "error: precision fp16 is for GPUs; on a processor use precision=fp32, or bf16 where it has AVX-512.\n"
    assert capsys.readouterr().err == told
    assert check_precision("fp16", "cuda:0") is None


def test_a_step_taken_twice_cannot_be_scaled():
    with pytest.raises(UserError, match="takes a step twice, which precision='fp16' cannot; use bf16"):
        Recipe(precision="fp16", quirk="repeated_step")


def test_the_embedded_recipe_is_what_it_was():
    (cell,) = expand(CELL)
    assert (cell.recipe.decayed, cell.recipe.schedule, cell.recipe.mixup, cell.recipe.average_from) == (
        "matrices",
        "cosine",
        0.0,
        0,
    )
