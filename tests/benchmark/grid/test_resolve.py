"""From what is asked of runs to cells."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from benchmark.grid import resolve as module
from benchmark.grid.cell import Cell
from benchmark.grid.expand import build_task, expand
from benchmark.grid.grid import Grid
from benchmark.grid.resolve import resolve, versions_of, weight_digests
from benchmark.grid.spec import RunSpec
from registry import BACKBONES, Component, UserError, look_up
from tasks.recipe import Recipe

SPEC = RunSpec(Component("fake_backbone"), Component("fake_adapter"), Component("fake_task"), 0, Recipe())


@pytest.mark.usefixtures("fakes")
class TestResolve:
    def test_a_cell_survives_the_way_through_json(self) -> None:
        (cell,) = resolve([SPEC])
        assert Cell.from_dict(cell.as_dict()) == cell

    def test_many_cells_agree_with_one_by_one(self) -> None:
        specs = [dataclasses.replace(SPEC, seed=seed) for seed in range(3)]
        assert resolve(specs) == [cell for spec in specs for cell in resolve([spec])]

    def test_a_raised_version_of_training_makes_every_cell_new(self, monkeypatch: pytest.MonkeyPatch) -> None:
        (before,) = resolve([SPEC])
        monkeypatch.setattr(module, "TRAINING", module.TRAINING + 1)
        (after,) = resolve([SPEC])
        assert after.hash != before.hash
        assert after.versions == {**before.versions, "training": str(module.TRAINING)}

    def test_of_a_plug_in_without_a_version_the_file_stands_in(self, fakes: str) -> None:
        versions = versions_of(SPEC, build_task(SPEC.task))
        assert versions["adapter"].startswith("file:")
        assert versions["adapter"] == versions["backbone"], "one file holds both"

    def test_features_are_shared_only_where_the_scheme_leaves_them_alone(self) -> None:
        probe = dataclasses.replace(SPEC, adapter=Component("linear_probe"))
        assert [bool(cell.features) for cell in resolve([SPEC, probe])] == [False, True]


def test_built_in_components_declare_versions() -> None:
    specs = expand(Grid.embedded())
    cells = resolve(specs)
    assert {tuple(sorted(cell.versions)) for cell in cells} == {("adapter", "backbone", "data", "task", "training")}
    assert {version for cell in cells for version in cell.versions.values()} == {"1"}
    preset = dataclasses.replace(specs[0], backbone=Component("clip_vit_base"))
    assert versions_of(preset, build_task(preset.task))["backbone"] == "1"


@pytest.mark.usefixtures("fakes")
class TestWeights:
    def test_a_backbone_is_built_and_asked(self) -> None:
        assert weight_digests(Component("fake_backbone")) == {}
        assert weight_digests(Component("fake_backbone", {"weights": "abc"})) == {"file": "abc"}

    def test_a_backbone_may_tell_without_being_built(self, monkeypatch: pytest.MonkeyPatch) -> None:
        fake = BACKBONES.module_dict["fake_backbone"]
        monkeypatch.setattr(fake, "weight_identity", staticmethod(lambda weights: {"told": weights}), raising=False)
        assert weight_digests(Component("fake_backbone", {"weights": "lost"})) == {"told": "lost"}

    def test_missing_weights_are_the_users_mistake(self) -> None:
        with pytest.raises(UserError, match="missing"):
            weight_digests(Component("fake_backbone", {"weights": "lost"}))


def test_the_same_weight_file_by_another_path_is_the_same_cell(tmp_path: Path) -> None:
    from backbones.tiny import presets

    embedded = Path(presets.__file__).with_name("tiny_vit.safetensors").read_bytes()
    paths = [tmp_path / "one.safetensors", tmp_path / "deeper" / "two.safetensors"]
    paths[1].parent.mkdir()
    for path in paths:
        path.write_bytes(embedded)
    backbones = [Component("tiny_vit", {"weights": str(path)}) for path in paths]
    specs = [RunSpec(b, Component("linear_probe"), Component("avqa"), 0, Recipe()) for b in backbones]
    assert len({cell.hash for cell in resolve(specs)}) == 1


def test_two_backbones_have_the_weights_and_versions_of_both(monkeypatch):
    parts = ("towers(audio='tiny_vit', visual='tiny_swin')", "linear_probe", "event_localisation")
    spec = RunSpec(*map(Component.parse, parts), seed=0, recipe=Recipe())
    assert versions_of(spec, build_task(spec.task))["backbone"] == "1, visual 1, audio 1"
    apart = {m: weight_digests(Component(name)) for m, name in (("visual", "tiny_swin"), ("audio", "tiny_vit"))}
    assert weight_digests(spec.backbone) == {f"{m}: {n}": d for m, found in apart.items() for n, d in found.items()}
    assert weight_digests(spec.backbone) == look_up(BACKBONES, "towers")(**spec.backbone.options).weight_files
