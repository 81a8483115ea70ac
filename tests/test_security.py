"""Nothing that is read is executed. Each probe would leave a file behind if it were; none may."""

from __future__ import annotations

import ast
import json
import pickle
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from mmengine.registry import Registry

from backbones.families.clip import clip
from backbones.families.vit import vit
from benchmark.__main__ import main
from benchmark.grid.grid import Grid
from benchmark.launch.plan import read_plan
from benchmark.train.checkpoint import Checkpoints, save
from benchmark.train.runner import _QuietRunner
from registry import ADAPTERS, BACKBONES, TASKS, Component, UserError, look_up
from results.store.serialise import RecordError, from_json
from results.store.store import Store

ROOT = Path(__file__).parents[1]
PACKAGES = ("registry", "backbones", "adapters", "tasks", "results", "benchmark")


class Probe:
    """A pickle of this writes a file when it is read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return Path.write_text, (self.path, "executed")


@pytest.fixture
def trace(tmp_path: Path) -> Iterator[Path]:
    """The file that no probe may have written by the end of the test."""
    path = tmp_path / "executed"
    yield path
    assert not path.exists()


def test_the_probe_itself_works(tmp_path: Path) -> None:
    pickle.loads(pickle.dumps(Probe(tmp_path / "executed")))
    assert (tmp_path / "executed").exists()


# Checkpoints


def test_a_pickle_in_place_of_a_checkpoint(trace: Path, tmp_path: Path) -> None:
    torch.save({"state_dict": Probe(trace)}, tmp_path / "epoch-000001.safetensors")
    (tmp_path / "epoch-000002.safetensors").write_bytes(pickle.dumps(Probe(trace)))
    assert Checkpoints(tmp_path).newest() is None


def test_code_in_the_facts_of_a_checkpoint_stays_text(trace: Path, tmp_path: Path) -> None:
    code = f"__import__('pathlib').Path({str(trace)!r}).touch()"
    Checkpoints(tmp_path).write(1, {"x": torch.ones(1)}, {"config": code, "meta": {"config": code}})
    found = Checkpoints(tmp_path).newest()
    assert found is not None
    assert found[1]["config"] == code
    save(tmp_path / "epoch-000002.safetensors", {}, facts=code, digest=code)
    assert Checkpoints(tmp_path).newest() is not None


@pytest.mark.parametrize("way", ["resume", "load_checkpoint"])
def test_mmengines_own_ways_to_read_a_checkpoint_are_closed(trace: Path, tmp_path: Path, way: str) -> None:
    """`resume` runs the text under meta.config as Python, whatever `weights_only` says."""
    config = f"from pathlib import Path\nPath({str(trace)!r}).touch()\n"
    meta = {"epoch": 1, "iter": 1, "config": config}
    torch.save({"meta": meta, "message_hub": {}, "state_dict": {}}, tmp_path / "epoch_1.pth")
    runner = SimpleNamespace(work_dir=str(tmp_path), _resume=True, _load_from=None, _has_loaded=False)
    assert _QuietRunner.load_or_resume(runner) is None  # type: ignore[arg-type]
    with pytest.raises(NotImplementedError):
        getattr(_QuietRunner, way)(runner, str(tmp_path / "epoch_1.pth"))


# Weights


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("name", ["weights.pth", "weights.bin", "weights.safetensors", "weights.npz"])
@pytest.mark.parametrize("build", [vit, clip])
def test_a_pickle_in_place_of_weights(
    trace: Path, tmp_path: Path, name: str, build, force: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if force:
        monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    torch.save({"state_dict": Probe(trace)}, tmp_path / name)
    model = {vit: "vit_tiny_patch16_224", clip: "ViT-B-32"}[build]
    with pytest.raises(UserError):
        build(model=model, weights=str(tmp_path / name))


# Component strings and mmengine's registries

CODE = (
    "__import__('pathlib').Path({path!r}).touch()",
    "lavish(latents=__import__('pathlib').Path({path!r}).touch())",
    "lavish(latents=[x for x in [open({path!r}, 'w')]])",
    "lavish(latents=(lambda: open({path!r}, 'w'))())",
    "lavish(latents=f'{{open({path!r}, \"w\")}}')",
    "lavish(**dict(latents=open({path!r}, 'w')))",
    "pathlib.Path.touch({path!r})",
)


@pytest.mark.parametrize("text", CODE)
def test_code_in_a_component(trace: Path, text: str) -> None:
    with pytest.raises(UserError):
        Component.parse(text.format(path=str(trace)))
    with pytest.raises(UserError):
        Component.parse_list(text.format(path=str(trace)))


@pytest.mark.parametrize("registry", [BACKBONES, ADAPTERS, TASKS])
@pytest.mark.parametrize("name", ["subprocess.getoutput", "os.system", "builtins.eval", "benchmark.lavish", ".lavish"])
def test_a_dotted_name_imports_nothing(registry: Registry, name: str) -> None:
    """mmengine's `Registry.get` and `build` import and call what a dotted name says."""
    with pytest.raises(UserError, match="unknown"):
        look_up(registry, name)


