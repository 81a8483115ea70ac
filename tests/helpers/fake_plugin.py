"""A plug-in with components that cost nothing, and a training that only pretends. Loaded as a file, as users do."""

from __future__ import annotations

import errno
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

from benchmark.grid.spec import RunSpec
from benchmark.runtime.progress import Progress
from registry import UserError, register_adapter, register_backbone, register_task
from registry.vocabulary import Inputs, Prediction, Split
from results.record import RunRecord
from results.store.files import unwritable
from tasks.media.underway import decoding
from tasks.recipe import Recipe
from tasks.task import Evaluation, Head, ItemScore, Task


@register_backbone("fake_backbone")
class FakeBackbone:
    """A backbone in name.

    The second line is not shown.
    """

    picture = None

    def __init__(self, weights: str = "none", depth: int = 2) -> None:
        if weights == "lost":
            raise UserError("weights file lost is missing.")
        self.weight_files = {} if weights == "none" else {"file": weights}


@register_adapter("fake_adapter")
class FakeAdapter:
    """An adapter whose mood decides how its cell ends."""

    forward_block = None

    def __init__(self, backbone: FakeBackbone, mood: str = "well", size: int | None = None) -> None:
        if size == 13:
            raise UserError("size=13 of fake_adapter is unlucky; use 12.")
        if size == 14:
            raise ZeroDivisionError


@register_adapter("other_adapter")
class OtherAdapter:
    """Another."""

    forward_block = None

    def __init__(self, backbone: FakeBackbone) -> None: ...


@register_task("fake_task")
class FakeTask(Task):
    """A task without clips."""

    primary_metric = "accuracy"
    published_recipe = Recipe(epochs=77)

    def __init__(self, data: str = "synthetic", clips: int = 8) -> None:
        self.data, self.segments = data, 3

    def dataset(self, split: Split) -> list:  # type: ignore[override]
        return []

    def head(self, dim: int) -> Head:
        raise NotImplementedError

    def evaluate(self, predictions: list[Prediction]) -> Evaluation:
        return Evaluation({})

    def example_inputs(self, batch: int) -> Inputs:
        return {}

    def data_identity(self) -> str:
        return f"{self.data}@1"


@register_task("other_task")
class OtherTask(FakeTask):
    """A task without options."""

    def __init__(self) -> None:
        super().__init__()


def pretend(
    spec: RunSpec,
    *,
    run_hash: str,
    device: str,
    report: Callable[[Progress], None],
    work_dir: Path | None = None,
    micro_batches: int = 1,
    workers: int | None = None,
) -> tuple[RunRecord, list[ItemScore]]:
    """Ends as the adapter's mood says: well, or in one of the ways in which real runs end."""
    print(f"pretending {spec.title}")
    mood = spec.adapter.options.get("mood", "well")
    report(Progress(spec.slug, "train", 1, spec.recipe.epochs, 1, 2, loss=0.5))
    if mood == "raises":
        raise RuntimeError("the adapter\nfell over")
    if mood == "mistaken":
        raise UserError("clip 7 is cut short; replace it.")
    if mood == "diskless":
        raise unwritable(Path("checkpoints/epoch-000001.safetensors"), OSError(errno.ENOSPC, "No space left on device"))
    if mood == "starved" or (mood == "hungry" and micro_batches == 1):
        raise MemoryError("out of memory")
    if mood == "shot":
        os.kill(os.getpid(), signal.SIGKILL)
    if mood == "crashes":
        with decoding(Path("videos/clip7.mp4")):
            os.kill(os.getpid(), signal.SIGSEGV)
    if mood == "quits":
        os._exit(3)
    if mood == "endless":
        time.sleep(600)
    score = float("nan") if mood == "scoreless" else 50.0 + spec.seed
    report(Progress(spec.slug, "test", spec.recipe.epochs, spec.recipe.epochs))
    asked = {**spec.as_dict(), "hash": run_hash, "slug": spec.slug}
    record = RunRecord(
        **asked, status="completed", data="synthetic@1", primary_metric="accuracy", scores={"accuracy": score},
        environment={"micro_batches": micro_batches, "device": device, "gpus": os.environ.get("CUDA_VISIBLE_DEVICES")},
    )  # fmt: skip
    return record, [ItemScore("a", 0.5)]
