"""The words that every part of the project shares.

Shape letters: `B` clips, `T` segments of a clip, `L` tokens of one picture, `D` token width, `G` groups of tokens,
`H` heads, `P` context tokens, `S` picture side, `F` mel bands, `C` classes, `Q` questions of a clip, `W` words.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    import numpy as np

    # Processes that render clips need a word or two of these, and no torch.
    from torch import Tensor

Modality = Literal["visual", "audio"]
"""What a stream tells of: the pictures of a clip, or pictures of its sound."""
MODALITIES: tuple[Modality, ...] = ("visual", "audio")
"""Both, in the order in which streams are walked."""
PARTNER: dict[Modality, Modality] = {"visual": "audio", "audio": "visual"}
"""The other modality of each."""

Width = int | Mapping[Modality, int]
"""D of features: one number, or by modality where sight and sound have backbones of unlike widths."""

Streams = dict[Modality, "Tensor"]
"""Tokens `(B, T, L, D)` or pictures `(B, T, 3, S, S)`, one entry per modality that is present."""

Split = Literal["train", "validation", "test"]
"""Training sees the first, the epoch is chosen on the second, the score is of the third."""
SPLITS: tuple[Split, ...] = ("train", "validation", "test")
"""All three, in this order."""

SAMPLE_RATE = 16_000
"""Samples per second of every waveform inside the project; decoding resamples to it."""


class Stage(NamedTuple):
    """Blocks of a backbone whose tokens have one width; a backbone that keeps its width has one stage."""

    width: int
    """D of its tokens."""
    side: int
    """Of the square grid that the patches of a frame form there."""
    patch: int
    """Pixels of the frame along one side of a patch."""


@dataclass(frozen=True)
class Features:
    """What a backbone says about one stream."""

    tokens: Tensor
    """(B, T, L, D), after the final norm."""
    pooled: Tensor
    """(B, T, D), pooled in the family's own way."""
    stages: tuple[Tensor, ...] = ()
    """(B, T, L, D) of every stage as its last block leaves it, finest first; the last are `tokens`."""


FrozenFeatures = dict[str, "Tensor"]
"""Features of one stream that were computed before: `pooled` (B, T, D) and, for heads that read them, `tokens`, and
`stage0`, `stage1`, … for all stages."""

Encode = Callable[[Streams], dict[Modality, Features]]
"""Pictures of one or both modalities -> features; a stream left out is encoded as absent."""

Item = dict[str, dict[str, Any]]
"""One clip as a data set gives it: `inputs` and `targets`, see `tasks.task.Task.dataset`."""
Inputs = dict[str, "Tensor"]
"""A collated batch after the front end: pictures `visual` and `audio` (B, T, 3, S, S), and what a task adds."""
Targets = dict[str, Any]
"""What a head learns and is scored by, collated: the `targets` of an `Item`, and `id`, the name of each clip."""
Outputs = dict[str, "Tensor"]
"""What a head makes of a batch, (B, …) each; its own `loss` and `predict` read it."""
Prediction = dict[str, Any]
"""What a head says of one clip, in plain Python values or CPU tensors."""


class ItemScore(NamedTuple):
    """The outcome of one scored item (a clip, a question or a query), kept for intervals and paired tests.

    A tuple, because a leaderboard of many runs reads millions of them.
    """

    item: str
    score: float
    """In 0..1; the mean over items, times 100, is the task's primary metric."""
    kind: str = ""
    """What breakdowns group by: question type, class or retrieval direction."""
    group: str = ""
    """What the item shares with others, an object, a speaker or a recording: such items are no independent evidence.
    Empty where it stands alone."""


@dataclass(frozen=True, eq=False)
class Answers:
    """What a model answered on the test split, kept beside the scores: N labelled things, C classes."""

    levels: dict[str, float] = field(default_factory=dict)
    """What the primary metric would be without learning, in percent: `chance`, and `majority` for always giving the
    most frequent label of the split."""
    classes: tuple[str, ...] = ()
    items: tuple[str, ...] = ()
    """Name of each labelled thing: a clip, `clip#segment` or `clip#question`; empty where a task has no classes."""
    labels: np.ndarray | None = None
    """(N,) numbers of classes"""
    predicted: np.ndarray | None = None
    """(N,)"""
    probabilities: np.ndarray | None = None
    """(N, C); None where they were not kept."""


class Condition(NamedTuple):
    """What was done to the clips of the test split before they were scored once more."""

    name: str
    """`noisy_sound_10`"""
    family: str
    """One of `STRESS_FAMILIES`, which differ in nothing but their level; empty for clips as they are."""
    level: str
    """`10 dB`; empty where there is one level only."""
    modality: str
    """Which is changed."""


STRESS_FAMILIES = {
    "no_sight": "without sight",
    "no_sound": "without sound",
    "other_sound": "with another clip's sound",
    "shifted_sound": "sound shifted",
    "noisy_sound": "noisy sound",
    "dark_frames": "dark frames",
    "blurred_frames": "blurred frames",
    "noisy_frames": "noisy frames",
}
"""Families of conditions, in their order, and what they are called."""

CLEAN = Condition("clean", "", "", "")
"""The clips as they are."""


@dataclass(frozen=True, eq=False)
class StressScores:
    """Scores of the test items of a run under conditions, the same N items under each of K."""

    items: tuple[str, ...]
    kinds: tuple[str, ...]
    groups: tuple[str, ...]
    """As of `ItemScore`."""
    conditions: tuple[Condition, ...]
    """`CLEAN` first."""
    scores: np.ndarray
    """(K, N) in 0..1"""
    left_out: dict[str, str] = field(default_factory=dict)
    """By family, why it says nothing of this task."""
    version: int = 1
    """Of what the conditions do; those of different versions are not compared."""

    def of(self, condition: str) -> list[ItemScore]:
        """The scored items under the condition of this name."""
        place = [one.name for one in self.conditions].index(condition)
        own = self.scores[place].tolist()
        return [ItemScore(*item) for item in zip(self.items, own, self.kinds, self.groups, strict=True)]


class ClipView(NamedTuple):
    """One clip to be looked at."""

    strip: bytes
    """A JPEG of its frames side by side; a second line of them is the truth where the first is what a model draws."""
    truth: tuple[str, ...] = ()
    """The label of each segment; empty where the strip shows it."""
    predicted: tuple[str, ...] = ()


class ShownClip(NamedTuple):
    """A test clip of a run's gallery."""

    item: str
    score: float
    """In 0..1"""
    place: str
    """`worst`, or `median` for clips around the middle."""
    view: ClipView


class ScoredItems(list[ItemScore]):
    """The scored items of a run, with what was answered on them and clips to be looked at where the task tells."""

    def __init__(
        self, items: Iterable[ItemScore] = (), answers: Answers | None = None, gallery: Iterable[ShownClip] = ()
    ) -> None:
        super().__init__(items)
        self.answers = answers
        self.gallery = tuple(gallery)
