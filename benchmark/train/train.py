"""One cell from its components to its record: train, select on validation, read the test split once."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from mmengine.runner import Runner

from benchmark.cost.clocks import TrainingClock, give_back_memory, single_clip
from benchmark.cost.describe import count_gflops, describe
from benchmark.cost.measure import PeakMemory
from benchmark.cost.parameters import count_with_idle
from benchmark.grid.spec import RunSpec
from benchmark.kept.config import facts_of_model
from benchmark.kept.folder import LEFT_FACTS, LEFT_TENSORS, facts_to_json
from benchmark.model.build import build_model, build_task
from benchmark.model.model import AudioVisualModel
from benchmark.runtime.environment import environment
from benchmark.runtime.load import MachineLoad
from benchmark.runtime.seeding import choose_repeatable_kernels
from benchmark.train.averaging import AverageOfEpochs
from benchmark.train.checkpoint import Checkpoints, State, checkpoint_bytes, restore, save
from benchmark.train.distributed import CommonBuffers, processes, rank
from benchmark.train.gallery import gallery
from benchmark.train.hooks import BestState, EpochSeeds, History, InferenceClock, ProgressReport, Reporter
from benchmark.train.resume import Resume
from benchmark.train.runner import alone, build_runner, raw_loader, score
from registry.component import towers_of
from registry.errors import UserError
from registry.vocabulary import ScoredItems, ShownClip
from results.record import Parameters, RunRecord, SingleClip
from results.store.files import write_atomically
from tasks.recipe import check_precision
from tasks.task import Evaluation, Task

RAW_BATCHES = 3
"""Batches of whole clips that are timed where the test pass read kept features."""

logger = logging.getLogger(__name__)


def train(
    spec: RunSpec,
    *,
    run_hash: str,
    device: str,
    report: ProgressReport,
    work_dir: Path | None = None,
    micro_batches: int = 1,
    workers: int | None = None,
) -> tuple[RunRecord, ScoredItems]:
    """Run a cell and return its record and the outcome of every test item.

    The same spec gives the same numbers each time on the same machine, whatever ran before in this process.

    Args:
        device: where torch computes, such as `cpu` or `cuda:0`.
        report: is told where the cell stands, a few times a second at most.
        work_dir: where checkpoints are kept from which the same call goes on after it was cut off, and in the end the
            scored adapter and head, for `benchmark.kept.folder.keep`; None keeps nothing.
        micro_batches: a divisor of the batch size. Batches are that much smaller and as many more are accumulated for a
            step, which needs less memory and keeps the effective batch; what was used stands in the environment.
        workers: processes that load clips; None has one for each thread, and none for the embedded world, whose clips
            are read faster than processes start. No number depends on it.

    Raises:
        UserError: a mistake in the spec, weights or data that are not there, or a batch that the processes which train
            together cannot share equally.
        NonFiniteLossError: the training loss is no longer finite.
        Exception: whatever a component raises; `benchmark.train.failures.classify` tells what kind of failure it is.
    """
    started = now()
    if spec.recipe.batch_size // micro_batches % processes():
        batch = spec.recipe.batch_size // micro_batches
        raise UserError(f"batch_size={batch} cannot be shared by {processes()} GPUs; set a multiple of that.")
    reporter = Reporter(report, spec.slug, spec.recipe.epochs)
    reporter.tell()
    task = build_task(spec.task)
    model = model_of(spec, task, device)
    workers = 0 if workers is None and task.is_synthetic else workers
    run = _Run(in_micro_batches(spec, micro_batches), task, model, reporter, work_dir, micro_batches, workers)
    run.execute(device)
    if work_dir and rank() == 0:
        run.leave(work_dir)
    notes = list(getattr(model.encoder.backbone, "weight_notes", ()))
    record = RunRecord(
        hash=run_hash,
        slug=spec.slug,
        backbone=str(spec.backbone),
        adapter=str(spec.adapter),
        task=str(spec.task),
        seed=spec.seed,
        recipe=spec.recipe.as_dict(),
        protocol=spec.protocol,
        status="completed",
        data=task.data_identity(),
        weights=dict(model.encoder.backbone.weight_files),
        left_out=task.left_out,
        labels=_labels(spec, task, model),
        environment={**environment(device), **run.circumstances, "workers": workers, "weight_notes": notes},
        primary_metric=task.primary_metric,
        history=run.story.history,
        best_epoch=run.selected_epoch,
        validation=run.selected_scores,
        scores=run.evaluation.scores,
        parameters=run.parameters,
        gflops=count_gflops(spec.backbone, spec.adapter, spec.task),
        peak_memory_mb=run.peak_memory_mb,
        ms_per_clip=run.clock.ms_per_clip,
        train_ms_per_clip=run.training_clock.ms_per_clip,
        single=run.single,
        total_as_published=describe(spec.backbone, spec.adapter, spec.task).get("total_as_published"),
        checkpoint_bytes=checkpoint_bytes(run.best.state),
        train_seconds=run.train_seconds,
        started=started,
        finished=now(),
    )
    fitted = task.with_frames(model.encoder.backbone.picture.size)
    shown = gallery(model, fitted, run.evaluation.items) if rank() == 0 else ()
    return record, _in_groups(run.evaluation, task, shown)


def model_of(spec: RunSpec, task: Task, device: str) -> AudioVisualModel:
    """The model of a cell, on the device where it trains, whose kernels are repeatable from then on.

    Raises:
        UserError: a precision that is not for this device, an option that a part refuses, or weights that are missing.
    """
    recipe = spec.recipe
    check_precision(recipe.precision, device)
    choose_repeatable_kernels(device)
    model = build_model(
        spec.backbone,
        spec.adapter,
        task,
        seed=spec.seed,
        precision=recipe.precision,
        checkpointing=recipe.checkpointing,
        compiled=recipe.compile == "blocks",
    )
    return model.to(device)


class _Run:
    """The run itself, and what it leaves behind for the record."""

    reads_features = False
    """Whether it trained on features that were computed before."""
    evaluation: Evaluation
    parameters: Parameters
    train_seconds: float
    peak_memory_mb: float
    single: SingleClip | None
    machine_load: float | None
    """See `MachineLoad`."""
    selected_epoch: int | None
    """None where the tested state is an average of epochs."""
    selected_scores: dict[str, float]

    def __init__(
        self,
        spec: RunSpec,
        task: Task,
        model: AudioVisualModel,
        reporter: Reporter,
        work_dir: Path | None,
        micro_batches: int,
        workers: int | None,
    ) -> None:
        self._spec, self._task, self._model, self._reporter = spec, task, model, reporter
        self.story = History(reporter, task.primary_metric)
        self.best = BestState(task.primary_metric, spec.recipe.patience)
        recipe = spec.recipe
        self.average = AverageOfEpochs(recipe.average_from, recipe.average_to) if recipe.average_from else None
        batch = recipe.batch_size // processes()
        self.clock, self.training_clock = InferenceClock(batch), TrainingClock(batch)
        self.resume = Resume(Checkpoints(work_dir), micro_batches) if work_dir else None
        self._micro_batches, self._workers = micro_batches, workers

    @property
    def circumstances(self) -> dict[str, Any]:
        """What was unusual about this run, for the record."""
        recipe = self._spec.recipe
        unusual: dict[str, Any] = {} if self.machine_load is None else {"machine_load": self.machine_load}
        if self._micro_batches > 1:
            unusual["batch"] = {"batch_size": recipe.batch_size, "accumulate": recipe.accumulate}
        if self.reads_features:
            unusual["features"] = "computed once and kept; train_ms_per_clip is a step on them"
        if processes() > 1:
            unusual["processes"] = processes()
        if self.resume and self.resume.resumed_after:
            unusual["resumed_after_epochs"] = self.resume.resumed_after
        return unusual

    def execute(self, device: str) -> None:
        """Train, restore the best state, measure the test split once, then the costs of a single clip."""
        clocks = [self.clock, self.training_clock]
        hooks = [EpochSeeds(self._spec.seed), CommonBuffers(), self.story, self.best, *clocks]
        hooks += [self.resume] if self.resume else []
        hooks += [self.average] if self.average else []
        with alone(self._spec.slug) as name, TemporaryDirectory() as folder:
            runner, metric = build_runner(
                self._spec, self._task, self._model, hooks, name=name, folder=Path(folder), workers=self._workers,
                report=self._preparing,
            )  # fmt: skip
            # What is prepared once for many runs is no cost of this one.
            give_back_memory()
            memory = PeakMemory(device)
            load, begun = MachineLoad(torch.get_num_threads()), time.perf_counter()
            runner.train()
            self.train_seconds = self.resume.seconds if self.resume else time.perf_counter() - begun
            self.parameters = count_with_idle(self._model, runner.optim_wrapper.optimizer.state)
            restore(self._model, self._scored)
            if self.average and self.average.state:
                self.selected_epoch, self.selected_scores = None, score(runner, self._task)
            else:
                self.selected_epoch, self.selected_scores = self.best.epoch, self.best.scores
            self._reporter.tell(phase="test", step=0, steps=len(runner.test_dataloader))
            runner.test()
            self._time_raw_clips(runner)
            self.peak_memory_mb = memory.read()
            self.single = single_clip(runner, self.training_clock, device)
            self.machine_load = load.read()
        assert metric.evaluation is not None
        self.evaluation = metric.evaluation

    def leave(self, work_dir: Path) -> None:
        """Write the state that was scored, and what a model needs beside it.

        Raises:
            OutputError: the folder cannot be written.
        """
        facts = {"epoch": self.selected_epoch, **self.selected_scores}
        save(work_dir / LEFT_TENSORS, self._scored, **facts)
        write_atomically(work_dir / LEFT_FACTS, facts_to_json(facts_of_model(self._task, self._model)))

    @property
    def _scored(self) -> State:
        return self.average.state if self.average and self.average.state else self.best.state

    def _preparing(self, done: int, total: int) -> None:
        if self._reporter.due:
            self._reporter.tell(phase="prepare", step=done, steps=total)

    def _time_raw_clips(self, runner: Runner) -> None:
        """Where the test, and mostly training too, read features that were kept, costs are those of the whole model."""
        train, test = raw_loader(runner, "train"), raw_loader(runner, "test")
        self.reads_features = train is not None
        if test is None:
            return
        self.clock.time(runner, islice(test, RAW_BATCHES))
        seen = self.training_clock.train_clip if train is None else next(iter(train))
        self.training_clock.take_clips(seen, next(iter(test)))


def in_micro_batches(spec: RunSpec, micro_batches: int) -> RunSpec:
    batch, accumulate = spec.recipe.batch_size, spec.recipe.accumulate
    return replace(
        spec,
        recipe=spec.recipe.override({"batch_size": batch // micro_batches, "accumulate": accumulate * micro_batches}),
    )


def _in_groups(evaluation: Evaluation, task: Task, shown: Sequence[ShownClip]) -> ScoredItems:
    """The scored items, each with the group that the data set names for it."""
    groups = task.source.groups if task.source else {}
    items = [item._replace(group=groups.get(item.item, "")) for item in evaluation.items] if groups else None
    return ScoredItems(items or evaluation.items, evaluation.answers, shown)


def _labels(spec: RunSpec, task: Task, model: AudioVisualModel) -> list[str]:
    known = {
        "synthetic data": task.is_synthetic or task.is_sample,
        "incomplete data": bool(task.left_out),
        "resized frames": task.resizes(model.encoder.backbone.picture.size),
        "random weights": model.encoder.backbone.random_weights,
        "two backbones": bool(towers_of(spec.backbone)),
        "selected on test": spec.protocol == "paper",
    }
    return [label for label, holds in known.items() if holds]


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
