"""`pretrain`: the weights of the embedded backbones, from procedural pictures."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

from benchmark.cli.arguments import Verbs, add_verb, at_least
from registry.errors import unknown


def add_to(verbs: Verbs) -> None:
    parser = add_verb(
        verbs, "pretrain", "pre-train the tiny backbones on procedural pictures, never on sound", act,
        examples="pretrain\npretrain tiny_vit --output weights --seed 1",
    )  # fmt: skip
    parser.add_argument("name", nargs="?", metavar="NAME", help="one tiny backbone (default: all)")
    parser.add_argument("--output", type=Path, metavar="DIR", help="folder of the weights (default: the embedded ones)")
    parser.add_argument("--steps", type=at_least(1), metavar="N", help="training steps (default: the backbone's own)")
    parser.add_argument("--seed", type=at_least(0), default=0, metavar="S", help="of pictures and weights (default: 0)")


def act(arguments: argparse.Namespace) -> int:
    from backbones import tiny
    from backbones.tiny.architectures import BUILDERS
    from benchmark.pretrain.pretrain import pretrain
    from results.store.files import write_atomically

    if arguments.name not in (None, *BUILDERS):
        raise unknown("tiny backbone", arguments.name, BUILDERS)
    output = arguments.output or Path(tiny.__path__[0])
    for name in [arguments.name] if arguments.name else BUILDERS:
        reached = pretrain(name, output, steps=arguments.steps, seed=arguments.seed, report=_line_reporter(name))
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
