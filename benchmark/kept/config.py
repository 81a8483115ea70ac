"""What `config.json` of a kept adapter says: all that is needed to use it, and where it came from."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmark.grid.spec import ROLES
from benchmark.model.model import AudioVisualModel
from benchmark.runtime.tensor_digest import tensors_sha256
from registry.component import Component, towers_of, with_towers
from registry.vocabulary import ItemScore
from results.record import RunRecord
from results.statistics.bootstrap import interval, score_matrix
from results.store.serialise import RecordError, dataclass_from_json
from tasks.task import Task

FORMAT = 1
"""Raised with every change of the fields."""


@dataclass(frozen=True)
class ModelFacts:
    """What a model needs to be built again without its data, beside its components."""

    labels: list[str]
    """Of the last axis of probabilities, by number."""
    classes: list[str]
    answers: list[str]
    words: list[str]
    """Of questions, by number; number 0 is padding."""
    questions: int
    words_of_a_question: int
    segments: int
    seconds: float | None
    """How long clips are; None where they last as long as their files."""
    sampling: str
    window: float
    """Seconds of sound for each segment."""
    picture: dict[str, Any]
    """Side, statistics and sound recipe of the backbone's pictures."""
    precision: str
    frozen_sha256: str | None = None
    """Of the backbone's parameters where no file initialised them."""
    mask_side: int = 224
    """Pixels along one side of what a head of segmentation draws."""


@dataclass(frozen=True)
class KeptConfig:
    """A trained adapter and head in words."""

    backbone: str
    """Component text; a weight file is named without its place."""
    adapter: str
    task: str
    model: ModelFacts
    hash: str
    """Of the record."""
    seed: int
    recipe: dict[str, Any]
    protocol: str
    data: str | None
    weights: dict[str, str]
    """sha256 of each file that initialised the backbone, by name."""
    tensors_sha256: str
    """Of what model.safetensors holds."""
    versions: dict[str, str] = field(default_factory=dict)
    """Declared by the components and the training loop."""
    libraries: dict[str, Any] = field(default_factory=dict)
    labels: list[str] = field(default_factory=list)
    """What a reader must know: `synthetic data`, `random weights`, `selected on test`."""
    primary_metric: str = ""
    scores: dict[str, float] = field(default_factory=dict)
    """Of the test split, in percent; empty where the tensors were changed after they were scored."""
    interval: float | None = None
    """Half the width of the primary score's 95 % interval over items, in points."""
    validation: dict[str, float] = field(default_factory=dict)
    parameters: dict[str, Any] = field(default_factory=dict)
    library: str = "av-adapter-bench"
    format: int = FORMAT

    @property
    def row(self) -> str:
        """The row's name: `backbone/adapter/task`."""
        return f"{self.backbone}/{self.adapter}/{Component.parse(self.task).name}"

    @property
    def batch_size(self) -> int:
        """The recipe's."""
        return int(self.recipe.get("batch_size", 8))

    def component(self, role: str) -> Component:
        """The component of a role.

        Raises:
            UserError: its text is malformed.
        """
        return Component.parse(getattr(self, role))


def facts_of_model(task: Task, model: AudioVisualModel) -> ModelFacts:
    """What a trained model needs beside its tensors and components."""
    source, backbone = task.source, model.encoder.backbone
    shape = source.question_shape if source else (0, 0)
    words, answers, classes = (list(getattr(source, name, ())) for name in ("words", "answers", "classes"))
    return ModelFacts(
        labels=list(task.labels),
        classes=classes,
        answers=answers,
        words=words,
        questions=shape[0],
        words_of_a_question=shape[1],
        segments=task.segments,
        seconds=source.seconds if source else None,
        sampling=source.sampling.rule if source else "middle",
        window=source.sampling.window if source else 1.0,
        picture=backbone.picture.as_dict(),
        precision=model.precision,
        frozen_sha256=tensors_sha256(dict(backbone.named_parameters())) if backbone.random_weights else None,
        mask_side=source.mask_side if source else 224,
    )


def config_of(record: RunRecord, items: Sequence[ItemScore], facts: ModelFacts, digest: str) -> KeptConfig:
    """The configuration of a completed run.

    Args:
        items: its scored test items.
        digest: of its tensors, see `tensors_sha256`.
    """
    scores = score_matrix([items])
    texts: dict[str, Any] = {role: str(without_places(Component.parse(getattr(record, role)))) for role in ROLES}
    return KeptConfig(
        **texts,
        model=facts,
        hash=record.hash,
        seed=record.seed,
        recipe=record.recipe,
        protocol=record.protocol,
        data=record.data,
        weights=record.weights,
        tensors_sha256=digest,
        versions=record.versions,
        libraries={"python": record.environment.get("python"), **record.environment.get("versions", {})},
        labels=record.labels,
        primary_metric=record.primary_metric,
        scores=record.scores,
        interval=None if scores is None else interval(scores),
        validation=record.validation,
        parameters=dataclasses.asdict(record.parameters) if record.parameters else {},
    )


def read_config(content: bytes, source: str) -> KeptConfig:
    """What `dataclass_to_json` made of a configuration.

    Raises:
        RecordError: it is none, or one of another format.
    """
    config = dataclass_from_json(KeptConfig, content, source)
    if config.format != FORMAT:
        raise RecordError(f"{source}.format is {config.format}, and this version reads {FORMAT}")
    return config


def slug_of(record: RunRecord | KeptConfig) -> str:
    """The folder's name, of the row, the seed and the record's hash."""
    names = (Component.parse(getattr(record, role)).name for role in ROLES)
    return f"{'-'.join(names)}-s{record.seed}-{record.hash[:8]}"


def without_places(component: Component) -> Component:
    """A component without the folders of the files that its options name."""
    if towers_of(component):
        return with_towers(component, without_places)
    return Component(component.name, {name: _without_place(value) for name, value in component.options.items()})


def names_repository(value: object) -> bool:
    """Whether a value of an option is a repository of the hub, `hf-hub:OWNER/NAME`, and so the same everywhere."""
    return isinstance(value, str) and re.fullmatch(r"hf[-_]hub:\w[\w.-]*/\w[\w.-]*", value) is not None


def _without_place(value: Any) -> Any:
    if names_repository(value):
        return value
    if isinstance(value, str) and ("/" in value or "\\" in value or Path(value).expanduser().exists()):
        return Path(value).expanduser().resolve().name
    return value
