"""The main module of a program that uses this package: processes started here need not run it again."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def main_module_left_alone() -> Iterator[None]:
    """Within, processes start without the user's script, which without a guard would start everything once more.

    `multiprocessing` runs the main module again in each process it starts, so that what is defined there can be found.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main
