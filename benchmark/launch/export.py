"""Curves, scores and costs of each cell for TensorBoard or Weights & Biases, by mmengine's visualizer back ends."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmark.grid.cell import Cell
from benchmark.launch.launcher import Observer
from benchmark.runtime.progress import Progress
from registry.errors import UserError
from results.record import RunRecord

KINDS = ("tensorboard", "wandb")
PROJECT = "av-adapter-bench"


def check_installed(kind: str) -> None:
    """Before anything trains.

    Raises:
        UserError: the package behind `kind` is not installed.
    """
    if importlib.util.find_spec(kind) is None:
        raise UserError(f"--log {kind} needs the package {kind}; install it: pip install 'av-adapter-bench[{kind}]'.")


class Exporter:
    """An observer beside another: what ended is also written to `kind`. A back end that fails loses no run."""

    def __init__(self, observer: Observer, kind: str, output: Path, warn: Callable[[str], None]) -> None:
        self._observer, self._kind, self._output, self._warn = observer, kind, output, warn

    def started(self, cell: Cell) -> None:
        self._observer.started(cell)

    def progressed(self, cell: Cell, progress: Progress) -> None:
        self._observer.progressed(cell, progress)

    def let_go(self, cell: Cell) -> None:
        self._observer.let_go(cell)

    def ended(self, cell: Cell, record: RunRecord) -> None:
        self._observer.ended(cell, record)
        try:
            export(record, self._kind, self._output)
        # A network that is down, a quota, a full disk: the record is kept whatever the back end thinks.
        except Exception as error:
            self._warn(f"{record.slug} was not logged to {self._kind}: {' '.join(str(error).split())}")


def export(record: RunRecord, kind: str, output: Path) -> None:
    """Write one run: a step for each epoch, then the test scores and costs at the best epoch.

    Args:
        kind: `tensorboard` (into `<output>/tensorboard/<slug>`) or `wandb`.
    """
    backend = _backend(record, kind, output)
    try:
        for entry in record.history:
            epoch = int(entry["epoch"])
            curves = {_curve(name): value for name, value in entry.items() if name != "epoch"}
            backend.add_scalars({"epoch": epoch, **curves}, step=epoch)
        backend.add_scalars(_outcome(record), step=record.best_epoch or 0)
    finally:
        backend.close()


def _backend(record: RunRecord, kind: str, output: Path) -> Any:
    # Their module brings much of mmengine along.
    from mmengine.config import Config  # noqa: PLC0415
    from mmengine.visualization.vis_backend import TensorboardVisBackend, WandbVisBackend  # noqa: PLC0415

    asked = {
        name: getattr(record, name) for name in ("backbone", "adapter", "task", "seed", "protocol", "data", "status")
    }
    asked |= {"recipe": record.recipe, "labels": record.labels}
    if kind == "tensorboard":
        folder = output / "tensorboard" / record.slug
        backend = TensorboardVisBackend(save_dir=str(folder))
        backend.add_config(Config(asked))
        return backend
    # The back end's own `add_config` would upload every source file below the current folder.
    run = {"project": PROJECT, "name": record.slug, "group": record.task, "config": asked, "reinit": True}
    return WandbVisBackend(save_dir=str(output / "wandb"), init_kwargs=run)


def _curve(name: str) -> str:
    return f"train/{name.removeprefix('train_')}" if name in ("train_loss", "seconds") else f"validation/{name}"


def _outcome(record: RunRecord) -> dict[str, float]:
    costs = ("peak_memory_mb", "ms_per_clip", "train_ms_per_clip", "train_seconds", "gflops", "checkpoint_bytes")
    found = {f"test/{name}": value for name, value in record.scores.items()}
    found |= {f"cost/{name}": value for name in costs if (value := getattr(record, name)) is not None}
    if record.parameters:
        found["cost/trainable_parameters"] = record.parameters.trainable
    return found
