"""Whatever is wrong with a folder is one line; nothing of it is executed or read outside of it."""

from __future__ import annotations

import json
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kept_cells import Kept, cell, train_and_keep
from safetensors.torch import load_file, save_file

import benchmark
from benchmark.__main__ import main
from benchmark.kept.config import KeptConfig
from benchmark.kept.folder import read_folder_config
from benchmark.use.build import rebuild
from registry import ADAPTERS, Component, UserError, plugins


@pytest.fixture
def folder(kept: dict[str, Kept], tmp_path: Path) -> Path:
    """A copy to damage."""
    return Path(shutil.copytree(kept["retrieval"].folder, tmp_path / "adapter"))


def change(folder: Path, edit: Callable[[dict[str, Any]], object]) -> Path:
    config = json.loads((folder / "config.json").read_text())
    edit(config)
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def refused(folder: Path) -> str:
    """The one line of the refusal."""
    with pytest.raises(UserError) as caught:
        benchmark.load(folder)
    line = str(caught.value)
    assert "\n" not in line
    return line


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (lambda c: c.update(format=2), "format is 2, and this version reads 1"),
        (lambda c: c.pop("adapter"), "lacks adapter"),
        (lambda c: c.update(strange=1), "unknown fields: strange"),
        (lambda c: c.update(seed="zero"), "config.seed is 'zero', not int"),
        (lambda c: c["versions"].update(adapter="2"), "version 2 of its adapter, and here is version 1"),
        (lambda c: c["versions"].update(training="9"), "version 9 of its training"),
        (lambda c: c.update(adapter="mine(rank=2)"), "unknown adapter 'mine'.*--plugin FILE"),
        (lambda c: c.update(adapter="lora(rank=2, color='red')"), "unknown option of lora 'color'"),
        (lambda c: c.update(adapter="lora(rank=-1)"), "rank"),
        (lambda c: c.update(adapter="lora(rank=3)"), "is of another model: .* has shape"),
        (lambda c: c.update(adapter="lora(rank=1000000000)"), "is of another model: .* has shape"),
        (lambda c: c.update(adapter="__import__('os').system('touch executed')"), "cannot read component"),
        (lambda c: c.update(adapter="linear_probe"), "names of tensors differ"),
        (lambda c: c.update(backbone="tiny_clip"), "is of another model|was trained on"),
        (lambda c: c.update(backbone="tiny_vit(weights='none')"), "was trained on tiny_vit.* random weights"),
        (lambda c: c.update(backbone="tiny_vit(weights='/etc/passwd')"), "names a place outside of the folder"),
        (lambda c: c.update(backbone="tiny_vit(weights='hf-hub:../../etc')"), "names a place outside of the folder"),
        (lambda c: c.update(backbone="tiny_vit(weights='hf-hub:me/mine')"), "weights 'hf-hub:me/mine'|hf-hub:me/mine"),
        (lambda c: c.update(backbone="tiny_vit(weights='w.safetensors')"), "does not lie in .*weights='FILE'"),
        (lambda c: c["weights"].update({"tiny_vit.safetensors": "0" * 64}), "was trained on tiny_vit.safetensors"),
        (lambda c: c.update(tensors_sha256="0" * 64), "its tensors are not those"),
        (lambda c: c["model"].update(precision="fp8"), "precision or sampling that there is not"),
        (lambda c: c["model"].update(segments=0), "must be more than 0"),
        (lambda c: c["model"]["picture"].update(size=64), "other pictures"),
    ],
)  # fmt: skip
def test_a_configuration_of_something_else(folder: Path, edit: Callable[..., object], said: str) -> None:
    with pytest.raises(UserError, match=said):
        benchmark.load(change(folder, edit))
    assert "\n" not in refused(folder)
    assert not Path("executed").exists()


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_file_that_is_not_there(folder: Path, name: str) -> None:
    (folder / name).unlink()
    assert f"cannot read {folder / name}: No such file" in refused(folder)
    (folder / name).mkdir()
    assert "it is no regular file" in refused(folder)
    (folder / name).rmdir()
    os.mkfifo(folder / name)
    assert "it is no regular file" in refused(folder)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_link_that_leads_out_of_the_folder(folder: Path, name: str) -> None:
    shutil.move(folder / name, folder.parent / name)
    (folder / name).symlink_to(folder.parent / name)
    assert "a link that leads out of its folder" in refused(folder)


