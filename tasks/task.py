"""What is asked of audio-visual features: data, head and score."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Self

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from registry.errors import UserError
from registry.space import Around, SearchSpace
from registry.vocabulary import (
    Answers,
    ClipView,
    Encode,
    Inputs,
    Item,
    ItemScore,
    Modality,
    Outputs,
    Prediction,
    Split,
    Stage,
    Targets,
    Width,
)
from tasks.datasets.sample import is_sample
from tasks.datasets.source import ClipSource
from tasks.recipe import Recipe


@dataclass(frozen=True)
class Evaluation:
    """Scores in percent (ranks as they are), and one entry for each scored item."""

    scores: dict[str, float]
    """By metric, the primary one among them."""
    items: list[ItemScore] = field(default_factory=list)
    """In the order of the split; the mean of their scores, times 100, is the primary metric."""
    answers: Answers | None = None
    """What was answered, where the task tells."""


class Task(ABC):
    """A question asked of audio-visual features.

    `data="synthetic"` is the embedded procedural world; any other value is a folder of real clips.
    """

    primary_metric: ClassVar[str]
    """The score that selects and ranks: higher is better, in percent."""
    published_recipe: ClassVar[Recipe]
    """The training numbers that papers use for this task."""

    head_options: ClassVar[frozenset[str]] = frozenset()
    """Options that only the head reads: clips do not depend on them."""

    search_space: ClassVar[SearchSpace] = {"head_lr": Around(10)}
    """Where `tune` looks: fields of the recipe, always, and options of the task, those that are asked for."""

    beyond_stress: ClassVar[Mapping[str, str]] = {}
    """Families of conditions (`registry.vocabulary.STRESS_FAMILIES`) under which scores of this task mean nothing, and
    why, as a sentence would end."""

    data: str
    segments: int
    """T, the segments of a clip."""
    labels: tuple[str, ...] = ()
    """What the last axis of `Head.probabilities` counts: classes or answers by number."""

    @abstractmethod
    def dataset(self, split: Split) -> Dataset[dict[str, dict[str, Tensor]]]:
        """Clips of one split.

        A data set whose items differ from epoch to epoch has a method `begin_epoch(seed)`.

        An item is `{"inputs": {"frames": (T, 3, h, w) uint8, "waveform": (T, samples) at 16 kHz, float32 in -1..1 or
        int16, …}, "targets": {"id": str, …}}` and collates with torch's default collate function.

        Raises:
            DataError: clips that are missing; reading an item, one that is damaged. Failures are counted by this type.
        """

    @abstractmethod
    def head(self, dim: Width) -> Head:
        """The task's own layers for features of width `dim`, by modality where they differ; see `heads.widths_of`.

        Reads no clips, so parameters can be counted.
        """

    def head_on(self, dim: Width, stages: Sequence[Stage]) -> Head:
        """The head for a backbone of these stages; a task whose head reads every stage overrides this."""
        return self.head(dim)

    @abstractmethod
    def evaluate(self, predictions: list[Prediction]) -> Evaluation:
        """Score the predictions of a whole split, in the order of its items."""

    @abstractmethod
    def example_inputs(self, batch: int) -> Inputs:
        """Zeros of the shapes and types of a collated batch's `inputs`, for counting operations without data.

        `frames` (B, T, 3, h, w) uint8, `waveform` (B, T, samples) at 16 kHz, and what the task adds.
        """

    @abstractmethod
    def data_identity(self) -> str:
        """What the numbers were measured on: `synthetic@<version>`, `ave@<digest of the annotations>`; no paths."""

    def view(self, item: Item, head: Head, outputs: Outputs) -> ClipView | None:
        """One test clip with its truth and what was said of it, see `tasks.thumbnails`; None where a task shows none.

        Args:
            item: of `dataset`.
            outputs: the head's, of a batch of this clip alone (B = 1), such as logits (B, T, C).
        """
        return None

    def prepare(self, report: Callable[[int, int], None] | None = None) -> None:  # noqa: B027
        """Do once, before any cell starts, what every cell would wait for; `report(done, total)` counts clips."""

    def with_frames(self, side: int) -> Self:
        """The same task with frames fitted to the square of pixels that a backbone sees, so that they are resized once.

        Without it frames have their source's own size: 224 pixels where they are decoded, that of a prepared store,
        that of the embedded world. A task whose clips have one size stays as it is.

        Raises:
            UserError: the clips were prepared at another size.
        """
        return self

    def resizes(self, side: int) -> bool:
        """Whether prepared frames are resized once more for a backbone that sees this many pixels."""
        return False

    @property
    def source(self) -> ClipSource | None:
        """Where the clips come from; None where a task makes its own."""
        return None

    @property
    def left_out(self) -> dict[str, int]:
        """Items of each split that were left out because their media are missing; empty where none was."""
        return {str(split): count for split, count in self.source.left_out.items()} if self.source else {}

    @property
    def is_synthetic(self) -> bool:
        """Whether the clips come from the embedded procedural world."""
        return self.data == "synthetic"

    @property
    def is_sample(self) -> bool:
        """Whether the clips lie in files, but were rendered by `data sample`."""
        return not self.is_synthetic and is_sample(self.data)


class SourceTask(Task):
    """A task whose clips are those of one source.

    Args:
        data: as the option was given; a source itself where there are no clips to open, see `tasks.datasets.open`.
        resize: whether clips of a store that was prepared at another size than the backbone's are used all the same.

    Raises:
        UserError: `resize` for clips that are no store's.
    """

    def __init__(self, data: str | ClipSource, source: ClipSource, resize: bool = False) -> None:
        self.data = data if isinstance(data, str) else "described"
        self._source, self._resize = source, resize
        self.segments = source.segments
        if resize and source.stored_side is None:
            raise UserError(f"resize=True is for prepared stores, which data={data!r} is not; leave it out.")

    @property
    def source(self) -> ClipSource:
        """Where the clips come from."""
        return self._source

    def with_frames(self, side: int) -> Self:
        stored = self._source.stored_side
        if stored is not None and stored != side and not self._resize:
            raise UserError(
                f"store {self.data} holds frames of {stored} pixels and the backbone sees {side}; prepare another with "
                f"--size {side}, or set resize=True to have them resized once more."
            )
        other = copy.copy(self)
        other._source = self._source.with_frames(side)
        return other

    def resizes(self, side: int) -> bool:
        return self._source.stored_side not in (None, side)

    def dataset(self, split: Split) -> Dataset:
        return self._source.clips(split)

    def example_inputs(self, batch: int) -> Inputs:
        return example_clips(batch, self.segments, self._source.sampling.samples)

    def data_identity(self) -> str:
        return self._source.identity()

    def prepare(self, report: Callable[[int, int], None] | None = None) -> None:
        self._source.prepare(report)


class Head(nn.Module, ABC):
    """The task's own layers.

    A head *asks* for features, both streams together or one at a time, because retrieval must encode each modality
    alone: encoded jointly, a clip's visual embedding would contain its own sound and give the pairing away.
    """

    reads_pictures: bool = False
    """Whether it looks at pictures or changes them, instead of handing them to `encode` as they are; where it does not,
    a linear probe is given frozen features in their place, which are cached."""
    reads_tokens: bool = True
    """Whether it reads `Features.tokens`; where it does not, cached features leave them out."""
    reads_stages: frozenset[Modality] = frozenset()
    """The modalities of which it reads `Features.stages`; cached features hold those of no other."""

    @abstractmethod
    def forward(self, encode: Encode, inputs: Inputs) -> Outputs:
        """Encode what is needed and return the tensors that `loss` and `predict` read, (B, …) each.

        Args:
            inputs: pictures `visual` and `audio` (B, T, 3, S, S'), and what the task adds.
        """

    @abstractmethod
    def loss(self, outputs: Outputs, targets: Targets) -> dict[str, Tensor]:
        """Named scalar terms; training minimises their sum."""

    @abstractmethod
    def predict(self, outputs: Outputs, targets: Targets) -> list[Prediction]:
        """One prediction for each clip, in order, holding what `Task.evaluate` needs: (B, …) -> B of them."""

    def probabilities(self, outputs: Outputs) -> Tensor:
        """What is said of each row of a clip, a segment, a question or the clip itself: -> (B, rows, labels).

        Softmax of the `logits` (B, rows, labels) or (B, labels); other heads say how they do it.
        """
        probabilities = outputs["logits"].softmax(-1)
        return probabilities if probabilities.ndim == 3 else probabilities.unsqueeze(1)

    def active(self, outputs: Outputs) -> Tensor | None:
        """Which labels are on in each row, (B, rows, labels) bool, where they do not exclude each other; else None."""
        return None

    def masks(self, outputs: Outputs) -> Tensor | None:
        """What a head that draws marks in each frame, (B, T, M, M) bool; None of all others."""
        return None

    def embed(self, encode: Encode, picture: Tensor, modality: Modality) -> Tensor:
        """One modality encoded alone: (B, T, 3, S, S') -> a vector for each segment, (B, T, D)."""
        return encode({modality: picture})[modality].pooled.float()

    def join_segments(self, segments: Tensor) -> Tensor:
        """One vector for a clip from those of its segments: (B, T, D) -> (B, D), their mean."""
        return segments.mean(dim=1)

    def lr_scale(self) -> dict[nn.Parameter, float]:
        """Factors of the head's learning rate for parameters that learn at another one; all others have factor 1."""
        return {}


def example_clips(batch: int, segments: int, samples: int) -> Inputs:
    """Zeros in the shape of a batch of clips: small square frames and a window of sound for each segment."""
    return {
        "frames": torch.zeros(batch, segments, 3, 32, 32, dtype=torch.uint8),
        "waveform": torch.zeros(batch, segments, samples),
    }
