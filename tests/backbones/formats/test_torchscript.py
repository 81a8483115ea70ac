"""TorchScript archives give their tensors, and nothing else of them is believed."""

from __future__ import annotations

import pickle
import subprocess
import sys
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


def test_a_file_that_says_it_holds_billions_of_objects_takes_no_memory_for_them(archive: Path, tmp_path: Path) -> None:
    """The opcode r puts the top of the stack at a place of 32 bits in the table of objects seen."""
    bad = rewritten(archive, tmp_path / "many.pt", b"\x80\x02}r\xff\xff\xff\xff0.")
    code = """
import resource, sys
from pathlib import Path
from backbones.formats.torchscript import read_torchscript
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try: read_torchscript(Path(sys.argv[1]))
except Exception: pass
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    limited = ["bash", "-c", 'ulimit -v 8388608; exec "$@"', "-", sys.executable, "-c", code, str(bad)]
    done = subprocess.run(limited, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[3])
    assert int(done.stdout) < 100_000


def test_a_table_of_objects_that_is_compressed_is_refused(archive: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(archive) as old, zipfile.ZipFile(tmp_path / "bomb.pt", "w") as new:
        for name in old.namelist():
            packed = zipfile.ZIP_DEFLATED if name.endswith("data.pkl") else zipfile.ZIP_STORED
            new.writestr(name, old.read(name), packed)
    with pytest.raises(pickle.UnpicklingError, match="compressed"):
        read_torchscript(tmp_path / "bomb.pt")


def test_compressed_tensors_are_refused(archive: Path, tmp_path: Path) -> None:
    with pytest.raises(pickle.UnpicklingError, match="compressed"):
        read_torchscript(rewritten(archive, tmp_path / "bomb.pt", b"", zipfile.ZIP_DEFLATED))