def test_the_hubs_cache_links_to_its_own_files(folder: Path, tmp_path: Path) -> None:
    snapshot = tmp_path / "models--some--adapter" / "snapshots" / "0123"
    blobs = snapshot.parents[1] / "blobs"
    snapshot.mkdir(parents=True)
    blobs.mkdir()
    for name in ("config.json", "model.safetensors"):
        shutil.copy(folder / name, blobs / name)
        (snapshot / name).symlink_to(Path("../../blobs") / name)
    assert benchmark.load(snapshot).config.adapter == "lora(rank=2)"


def test_a_pickle_in_place_of_either_file(folder: Path, tmp_path: Path) -> None:
    class Probe:
        def __reduce__(self) -> tuple[object, tuple[object, ...]]:
            return Path.write_text, (tmp_path / "executed", "executed")

    (folder / "model.safetensors").write_bytes(pickle.dumps(Probe()))
    assert "is damaged" in refused(folder)
    (folder / "config.json").write_bytes(pickle.dumps(Probe()))
    assert "not readable as JSON" in refused(folder)
    assert not (tmp_path / "executed").exists()


def test_a_configuration_of_endless_size_is_not_read(folder: Path) -> None:
    with (folder / "config.json").open("ab") as file:
        file.truncate(2**40)
    assert "bytes, expected" in refused(folder)


def test_tensors_of_another_size_are_not_read(folder: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    name = sorted(tensors)[0]
    save_file({**tensors, name: torch.zeros(3, 3, 3)}, folder / "model.safetensors")
    assert "has shape (3, 3, 3)" in refused(folder)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(where=st.floats(0, 1, exclude_max=True), byte=st.integers(1, 255), cut=st.booleans(), tensors=st.booleans())
def test_any_damaged_byte_is_refused_or_changes_nothing(
    kept: dict[str, Kept], tmp_path_factory: pytest.TempPathFactory, where: float, byte: int, cut: bool, tensors: bool
) -> None:
    folder = tmp_path_factory.mktemp("damaged") / "adapter"
    shutil.copytree(kept["retrieval"].folder, folder)
    path = folder / ("model.safetensors" if tensors else "config.json")
    content = bytearray(path.read_bytes())
    place = int(where * len(content))
    if cut:
        del content[place:]
    else:
        content[place] ^= byte
    path.write_bytes(content)
    line = ""
    try:
        config, _, model = rebuild(folder)
    except UserError as error:
        line = str(error)
    if line:
        assert "\n" not in line
        return
    # A word that nothing is built from may change: a score, a name of data.
    assert isinstance(config, KeptConfig)
    assert not tensors or path.read_bytes()[:8] == (kept["retrieval"].folder / path.name).read_bytes()[:8]
    assert all(torch.isfinite(p).all() for p in model.parameters())


def test_the_command_exits_with_two_and_one_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "model.safetensors").write_bytes(b"no tensors")
    assert main(["predict", str(folder), "clip.mp4"]) == 2
    said = capsys.readouterr().err.strip()
    assert said.startswith("error: ")
    assert "\n" not in said


