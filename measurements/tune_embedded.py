"""Choose the rates of the embedded default on validation: the same values for every adapter.

The head's rate is chosen first, with the linear probe; then each adapter's, with that head rate. One backbone
(tiny_vit) and one seed (100, which no reported run uses) keep the effort small and equal. Test scores are never read.

    python measurements/tune_embedded.py [--output runs/tune] [--tasks avqa]

Prints the validation score of every value; the winners are copied by hand into benchmark/grid/embedded.toml.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

from results.store.store import Store

HEAD_RATES = ("3e-3", "1e-2", "3e-2")
ADAPTER_RATES = {
    "event_localisation": ("4e-3", "1e-2", "2e-2"),
    "avqa": ("4e-3", "6e-3", "1e-2"),
    "retrieval": ("3e-3", "1e-2"),
}
ADAPTERS = "lavish,stg_cma"
CONTROL = "bottleneck(ratio=0.25)"
"""Compared with the others on questions only."""
SEED = "100"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path("runs/tune"))
    parser.add_argument("--rate", choices=["head", "adapter"], help="only one of the two steps")
    parser.add_argument("--tasks", default=",".join(ADAPTER_RATES), help="separated by commas (default: all three)")
    arguments = parser.parse_args()
    tasks = arguments.tasks.split(",")
    if arguments.rate != "adapter":
        _sweep("head_lr", dict.fromkeys(tasks, HEAD_RATES), "linear_probe", arguments.output / "head")
    if arguments.rate != "head":
        _sweep("adapter_lr", {t: ADAPTER_RATES[t] for t in tasks}, ADAPTERS, arguments.output / "adapter")


def _sweep(field: str, rates: dict[str, tuple[str, ...]], adapters: str, output: Path) -> None:
    for task, values in rates.items():
        asked = f"{adapters},{CONTROL}" if (field, task) == ("adapter_lr", "avqa") else adapters
        words = ["run", "--grid", "--backbones", "tiny_vit", "--adapters", asked, "--tasks", task, "--seeds", SEED]
        words += ["--set", f"{field}={','.join(values)}", "--output", str(output)]
        subprocess.run([sys.executable, "-m", "benchmark", *words], check=True, stdout=subprocess.DEVNULL)
    scores: dict[tuple[str, str], dict[float, float]] = defaultdict(dict)
    for record in Store(output).load():
        scores[record.task, record.adapter][record.recipe[field]] = record.validation[record.primary_metric]
    for (task, adapter), by_rate in sorted(scores.items()):
        shown = "  ".join(f"{rate:g}: {score:.1f}" for rate, score in sorted(by_rate.items()))
        print(f"{task:20} {adapter:24} {field}  {shown}   best {max(by_rate, key=by_rate.__getitem__):g}")


if __name__ == "__main__":
    main()
