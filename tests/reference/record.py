"""Records the numbers of components whose version has none yet, beside this file in `numbers/`.

    python tests/reference/record.py
    python tests/reference/record.py --replace adapter/stg_cma@1

Recorded numbers of a version are never overwritten: whoever changes numbers on purpose raises the version first
(docs/decisions/identity.md). `--replace KEY` is for numbers that were recorded wrongly, or where what is measured was
extended; give the key as the files have it. Numbers of versions that nothing declares any more are dropped.
"""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

# As pytest finds them; this folder is there already.
sys.path.append(str(Path(__file__).parents[1] / "helpers"))
os.environ.setdefault("AVBENCH_PREPARED", "none")

import catalog

from registry.errors import UserError, unknown


def main(arguments: Sequence[str] | None = None) -> int:
    """Record, and say so line by line."""
    parser = argparse.ArgumentParser(prog=catalog.COMMAND, description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--replace", metavar="KEY", action="append", default=[], help="overwrite the numbers of KEY")
    try:
        record(parser.parse_args(arguments).replace)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def record(replace: Sequence[str] = ()) -> None:
    """Measure what has no numbers and what is named, and write it.

    Raises:
        UserError: a name that has no numbers to replace.
    """
    entries, parts = catalog.recorded(), catalog.declared()
    for key in replace:
        if key not in entries:
            raise unknown("entry of recorded numbers", key, entries)
    for key in [key for key in entries if key not in parts]:
        del entries[key]
        print(f"dropped {key}, which nothing declares")
    for key, measure in parts.items():
        if key not in entries or key in replace:
            with TemporaryDirectory() as folder:
                entries[key] = measure(Path(folder))
            print(f"recorded {key}: {len(entries[key])} numbers")
    catalog.write(entries)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    sys.exit(main())
