"""TorchScript archives give their tensors, and nothing else of them is believed."""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from backbones.formats.checkpoint import read_checkpoint
from backbones.formats.torchscript import is_torchscript, read_torchscript


class Scripted(nn.Module):
    """What OpenAI's archives hold: halves, numbers as buffers, lists and tuples beside the modules."""

    def __init__(self) -> None:
        super().__init__()
        self.visual = nn.Sequential(nn.Linear(3, 2), nn.LayerNorm(2)).half()
        self.scale = nn.Parameter(torch.tensor(2.5))
        self.register_buffer("resolution", torch.tensor(224))
        self.turned = nn.Parameter(torch.arange(6.0).reshape(2, 3).T)
        self.sizes, self.pair = [1, 2], (0.5, True)

    def forward(self, x: Tensor) -> Tensor:
        return self.visual(x)


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("archive") / "model.pt"
    torch.manual_seed(2)
    with pytest.warns(FutureWarning, match="deprecated"):
        torch.jit.script(Scripted()).save(path)
    return path


def test_every_tensor_has_the_name_and_value_of_the_state(archive: Path) -> None:
    assert is_torchscript(archive)
    torch.manual_seed(2)
    state = Scripted().state_dict()
    found = read_checkpoint(archive)
    assert found.keys() == state.keys()
    for name, tensor in state.items():
        torch.testing.assert_close(found[name], tensor, rtol=0, atol=0)


def rewritten(archive: Path, path: Path, pickled: bytes, compression: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(archive) as old, zipfile.ZipFile(path, "w", compression) as new:
        for name in old.namelist():
            new.writestr(name, pickled if name.endswith("data.pkl") and pickled else old.read(name))
    return path


class Probe:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return Path.touch, (self.path,)


def test_code_in_an_archive_is_never_executed(archive: Path, tmp_path: Path) -> None:
    bad = rewritten(archive, tmp_path / "bad.pt", pickle.dumps(Probe(tmp_path / "executed"), protocol=2))
    with pytest.raises(pickle.UnpicklingError, match="no part of a model"):
        read_torchscript(bad)
    assert not (tmp_path / "executed").exists()


def test_compressed_tensors_are_refused(archive: Path, tmp_path: Path) -> None:
    with pytest.raises(pickle.UnpicklingError, match="compressed"):
        read_torchscript(rewritten(archive, tmp_path / "bomb.pt", b"", zipfile.ZIP_DEFLATED))