# Grid files, records, plans


@pytest.mark.parametrize("name", ["grid.py", "grid.yml", "grid.json", "grid.toml"])
def test_code_in_a_grid_file(trace: Path, tmp_path: Path, name: str, capsys) -> None:
    """mmengine's `Config.fromfile` runs a .py, and a .yml's tags and `_base_`."""
    python = f"from pathlib import Path\nPath({str(trace)!r}).touch()\n"
    (tmp_path / "base.py").write_text(python)
    content = {
        "grid.py": python,
        "grid.yml": f"_base_: base.py\nx: !!python/object/apply:pathlib.Path.touch [{str(trace)!r}]\n",
        "grid.json": json.dumps({"_base_": "base.py"}),
        "grid.toml": f"_base_ = 'base.py'\nbackbones = ['tiny_vit']\nadapters = [{CODE[1].format(path='x')!r}]\n",
    }
    (tmp_path / name).write_text(content[name])
    with pytest.raises(UserError, match="grid file"):
        Grid.load(tmp_path / name)
    assert main(["run", "--grid", str(tmp_path / name), "--output", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_code_in_settings(trace: Path, tmp_path: Path, capsys) -> None:
    cell = ["--backbone", "tiny_vit", "--adapter", "lavish", "--task", "avqa", "--output", str(tmp_path / "out")]
    assert main(["run", *cell, "--dry-run", "--set", f"epochs={CODE[0].format(path=str(trace))}"]) == 2
    assert "is not a whole number" in capsys.readouterr().err


def test_a_pickle_in_place_of_a_record_or_a_plan(trace: Path, tmp_path: Path) -> None:
    content = pickle.dumps(Probe(trace))
    (tmp_path / "records").mkdir()
    (tmp_path / "records" / "abc.json").write_bytes(content)
    (tmp_path / "plan.json").write_bytes(content)
    with pytest.raises(RecordError):
        from_json(content)
    assert len(Store(tmp_path).load().unreadable) == 1
    with pytest.raises(UserError, match="not a readable plan"):
        read_plan(tmp_path)


# The sources

FORBIDDEN = {
    "eval", "exec", "compile", "pickle.load", "pickle.loads", "torch.load", "yaml.load", "Config.fromfile",
    "Config.fromstring", "os.system", "os.popen", "joblib.load", "dill.loads",
}  # fmt: skip
# Bytes that a cell packs itself for the processes of its loader; nothing of them lies in a file.
OWN_BYTES = {"benchmark/data/loader.py pickle.loads"}


def test_the_sources_call_nothing_that_executes_what_it_reads() -> None:
    found = []
    for path in (path for package in PACKAGES for path in (ROOT / package).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and (name := ast.unparse(node.func)) in FORBIDDEN:
                safe = any(k.arg == "weights_only" and ast.unparse(k.value) == "True" for k in node.keywords)
                safe |= f"{path.relative_to(ROOT)} {name}" in OWN_BYTES
                found += [] if safe else [f"{path.relative_to(ROOT)}:{node.lineno} {name}"]
            if isinstance(node, ast.Call) and any(
                k.arg in ("shell", "allow_pickle", "trust_remote_code") and ast.unparse(k.value) != "False"
                for k in node.keywords
            ):
                found.append(f"{path.relative_to(ROOT)}:{node.lineno} {ast.unparse(node)}")
    assert not found