def test_weights_beside_the_configuration_or_given_are_those_of_the_file(
    sample: Path, tmp_path: Path, kept: dict[str, Kept]
) -> None:
    own = tmp_path / "own.safetensors"
    shutil.copy(Path(benchmark.__file__).parents[1] / "backbones" / "tiny" / "tiny_vit.safetensors", own)
    data = str(sample / "both" / "ave")
    found = train_and_keep(
        cell(f"tiny_vit(weights={str(own)!r})", "linear_probe", f"retrieval(data={data!r})"), tmp_path / "out"
    )
    assert str(tmp_path) not in (found.folder / "config.json").read_text()
    assert "does not lie in" in refused(found.folder)
    assert benchmark.load(found.folder, weights=own).config.hash == found.record.hash
    # The output's own record tells the place.
    assert benchmark.load("tiny_vit/linear_probe", output=tmp_path / "out").config.hash == found.record.hash
    shutil.copy(own, found.folder / "own.safetensors")
    assert benchmark.load(found.folder).config.hash == found.record.hash
    with pytest.raises(UserError, match="weights file"):
        benchmark.load(found.folder, weights=tmp_path / "none.safetensors")


def test_weights_of_two_backbones_lie_beside_the_configuration(sample: Path, tmp_path: Path) -> None:
    own = tmp_path / "own.safetensors"
    shutil.copy(Path(benchmark.__file__).parents[1] / "backbones" / "tiny" / "tiny_vit.safetensors", own)
    seen = str(Component("tiny_vit", {"weights": str(own)}))
    backbone = str(Component("towers", {"visual": seen, "audio": "tiny_ast"}))
    data = str(sample / "both" / "ave")
    found = train_and_keep(cell(backbone, "linear_probe", f"retrieval(data={data!r})"), tmp_path / "out")
    assert str(tmp_path) not in (found.folder / "config.json").read_text()
    assert "does not lie in" in refused(found.folder)
    assert "--weights visual=FILE" in refused(found.folder)
    for weights, line in [
        (own, "could be those of tiny_vit"),
        ({"audoi": own}, "Did you mean audio"),
        ({"audio": own}, "--weights visual=FILE"),
    ]:
        with pytest.raises(UserError, match=line):
            benchmark.load(found.folder, weights=weights)
    assert benchmark.load(found.folder, weights={"visual": own}).config.hash == found.record.hash
    # The output's own record tells the place.
    assert benchmark.load(f"{backbone}/linear_probe", output=tmp_path / "out").config.hash == found.record.hash
    shutil.copy(own, found.folder / "own.safetensors")
    model = benchmark.load(found.folder)
    assert model.evaluate(data).items == list(found.items)
    assert sorted(model.config.weights) == ["audio: tiny_ast.safetensors", "visual: own.safetensors"]


def test_random_weights_are_those_of_the_seed(sample: Path, tmp_path: Path) -> None:
    data = str(sample / "both" / "ave")
    spec = cell("tiny_vit(weights='none')", "lora(rank=2)", f"event_localisation(data={data!r})", seed=3)
    found = train_and_keep(spec, tmp_path)
    model = benchmark.load(found.folder)
    assert model.evaluate(data).items == list(found.items)
    assert "random weights" in model.config.labels
    change(found.folder, lambda c: c.update(seed=99))
    assert "other random weights here" in refused(found.folder)


def test_an_adapter_of_a_plug_in_needs_the_plug_in(sample: Path, tmp_path: Path, clean_registries: None) -> None:
    plugin = tmp_path / "plugin.py"
    plugin.write_text((Path(benchmark.__file__).parent / "examples" / "my_adapter.py").read_text())
    plugins.load_plugins([str(plugin)])
    data = str(sample / "both" / "ave")
    found = train_and_keep(cell("tiny_vit", "cross_excite", f"event_localisation(data={data!r})"), tmp_path / "out")
    assert benchmark.load(found.folder).evaluate(data).items == list(found.items)
    del ADAPTERS.module_dict["cross_excite"]
    assert "unknown adapter 'cross_excite'" in refused(found.folder)
    assert "--plugin FILE" in refused(found.folder)
    config = read_folder_config(found.folder)
    if config.versions["adapter"].startswith("file:"):
        plugin.write_text(plugin.read_text() + "# changed\n")
        plugins._loaded.clear()
        plugins.load_plugins([str(plugin)])
        assert "version file:" in refused(found.folder)
