"""The table of docs/evidence/parity.md: every golden file in both precisions; `measurements/store.py` keeps it.

    python measurements/store.py parity --label 'random weights' -- python measurements/parity_table.py
    python measurements/parity_table.py tests/golden/lavish/*.npz

Without files it takes all but those of the authors' networks between two unlike backbones.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

from benchmark.verify.check import verify_file
from benchmark.verify.comparison import Compared

GOLDEN = Path(__file__).parents[1] / "tests" / "golden"


def worst(lines: Iterable[Compared]) -> str:
    """The comparison nearest to its limit: absolute error, and how much of what is allowed that is."""
    found = max(lines, key=lambda line: line.share, default=None)
    return "-" if found is None else f"{found.max_abs:.1e} ({found.share:.1%})"


def row(path: Path) -> str:
    exact, wide = verify_file(path), verify_file(path, "bf16")
    forward, gradient = (
        [line for line in exact.compared if (line.kind == "gradient") is wanted] for wanted in (False, True)
    )
    half = "as float32" if wide.precision == "fp32" else f"{wide.worst.share:.1%}"
    verdict = "pass" if exact.passed and wide.passed else "**MISS**"
    cells = [f"{path.parent.name}/{path.stem}", exact.model, len(exact.compared), worst(forward), worst(gradient), half]
    return f"| {' | '.join(map(str, cells))} | {verdict} |"


def main() -> None:
    print("Golden files\n")
    print("| file | model | tensors | float32: worst forward | float32: worst gradient | bf16: worst | |")
    print("|---|---|---|---|---|---|---|")
    known = (path for path in GOLDEN.glob("*/*.npz") if not path.name.startswith("pair_"))
    for path in [Path(word) for word in sys.argv[1:]] or sorted(known):
        print(row(path))


if __name__ == "__main__":
    main()
