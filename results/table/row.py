"""One row of the leaderboard: whose runs it sums up, and what they scored and cost."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from results.record import RunRecord
from results.statistics.paired import Kind
from results.statistics.robustness import Robustness
from results.table.groups import Board, GroupKey

LOADED = 1.1
"""Threads for each core from which times are longer than the cell's own."""
MEASURED, PUBLISHED = "measured", "published"
"""Kinds of rows: from our records, or from a paper."""


class Context(NamedTuple):
    """What an adapter meets: rows that share it differ in what was added to one backbone, in recipe and in versions."""

    board: Board
    modality: str
    backbone: str
    labels: tuple[str, ...]
    weights: str


@dataclass(frozen=True)
class Score:
    """Test scores over the seeds, in percent. None is unknown, here and in the other parts."""

    mean: float | None = None
    std: float | None = None
    seeds: int = 0
    interval: float | None = None
    """Half the width of the 95 % interval of the mean."""
    chance: float | None = None
    """What guessing scores."""
    majority: float | None = None
    """What always giving the most frequent label scores."""


@dataclass(frozen=True)
class Comparison:
    """The row beside others: the linear probe of its context, the best of its board, its rivals over all boards.

    Differences are in percentage points, intervals half the width of the paired 95 % interval, p-values corrected.
    """

    gain_over_linear_probe: float | None = None
    gain_interval: float | None = None
    gain_p_value: float | None = None
    probe: str = ""
    """The linear probe of the gain: recipe and score."""
    behind_best: float | None = None
    behind_best_interval: float | None = None
    behind_best_p_value: float | None = None
    tied_with_best: bool | None = None
    letters: str = ""
    """Rows of the board that share a letter cannot be told apart; empty where that is unknown."""
    rank_low: int | None = None
    """Between this rank of the board and `rank_high` the row stands in 95 % of the resamples."""
    rank_high: int | None = None
    both_against_one: float | None = None
    """Of a row that looks at both modalities: its score minus that of the better modality alone."""
    both_against_one_interval: float | None = None
    mean_rank: float | None = None
    mean_rank_low: float | None = None
    mean_rank_high: float | None = None
    mean_rank_letters: str = ""


@dataclass(frozen=True)
class Cost:
    """Parameters, memory in MB, and time: the columns of the same name."""

    adapter_parameters: int | None = None
    head_parameters: int | None = None
    trainable_parameters: int | None = None
    total_parameters: int | None = None
    trainable_percent: float | None = None
    total_as_published: int | None = None
    gflops: float | None = None
    peak_memory_mb: float | None = None
    ms_per_clip: float | None = None
    machine_load: float | None = None
    """Threads that wanted to compute for each core of the machine while it was measured, the largest over seeds."""
    train_seconds: float | None = None
    train_ms_per_clip: float | None = None
    single_peak_memory_mb: float | None = None
    single_train_ms: float | None = None
    single_inference_ms: float | None = None
    checkpoint_bytes: int | None = None

    @property
    def parameters_without_head(self) -> int | None:
        """Trainable ones of the adapter and the backbone."""
        if self.trainable_parameters is None or self.head_parameters is None:
            return None
        return self.trainable_parameters - self.head_parameters

    @property
    def on_loaded_machine(self) -> bool:
        """Whether times were measured while others wanted the same cores."""
        return self.machine_load is not None and self.machine_load > LOADED


@dataclass(frozen=True)
class Effort:
    """The search that chose the recipe, as its runs tell, the least over seeds; None where they tell of none."""

    trials: int | None = None
    trial_epochs: int | None = None
    """Epochs of all trials together."""
    less_tuned: bool | None = None
    """Whether another row of the board has more trials or epochs behind it; None where no row tells of a search."""


@dataclass(frozen=True)
class Fronts:
    """The score weighed against its costs."""

    pareto: bool | None = None
    pareto_within_interval: bool | None = None
    pareto_memory: bool | None = None
    pareto_memory_within_interval: bool | None = None
    ppt: float | None = None
    hypervolume: float | None = None
    """Of the sizes of the row's adapter family."""


