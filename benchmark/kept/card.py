"""The model card of a kept adapter, `README.md`."""

from __future__ import annotations

import json

from benchmark.kept.config import KeptConfig
from registry.component import Component

WARNINGS = {
    "synthetic data": "Trained and scored on clips that a program renders: the scores say nothing of real videos.",
    "random weights": "The backbone was not pre-trained: its weights are random.",
    "selected on test": "The epoch was selected on the test split, as papers do: the scores are too high.",
    "incomplete data": "Clips whose media were missing were left out.",
    "resized frames": "Frames were prepared at another size than the backbone's and resized once more.",
    "two backbones": "Sight and sound have a pre-trained backbone each, and both are needed.",
    "changed after scoring": "The tensors were changed after they were scored: no score holds for them.",
}
"""What each label of a record means for whoever uses the model."""


def to_card(config: KeptConfig) -> str:
    """Markdown with the hub's YAML header: what was trained on what, its score, what to know, and how to use it."""
    task = Component.parse(config.task).name
    lines = [
        "---",
        "library_name: av-adapter-bench",
        f"tags: {json.dumps(['audio-visual', task, *map(_one_line, config.labels)])}",
        "---",
        "",
        f"# {_code(config.row)}",
        "",
        f"An adapter {_code(config.adapter)} and the head of {_code(config.task)}, trained on the frozen backbone "
        f"{_code(config.backbone)}. The backbone's own weights are not in this folder.",
        "",
        *_table(config),
        "",
        *[f"- **{_one_line(label)}**: {WARNINGS.get(label, 'see the record.')}" for label in config.labels],
        *([""] if config.labels else []),
        "## Use",
        "",
        "```python",
        "import benchmark",
        "",
        'model = benchmark.load("FOLDER OR REPOSITORY")',
        *_snippet(config, task),
        "```",
        "",
        "`pip install av-adapter-bench`; from the shell: `python -m benchmark predict FOLDER clip.mp4`.",
        "",
    ]
    return "\n".join(lines)


def _table(config: KeptConfig) -> list[str]:
    rows = [("data", config.data or "unknown"), ("seed", str(config.seed)), ("protocol", config.protocol)]
    if config.primary_metric in config.scores:
        half = "" if config.interval is None else f" ± {config.interval:.2f} (95 % over items)"
        rows.append((f"test {config.primary_metric}", f"{config.scores[config.primary_metric]:.2f}{half}"))
    if config.parameters:
        trained = sum(config.parameters.get(part, 0) for part in ("adapter", "head", "backbone_trained"))
        rows.append(("trained parameters", f"{trained:,}"))
    rows += [(f"weights {name}", f"sha256 {digest}") for name, digest in config.weights.items()]
    rows.append(("record", config.hash))
    return ["| | |", "|---|---|", *(f"| {_cell(name)} | {_cell(value)} |" for name, value in rows)]


def _snippet(config: KeptConfig, task: str) -> list[str]:
    if config.model.words:
        return ['print(model.predict("clip.mp4", question="…").best)']
    if task == "retrieval":
        return ['vectors = model.embed(["a.mp4", "b.mp4"], modality="audio")  # (2, D)']
    return ['prediction = model.predict("clip.mp4")', "print(prediction.times, prediction.best)"]


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _cell(text: str) -> str:
    return _one_line(text).replace("|", "\\|")


def _code(text: str) -> str:
    return f"`{_one_line(text).replace('`', chr(39))}`"
