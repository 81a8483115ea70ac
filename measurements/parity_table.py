"""The table of docs/evidence/parity.md: every golden file in both precisions; `measurements/store.py` keeps it.

python measurements/parity_table.py tests/golden/*/*.npz
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

from benchmark.verify import verify
from benchmark.verify.comparison import Compared


def worst(lines: Iterable[Compared]) -> str:
    """The comparison nearest to its limit: absolute error, and how much of what is allowed that is."""
    found = max(lines, key=lambda line: line.share, default=None)
    return "-" if found is None else f"{found.max_abs:.1e} ({found.share:.1%})"


def row(path: Path) -> str:
    exact, wide = verify(path), verify(path, "bf16")
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
    for path in map(Path, sys.argv[1:]):
        print(row(path))


if __name__ == "__main__":
    main()
