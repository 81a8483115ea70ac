"""What can be refused before anything trains: options that no name or type gives away."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch

from benchmark.grid.spec import RunSpec
from benchmark.model.build import build_backbone, build_scheme, build_task
from registry.errors import UserError, in_one_line


def check_builds(specs: Sequence[RunSpec], warn: Callable[[str], None]) -> None:
    """Build every backbone with its adapters once on the meta device, without weights.

    Whatever else goes wrong in a constructor is that component's fault: `warn` is told in one line, and its cells will
    fail alone.

    Raises:
        UserError: an option that a backbone or an adapter refuses.
    """
    segments = {task: build_task(task).segments for task in dict.fromkeys(spec.task for spec in specs)}
    pairs = dict.fromkeys((spec.backbone, spec.adapter, segments[spec.task]) for spec in specs)
    with torch.device("meta"):
        for backbone, same_backbone in itertools.groupby(pairs, key=lambda pair: pair[0]):
            with _faults_told(f"{backbone}", warn):
                frozen = build_backbone(backbone)
                for _, adapter, count in same_backbone:
                    with _faults_told(f"{backbone} × {adapter}", warn):
                        build_scheme(adapter, frozen, count)


@contextmanager
def _faults_told(title: str, warn: Callable[[str], None]) -> Iterator[None]:
    try:
        yield
    except UserError:
        raise
    # A plug-in's constructor may raise anything.
    except Exception as error:
        warn(f"{title} cannot be built ({in_one_line(error)}), so its cells will fail")
