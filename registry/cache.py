"""Where everything is kept that can be made again."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path:
    """The folder named by the environment variable AVBENCH_CACHE, else ~/.cache/av-adapter-bench.

    What lies in it can be deleted at any time; it is made again when it is needed.
    """
    return Path(os.environ.get("AVBENCH_CACHE") or Path.home() / ".cache" / "av-adapter-bench")


def keeps_prepared() -> bool:
    """Whether prepared clips are kept on disk for other runs; AVBENCH_PREPARED=none switches it off."""
    return os.environ.get("AVBENCH_PREPARED") != "none"
