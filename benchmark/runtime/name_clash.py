"""Other packages that are called as ours are: `adapters` of AdapterHub, or a folder of the user's."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from importlib.metadata import packages_distributions
from importlib.util import find_spec
from pathlib import Path

from benchmark.runtime.source_digest import PACKAGES

DISTRIBUTION = "av-adapter-bench"


def a_namesake_is_installed() -> bool:
    """Whether a distribution is called as a package of ours is: a look at the names of folders, at each start.

    One that was installed before ours has lost files to ours, and nothing would ever tell.
    """
    for folder in sys.path:
        with suppress(OSError):
            if any(name.endswith(".dist-info") and name.partition("-")[0] in PACKAGES for name in os.listdir(folder)):
                return True
    return False


def explain_clash() -> str | None:
    """Which package of another project stands in the place of ours, whose it is and the mend; None where none does.

    Two distributions that install the same top-level package overwrite each other's files without a word, whichever
    comes second.
    """
    ours = Path(__file__).resolve().parents[2]
    owners = packages_distributions()
    for name in PACKAGES:
        spec = find_spec(name)
        place = Path(spec.origin).resolve().parent if spec and spec.origin else None
        others = sorted(set(owners.get(name, ())) - {DISTRIBUTION})
        if others or (place is not None and place != ours / name):
            whose = f"the distribution {', '.join(others)}" if others else "another project"
            return (
                f"the package {name!r} at {place or 'an unknown place'} belongs to {whose}, not to {DISTRIBUTION}; "
                f"install {DISTRIBUTION} into a virtual environment of its own, or start in another folder"
            )
    return None
