"""The hash of a cell changes with everything that decides its numbers, and with nothing else."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
import warnings
from pathlib import Path

import pytest

from benchmark.grid.identity import cell_hash, feature_key, picture_key
from benchmark.grid.spec import RunSpec
from registry import Component
from tasks.recipe import Recipe

ROOT = Path(__file__).parents[3]
SPEC = RunSpec(Component("tiny_vit"), Component("lavish", {"latents": 2}), Component("avqa"), 0, Recipe())
FACTS = {"data": "synthetic@1", "weights": {"a.safetensors": "d1"}, "versions": {"backbone": "1", "adapter": "1"}}


def hashed(spec: RunSpec = SPEC, **changes: object) -> str:
    return cell_hash(spec, **{**FACTS, **changes})  # type: ignore[arg-type]


def of(**changes: object) -> str:
    return hashed(dataclasses.replace(SPEC, **changes))  # type: ignore[arg-type]


class TestCellHash:
    def test_is_sixteen_hexadecimal_digits_and_repeats(self) -> None:
        assert hashed() == hashed()
        assert len(hashed()) == 16
        int(hashed(), 16)

    @pytest.mark.parametrize(
        "change",
        [
            {"backbone": Component("tiny_swin")},
            {"backbone": Component("tiny_vit", {"weights": "none"})},
            {"adapter": Component("lavish", {"latents": 3})},
            {"task": Component("avqa", {"head": "lavish"})},
            {"seed": 1},
            {"recipe": Recipe(epochs=3)},
            {"recipe": Recipe(compile="blocks")},
            {"protocol": "paper"},
        ],
    )
    def test_changes_with_every_part_of_the_spec(self, change: dict[str, object]) -> None:
        assert of(**change) != hashed()

    @pytest.mark.parametrize(
        "change",
        [
            {"data": "synthetic@2"},
            {"weights": {"a.safetensors": "d2"}},
            {"versions": {"backbone": "1", "adapter": "2"}},
        ],
    )
    def test_changes_with_data_weights_and_versions(self, change: dict[str, object]) -> None:
        assert hashed(**change) != hashed()

    def test_recomputing_activations_gives_the_same_numbers_and_so_the_same_cell(self) -> None:
        assert of(recipe=Recipe(checkpointing="blocks")) == of(recipe=Recipe(checkpointing="none"))

    def test_the_place_of_a_weight_file_does_not_count_but_its_digest_does(self, tmp_path: Path) -> None:
        here, there = tmp_path / "a.pth", tmp_path / "elsewhere" / "b.pth"
        there.parent.mkdir()
        for path in (here, there):
            path.write_bytes(b"weights")
        one = of(backbone=Component("vit", {"weights": str(here)}))
        spec = dataclasses.replace(SPEC, backbone=Component("vit", {"weights": str(there)}))
        assert hashed(spec, weights={"b.pth": "d1"}) == one
        assert hashed(spec, weights={"b.pth": "d2"}) != one
        assert of(backbone=Component("vit", {"weights": "a_tag"})) != one

    def test_of_two_backbones_it_counts_which_has_which_weights(self, tmp_path: Path) -> None:
        paths = [tmp_path / name for name in ("one.pt", "two.pt")]
        for path in paths:
            path.write_bytes(path.name.encode())

        def pair(seen: Path, heard: Path, digests: dict[str, str]) -> str:
            texts = {
                m: str(Component("vit", {"weights": str(file)})) for m, file in (("visual", seen), ("audio", heard))
            }
            spec = dataclasses.replace(SPEC, backbone=Component("towers", texts))
            return hashed(spec, weights=digests)

        straight, crossed = ({"visual: a": one, "audio: b": other} for one, other in (("d1", "d2"), ("d2", "d1")))
        assert pair(*paths, straight) == pair(*reversed(paths), straight)
        assert pair(*paths, straight) != pair(*paths, crossed)

    def test_the_place_of_data_does_not_count_but_their_identity_does(self) -> None:
        relative, absolute = (Component("avqa", {"data": place}) for place in ("clips", "/elsewhere/clips"))
        assert of(task=relative) == of(task=absolute)
        assert hashed(dataclasses.replace(SPEC, task=absolute), data="clips@2") != of(task=relative)


PRINT = """
import json, sys
from benchmark.grid.identity import cell_hash, feature_key
from benchmark.grid.spec import RunSpec
facts = json.loads(sys.stdin.read())
spec = RunSpec.from_dict(facts.pop("spec"))
print(cell_hash(spec, **facts), feature_key(spec, **facts, head_options=frozenset({"head"})))
"""


def interpreters() -> dict[str, str]:
    """Every interpreter of the supported versions on the PATH or under pyenv, by version; those not there as ''."""
    found = {}
    for minor in (11, 12, 13):
        name = f"python3.{minor}"
        pyenv = sorted(Path.home().glob(f".pyenv/versions/3.{minor}.*/bin/python"))
        candidates = [*map(str, pyenv), *filter(None, [shutil.which(name)])]
        found[name] = next((path for path in candidates if _runs(path)), "")
    return found


def _runs(path: str) -> bool:
    # pyenv puts a name on the PATH for every version it knows, and refuses to run those that are not chosen.
    return subprocess.run([path, "-c", ""], capture_output=True, check=False).returncode == 0


def test_the_hash_is_the_same_under_every_interpreter_and_needs_no_package() -> None:
    spec = dataclasses.replace(
        SPEC,
        backbone=Component("vit", {"model": "vit_tiny", "sound": {"frames": 102, "mean": -4.27}, "size": None}),
        recipe=Recipe(adapter_lr=1e-5, final_lr=3e-7, weight_decay=0.1 + 0.2, average_from=1, average_to=2),
    )
    facts = {"spec": spec.as_dict(), **FACTS}
    here = f"{hashed(spec)} {feature_key(spec, **FACTS, head_options=frozenset({'head'}))}"
    tried = {name: path for name, path in interpreters().items() if path}
    for name, path in tried.items():
        done = subprocess.run(
            [path, "-S", "-c", PRINT], input=json.dumps(facts), capture_output=True, text=True, check=False, cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
        )  # fmt: skip
        assert (done.stdout.strip(), done.stderr) == (here, ""), name
    assert tried, "not even the interpreter of these tests was found"
    if missing := sorted(set(interpreters()) - set(tried)):
        warnings.warn(f"not on this machine, so not tried: {', '.join(missing)}", stacklevel=1)


class TestFeatureKey:
    def key(self, spec: RunSpec = SPEC, **changes: object) -> str:
        return feature_key(spec, **{**FACTS, **changes}, head_options=frozenset({"head"}))  # type: ignore[arg-type]

    @pytest.mark.parametrize(
        "change",
        [
            {"seed": 1},
            {"adapter": Component("linear_probe")},
            {"recipe": Recipe(head_lr=1e-4)},
            {"task": Component("avqa", {"head": "stg_cma"})},
        ],
    )
    def test_rates_seeds_and_heads_share_features(self, change: dict[str, object]) -> None:
        assert self.key(dataclasses.replace(SPEC, **change)) == self.key()  # type: ignore[arg-type]

    @pytest.mark.parametrize(
        "change",
        [
            {"backbone": Component("tiny_clip")},
            {"task": Component("retrieval")},
            {"recipe": Recipe(precision="fp32")},
        ],
    )
    def test_other_backbones_tasks_and_precisions_do_not(self, change: dict[str, object]) -> None:
        assert self.key(dataclasses.replace(SPEC, **change)) != self.key()  # type: ignore[arg-type]

    def test_other_data_weights_and_backbone_versions_do_not(self) -> None:
        others = {"data": "clips@1"}, {"weights": {"a": "d2"}}, {"versions": {"backbone": "2", "adapter": "1"}}
        assert len({self.key(), *(self.key(**other) for other in others)}) == 4
        assert self.key(versions={"backbone": "1", "adapter": "2"}) == self.key()

    def test_another_version_of_the_task_may_tell_other_things_of_its_clips(self) -> None:
        versions = [{"backbone": "1", "task": task} for task in ("1", "2")]
        assert self.key(versions=versions[0]) != self.key(versions=versions[1])
        pictures = [
            picture_key(SPEC, data="clips@1", versions=one, picture="32", head_options=frozenset()) for one in versions
        ]
        assert pictures[0] != pictures[1]

    def test_random_backbones_differ_by_seed(self) -> None:
        other = dataclasses.replace(SPEC, seed=1)
        assert self.key(weights={}) != self.key(other, weights={})
