"""`profile`: how fast one cell trains here, and how near that is to what the machine can do."""

from __future__ import annotations

import argparse
import json
from typing import Any

from rich.table import Table

import benchmark
from benchmark.cli.arguments import Verbs, add_cell, add_plugins, add_verb, at_least, checked_cell, load_requested
from benchmark.cli.display import screen
from benchmark.cli.run_options import chosen_device

DETAILS = """\
After warm-up, in one fresh process: median times of a training step and of inference, peak memory of training with the
model in it, operations of both passes, the machine's own rate of matrix products between the steps, and the share of it
that they reach. Weights and inputs are random, which costs the same and needs no download: --pretrained reads weights,
--with-data reads the task's training clips and tells how long a step waits for them. See
docs/how_to/speed_and_memory.md."""
EXAMPLES = """\
profile --backbone tiny_vit --adapter stg_cma --task event_localisation --batch 8
profile --backbone swin_base --adapter stg_cma --task "event_localisation(data='ave')" --precision fp32 --json
profile --backbone tiny_vit --adapter lavish --task avqa --with-data"""


def add_to(verbs: Verbs) -> None:
    parser = add_verb(
        verbs, "profile", act,
        examples=EXAMPLES, details=DETAILS,
    )  # fmt: skip
    add_cell(parser, required=True)
    parser.add_argument("--batch", type=at_least(1), default=1, metavar="B", help="clips in a step (default: 1)")
    parser.add_argument(
        "--precision", choices=["bf16", "fp16", "fp32"], default="bf16", help="fp16 on GPUs only (default: bf16)"
    )
    parser.add_argument(
        "--checkpointing", choices=["none", "auto", "blocks"], default="auto", help="as the recipe's (default: auto)"
    )
    parser.add_argument(
        "--compile", choices=["none", "blocks"], default="none", help="as the recipe's field (default: none)"
    )
    parser.add_argument("--kernels", action="store_true", help="list what a training step spends its time in")
    parser.add_argument("--steps", type=at_least(1), default=5, metavar="N", help="steps to time (default: 5)")
    parser.add_argument("--warm-up", type=at_least(1), default=1, metavar="N", help="steps before them (default: 1)")
    parser.add_argument(
        "--device", choices=["auto", "cpu", "cuda"], default="auto", help="default: cuda where there is one"
    )
    parser.add_argument("--with-data", action="store_true", help="train on the task's clips through its loader")
    parser.add_argument("--pretrained", action="store_true", help="read the backbone's weights")
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_plugins(parser)


def act(arguments: argparse.Namespace) -> int:
    load_requested(arguments)
    components = checked_cell(arguments)
    asked = benchmark.ProfileRequest(
        *components,
        batch=arguments.batch,
        precision=arguments.precision,
        checkpointing=arguments.checkpointing,
        compile=arguments.compile,
        kernels=arguments.kernels,
        steps=arguments.steps,
        warm_up=arguments.warm_up,
        device=chosen_device(arguments.device),
        data=arguments.with_data,
        pretrained=arguments.pretrained,
        plugins=tuple(arguments.plugin),
    )
    measured = benchmark.profile_cell(asked)
    if arguments.json:
        print(json.dumps(measured, indent=2))
    else:
        _show(measured)
    return 0


def _show(measured: dict[str, Any]) -> None:
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    for name, text in _lines(measured):
        table.add_row(name, text)
    screen().print(table)
    if measured["kernels"]:
        screen().print(_kernels(measured["kernels"]))


def _kernels(longest: list[dict[str, Any]]) -> Table:
    table = Table("share", "ms", "calls", "what", box=None, padding=(0, 2, 0, 0))
    for entry in longest:
        table.add_row(_percent(entry["share"]), _number(entry["ms"]), str(entry["calls"]), entry["name"])
    return table


def _lines(m: dict[str, Any]) -> list[tuple[str, str]]:
    return [
        ("cell", f"{m['backbone']} + {m['adapter']} on {m['task']}"),
        ("labels", ", ".join(m["labels"]) or "-"),
        ("step", f"batch {m['batch']}, {m['precision']}, median of {m['steps']}"),
        ("blocks", f"checkpointing {m['checkpointing']}, compile {m['compile']}"),
        ("machine", f"{m['device_name']}, {m['threads']} threads, load {m['load_average']:.1f}, {m['date']}"),
        ("training", f"{_number(m['step_ms_per_clip'])} ms per clip"),
        ("inference", f"{_number(m['inference_ms_per_clip'])} ms per clip"),
        ("waiting for data", "not measured, see --with-data" if m["data_wait"] is None else _percent(m["data_wait"])),
        ("peak memory", f"{_number(m['peak_memory_mb'])} MiB"),
        ("forward", f"{_number(m['forward_gflops_per_clip'])} GFLOP per clip"),
        ("backward", f"{_number(m['backward_gflops_per_clip'])} GFLOP per clip"),
        *_shares(m),
    ]


def _shares(m: dict[str, Any]) -> list[tuple[str, str]]:
    """Of the rate of torch's own product, and of a faster one where linear layers here have that."""
    rate, fastest = (_number(m[name]) for name in ("product_gflops_per_second", "fastest_product_gflops_per_second"))
    lines = [("matrix products here", f"{rate} GFLOP/s")]
    passes = {"training": "step", "inference": "inference"}
    if m["fastest_product_gflops_per_second"] == m["product_gflops_per_second"]:
        return lines + [(f"{name} reaches", f"{_percent(m[f'{key}_share'])} of it") for name, key in passes.items()]
    lines = [("matrix products here", f"{rate} GFLOP/s as torch multiplies, {fastest} by oneDNN as linear layers here")]
    for name, key in passes.items():
        first, second = (_percent(m[f"{key}_share{which}"]) for which in ("", "_of_fastest_product"))
        lines.append((f"{name} reaches", f"{first} of the first, {second} of the second"))
    return lines


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _percent(share: float | None) -> str:
    return "unknown" if share is None else f"{100 * share:.1f} %"
