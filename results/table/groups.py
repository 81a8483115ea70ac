"""Records in groups: the runs that differ in nothing but their seed, one row of a leaderboard each."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

from registry.component import Component
from registry.errors import UserError
from results.record import PARTS_WITH_VERSIONS, RunRecord

FIRST_VERSIONS = dict.fromkeys(PARTS_WITH_VERSIONS, "1")
"""What a part is taken for whose version a record does not tell: an older schema knew none."""


class Board(NamedTuple):
    """What rows must share to be ranked against each other: the same items, scored the same way."""

    task: str
    """Without the place of the data, whose identity is `data`, and without `modality`, which tells rows apart."""
    data: str
    metric: str
    protocol: str


@dataclass(frozen=True, order=True)
class GroupKey:
    """Everything that two runs must share before their scores may be averaged; "" and () are unknown.

    `task` is as on the board; `modality` is what the task looks at: `both`, `visual` or `audio`.
    """

    task: str
    data: str
    metric: str
    protocol: str
    backbone: str
    adapter: str
    labels: tuple[str, ...]
    recipe: str
    weights: str
    versions: str
    modality: str

    @property
    def board(self) -> Board:
        return Board(self.task, self.data, self.metric, self.protocol)

    def agrees_where_known(self, other: GroupKey) -> bool:
        """Whether `other` has the same value for each part that this key knows."""
        return all(not mine or mine == theirs for mine, theirs in zip(astuple(self), astuple(other), strict=True))


@dataclass
class Group:
    """Completed and failed runs of one key, each ordered by seed."""

    key: GroupKey
    completed: list[RunRecord] = field(default_factory=list)
    failed: list[RunRecord] = field(default_factory=list)
    superseded: list[RunRecord] = field(default_factory=list)
    """Completed runs of a seed that was completed again later; they enter no number."""


def group_runs(records: Iterable[RunRecord]) -> list[Group]:
    """Group records by key, in the order of the keys.

    Of several completed runs of one seed the one that finished last counts. A run that failed early knows little of
    itself: it joins the one group of completed runs that agrees with what it knows, and stands alone where none or
    several do. A failure whose seed has completed since is history and left out.
    """
    groups: dict[GroupKey, Group] = {}
    failures: list[tuple[GroupKey, RunRecord]] = []
    for key, runs in _seeds_of_keys(records):
        *earlier, run = runs
        if run.status == "failed":
            failures.append((key, run))
            continue
        group = groups.setdefault(key, Group(key))
        group.completed.append(run)
        group.superseded += [other for other in earlier if other.status == "completed"]
    completed_keys = list(groups)
    for own, run in failures:
        agreeing = [key for key in completed_keys if own.agrees_where_known(key)]
        key = agreeing[0] if len(agreeing) == 1 else own
        group = groups.setdefault(key, Group(key))
        if all(other.seed != run.seed for other in group.completed):
            group.failed.append(run)
    return [groups[key] for key in sorted(groups) if groups[key].completed or groups[key].failed]


def key_of(record: RunRecord) -> GroupKey:
    """The key of one run; recipe, weights and versions as eight hexadecimal digits.

    Weights count by their digests alone: a file under another name holds the same weights.
    """
    task, modality = on_board(record.task)
    return GroupKey(
        task=task,
        data=record.data or "",
        metric=record.primary_metric,
        protocol=record.protocol,
        backbone=record.backbone,
        adapter=record.adapter,
        labels=tuple(sorted(record.labels)),
        recipe=short_hash(record.recipe),
        weights=short_hash(dict.fromkeys(record.weights.values(), "")),
        versions=short_hash(versions_of(record)),
        modality=modality,
    )


@lru_cache(maxsize=1024)
def on_board(task: str) -> tuple[str, str]:
    """A task as its board names it, and the modality that it looks at; a text that is no component stays as it is."""
    try:
        component = Component.parse(task)
    except UserError:
        return task, "both"
    options = dict(component.options)
    options.pop("data", None)
    modality = str(options.pop("modality", "both"))
    return str(Component(component.name, options)), modality


def versions_of(record: RunRecord) -> dict[str, str]:
    """The version of each part, the first where the record does not tell."""
    return {**FIRST_VERSIONS, **record.versions}


def short_hash(content: Mapping[str, Any]) -> str:
    """Eight hexadecimal digits of the content, whatever the order of its keys; "" for nothing."""
    if not content:
        return ""
    text = json.dumps(content, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def notes(groups: Sequence[Group]) -> list[str]:
    """What a reader must know of how runs came together, one line each."""
    told = [
        f"{group.key.task} · {group.key.backbone} · {group.key.adapter}: {_seeds(group.superseded)} completed more "
        "than once; the run that finished last counts, the others enter no number"
        for group in groups
        if group.superseded
    ]
    unknown = sum(not run.versions for group in groups for run in (*group.completed, *group.failed))
    if unknown:
        carry = "1 record of an older schema carries" if unknown == 1 else f"{unknown} records of an older schema carry"
        told.append(f"{carry} no versions; each part is taken as version 1")
    return told


def _seeds(runs: Iterable[RunRecord]) -> str:
    seeds = sorted({run.seed for run in runs})
    return f"seed{'' if len(seeds) == 1 else 's'} {', '.join(map(str, seeds))}"


def _seeds_of_keys(records: Iterable[RunRecord]) -> list[tuple[GroupKey, list[RunRecord]]]:
    """The runs of each key and seed, ordered by seed; a completed one after failed ones, of several the last last."""
    found: dict[tuple[GroupKey, int], dict[str, RunRecord]] = {}
    for record in sorted(records, key=lambda run: (run.status == "completed", run.finished, run.hash)):
        found.setdefault((key_of(record), record.seed), {})[record.hash] = record
    seeds = [(key, list(runs.values())) for (key, _), runs in found.items()]
    return sorted(seeds, key=lambda seed: (seed[1][-1].seed, seed[1][-1].hash))
