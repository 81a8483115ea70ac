"""`pretrain`: the weights of the embedded backbones, from procedural pictures."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

import benchmark
from benchmark.cli.arguments import Verbs, add_verb, at_least
from registry.errors import unknown
from results.store.files import write_atomically


def add_to(verbs: Verbs) -> None:
    parser = add_verb(
        verbs, "pretrain", act,
        examples="pretrain\npretrain tiny_vit --output weights --seed 1",
    )  # fmt: skip
    parser.add_argument("name", nargs="?", metavar="NAME", help="one tiny backbone (default: all)")
    parser.add_argument("--output", type=Path, metavar="DIR", help="folder of the weights (default: the embedded ones)")
    parser.add_argument("--steps", type=at_least(1), metavar="N", help="training steps (default: the backbone's own)")
    parser.add_argument("--seed", type=at_least(0), default=0, metavar="S", help="of pictures and weights (default: 0)")


def act(arguments: argparse.Namespace) -> int:
    from backbones.tiny import architectures  # noqa: PLC0415 (torch, which the parser is spared)

    if arguments.name not in (None, *architectures.BUILDERS):
        raise unknown("tiny backbone", arguments.name, architectures.BUILDERS)
    output = arguments.output or Path(architectures.__file__).parent
    for name in [arguments.name] if arguments.name else architectures.BUILDERS:
        reached = benchmark.pretrain_backbone(
            name, output, steps=arguments.steps, seed=arguments.seed, report=_line_reporter(name)
        )
        write_atomically(output / f"{name}.json", f"{json.dumps(reached, indent=2)}\n".encode())
        print(f"written: {output / name}.safetensors and .json")
    return 0


def _line_reporter(name: str) -> Callable[[int, int, float], None]:
    """Prints a line at most every ten seconds, and the last."""
    said = time.monotonic()

    def report(step: int, steps: int, loss: float) -> None:
        nonlocal said
        if step == steps or time.monotonic() - said >= 10:
            said = time.monotonic()
            print(f"{name}: step {step} of {steps}, loss {loss:.3f}", flush=True)

    return report
