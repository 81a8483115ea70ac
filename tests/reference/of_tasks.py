"""What the heads of tasks make of fixed features, and how fixed predictions are scored."""

from __future__ import annotations

from typing import Any

import torch
from summary import Numbers, dropout_rates, gradients, loss_of, noise, summary, under

from benchmark.grid.expand import build_task
from registry import Component
from registry.vocabulary import Features, Streams
from tasks.parsing.task import Parsing

VARIANTS = {
    "event_localisation": [
        "event_localisation(modality='visual')",
        "event_localisation(label_smoothing=0.1)",
        "event_localisation(supervision='weak')",
        "event_localisation(head='stg_cma')",
        "event_localisation(head='stg_cma', modality='audio', label_smoothing=0.1)",
        "event_localisation(head='lavish')",
        "event_localisation(head='lavish', supervision='weak')",
        "event_localisation(head='cmbs')",
        "event_localisation(head='cmbs', gate_loss=False)",
    ],
    "avqa": ["avqa(modality='audio')", "avqa(head='lavish')", "avqa(head='stg_cma')"],
    "classification": ["classification(modality='visual')"],
    "parsing": ["parsing(encode='apart')", "parsing(head='han')"],
    "segmentation": ["segmentation(modality='visual')"],
}
"""What is measured beside the defaults."""
CLIPS, TOKENS, DIM, QUESTIONS, WORDS = 12, 5, 24, 4, 6


def of_task(name: str) -> Numbers:
    """Every variant of a task."""
    return {k: v for text in [name, *VARIANTS.get(name, [])] for k, v in under(text, _of(text)).items()}


def _of(text: str) -> Numbers:
    task: Any = build_task(Component.parse(text))
    torch.manual_seed(0)
    head = task.head(DIM).eval()
    with torch.no_grad():
        for parameter in head.parameters():
            parameter.add_(0.1 * noise(*parameter.shape))
    inputs, targets = _batch(task)
    outputs = head(_encode, inputs)
    losses = head.loss(outputs, targets)
    loss_of(losses.values()).backward()
    numbers = {f"output {name}": summary(value) for name, value in outputs.items()}
    numbers |= {f"loss {name}": summary(value) for name, value in losses.items()}
    numbers |= gradients(head) | dropout_rates(head)
    if scales := head.lr_scale():
        numbers["factors of the rate"] = sorted({float(scale) for scale in scales.values()})
        numbers["parameters with a factor"] = [float(sum(p.numel() for p in scales))]
    evaluation = task.evaluate(head.predict({name: value.detach() for name, value in outputs.items()}, targets))
    numbers |= {f"score {name}": [float(value)] for name, value in evaluation.scores.items()}
    numbers["items"] = summary([item.score for item in evaluation.items])
    first = evaluation.items[0]
    numbers["first item"] = str((first.item, first.score, first.kind))
    return numbers


def _encode(pictures: Streams) -> dict[Any, Features]:
    """Pictures are their own tokens here; a partner is heard as it would be by an adapter."""
    heard = sum(x.mean() for x in pictures.values())
    return {m: Features(x + heard, (x + heard).mean(dim=2), (x + heard,)) for m, x in pictures.items()}


def _batch(task: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Everything that any task asks of a batch."""
    shape, side = (CLIPS, task.segments, TOKENS, DIM), getattr(task, "side", 2)
    inputs = {name: noise(*shape, seed=name) for name in ("visual", "audio", "negative")}
    inputs["questions"] = _whole(getattr(task, "words", "ab"), CLIPS, QUESTIONS, WORDS)
    inputs["questions"][:, :, -2:] = 0  # padding
    targets = {
        "id": [f"clip {number}" for number in range(CLIPS)],
        "labels": _whole(getattr(task, "classes", "ab"), CLIPS, task.segments),
        "category": _whole(getattr(task, "classes", "ab")[1:], CLIPS),
        "answers": _whole(getattr(task, "answers", "ab"), CLIPS, QUESTIONS),
        "kinds": _whole(getattr(task, "kinds", "ab"), CLIPS, QUESTIONS),
        "masks": _whole("ab", CLIPS, task.segments, side, side),
        "annotated": _whole("ab", CLIPS, task.segments).bool(),
    }
    targets["annotated"][:, 0] = True
    targets["answers"][:, -1] = -100  # padding
    if isinstance(task, Parsing):
        classes = len(task.classes)
        targets["labels"] = _whole("ab", CLIPS, classes).float()
        targets |= {m: _whole("abc", CLIPS, classes, task.segments) // 2 for m in ("audio", "visual")}
    return inputs, targets


def _whole(choices: Any, *shape: int) -> torch.Tensor:
    """Places in a sequence, drawn evenly."""
    return torch.randint(len(choices), shape, generator=torch.Generator().manual_seed(len(choices)))
