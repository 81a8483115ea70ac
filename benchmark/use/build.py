"""From a kept adapter's folder back to live modules. What a folder of a stranger says is checked before it is used."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from torch import Tensor

from benchmark.cost.describe import without_storage, without_weights
from benchmark.grid.check import checked
from benchmark.grid.expand import REGISTRIES
from benchmark.grid.resolve import TRAINING
from benchmark.grid.spec import ROLES
from benchmark.kept.config import KeptConfig, ModelFacts, names_repository
from benchmark.kept.folder import CONFIG, read_folder_config, read_folder_tensors
from benchmark.model.build import build_model, build_task
from benchmark.model.model import MULTIPLIED_IN, AudioVisualModel
from benchmark.runtime.seeding import undisturbed_random_states
from benchmark.runtime.tensor_digest import tensors_sha256
from benchmark.train.checkpoint import live_state, restore
from registry import TASKS, Component, UserError, look_up
from registry.component import towers_of
from registry.errors import WeightsError, in_one_line, unknown
from registry.plugins import load_plugins
from registry.registries import version_of_parts
from tasks.datasets.source import Outline
from tasks.media.files import leads_outside
from tasks.media.sampling import RULES, Sampling
from tasks.task import SourceTask, Task

WITHOUT_FILES = ("hub", "none", "embedded")
"""Values of a backbone's option `weights` that name no file of the user's."""
WeightFiles = str | Path | Mapping[str, str | Path]
"""The file of a backbone's weights; of two backbones a file for each that has one, by `visual` and `audio`."""
_OF_DATA = ("data", "resize", "allow_missing")
"""Options of tasks that only clips of their data have."""
_MEND = "fetch the folder again, or train again"


def rebuild(folder: Path, weights: WeightFiles | None = None) -> tuple[KeptConfig, Task, AudioVisualModel]:
    """The configuration, task and model of a kept adapter, on the CPU and in evaluation mode.

    Args:
        weights: where the backbone's weights were files; by default such of the same name are looked for in the
            folder.

    Raises:
        UserError: files that are missing, damaged, of another version or model, a component that is not registered, or
            other weights of the backbone than those that it was trained on.
    """
    load_plugins()
    config = read_folder_config(folder)
    where = f"{folder / CONFIG}"
    components = _components(config, where)
    components["backbone"] = _with_weights(components["backbone"], config, folder, weights)
    task = _told(where, lambda: described_task(components["task"], config.model, config.data))
    with undisturbed_random_states():
        tensors = read_folder_tensors(folder, _expected(components, task, config, where), config.tensors_sha256)
        model = _told(where, lambda: _build(components, task, config))
    _check_weights(model, config, where)
    restore(model, tensors)
    return config, task, cast(AudioVisualModel, model.eval())


def described_task(component: Component, facts: ModelFacts, data: str | None) -> Task:
    """A task that knows its classes, words and answers without its data.

    Raises:
        UserError: options that the task refuses.
    """
    build = cast(Any, look_up(TASKS, component.name))
    options = {name: value for name, value in component.options.items() if name not in _OF_DATA}
    if isinstance(build, type) and issubclass(build, SourceTask):
        options["data"] = Outline(
            data or "unknown",
            classes=facts.classes,
            answers=facts.answers,
            words=facts.words,
            question_shape=(facts.questions, facts.words_of_a_question),
            segments=facts.segments,
            sampling=Sampling(facts.sampling, facts.window),
            seconds=facts.seconds,
            mask_side=facts.mask_side,
        )
    return cast(Task, build(**options))


def task_with_clips(config: KeptConfig, data: str) -> Task:
    """The task of a kept adapter with its clips, frames fitted to the model's pictures.

    Args:
        data: as the task's option of this name: `synthetic`, or the folder of the data.

    Raises:
        UserError: data that are missing, or whose classes, answers or words are not the model's.
    """
    asked, facts = config.component("task").with_options(data=data), config.model
    task = build_task(asked).with_frames(facts.picture["size"])
    words = task.source.words if task.source else ()
    if list(task.labels) != facts.labels or list(words) != facts.words:
        raise UserError(f"data={data!r} has other classes, answers or words than {config.data}; give such data.")
    return task


def _components(config: KeptConfig, where: str) -> dict[str, Component]:
    if config.model.precision not in MULTIPLIED_IN or config.model.sampling not in RULES:
        raise UserError(f"{where} is damaged: it names a precision or sampling that there is not; {_MEND}.")
    if min(config.model.segments, config.model.window) <= 0 or (config.model.seconds or 1) <= 0:
        raise UserError(f"{where} is damaged: segments and seconds must be more than 0; {_MEND}.")
    components = {}
    for role in ROLES:
        try:
            components[role] = checked(REGISTRIES[role], config.component(role))
        except UserError as error:
            raise UserError(
                f"{where}: {error} A plug-in's component is known once it is loaded: --plugin FILE, or in Python "
                "import its file first."
            ) from None
        for name, value in components[role].options.items():
            if _names_a_place(value) and not names_repository(value):
                raise UserError(f"{where}: option {name}={value!r} names a place outside of the folder; {_MEND}.")
        _check_version(role, version_of_parts(REGISTRIES[role], components[role]), config, where)
    _check_version("training", str(TRAINING), config, where)
    return components


