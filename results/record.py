"""One run, one record: what was asked, what it ran on, what happened, what it cost. No torch here."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, get_args

SCHEMA = 3
"""Raised with every change of the fields; `results.store.migration` reads the older ones."""

FailureKind = Literal["out_of_memory", "nan_loss", "missing_weights", "data", "killed", "timeout", "error"]
FAILURE_KINDS: tuple[FailureKind, ...] = get_args(FailureKind)
PARTS_WITH_VERSIONS = ("backbone", "adapter", "task", "data", "training")
"""What a run's numbers follow from beside options, recipe and weights: each declares a version."""


@dataclass(frozen=True)
class Parameters:
    """Parameters of live modules by role, counted from the modules themselves, never from names."""

    backbone: int
    """Frozen parameters of the backbone."""
    adapter: int
    head: int
    backbone_trained: int = 0
    """Backbone parameters that the scheme asked to train (norms, for example)."""
    idle: int | None = None
    """Adapter parameters that never received a gradient; None where nothing was trained."""

    @property
    def trainable(self) -> int:
        return self.adapter + self.head + self.backbone_trained

    @property
    def total(self) -> int:
        return self.backbone + self.adapter + self.head + self.backbone_trained

    @property
    def trainable_percent(self) -> float:
        return 100.0 * self.trainable / self.total


@dataclass(frozen=True)
class Failure:
    """Why a run did not complete."""

    kind: FailureKind
    message: str
    log: str = ""
    """The last lines of the log."""


@dataclass(frozen=True)
class SingleClip:
    """What a run costs at batch size 1, where memory and time do not depend on how well a batch fills the device."""

    peak_memory_mb: float | None = None
    """Of a training step."""
    train_ms: float | None = None
    """Median over training steps."""
    inference_ms: float | None = None


@dataclass(frozen=True)
class RunRecord:
    """One cell of the grid after it ran. Written once, never edited. Unknown is None, never a number."""

    hash: str
    """Of everything that decides the numbers: components, recipe, seed, data identity, weight digests, versions."""
    slug: str
    backbone: str
    adapter: str
    task: str
    seed: int
    recipe: dict[str, Any]
    protocol: str
    """`validation` where the best state was selected on validation and test was read once."""
    status: Literal["completed", "failed"]
    data: str | None = None
    weights: dict[str, str] = field(default_factory=dict)
    """sha256 of each file that initialised the run, by file name; empty where weights are random. Digests identify a
    run, names only tell where they came from."""
    versions: dict[str, str] = field(default_factory=dict)
    """Declared version of each of `PARTS_WITH_VERSIONS`, `file:<digest>` where a plug-in declares none; empty where
    unknown."""
    left_out: dict[str, int] = field(default_factory=dict)
    """Items of each split without media, where the run was told to leave them out; empty where none was."""
    labels: list[str] = field(default_factory=list)
    """What a reader must know: `synthetic data`, `random weights`, `selected on test`."""
    environment: dict[str, Any] = field(default_factory=dict)
    """Where the numbers came from, which decides nothing: machine, library versions, `sources` (digest of the code),
    `command`, `workers`."""
    primary_metric: str = ""
    history: list[dict[str, float]] = field(default_factory=list)
    """One entry for each epoch: `epoch`, `train_loss`, `seconds` and the validation scores."""
    best_epoch: int | None = None
    validation: dict[str, float] = field(default_factory=dict)
    """Validation scores of the selected state."""
    scores: dict[str, float] = field(default_factory=dict)
    """Test scores of the selected state, read once."""
    parameters: Parameters | None = None
    gflops: float | None = None
    """Forward operations (2 for a multiply-add) of one clip, in 10^9."""
    peak_memory_mb: float | None = None
    ms_per_clip: float | None = None
    """Median inference time of one clip at the run's batch size."""
    train_ms_per_clip: float | None = None
    """Median time of one clip in a training step at the run's batch size."""
    single: SingleClip | None = None
    """The same costs with one clip at a time."""
    train_seconds: float | None = None
    total_as_published: int | None = None
    """Total parameters as the adapter's paper counts them, which may hold parts that no forward pass uses."""
    checkpoint_bytes: int | None = None
    """Of the trained state, without the frozen backbone."""
    started: str = ""
    finished: str = ""
    failure: Failure | None = None
    schema: int = SCHEMA
