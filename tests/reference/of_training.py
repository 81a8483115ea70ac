"""What training is made of: pictures of the front end, augmentation, rates, and whole cells of two epochs."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

import numpy as np
import torch
import training_cells
import training_fakes
from safetensors.torch import load_file
from summary import Numbers, noise, summary, under
from torch import nn
from torch.utils.data import Dataset

from backbones.pictures import AUDIOSET_MEAN, AUDIOSET_STD, VIT_SOUND, PictureSpec, SoundPicture, square_sound
from benchmark.data.augment import AugmentedClips
from benchmark.data.mixup import MixedSound
from benchmark.grid.spec import RunSpec
from benchmark.model.front_end import FrontEnd
from benchmark.train.optimizer import AccumulatingOptimizer, build_schedule
from registry import TASKS, Component
from registry.vocabulary import Split
from tasks.event_localisation.task import EventLocalisation
from tasks.recipe import Recipe
from tasks.synthetic import store
from tasks.synthetic.scene import make_scene

SEGMENTS = 3
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
SOUNDS = {
    "1 s in 10 ms": VIT_SOUND,
    "1 s in 31 ms": SoundPicture(32, 31.25, 32, -3.4, 2.2),
    "square, mean of colours": square_sound(64, AUDIOSET_MEAN, AUDIOSET_STD, channels="mean"),
    "own stem": dataclasses.replace(VIT_SOUND, stem="own"),
}
CHANGES: dict[str, dict[str, Any]] = {
    "rand_augment": {"rand_augment": 2},
    "crop": {"crop": 0.5},
    "flip": {"flip": 0.5},
    "erase": {"erase": 1.0},
    "masks": {"mask_bands": 24, "mask_frames": 20},
    "noise": {"noise": 0.5},
    "roll": {"roll": 10},
}
OF_FRAMES = ("rand_augment", "crop", "flip", "erase")
RATES: dict[str, dict[str, Any]] = {
    "cosine": {},
    "cosine to a share": {"final_lr_ratio": 0.1, "warmup_epochs": 0},
    "cosine to a rate": {"final_lr": 0.01},
    "warm-up from zero": {"warmup_start": "zero"},
    "constant": {"schedule": "constant"},
    "step": {"schedule": "step", "step_epochs": 2, "step_factor": 0.3, "warmup_epochs": 0},
}
CELLS: dict[str, dict[str, Any]] = {
    "adam": {},
    "adamw": {"optimizer": "adamw", "weight_decay": 1.0},
    "all decayed": {"optimizer": "adamw", "weight_decay": 1.0, "decayed": "all"},
    "clipped and accumulated": {"clip_norm": 0.05, "accumulate": 2, "beta1": 0.8},
    "averaged": {"average_from": 1, "average_to": 2},
    "changed clips": {"mixup": 0.5, "flip": 0.5, "noise": 0.5},
    "repeated step": {"quirk": "repeated_step"},
    "discarded gradients": {"quirk": "discarded_gradients", "accumulate": 2},
}


def of_training() -> Numbers:
    """The version of training: everything that is no component."""
    return {
        **under("front end", _pictures()),
        **under("changes", _changes()),
        **{f"rates, {name}": summary(_rates(fields)) for name, fields in RATES.items()},
        **_steps(),
        **_cells_of_fakes(),
    }


def of_cell() -> Numbers:
    """A cell of real components on clips of the procedural world."""
    TASKS.register_module(name="few_events", module=FewEvents)
    try:
        components = map(Component.parse, ("tiny_vit", "stg_cma(ratio=0.25)", "few_events"))
        recipe = Recipe(epochs=2, batch_size=4, adapter_lr=1e-3, head_lr=1e-2, warmup_epochs=0.5, precision="fp32")
        return _of_cell(RunSpec(*components, seed=0, recipe=recipe))
    finally:
        TASKS.module_dict.pop("few_events")


class FewEvents(EventLocalisation):
    """Event localisation on the first clips of each split, rendered here."""

    sizes: ClassVar[dict[Split, int]] = {"train": 12, "validation": 4, "test": 4}

    def dataset(self, split: Split) -> Dataset:
        return [self._item(seed) for seed in store.seeds("event", split)[: self.sizes[split]]]  # type: ignore[return-value]

    def _item(self, seed: int) -> dict[str, dict[str, Any]]:
        frames, sound = store.render("event", seed)
        scene = make_scene(seed, kind="event")
        targets = {"id": str(seed), "labels": torch.from_numpy(scene.labels()), "category": scene.event.category}
        return {"inputs": {"frames": torch.from_numpy(frames), "waveform": torch.from_numpy(sound)}, "targets": targets}


def _pictures() -> Numbers:
    frames = _bytes(2, SEGMENTS, 3, 40, 48)
    numbers: Numbers = {}
    for name, sound in SOUNDS.items():
        front_end = FrontEnd(PictureSpec(32, MEAN, STD, sound))
        heard = front_end({"waveform": _waveform(2)})["audio"]
        whole = front_end({"waveform": (_waveform(2) * 32768).short()})["audio"]
        numbers |= {f"sound, {name}": summary(heard), f"sound in whole numbers, {name}": summary(whole)}
    seen = front_end({"frames": frames, "negative_frames": frames.flip(0)})
    same = front_end({"frames": frames[..., :32, :32]})["visual"]
    return numbers | {k: summary(v) for k, v in seen.items()} | {"frames of the right size": summary(same)}


def _changes() -> Numbers:
    clips: Any = [{"inputs": {"frames": _bytes(2, 3, 300, 400), "waveform": _waveform(1)[0]}}] * 12
    sound = SOUNDS["1 s in 10 ms"]
    front_end = FrontEnd(PictureSpec(32, MEAN, STD, sound))
    numbers: Numbers = {}
    for name, fields in CHANGES.items():
        changed = AugmentedClips(clips, Recipe(**fields), sound)
        changed.begin_epoch(5)
        items = [changed[index]["inputs"] for index in range(len(clips))]
        pictures = front_end({key: torch.stack([item[key] for item in items]) for key in items[0]})
        numbers[name] = summary(pictures["visual" if name in OF_FRAMES else "audio"])
    other = {"inputs": {"waveform": _waveform(1)[0].flip(-1)}}
    mixed: Any = MixedSound([clips[0], other, other], Recipe(mixup=0.7, mixup_beta=2.0))  # type: ignore[arg-type]
    mixed.begin_epoch(5)
    return numbers | {"mixup": summary(torch.stack([mixed[index]["inputs"]["waveform"] for index in range(3)]))}


def _steps() -> Numbers:
    """Accumulation and clipping without Adam, to which the length of a gradient is nothing."""
    weight = nn.Parameter(noise(4, 5, seed="weight"))
    steps = AccumulatingOptimizer(torch.optim.SGD([weight], lr=0.5), accumulate=2, clip_norm=0.1)
    for step in range(4):
        steps.update_params((weight * noise(4, 5, seed=step)).square().mean())
    return {"clipped and accumulated steps": summary(weight)}


def _rates(fields: dict[str, Any]) -> list[float]:
    recipe, iterations = Recipe(**{"epochs": 4, "warmup_epochs": 1, **fields}), 3
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.5)
    schedules, rates = build_schedule(optimizer, recipe, iterations), []
    for _ in range(recipe.epochs * iterations):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        for schedule in schedules:
            schedule.step()
    return rates


def _cells_of_fakes() -> Numbers:
    with training_fakes.registered():
        cells = {name: training_cells.spec(epochs=2, **fields) for name, fields in CELLS.items()}
        return {k: v for name, cell in cells.items() for k, v in under(f"cell, {name}", _of_cell(cell)).items()}


def _of_cell(spec: RunSpec) -> Numbers:
    with TemporaryDirectory() as folder:
        record, items = training_cells.run(spec, work_dir=Path(folder))
        trained = load_file(Path(folder, "best.safetensors"))
    kept = [name for name in record.history[0] if name not in ("epoch", "seconds")]
    numbers = {f"history of {name}": summary([epoch[name] for epoch in record.history]) for name in kept}
    numbers |= {f"score {name}": [float(value)] for name, value in record.scores.items()}
    by_shape = sorted(trained.values(), key=lambda value: tuple(value.shape))
    numbers["norms of the best state"] = [float(sum(v.double().square().sum() for v in by_shape) ** 0.5)]
    return numbers | {"items": summary([item.score for item in items])}


def _bytes(*shape: int) -> torch.Tensor:
    """Smooth pictures, as frames are: (…, h, w) uint8."""
    rows, columns = torch.arange(shape[-2])[:, None], torch.arange(shape[-1])
    places = torch.arange(int(np.prod(shape[:-2]))).reshape(*shape[:-2], 1, 1)
    return (127 + 100 * torch.sin(0.2 * rows * (1 + 0.1 * places) + 0.15 * columns + places)).byte()


def _waveform(clips: int) -> torch.Tensor:
    """(clips, T, 16000) in -1..1"""
    return (0.1 * noise(clips, SEGMENTS, 16_000, seed="waveform")).clamp(-1, 1)
