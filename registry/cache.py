"""Where everything is kept that can be made again."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Literal

from registry.errors import UserError
from registry.files import is_private

Part = Literal["prepared", "remembered", "digests", ""]


def cache_folder(part: Part = "", make: bool = False) -> Path:
    """The folder named by the environment variable AVBENCH_CACHE, else ~/.cache/av-adapter-bench, or a part of it.

    What lies in it can be deleted at any time; it is made again when it is needed. It decides numbers, so that it is
    made for its user alone.

    Args:
        make: make the folder where it is absent.

    Raises:
        UserError: it belongs to another user, or others may write into it.
    """
    folder = Path(os.environ.get("AVBENCH_CACHE") or Path.home() / ".cache" / "av-adapter-bench")
    for place in (folder, folder / part):
        # Whoever writes next tells why a folder cannot be made.
        with suppress(OSError):
            if make:
                place.parent.mkdir(parents=True, exist_ok=True)
                place.mkdir(mode=0o700, exist_ok=True)
        with suppress(OSError):
            if not is_private(place.resolve() if place is folder else place):
                raise UserError(
                    f"the cache {place} belongs to another user or may be written by others, who could change numbers "
                    f"in it; chmod go-w {place}, or name a folder of your own by AVBENCH_CACHE."
                )
    return folder / part


def keeps_prepared() -> bool:
    """Whether prepared clips are kept on disk for other runs; AVBENCH_PREPARED=none switches it off."""
    return os.environ.get("AVBENCH_PREPARED") != "none"
