"""The smallest backbone, adapter and task that keep the contracts; the task can be learnt in a second."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from adapters.scheme import AdapterScheme
from backbones.pictures import PictureSpec, SoundPicture
from registry import ADAPTERS, BACKBONES, TASKS
from registry.errors import UserError
from registry.vocabulary import MODALITIES, Encode, Features, Inputs, Outputs, Prediction, Targets
from tasks.recipe import Recipe
from tasks.task import Evaluation, Head, ItemScore, Task

SEGMENTS = 2
SOUND = SoundPicture(mel_bands=4, frame_shift_ms=10.0, frames=4, mean=-4.0, std=3.0)


class FakeBlock(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim
        self.attention, self.mlp = nn.Linear(dim, dim), nn.Linear(dim, dim)

    def enter(self, x: Tensor) -> Tensor:
        return x

    def attend(self, x: Tensor) -> Tensor:
        return self.attention(x).tanh()

    def feed_forward(self, x: Tensor) -> Tensor:
        return self.mlp(x).tanh()


class FakeBackbone(nn.Module):
    """One token per picture, two blocks of linear branches."""

    weight_files: ClassVar[dict[str, str]] = {}
    random_weights = True

    def __init__(self, dim: int = 8, weights: str = "none") -> None:
        super().__init__()
        if weights != "none":
            raise UserError(f"no weights {weights!r} for the fake backbone.")
        self.dim = dim
        self.picture = PictureSpec(4, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25), SOUND)
        self.stem = nn.Linear(3 * 4 * 4, dim)
        self.blocks = nn.ModuleList(FakeBlock(dim) for _ in range(2))
        self.requires_grad_(False)

    def embed(self, pictures: Tensor) -> Tensor:
        return self.stem(pictures.flatten(2)).unsqueeze(2)

    def finish(self, x: Tensor) -> Features:
        return Features(tokens=x, pooled=x.mean(dim=2))

    def cast_projections(self, dtype: torch.dtype) -> FakeBackbone:
        return self.to(dtype)


class FakeAdapter(AdapterScheme):
    """A normed linear layer beside each block, and one parameter that no stream ever meets."""

    def __init__(self, backbone: FakeBackbone, segments: int = 0, dead: int = 3) -> None:
        super().__init__(backbone)
        self.segments = segments
        self.beside = nn.ModuleList(
            nn.ModuleDict({m: nn.Sequential(nn.BatchNorm1d(b.dim), nn.Linear(b.dim, b.dim)) for m in MODALITIES})
            for b in backbone.blocks
        )
        self.dead = nn.Parameter(torch.zeros(dead))

    def forward_block(self, index, block, streams):
        adapted = {m: self.beside[index][m](x.flatten(0, 2)).view_as(x) for m, x in streams.items()}
        streams = super().forward_block(index, block, streams)
        return {m: x + adapted[m].to(x.dtype) for m, x in streams.items()}


class FakeClips(Dataset):
    """Brightness tells one bit of the label, loudness the other."""

    def __init__(self, clips: int, seed: int, poison: bool = False) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.labels = torch.randint(0, 4, (clips,), generator=generator)
        bright = 60 + 130 * (self.labels % 2)
        noise = torch.randn(clips, SEGMENTS, 3, 6, 6, generator=generator) * 20
        self.frames = (bright[:, None, None, None, None] + noise).clamp(0, 255).to(torch.uint8)
        loud = 200 * 40 ** (self.labels // 2)
        self.waveforms = (torch.randn(clips, SEGMENTS, 960, generator=generator) * loud[:, None, None]).short()
        self.poison = poison
        self.reads = 0

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int):
        self.reads += 1
        waveform = self.waveforms[index]
        if self.poison:
            waveform = torch.full_like(waveform, float("nan"), dtype=torch.float32)
        return {
            "inputs": {"frames": self.frames[index], "waveform": waveform},
            "targets": {"label": self.labels[index], "item": f"clip{index}"},
        }


class FakeHead(Head):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.classify = nn.Linear(2 * dim, 4)

    def forward(self, encode: Encode, inputs: Inputs) -> Outputs:
        features = encode({m: inputs[m] for m in MODALITIES})
        pooled = torch.cat([features[m].pooled.mean(dim=1) for m in MODALITIES], dim=-1)
        return {"logits": self.classify(pooled)}

    def loss(self, outputs: Outputs, targets: Targets) -> dict[str, Tensor]:
        return {"answer": nn.functional.cross_entropy(outputs["logits"], targets["label"])}

    def predict(self, outputs: Outputs, targets: Targets) -> list[Prediction]:
        answers, labels = outputs["logits"].argmax(-1).tolist(), targets["label"].tolist()
        return [
            {"item": item, "right": float(answer == label)}
            for item, answer, label in zip(targets["item"], answers, labels, strict=True)
        ]


class FakeTask(Task):
    primary_metric = "accuracy"
    published_recipe = Recipe()
    segments = SEGMENTS
    made: ClassVar[dict[str, FakeClips]] = {}
    """The datasets of the latest task by split, so that a test can see what was read."""

    def __init__(self, data: str = "synthetic", poison: bool = False) -> None:
        if data == "missing":
            raise UserError("no clips in 'missing'; write the sample with data sample DIR.")
        self.data, self.poison = data, poison

    def dataset(self, split):
        clips, seed = {"train": (72, 0), "validation": (18, 1), "test": (20, 2)}[split]
        FakeTask.made[split] = FakeClips(clips, seed, self.poison)
        return FakeTask.made[split]

    def head(self, dim: int) -> Head:
        return FakeHead(dim)

    def evaluate(self, predictions: list[Prediction]) -> Evaluation:
        items = [ItemScore(p["item"], p["right"]) for p in predictions]
        return Evaluation({"accuracy": 100 * sum(i.score for i in items) / len(items)}, items)

    def example_inputs(self, batch: int) -> Inputs:
        return {
            "frames": torch.zeros(batch, SEGMENTS, 3, 6, 6, dtype=torch.uint8),
            "waveform": torch.zeros(batch, SEGMENTS, 960, dtype=torch.int16),
        }

    def data_identity(self) -> str:
        return "synthetic@fake"


@contextmanager
def registered() -> Iterator[None]:
    """The fakes under the names `fake_backbone`, `fake_adapter` and `fake_task`, taken out again afterwards."""
    fakes = {"fake_backbone": (BACKBONES, FakeBackbone), "fake_adapter": (ADAPTERS, FakeAdapter)}
    fakes["fake_task"] = (TASKS, FakeTask)
    for name, (registry, build) in fakes.items():
        registry.register_module(name=name, module=build)
    try:
        yield
    finally:
        for name, (registry, _) in fakes.items():
            registry.module_dict.pop(name)
