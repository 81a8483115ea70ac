"""The one place that builds mmengine's Runner, and keeps it quiet, alone and quick."""

from __future__ import annotations

import time
import uuid
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from mmengine.evaluator import BaseMetric
from mmengine.hooks import Hook
from mmengine.logging import MessageHub, MMLogger
from mmengine.runner import Runner
from mmengine.utils import ManagerMixin
from torch.utils.data import DataLoader, Dataset

from benchmark.data.augment import AugmentedClips, augments
from benchmark.data.feature_cache import CachedFeatures, FeatureCache
from benchmark.data.item_records import ItemRecords
from benchmark.data.loader import clip_loader
from benchmark.data.mixup import MixedSound
from benchmark.grid.spec import RunSpec
from benchmark.model.model import AudioVisualModel
from benchmark.runtime.seeding import EpochOrder
from benchmark.train.distributed import Share, gathered, processes, rank, wrapped
from benchmark.train.optimizer import AccumulatingOptimizer, build_optimizer, build_schedule, loss_scaler
from registry.vocabulary import Prediction
from tasks.task import Evaluation, Task

_SINGLETONS: tuple[type[ManagerMixin], ...] = (MMLogger, MessageHub)


class TaskMetric(BaseMetric):
    """Collects the predictions of a split and lets the task score them, whichever task it is."""

    def __init__(self, task: Task) -> None:
        super().__init__()
        self._task = task
        self.evaluation: Evaluation | None = None
        """Of the last split that was scored."""

    def process(self, data_batch: Any, data_samples: Sequence[Prediction]) -> None:
        self.results.extend(data_samples)

    def evaluate(self, size: int) -> dict[str, float]:
        """The scores of the whole split, on every process the same; mmengine's own would cut uneven shares short."""
        collected: list[Prediction] = gathered(self.results)
        self.results.clear()
        return self.compute_metrics(collected)

    def compute_metrics(self, results: list[Prediction]) -> dict[str, float]:
        self.evaluation = self._task.evaluate(results)
        return dict(self.evaluation.scores)


def build_runner(
    spec: RunSpec,
    task: Task,
    model: AudioVisualModel,
    hooks: Sequence[Hook],
    *,
    name: str,
    folder: Path,
    workers: int | None = None,
    report: Callable[[int, int], None] = lambda done, total: None,
    tests: bool = True,
) -> tuple[Runner, TaskMetric]:
    """A Runner that trains and validates a cell on `train()`, and the metric that holds the outcome of `test()`.

    Args:
        name: from `alone`.
        folder: where mmengine may leave empty folders.
        workers: processes that load clips, see `clip_loader`.
        report: is told how many clips of how many are prepared, where that is done once for many runs.
        tests: whether there is a test split; without it not one of its clips is looked at.
    """
    recipe, device = spec.recipe, next(model.parameters()).device
    metric = TaskMetric(task)
    preparation = FeatureCache(spec, task, model, workers, report)
    clips = {
        split: _clips(split, preparation) for split in ("train", _selected_on(spec), *(("test",) if tests else ()))
    }
    loaders = {split: _loader(dataset, split, preparation, device) for split, dataset in clips.items()}
    optimizer = build_optimizer(model, recipe)
    runner = _QuietRunner(
        model=model,
        work_dir=str(folder),
        train_dataloader=loaders["train"],
        val_dataloader=loaders[_selected_on(spec)],
        test_dataloader=loaders["test"] if tests else None,
        train_cfg={"by_epoch": True, "max_epochs": recipe.epochs},
        val_cfg={},
        test_cfg={} if tests else None,
        optim_wrapper=AccumulatingOptimizer(
            optimizer,
            recipe.accumulate,
            recipe.clip_norm,
            recipe.quirk,
            len(loaders["train"]),
            loss_scaler(recipe.precision, device.type),
        ),
        param_scheduler=build_schedule(optimizer, recipe, len(loaders["train"])),
        val_evaluator=[TaskMetric(task)],
        test_evaluator=[metric] if tests else None,
        default_hooks=dict.fromkeys(("runtime_info", "timer", "sampler_seed", "logger", "checkpoint")),
        custom_hooks=list(hooks),
        default_scope=None,
        experiment_name=name,
    )
    return runner, metric


def score(runner: Runner, task: Task) -> dict[str, float]:
    """The model as it is now on the split that selects; no hook is told."""
    metric = TaskMetric(task)
    runner.model.eval()
    for batch in runner.val_dataloader:
        metric.process(batch, runner.model.val_step(batch))
    return metric.evaluate(len(runner.val_dataloader.dataset))


