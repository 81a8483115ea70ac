"""Other packages that are called as ours are: `adapters` of AdapterHub, or a folder of the user's."""

from __future__ import annotations

from importlib.metadata import packages_distributions
from importlib.util import find_spec
from pathlib import Path

from benchmark.runtime.source_digest import PACKAGES

DISTRIBUTION = "av-adapter-bench"


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
