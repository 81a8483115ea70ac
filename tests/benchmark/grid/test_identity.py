"""The hash of a cell changes with everything that decides its numbers, and with nothing else."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest

from benchmark.grid.expand import build_task
from benchmark.grid.grid import RunSpec
from benchmark.grid.identity import Identities, code_identity, run_hash, weight_identity
from benchmark.runtime import source_digest as sources
from registry import BACKBONES, Component, UserError
from tasks.recipe import Recipe

SPEC = RunSpec(Component("fake_backbone"), Component("fake_adapter"), Component("fake_task"), 0, Recipe())


def hashed(spec: RunSpec = SPEC, weights: dict[str, str] | None = None, code: str = "c") -> str:
    return run_hash(spec, build_task(spec.task), weights or {}, code)


@pytest.mark.usefixtures("fakes")
class TestRunHash:
    def test_is_sixteen_hexadecimal_digits_and_repeats(self) -> None:
        assert hashed() == hashed()
        assert len(hashed()) == 16
        int(hashed(), 16)

    @pytest.mark.parametrize(
        "change",
        [
            {"backbone": Component("fake_backbone", {"depth": 3})},
            {"adapter": Component("other_adapter")},
            {"task": Component("fake_task", {"clips": 9})},
            {"seed": 1},
            {"recipe": Recipe(epochs=3)},
            {"protocol": "paper"},
        ],
    )
    def test_changes_with_every_part_of_the_spec(self, change: dict[str, object]) -> None:
        assert hashed(dataclasses.replace(SPEC, **change)) != hashed()  # type: ignore[arg-type]

    def test_changes_with_weights_and_code(self) -> None:
        assert len({hashed(), hashed(weights={"f": "1"}), hashed(weights={"f": "2"}), hashed(code="d")}) == 4

    def test_changes_with_the_data(self, monkeypatch: pytest.MonkeyPatch) -> None:
        before, task = hashed(), build_task(SPEC.task)
        monkeypatch.setattr(task, "data_identity", lambda: "synthetic@2")
        assert run_hash(SPEC, task, {}, "c") != before

    def test_many_cells_agree_with_one_by_one(self) -> None:
        assert Identities().run_hash(SPEC) == run_hash(SPEC, build_task(SPEC.task), {}, code_identity(SPEC))


@pytest.mark.usefixtures("fakes")
class TestWeights:
    def test_a_backbone_is_built_and_asked(self) -> None:
        assert weight_identity(Component("fake_backbone")) == {}
        assert weight_identity(Component("fake_backbone", {"weights": "abc"})) == {"file": "abc"}

    def test_a_backbone_may_tell_without_being_built(self, monkeypatch: pytest.MonkeyPatch) -> None:
        fake = BACKBONES.module_dict["fake_backbone"]
        monkeypatch.setattr(fake, "weight_identity", staticmethod(lambda weights: {"told": weights}), raising=False)
        assert weight_identity(Component("fake_backbone", {"weights": "lost"})) == {"told": "lost"}

    def test_missing_weights_are_the_users_mistake(self) -> None:
        with pytest.raises(UserError, match="missing"):
            weight_identity(Component("fake_backbone", {"weights": "lost"}))


class TestCode:
    def identity(self, folder: Path, source: str, helper: str = "rate = 1") -> str:
        """The code identity of a component in a package of its own, in a fresh interpreter as caches demand."""
        package = folder / "toy_package"
        package.mkdir(exist_ok=True)
        (package / "__init__.py").touch()
        (package / "helper.py").write_text(helper)
        (package / "component.py").write_text(source)
        script = (
            "from pathlib import Path; import sys; sys.path.insert(0, sys.argv[1]);"
            "from benchmark.runtime.source_digest import meaning, reached_from;"
            "found = reached_from([('toy_package.component', Path(sys.argv[1], 'toy_package/component.py'))], []);"
            "print(sorted((name, meaning(path)) for name, path in found.items()))"
        )
        return subprocess.run(
            [sys.executable, "-c", script, str(folder)], capture_output=True, text=True, check=True
        ).stdout

    def test_comments_docstrings_and_layout_do_not_count(self, tmp_path: Path) -> None:
        plain = self.identity(tmp_path, "def f(x):\n    return x + 1\n")
        assert plain == self.identity(
            tmp_path, '"""Doc."""\n\n\ndef f(x):\n    """Adds."""\n    return (x + 1)  # one\n'
        )

    def test_a_change_of_what_is_computed_counts_here_and_in_what_is_imported(self, tmp_path: Path) -> None:
        source = "from toy_package.helper import rate\n"
        outcomes = {
            self.identity(tmp_path, source),
            self.identity(tmp_path, source + "rate += 1\n"),
            self.identity(tmp_path, source, helper="rate = 2"),
            self.identity(tmp_path, source.replace("toy_package", ""), helper="rate = 3"),
        }
        assert len(outcomes) == 4


def test_a_cell_reaches_its_own_sources_and_no_other_family() -> None:
    reached = sources.reached_from([], ["adapters.lavish", "benchmark.train.train"])
    assert {"adapters.lavish", "adapters.scheme", "benchmark.train.train", "benchmark.model.encoder"} <= reached.keys()
    assert (
        not {"adapters.stg_cma", "benchmark.grid.grid", "benchmark.cli.run", "backbones.families.vit"} & reached.keys()
    )


def test_looking_for_sources_imports_none_of_them() -> None:
    script = (
        "import sys; from benchmark.runtime.source_digest import reached_from;"
        "found = reached_from([], ['benchmark.train.train']);"
        "print(len(found) > 10, 'torch' in sys.modules, 'benchmark.train.hooks' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "False", "False"]


def test_a_preset_reaches_the_builder_behind_it() -> None:
    spec = RunSpec(Component("vit_base"), Component("linear_probe"), Component("avqa"), 0, Recipe())
    other = dataclasses.replace(spec, backbone=Component("swin_base"))
    assert code_identity(spec) != code_identity(other)