@dataclass(frozen=True)
class Drops:
    """What the row loses under conditions, the mean over the levels of each family, in points, and the half width of
    its paired 95 % interval; modality confusion in percent. See `results.statistics.robustness`."""

    drop_no_sight: float | None = None
    drop_no_sight_interval: float | None = None
    drop_no_sound: float | None = None
    drop_no_sound_interval: float | None = None
    drop_other_sound: float | None = None
    drop_other_sound_interval: float | None = None
    drop_shifted_sound: float | None = None
    drop_shifted_sound_interval: float | None = None
    drop_noisy_sound: float | None = None
    drop_noisy_sound_interval: float | None = None
    drop_dark_frames: float | None = None
    drop_dark_frames_interval: float | None = None
    drop_blurred_frames: float | None = None
    drop_blurred_frames_interval: float | None = None
    drop_noisy_frames: float | None = None
    drop_noisy_frames_interval: float | None = None
    confusion_audio: float | None = None
    confusion_visual: float | None = None
    confusion_either: float | None = None
    not_used: str = ""
    """`does not use sound`"""

    @classmethod
    def of(cls, known: Robustness) -> Drops:
        """The columns of what was measured."""
        drops: dict[str, Any] = {f"drop_{family}": one.mean for family, one in known.families.items()}
        drops |= {f"drop_{family}_interval": one.half_width for family, one in known.families.items()}
        if known.confusion:
            drops |= {f"confusion_{name}": share for name, share in known.confusion._asdict().items()}
        return cls(**drops, not_used="; ".join(known.verdicts))


@dataclass(frozen=True)
class Row(GroupKey):
    """The runs of one group summed up, or a published number under a key of its own."""

    status: str
    score: Score = Score()
    comparison: Comparison = Comparison()
    cost: Cost = Cost()
    fronts: Fronts = Fronts()
    effort: Effort = Effort()
    drops: Drops = Drops()
    kind: str = MEASURED
    source: str = ""
    """Where a published number was read."""
    failures: tuple[str, ...] = ()
    """One line for each failed seed."""
    runs: tuple[RunRecord, ...] = field(default=(), repr=False, compare=False)
    """The completed runs, by seed."""
    breakdown: tuple[Kind, ...] = ()
    """The score by question type, class or direction."""
    backbone_name: str = ""
    """Short, of the study, for tables and pictures; empty where the backbone itself is short. It decides nothing."""
    adapter_name: str = ""

    @property
    def short_backbone(self) -> str:
        return self.backbone_name or self.backbone

    @property
    def short_adapter(self) -> str:
        """With the modality where the task looks at one alone."""
        name = self.adapter_name or self.adapter
        return name if self.modality in ("both", "") else f"{name}, {self.modality} only"

    @property
    def task_in_full(self) -> str:
        """As it was asked, with the place of its data."""
        return self.runs[0].task if self.runs else self.task

    @property
    def family(self) -> str:
        """The adapter's name without its options."""
        return self.adapter.partition("(")[0]

    @property
    def is_linear_probe(self) -> bool:
        """Whether the adapter is the linear probe, with whatever options: what others are measured against."""
        return self.family == "linear_probe"

    @property
    def context(self) -> Context:
        """What its adapter meets."""
        return Context(self.board, self.modality, self.backbone, self.labels, self.weights)

    def compared(self, **changes: Any) -> Row:
        """The row with these fields of its comparison changed."""
        return replace(self, comparison=replace(self.comparison, **changes))

    def weighed(self, **changes: Any) -> Row:
        """The row with these fields of its fronts changed."""
        return replace(self, fronts=replace(self.fronts, **changes))

    @property
    def identity(self) -> tuple[object, ...]:
        """What tells rows of one board apart."""
        return self.backbone, self.adapter, self.labels, self.recipe, self.weights, self.versions, self.modality


def rank_order(row: Row) -> tuple[object, ...]:
    """Sorts rows by task, then board, then score, rows without a score last; names enter nothing."""
    score = 0.0 if row.score.mean is None else row.score.mean
    return row.task, row.score.mean is None, row.board, -score, row.identity


def by_board(rows: Iterable[Row]) -> dict[Board, list[Row]]:
    """The rows that have a score, grouped by what they may be ranked within, in the order they come."""
    boards: dict[Board, list[Row]] = {}
    for row in rows:
        if row.score.mean is not None:
            boards.setdefault(row.board, []).append(row)
    return boards


def shared_labels(rows: Iterable[Row]) -> tuple[str, ...]:
    """The labels that every one of the rows carries."""
    sets = [set(row.labels) for row in rows]
    return tuple(sorted(set.intersection(*sets))) if sets else ()
