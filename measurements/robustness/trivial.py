r"""Components whose cells train in a moment, for measurements of what stands around training. A plug-in.

    python -m benchmark run --plugin measurements/robustness/trivial.py \
        --backbone trivial --adapter linear_probe --task brightness

The clips are noise whose brightness and loudness tell the answer: scores mean nothing beyond being the same each time.
"""

from __future__ import annotations

import time
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from adapters.scheme import AdapterScheme
from adapters.toy import ToyBackbone
from backbones.pictures import PictureSpec, SoundPicture
from registry import register_adapter, register_backbone, register_task
from registry.vocabulary import MODALITIES, Encode, Inputs, Outputs, Prediction, Split, Streams, Targets
from tasks.recipe import Recipe
from tasks.task import Evaluation, Head, ItemScore, Task

SEGMENTS, SIDE = 2, 16
SOUND = SoundPicture(mel_bands=SIDE, frame_shift_ms=3.0, frames=SIDE, mean=-4.0, std=3.0)


@register_backbone("trivial")
class TrivialBackbone(ToyBackbone):
    """The toy backbone of the adapters' contract behind a picture specification, with random weights."""

    random_weights = True

    def __init__(self, dim: int = 16) -> None:
        super().__init__(dim)
        self.weight_files: dict[str, str] = {}
        self.picture = PictureSpec(SIDE, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25), SOUND)


@register_adapter("sleepy")
class Sleepy(AdapterScheme):
    """An adapter that never returns."""

    def enter(self, streams: Streams) -> Streams:
        # Operations are counted on the meta device, which is no training.
        while next(iter(streams.values())).device.type != "meta":
            time.sleep(60)
        return streams


class NoiseClips(Dataset[dict[str, dict[str, Any]]]):
    """Brightness tells one bit of the label, loudness the other."""

    def __init__(self, clips: int, seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.labels = torch.randint(0, 4, (clips,), generator=generator)
        bright = 60 + 130 * (self.labels % 2)
        noise = torch.randn(clips, SEGMENTS, 3, 6, 6, generator=generator) * 60
        self.frames = (bright[:, None, None, None, None] + noise).clamp(0, 255).to(torch.uint8)
        loud = 200 * 40 ** (self.labels // 2)
        self.waveforms = (torch.randn(clips, SEGMENTS, 960, generator=generator) * loud[:, None, None]).short()

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> dict[str, dict[str, Any]]:
        return {
            "inputs": {"frames": self.frames[index], "waveform": self.waveforms[index]},
            "targets": {"label": self.labels[index], "item": f"clip{index}"},
        }


class BrightnessHead(Head):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.classify = nn.Linear(2 * dim, 4)

    def forward(self, encode: Encode, inputs: Inputs) -> Outputs:
        features = encode({m: inputs[m] for m in MODALITIES})
        return {"logits": self.classify(torch.cat([features[m].pooled.mean(dim=1) for m in MODALITIES], dim=-1))}

    def loss(self, outputs: Outputs, targets: Targets) -> dict[str, Tensor]:
        return {"answer": nn.functional.cross_entropy(outputs["logits"], targets["label"])}

    def predict(self, outputs: Outputs, targets: Targets) -> list[Prediction]:
        answers, labels = outputs["logits"].argmax(-1).tolist(), targets["label"].tolist()
        return [
            {"item": item, "right": float(answer == label)}
            for item, answer, label in zip(targets["item"], answers, labels, strict=True)
        ]


@register_task("brightness")
class Brightness(Task):
    """Four classes of noise: dark or bright, soft or loud."""

    primary_metric = "accuracy"
    published_recipe = Recipe(
        epochs=3, batch_size=8, adapter_lr=1e-2, head_lr=1e-2, warmup_epochs=0.5, precision="fp32"
    )
    segments = SEGMENTS

    def __init__(self, data: str = "noise", clips: int = 48) -> None:
        self.data, self.clips = data, clips

    def dataset(self, split: Split) -> NoiseClips:
        clips, seed = {"train": (self.clips, 0), "validation": (16, 1), "test": (40, 2)}[split]
        return NoiseClips(clips, seed)

    def head(self, dim: int) -> Head:
        return BrightnessHead(dim)

    def evaluate(self, predictions: list[Prediction]) -> Evaluation:
        items = [ItemScore(p["item"], p["right"]) for p in predictions]
        return Evaluation({"accuracy": 100 * sum(i.score for i in items) / len(items)}, items)

    def example_inputs(self, batch: int) -> Inputs:
        return {
            "frames": torch.zeros(batch, SEGMENTS, 3, 6, 6, dtype=torch.uint8),
            "waveform": torch.zeros(batch, SEGMENTS, 960, dtype=torch.int16),
        }

    def data_identity(self) -> str:
        return f"noise@{self.clips}"