@contextmanager
def alone(slug: str) -> Iterator[str]:
    """A name for mmengine's global objects, which are silent within and gone afterwards.

    mmengine keeps loggers and message hubs by name for the life of the process, and parts of it take the latest one.
    """
    name = f"{slug}-{uuid.uuid4().hex}"
    before = {kind: dict(kind._instance_dict) for kind in _SINGLETONS}
    MMLogger.get_instance(name).handlers.clear()
    MessageHub.get_instance(name)
    try:
        with warnings.catch_warnings():
            # Said of every run that accumulates gradients: its first iterations are no steps of the optimiser.
            warnings.filterwarnings("ignore", message="Detected call of `scheduler.step")
            yield name
    finally:
        for kind, instances in before.items():
            kind._instance_dict.clear()
            kind._instance_dict.update(instances)


class _QuietRunner(Runner):
    """A Runner without the parts that this project does itself: seeds, devices, logs and a dump of the environment."""

    def setup_env(self, env_cfg: dict[str, Any]) -> None:
        self._rank, self._world_size = rank(), processes()
        self._timestamp = time.strftime("%Y%m%d_%H%M%S")

    def set_randomness(self, seed: int | None, diff_rank_seed: bool = False, deterministic: bool = False) -> None:
        self._seed, self._deterministic = seed, deterministic

    def build_logger(self, log_level: int | str = "INFO", log_file: str | None = None, **kwargs: Any) -> MMLogger:
        return MMLogger.get_current_instance()

    def build_visualizer(self, visualizer: Any = None) -> None:
        return None

    def wrap_model(self, model_wrapper_cfg: Any, model: Any) -> Any:
        return wrapped(model)

    def load_or_resume(self) -> None:
        """Nothing: going on is `benchmark.train.resume`'s, whose files hold nothing that could be executed."""

    def load_checkpoint(self, *arguments: Any, **options: Any) -> Any:
        raise NotImplementedError("mmengine's checkpoints are pickles; see benchmark.train.checkpoint.")

    def resume(self, *arguments: Any, **options: Any) -> None:
        raise NotImplementedError("mmengine executes a configuration that a checkpoint holds; see train.resume.")

    def dump_config(self) -> None:
        return None

    def _log_env(self, env_cfg: dict[str, Any]) -> None:
        return None


def _selected_on(spec: RunSpec) -> Any:
    """The split that selects the best state; the protocol `paper` selects on test, as the papers do."""
    return "test" if spec.protocol == "paper" else "validation"


def raw_loader(runner: Runner, split: Any) -> DataLoader[Any] | None:
    """The clips themselves behind a loader of cached features, in order; None where the runner loads clips."""
    loader: DataLoader[Any] = getattr(runner, f"{split}_dataloader")
    return DataLoader(loader.dataset.clips, loader.batch_size) if isinstance(loader.dataset, CachedFeatures) else None


def _clips(split: Any, preparation: FeatureCache) -> Dataset[Any]:
    task, recipe = preparation.task, preparation.spec.recipe
    clips: Dataset[Any] = task.with_frames(preparation.model.encoder.backbone.picture.size).dataset(split)
    if split == "train" and recipe.mixup:
        clips = MixedSound(clips, recipe)
    if split == "train" and augments(recipe):
        clips = AugmentedClips(clips, recipe, preparation.model.data_preprocessor.front_end.sound)
    # The test pass times what a clip costs, so pictures are made within it; features are timed apart.
    return clips if split == "test" and not preparation.keeps_features else preparation.clips(clips, split)


def _loader(dataset: Dataset[Any], split: Any, preparation: FeatureCache, device: torch.device) -> DataLoader[Any]:
    # What is cached is read in a fraction of the time that processes take to start, anew in each epoch.
    is_cached, spec = isinstance(dataset, CachedFeatures | ItemRecords), preparation.spec
    return clip_loader(
        dataset,
        workers=0 if is_cached else preparation.workers,
        batch_size=spec.recipe.batch_size // processes(),
        sampler=_order(dataset, split, spec),
        pin_memory=device.type == "cuda",
    )


def _order(dataset: Any, split: Any, spec: RunSpec) -> EpochOrder | Share | None:
    order = EpochOrder(dataset, spec.seed) if split == "train" else None
    return order if processes() == 1 else Share(order or dataset, even=split == "train")
