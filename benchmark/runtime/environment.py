"""What a run ran on: versions, device, threads, commit, command. Provenance; no hash depends on it."""

from __future__ import annotations

import platform
import shlex
import subprocess
import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from benchmark.runtime.source_digest import source_digest

_LIBRARIES = (
    "torch", "torchvision", "torchaudio", "mmengine-lite", "timm", "open_clip_torch", "numpy", "av", "scikit-learn",
    "opencv-python-headless", "safetensors", "peft",
)  # fmt: skip
"""Those that compute, or decode what is computed on."""
_ROOT = Path(__file__).resolve().parents[2]


def environment(device: str) -> dict[str, Any]:
    """Everything about the machine and the code that may move a number; unknown is None."""
    return {
        "python": platform.python_version(),
        "command": shlex.join(sys.argv),
        "sources": source_digest(),
        "platform": platform.platform(),
        "versions": {name: _version(name) for name in _LIBRARIES},
        "device": device,
        "device_name": device_name(device),
        "cuda": torch.version.cuda,
        "driver": driver(),
        "threads": torch.get_num_threads(),
        **_checkout(),
    }


def device_name(device: str) -> str:
    """The model of the GPU or of the processor."""
    if torch.device(device).type == "cuda":
        return torch.cuda.get_device_name(device)
    return _processor()


@cache
def driver() -> str | None:
    """The version line of NVIDIA's driver."""
    try:
        return Path("/proc/driver/nvidia/version").read_text().partition("\n")[0].strip()
    except OSError:
        return None


@cache
def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


@cache
def _version(library: str) -> str | None:
    try:
        return version(library)
    except PackageNotFoundError:
        return None


@cache
def _checkout() -> dict[str, Any]:
    """Commit of this package's checkout, and whether files differ from it; None where it is no checkout.

    A package inside somebody else's checkout (an environment kept in a project) is none.
    """
    if not (_ROOT / ".git").exists():
        return {"commit": None, "dirty": None}
    commit, changes = _git("rev-parse", "HEAD"), _git("status", "--porcelain")
    return {"commit": commit, "dirty": None if changes is None else bool(changes)}


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(_ROOT), *arguments], capture_output=True, text=True, check=True, timeout=10
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
