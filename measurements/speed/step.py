"""Training steps of the standard set at real input size: how much of the machine's own rate, and how much memory.

    python measurements/speed/step.py                              # batch 1, bf16, the twelve of AVE
    python measurements/speed/step.py --only swin_large+stg_cma+avsbench --precision fp32 --label decoder
    python measurements/speed/step.py --only swin_base+stg_cma --precision fp32
    python measurements/speed/step.py --largest --memory-gb 12     # doubles the batch until memory or time runs out
    python measurements/speed/step.py --show                       # the table of what was measured so far

Ten segments and AVE's labels, or behind `+avsbench` five frames and AVSBench's decoder; random weights, noise as
pictures and sound. Each combination runs in a process of its own through `python -m benchmark profile`. What is in
--results already is not measured again, so a run that was cut off goes on; the table is written anew after each
combination.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
BACKBONES = ("clip_vit_base", "clip_vit_large", "swin_base", "swin_v2_base")
ADAPTERS = ("linear_probe", "lavish", "stg_cma")
AVE = "event_localisation(data='ave')"
TASKS = {"avsbench": "segmentation(data='avsbench_s4', head='avsbench', start='stg_cma')"}
"""By the third part of a combination; without one it is AVE."""
COMBINATIONS = tuple(f"{backbone}+{adapter}" for backbone in BACKBONES for adapter in ADAPTERS)
DECODER = "swin_large+stg_cma+avsbench"
LARGEST_BATCH = 256

HEADER = (
    "| backbone | adapter | precision | batch | step, s per clip | of the machine's rate | inference, s per clip | "
    "of the rate | forward, GFLOP | backward, GFLOP | machine's rate, GFLOP/s | peak memory, GB | where, when |"
)

INTRODUCTION = """\
# Step times

Written by `python measurements/speed/step.py`; what the columns mean is in docs/evidence/performance.md. Random
weights, random inputs; ten segments, those of the decoder five. GB are 10^9 bytes."""

Measured = dict[str, Any]


def key(combination: str, precision: str, batch: int, device: str, label: str) -> str:
    """What a measurement is known by in the file of results."""
    return f"{label}/{device}/{combination}/{precision}/{batch}"


def parts(combination: str) -> tuple[str, str, str]:
    """Backbone, adapter and task."""
    backbone, adapter, *more = combination.split("+")
    return backbone, adapter, TASKS[more[0]] if more else AVE


def measure(
    combination: str, precision: str, batch: int, device: str, steps: int, timeout: float, compiled: bool = False
) -> Measured:
    """The figures of one process, or why there are none as `failure`."""
    backbone, adapter, task = parts(combination)
    command = [
        *(sys.executable, "-m", "benchmark", "profile", "--backbone", backbone, "--adapter", adapter, "--task", task),
        *("--batch", str(batch), "--precision", precision, "--steps", str(steps), "--device", device, "--json"),
        *("--compile", "blocks" if compiled else "none"),
    ]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    # `profile` measures in a child, which would go on beside the next measurement: both are of one group.
    with subprocess.Popen(command, cwd=ROOT, start_new_session=True, **pipes) as process:
        try:
            out, error = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return {"failure": f"took longer than {timeout:.0f} s"}
    return json.loads(out) if process.returncode == 0 else {"failure": error.strip().splitlines()[-1][:200]}


def batches(first: int, largest: bool) -> Iterable[int]:
    """The batch, and where the largest is sought, its doubles."""
    batch = first
    while batch <= (LARGEST_BATCH if largest else first):
        yield batch
        batch *= 2


def fits(measured: Measured, memory_gb: float) -> bool:
    return "failure" not in measured and gb(measured) <= memory_gb


def gb(measured: Measured) -> float:
    """10^9 bytes."""
    return float(measured["peak_memory_mb"]) * 2**20 / 1e9


def table(results: dict[str, Measured]) -> str:
    """Markdown, in the order in which they were measured."""
    rule = "|" + " --- |" * (HEADER.count("|") - 1)
    return "\n".join([HEADER, rule, *(row(m) for m in results.values() if "failure" not in m)])


def row(m: Measured) -> str:
    cells = (
        m["backbone"],
        m["adapter"],
        m["precision"],
        m["batch"],
        f"{m['step_ms_per_clip'] / 1000:.3g}",
        shares(m, "step"),
        f"{m['inference_ms_per_clip'] / 1000:.3g}",
        shares(m, "inference"),
        f"{m['forward_gflops_per_clip']:,.0f}",
        f"{m['backward_gflops_per_clip']:,.0f}",
        rates(m),
        f"{gb(m):.2f}",
        f"{m['device_name']}, {m['threads']} threads, load {m['load_average']:.1f}, {m['date']}",
    )
    return "| " + " | ".join(map(str, cells)) + " |"


def shares(m: Measured, which: str) -> str:
    """Of torch's own product, and of oneDNN's where linear layers multiply by that."""
    first = percent(m[f"{which}_share"])
    return f"{first}; {percent(m[f'{which}_share_of_fastest_product'])}" if has_two_rates(m) else first


def rates(m: Measured) -> str:
    """Of the products that shares are of."""
    first = f"{m['product_gflops_per_second']:,.0f}"
    return f"{first}; {m['fastest_product_gflops_per_second']:,.0f}" if has_two_rates(m) else first


def has_two_rates(m: Measured) -> bool:
    return bool(m.get("fastest_product_gflops_per_second", 0) > m["product_gflops_per_second"])


def percent(share: float | None) -> str:
    return "unknown" if share is None else f"{100 * share:.0f} %"


def read(path: Path) -> dict[str, Measured]:
    return dict(json.loads(path.read_text())) if path.exists() else {}


def page(results: dict[str, Measured]) -> str:
    """Every label's table under its heading."""
    labels = dict.fromkeys(name.split("/")[0] for name in results)
    parts = [INTRODUCTION]
    for label in labels:
        of_label = {name: m for name, m in results.items() if name.startswith(label + "/")}
        failed = [f"- {name}: {m['failure']}" for name, m in of_label.items() if "failure" in m]
        parts.append(f"## {label}\n\n{table(of_label)}" + ("\n\n" + "\n".join(failed) if failed else ""))
    return "\n\n".join(parts) + "\n"


