"""A trial of a search: a cell trained up to an epoch and scored on validation; the test split is never looked at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner

from benchmark.grid.spec import RunSpec
from benchmark.model.build import build_task
from benchmark.runtime.environment import environment
from benchmark.train.averaging import AverageOfEpochs
from benchmark.train.checkpoint import Checkpoints, restore
from benchmark.train.distributed import CommonBuffers
from benchmark.train.hooks import BestState, EpochSeeds, History, ProgressReport, Reporter
from benchmark.train.resume import Resume
from benchmark.train.runner import alone, build_runner, score
from benchmark.train.train import in_micro_batches, model_of, now
from registry.errors import UserError
from registry.vocabulary import ScoredItems
from results.record import RunRecord
from tasks.task import Task

PROTOCOL = "trial"
"""Of records whose scores are those of validation."""


class RestAfter(Hook):
    """Ends training after an epoch, behind the checkpoint, which therefore knows nothing of it and can go on."""

    # Behind `Resume`, which is given to the runner first.
    priority = "LOWEST"

    def __init__(self, epoch: int) -> None:
        self._epoch = epoch

    def before_train(self, runner: Runner) -> None:
        # A run that was cut off between its checkpoint and its record.
        self.after_val_epoch(runner)

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        if runner.epoch >= self._epoch:
            runner.train_loop.stop_training = True


def train_trial(
    spec: RunSpec,
    *,
    until: int,
    run_hash: str,
    device: str,
    report: ProgressReport,
    work_dir: Path | None = None,
    micro_batches: int = 1,
    workers: int | None = None,
) -> tuple[RunRecord, ScoredItems]:
    """Train a cell up to epoch `until` of its recipe, from its last checkpoint where there is one, and score it.

    The scores of the record are those of validation, of the best epoch so far, or at the end of a recipe that averages
    epochs of the average; there are no items. Other arguments and what is raised: see `benchmark.train.train.train`.
    """
    if spec.protocol != "validation":
        raise UserError(f"protocol={spec.protocol} of a trial would select on test; a search takes validation alone.")
    started = now()
    reporter = Reporter(report, spec.slug, until)
    reporter.tell()
    task, recipe = build_task(spec.task), spec.recipe
    model = model_of(spec, task, device)
    story, best = History(reporter, task.primary_metric), BestState(task.primary_metric, recipe.patience)
    average = AverageOfEpochs(recipe.average_from, recipe.average_to) if recipe.average_from else None
    resume = Resume(Checkpoints(work_dir), micro_batches) if work_dir else None
    hooks = [EpochSeeds(spec.seed), CommonBuffers(), story, best, average, resume, RestAfter(until)]
    workers = 0 if workers is None and task.is_synthetic else workers
    with alone(spec.slug) as name, TemporaryDirectory() as folder:
        runner, _ = build_runner(
            in_micro_batches(spec, micro_batches), task, model, [hook for hook in hooks if hook],
            name=name, folder=Path(folder), workers=workers, tests=False,
            report=lambda done, total: reporter.tell(phase="prepare", step=done, steps=total) if reporter.due else None,
        )  # fmt: skip
        runner.train()
        averaged = None
        if average and average.state and until >= recipe.epochs:
            restore(model, average.state)
            averaged = score(runner, task)
    epoch, scores = (None, averaged) if averaged else _best(story.history, task, until)
    record = RunRecord(
        hash=run_hash, slug=spec.slug, **{**spec.as_dict(), "protocol": PROTOCOL}, status="completed",
        data=task.data_identity(), weights=dict(model.encoder.backbone.weight_files), left_out=task.left_out,
        labels=["scored on validation"], environment={**environment(device), "workers": workers},
        primary_metric=task.primary_metric, history=story.history, best_epoch=epoch, validation=scores, scores=scores,
        train_seconds=resume.seconds if resume else None, started=started, finished=now(),
    )  # fmt: skip
    return record, ScoredItems([], None)


def _best(history: Sequence[Mapping[str, Any]], task: Task, until: int) -> tuple[int, dict[str, float]]:
    """The epoch with the best score, the earliest of equals, and its scores, up to an epoch: a checkpoint may be of a
    later one."""
    seen = [entry for entry in history if entry["epoch"] <= until]
    # What is no number is less than any.
    best = max(
        seen, key=lambda entry: (entry[task.primary_metric] == entry[task.primary_metric], entry[task.primary_metric])
    )
    return int(best["epoch"]), {k: v for k, v in best.items() if k not in ("epoch", "train_loss", "seconds")}
