"""The columns of the leaderboard in their order, what the page says of each, and their values in a row."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from typing import Any, Literal, NamedTuple

from registry.vocabulary import STRESS_FAMILIES
from results.table.row import Comparison, Cost, Drops, Effort, Fronts, Row, Score


class Column(NamedTuple):
    """How a column of the leaderboard is shown."""

    title: str
    meaning: str
    better: Literal["high", "low", ""] = ""
    """Which way is better; columns that have one can be an axis of the trade-off plot."""
    scale: Literal["linear", "log"] = "linear"


PRESENTED = {
    "task": Column("task", "registered name and options"),
    "data": Column("data", "what the numbers were measured on: name and hash"),
    "backbone": Column("backbone", "frozen model"),
    "adapter": Column("adapter", "what is trained beside the head; of published rows the method"),
    "metric": Column("metric", "what ranks; higher is better"),
    "mean": Column("score (%)", "mean test score over seeds", "high"),
    "std": Column("std (points)", "standard deviation over seeds", "low"),
    "seeds": Column("seeds", "completed seeds in the mean"),
    "interval": Column("95 % interval (± points)", "over test items and seeds, both drawn from many", "low"),
    "gain_over_linear_probe": Column("gain over linear probe (points)", "same backbone, task and data", "high"),
    "adapter_parameters": Column("adapter parameters", "trainable, of the adapter scheme", "low", "log"),
    "head_parameters": Column("head parameters", "trainable, of the task's head", "low", "log"),
    "trainable_parameters": Column("trainable parameters", "adapter, head and trained backbone parts", "low", "log"),
    "total_parameters": Column("total parameters", "all of the live modules", "low", "log"),
    "trainable_percent": Column("trainable (%)", "100 × trainable ÷ total", "low"),
    "gflops": Column("GFLOPs per clip", "forward operations, two for a multiply-add", "low", "log"),
    "peak_memory_mb": Column("peak memory (MB)", "of the whole run at its batch size", "low"),
    "ms_per_clip": Column("inference (ms per clip)", "at the run's batch size", "low", "log"),
    "train_seconds": Column("training time (s)", "mean over seeds", "low", "log"),
    "pareto": Column("on the front: parameters", "nobody scores as high with as few trainable parameters"),
    "status": Column("status", "completed, partial or failed"),
    "labels": Column("labels", "what a reader must know"),
    "protocol": Column("protocol", "which split selected the best state"),
    "recipe": Column("recipe", "hash of the training recipe"),
    "gain_interval": Column("gain interval (± points)", "paired 95 % interval of the gain", "low"),
    "weights": Column("weights", "hash over the digests of the weight files"),
    "versions": Column("versions", "hash of the versions that the components, data and training declare"),
    "gain_p_value": Column("p of the gain", "paired, Holm over the gains of the board"),
    "behind_best": Column("behind the best (points)", "best mean of the board minus this one", "low"),
    "behind_best_interval": Column("behind the best (± points)", "paired 95 % interval", "low"),
    "behind_best_p_value": Column("p behind the best", "paired, Holm over the rows of the board"),
    "tied_with_best": Column("may be the best", "not told apart from the best at 5 %; empty below two shared seeds"),
    "total_as_published": Column("total as published", "as the paper counts it, dead parts included", "low", "log"),
    "train_ms_per_clip": Column("training (ms per clip)", "of a training step at the run's batch size", "low", "log"),
    "single_peak_memory_mb": Column("peak memory, batch 1 (MB)", "of a training step with one clip", "low"),
    "single_train_ms": Column("training, batch 1 (ms)", "of a training step with one clip", "low", "log"),
    "single_inference_ms": Column("inference, batch 1 (ms)", "of one clip alone", "low", "log"),
    "checkpoint_bytes": Column("checkpoint (bytes)", "of the trained state without the backbone", "low", "log"),
    "ppt": Column("PPT (C = 10 M)", "score weighed by parameters without the head; favours the probe", "high"),
    "pareto_memory": Column("on the front: memory", "nobody scores as high with as little memory"),
    "pareto_within_interval": Column("near the front: parameters", "off the front by no more than the row's interval"),
    "pareto_memory_within_interval": Column("near the front: memory", "off the front by no more than its interval"),
    "hypervolume": Column("family hypervolume", "of the adapter family's sizes; the probe is 0", "high"),
    "mean_rank": Column("mean rank", "over the boards that its rivals were run on too", "low"),
    "kind": Column("kind", "measured here, or published elsewhere"),
    "source": Column("source", "where a published number was read"),
    "modality": Column("modality", "what the task looks at: both, visual or audio"),
    "short_backbone": Column("backbone, short", "its name within this study"),
    "short_adapter": Column("adapter, short", "its name within this study"),
    "task_in_full": Column("task in full", "as it was asked, with the place of its data"),
    "chance": Column("chance (%)", "what guessing among all classes scores"),
    "majority": Column("majority (%)", "what always giving the most frequent label scores"),
    "probe": Column("probe of the gain", "the best linear probe of the same backbone: its recipe and score"),
    "letters": Column("groups", "rows that share a letter cannot be told apart (all pairs, Holm, 5 %)"),
    "rank_low": Column("rank, from", "95 % of resamples of seeds and items"),
    "rank_high": Column("rank, to", "95 % of resamples of seeds and items"),
    "both_against_one": Column("both against one (points)", "over the better modality alone", "high"),
    "both_against_one_interval": Column("both against one (± points)", "paired 95 % interval", "low"),
    "mean_rank_low": Column("mean rank, from", "95 % of resamples of seeds and items", "low"),
    "mean_rank_high": Column("mean rank, to", "95 % of resamples of seeds and items", "low"),
    "mean_rank_letters": Column("groups over tasks", "configurations that share a letter cannot be told apart"),
    "machine_load": Column("machine load", "threads for each core while it was measured; above 1 times are too long"),
    "trials": Column("trials", "of the search (`tune`) that chose the recipe; empty where none is told"),
    "trial_epochs": Column("epochs of the trials", "all together, on training data"),
    "less_tuned": Column("less tuned", "another row of the board has more trials or epochs behind it"),
}
_OF_STRESS = {
    **{
        name: column
        for family, words in STRESS_FAMILIES.items()
        for name, column in {
            f"drop_{family}": Column(
                f"drop {words} (points)", "lost, the mean over levels, of clips as they are", "low"
            ),
            f"drop_{family}_interval": Column(f"drop {words} (± points)", "paired 95 % interval", "low"),
        }.items()
    },
    "confusion_audio": Column("modality confusion, sound (%)", "items right with sound alone, wrong with both", "low"),
    "confusion_visual": Column("modality confusion, sight (%)", "items right with sight alone, wrong with both", "low"),
    "confusion_either": Column("modality confusion, either (%)", "right with each alone, wrong with both", "low"),
    "not_used": Column("not used", "the modality without which no score of any item changes"),
}
"""Columns of rows that were measured under conditions (`stress`); where no row was, tables have none of them."""
PRESENTED |= _OF_STRESS

COLUMNS = tuple(PRESENTED)
"""Names, in the order of the CSV."""


def columns_of(rows: Iterable[Row]) -> tuple[str, ...]:
    """The columns that a table of these rows has."""
    measured = any(row.drops != Drops() for row in rows)
    return COLUMNS if measured else tuple(name for name in COLUMNS if name not in _OF_STRESS)


_PART_OF = {
    field.name: part
    for part, kind in {
        "score": Score,
        "comparison": Comparison,
        "cost": Cost,
        "fronts": Fronts,
        "effort": Effort,
        "drops": Drops,
    }.items()
    for field in fields(kind)
}

MEASUREMENTS = (
    "peak_memory_mb", "ms_per_clip", "train_seconds", "train_ms_per_clip", "single_peak_memory_mb", "single_train_ms",
    "single_inference_ms", "pareto_memory", "pareto_memory_within_interval", "machine_load",
)  # fmt: skip
"""Columns that tell of the machine and its moment, and what follows from them: no two runs of one cell agree in them.
In every other column a grid that was interrupted and continued agrees with an unbroken one, byte by byte."""


def value(row: Row, column: str) -> Any:
    """What a row has in a column; None is unknown."""
    part = _PART_OF.get(column)
    return getattr(getattr(row, part) if part else row, column)