def run(arguments: argparse.Namespace) -> None:
    results = read(arguments.results)
    for combination in arguments.only or COMBINATIONS:
        for batch in batches(arguments.batch, arguments.largest):
            name = key(combination, arguments.precision, batch, arguments.device, arguments.label)
            if name not in results:
                print(name, flush=True)
                how = (arguments.device, arguments.steps, arguments.timeout, arguments.compile)
                results[name] = measure(combination, arguments.precision, batch, *how)
                arguments.results.write_text(json.dumps(results, indent=1) + "\n")
            arguments.table.parent.mkdir(parents=True, exist_ok=True)
            arguments.table.write_text(page(results))
            if not fits(results[name], arguments.memory_gb):
                break


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=(*COMBINATIONS, DECODER), metavar="BACKBONE+ADAPTER")
    parser.add_argument("--precision", choices=("bf16", "fp32"), default="bf16")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--batch", type=int, default=1, help="clips (default: 1)")
    parser.add_argument("--largest", action="store_true", help="double the batch as long as --memory-gb suffices")
    parser.add_argument("--memory-gb", type=float, default=12.0, help="budget in 10^9 bytes (default: 12)")
    parser.add_argument("--steps", type=int, default=3, help="timed (default: 3)")
    parser.add_argument("--timeout", type=float, default=450.0, help="seconds for one process (default: 450)")
    parser.add_argument("--compile", action="store_true", help="let torch.compile fuse blocks; give it a --label too")
    parser.add_argument("--label", default="baseline", help="the version that is measured (default: baseline)")
    parser.add_argument("--results", type=Path, default=ROOT / "measurements" / "step_results.json")
    parser.add_argument("--table", type=Path, default=ROOT / "build" / "step_times.md")
    parser.add_argument("--show", action="store_true", help="print the tables and measure nothing")
    arguments = parser.parse_args(words)
    if not arguments.show:
        run(arguments)
    print(page(read(arguments.results)))


if __name__ == "__main__":
    main()
