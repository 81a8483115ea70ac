"""`verify`: our models against tensors recorded from the official implementations."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

import benchmark
from benchmark.cli.arguments import Verbs, add_verb

if TYPE_CHECKING:
    from benchmark.verify.comparison import Compared, GoldenReport

MISSED = 1
SHIPPED = Path(benchmark.__file__).parent / "verify" / "golden_files"


def add_to(verbs: Verbs) -> None:
    parser = add_verb(
        verbs, "verify", act,
        details="Builds the model that a golden file describes from this project's own parts, loads the recorded\n"
        "parameters, runs it forward and backward on the CPU, and prints for every recorded tensor the maximum\n"
        "absolute error, the same over the largest recorded magnitude, and the worst error as a share of what\n"
        "the file's README allows. Exit status 1 if any tensor misses, 2 for a file that cannot be read.",
        examples="verify --golden tests/golden/stg_cma/*.npz\nverify --golden adapter_ave.npz --json\n"
        "verify --golden clip_full_fusion.npz --precision bf16",
    )  # fmt: skip
    parser.add_argument(
        "--golden", nargs="+", type=Path, metavar="FILE", help="one or more .npz files (default: those that ship)"
    )
    parser.add_argument(
        "--precision",
        choices=("fp32", "bf16"),
        default="fp32",
        help="bf16 runs as training does, against wider bounds (default: fp32, the README's bounds)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def act(arguments: argparse.Namespace) -> int:
    reports = []
    for path in arguments.golden or sorted(SHIPPED.glob("*/*.npz")):
        reports.append(benchmark.verify_file(path, arguments.precision))
        if not arguments.json:
            _show(reports[-1])
    passed = all(report.passed for report in reports)
    if arguments.json:
        print(json.dumps({"passed": passed, "files": [report.as_dict() for report in reports]}, indent=2))
    elif len(reports) > 1:
        print(f"{sum(report.passed for report in reports)} of {len(reports)} files passed.")
    return 0 if passed else MISSED


def _show(report: GoldenReport) -> None:
    print(f"{report.file}: {report.model}, {report.precision}")
    width = max((len(line.tensor) for line in report.compared), default=0)
    for line in report.compared:
        print(f"  {'ok  ' if line.passed else 'MISS'}  {line.kind:<12}  {line.tensor:<{width}}  {_figures(line)}")
    missed = sum(not line.passed for line in report.compared)
    if not report.compared:
        print("  nothing to compare: the file records no value")
    elif missed:
        print(f"  FAILED: {missed} of {len(report.compared)} tensors missed")
    else:
        print(f"  passed: {len(report.compared)} tensors, worst {report.worst.tensor} at {report.worst.share:.1%}")


def _figures(line: Compared) -> str:
    if not line.tolerance:
        return line.note
    return f"abs {line.max_abs:.2e}  rel {line.max_rel:.2e}  {line.share:>7.1%} of {line.tolerance}"
