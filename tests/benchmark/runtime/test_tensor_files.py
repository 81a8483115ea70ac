from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import save

from benchmark.runtime.tensor_files import open_tensors


@pytest.mark.parametrize("folder", [b"plain", b"caf\xc3\xa9", b"x\xff"])
def test_a_file_is_opened_wherever_it_lies(tmp_path: Path, folder: bytes) -> None:
    path = tmp_path / os.fsdecode(folder) / "model.safetensors"
    path.parent.mkdir()
    path.write_bytes(save({"a": torch.arange(3)}, metadata={"epoch": "2"}))
    with open_tensors(path) as file:
        assert file.get_tensor("a").tolist() == [0, 1, 2]
        assert file.metadata() == {"epoch": "2"}
    path.write_bytes(b"no tensors")
    with pytest.raises(SafetensorError), open_tensors(path):
        pass
    path.unlink()
    with pytest.raises(OSError, match="No such file"), open_tensors(path):
        pass