def _names_a_place(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(map(_names_a_place, (*value, *value.values())))
    if isinstance(value, list | tuple | set | frozenset):
        return any(map(_names_a_place, value))
    return isinstance(value, str | bytes) and any(mark in str(value) for mark in ("/", "\\", "..", "\0"))


def _check_version(part: str, here: str, config: KeptConfig, where: str) -> None:
    there = config.versions.get(part, here)
    if there != here:
        raise UserError(
            f"{where} was written with version {there} of its {part}, and here is version {here}, whose numbers "
            "differ; install the version of this library or plug-in that wrote it, or train again."
        )


def _with_weights(backbone: Component, config: KeptConfig, folder: Path, weights: WeightFiles | None) -> Component:
    towers = towers_of(backbone)
    if not towers:
        if isinstance(weights, Mapping):
            raise WeightsError(
                f"weights={dict(weights)!r} are for two backbones, and {backbone} is one; give its file."
            )
        return _with_file(backbone, config, folder, weights)
    if weights is None or isinstance(weights, Mapping):
        files = weights or {}
        if strange := next((name for name in files if name not in towers), None):
            raise unknown("tower", str(strange), towers)
        found = {name: _with_file(tower, config, folder, files.get(name), name) for name, tower in towers.items()}
        return backbone.with_options(**{name: str(tower) for name, tower in found.items()})
    raise WeightsError(
        f"weights={str(weights)!r} could be those of {towers['visual']} or of {towers['audio']}; give them by tower, "
        f"{_asked_by('visual')}."
    )


def _with_file(
    backbone: Component, config: KeptConfig, folder: Path, file: str | Path | None, tower: str = ""
) -> Component:
    named = backbone.options.get("weights")
    if file is not None:
        return backbone.with_options(weights=str(file))
    if named is None or named in WITHOUT_FILES or names_repository(named):
        return backbone
    beside = folder / str(named)
    if beside.is_file() and not leads_outside(beside, folder):
        return backbone.with_options(weights=str(beside))
    known = _in_words(config.weights) if config.weights else named
    raise WeightsError(
        f"the backbone's weights {known} are a file that does not lie in {folder}; give it with {_asked_by(tower)}."
    )


def _asked_by(tower: str) -> str:
    """How a file of weights is given, in Python and on the command line; `tower` is empty for a single backbone."""
    value, text = (f"{{{tower!r}: 'FILE'}}", f"{tower}=FILE") if tower else ("'FILE'", "FILE")
    return f"weights={value}, on the command line --weights {text}"


def _expected(components: dict[str, Component], task: Task, config: KeptConfig, where: str) -> dict[str, Tensor]:
    """Names and shapes of the tensors, before anything of their size is allocated."""
    bare = {**components, "backbone": without_weights(components["backbone"])}
    return live_state(_told(where, lambda: without_storage(lambda: _build(bare, task, config))))


def _build(components: dict[str, Component], task: Task, config: KeptConfig) -> AudioVisualModel:
    return build_model(
        components["backbone"],
        components["adapter"],
        task,
        seed=config.seed,
        precision=cast(Any, config.model.precision),
    )


def _told(where: str, build: Any) -> Any:
    """What a builder returns; whatever an impossible option provokes is told in one line."""
    try:
        return build()
    except UserError:
        raise
    except Exception as error:
        raise UserError(
            f"{where} describes no model that can be built: {in_one_line(error)[:300]}; {_MEND}."
        ) from error


def _check_weights(model: AudioVisualModel, config: KeptConfig, where: str) -> None:
    backbone = model.encoder.backbone
    if sorted(backbone.weight_files.values()) != sorted(config.weights.values()):
        trained_on, here = (_in_words(files) for files in (config.weights, backbone.weight_files))
        raise WeightsError(
            f"{where}: the adapter was trained on {trained_on}, and {config.backbone} has {here} here; give the former "
            "with weights='FILE', on the command line --weights FILE."
        )
    if json.loads(json.dumps(backbone.picture.as_dict())) != config.model.picture:
        raise UserError(f"{where} was written for other pictures than those of {config.backbone} here; train again.")
    frozen = config.model.frozen_sha256
    if frozen is not None and tensors_sha256(dict(backbone.named_parameters())) != frozen:
        torch_there = config.libraries.get("torch", "unknown")
        raise WeightsError(
            f"{where}: seed {config.seed} gives {config.backbone} other random weights here than where the adapter "
            f"was trained (torch {torch_there}); install that version of torch, or train again."
        )


def _in_words(files: Mapping[str, str]) -> str:
    return ", ".join(f"{name} (sha256 {digest[:12]}…)" for name, digest in files.items()) or "random weights"
