"""The exam that every task takes, built-in or from outside.

    for check in CHECKS:
        check(MyTask())

A check takes a task whose clips are there and reads two of a split; it raises AssertionError with the rule that was
broken. Features come from a random map in place of a backbone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import default_collate

from registry.vocabulary import SPLITS, Features, Inputs, Item, Modality, Outputs, Split, Stage
from tasks.task import Head, Task

Check = Callable[[Task], None]

WIDTH, SIDE, PATCH = 16, 32, 4


def clips_collate(task: Task) -> None:
    """Two clips of each split make a batch; each has a name of its own, and of test the inputs of `example_inputs`."""
    for split in SPLITS:
        batch = _batch(task, split)
        names = batch["targets"].get("id", [0])
        assert all(isinstance(name, str) for name in names), f"{split}: targets lack id, the clip's name, a str"
        assert len(set(names)) == len(names), f"{split}: two clips are called {names[0]}"
    for name, value in task.example_inputs(2).items():
        assert name in batch["inputs"], f"example_inputs has {name}, and clips have not"
        axes = 3 if name.endswith("frames") else value.ndim
        real, example = tuple(batch["inputs"][name].shape[:axes]), tuple(value.shape[:axes])
        assert real == example, f"{name} of two clips is {real}, of example_inputs {example}"


def head_learns(task: Task) -> None:
    """Terms of the loss are finite, and a gradient of them reaches every parameter of the head."""
    batch, head = _batch(task, "train"), _head(task)
    losses = head.loss(head(encode, pictures_of(batch["inputs"])), batch["targets"])
    for name, loss in losses.items():
        assert loss.isfinite().all(), f"the term {name} of the loss is not finite"
    torch.stack(list(losses.values())).sum().backward()
    unreached = [name for name, parameter in head.named_parameters() if parameter.grad is None]
    assert not unreached, f"no gradient reaches {', '.join(unreached)}"


@torch.no_grad()
def scores_follow_from_items(task: Task) -> None:
    """A prediction for each clip; the mean of the items' scores, times 100, is the primary metric."""
    batch, head = _batch(task, "test"), _head(task).eval()
    predictions = head.predict(head(encode, pictures_of(batch["inputs"])), batch["targets"])
    assert len(predictions) == 2, f"predict gives {len(predictions)} predictions for 2 clips"
    evaluation = task.evaluate(predictions)
    score = evaluation.scores.get(task.primary_metric)
    assert score is not None, f"evaluate gives no {task.primary_metric}, which is the primary metric"
    names = [(item.item, item.kind) for item in evaluation.items]
    assert len(set(names)) == len(names) > 0, "evaluate gives no items, or two of one name and kind"
    mean = 100 * sum(item.score for item in evaluation.items) / len(names)
    assert abs(mean - score) < 1e-3, f"{task.primary_metric} is {score:.3f}, the mean of its items {mean:.3f}"


@torch.no_grad()
def features_stand_in_for_pictures(task: Task) -> None:
    """A head that does not say `reads_pictures = True` answers the same where features were cached in their place."""
    batch, head = _batch(task, "test"), _head(task).eval()
    if head.reads_pictures:
        return
    inputs = pictures_of(batch["inputs"])
    try:
        answered: Outputs = head(encode, {name: _kept(name, value, head) for name, value in inputs.items()})
    except (AttributeError, TypeError, KeyError) as error:
        raise AssertionError(
            f"the head reads more than encode gives, so it must say reads_pictures = True: {error}"
        ) from error
    for name, value in head(encode, inputs).items():
        assert torch.equal(answered[name], value), (
            f"{name} differs where features are cached; say reads_tokens = True or reads_pictures = True"
        )


CHECKS: tuple[Check, ...] = (clips_collate, head_learns, scores_follow_from_items, features_stand_in_for_pictures)
"""All of them."""


def encode(pictures: Mapping[Any, Any]) -> dict[Modality, Features]:
    """In place of a backbone: pictures (B, T, 3, 32, 32), or what was made of them before, to random features."""
    return {m: Features(**x) if isinstance(x, dict) else _features(x) for m, x in pictures.items()}


def pictures_of(inputs: Inputs) -> Inputs:
    """A batch's inputs with pictures (B, T, 3, 32, 32) in place of frames and waveforms, as heads are given them."""
    made = dict(inputs)
    for frames, name in (("frames", "visual"), ("negative_frames", "negative")):
        if frames in made:
            shown = made.pop(frames)
            made[name] = F.interpolate(shown.flatten(0, 1).float() / 255, SIDE).unflatten(0, shown.shape[:2])
    if "waveform" in made:
        heard = made.pop("waveform").float()
        heard = heard / heard.abs().amax().clamp(min=1)
        spread = F.adaptive_avg_pool1d(heard.abs().flatten(0, 1).unsqueeze(1), SIDE * SIDE).view(-1, 1, SIDE, SIDE)
        made["audio"] = spread.expand(-1, 3, -1, -1).unflatten(0, heard.shape[:2])
    return made


def _features(pictures: Tensor) -> Features:
    patches = pictures.unfold(3, PATCH, PATCH).unfold(4, PATCH, PATCH).permute(0, 1, 3, 4, 2, 5, 6).flatten(4)
    random = torch.randn(patches.shape[-1], WIDTH, generator=torch.Generator().manual_seed(0))
    tokens = patches.flatten(2, 3) @ random
    return Features(tokens, tokens.mean(dim=2), (tokens,))


def _kept(name: str, value: Tensor, head: Head) -> Any:
    """What is cached of an input for a head, as `Encoder.kept` leaves out what it does not read."""
    if name not in ("visual", "audio", "negative"):
        return value
    features = _features(value)
    tokens = features.tokens if head.reads_tokens else torch.empty(0)
    stages = features.stages if name in head.reads_stages else ()
    return {"tokens": tokens, "pooled": features.pooled, "stages": stages}


def _head(task: Task) -> Head:
    torch.manual_seed(0)
    return task.head_on(WIDTH, [Stage(WIDTH, SIDE // PATCH, PATCH)])


def _batch(task: Task, split: Split) -> Any:
    clips = cast(Any, task.dataset(split))
    if hasattr(clips, "begin_epoch"):
        clips.begin_epoch(0)
    items: list[Item] = [clips[index] for index in range(2)]
    return default_collate(items)
