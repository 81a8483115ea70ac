"""Pre-training of the tiny backbones, on procedural pictures or on procedural sounds, never on both.

ViT and Swin learn to name what each patch shows and what stands where in the picture. The CLIP tower learns the same
from captions: each patch must match the caption of what it shows among all captions, each picture its own caption
among those of the batch; its text tower is thrown away. AST learns to name what is heard.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from backbones.tiny.architectures import BUILDERS, PICTURE_SIDE, WIDTH, TinyAst
from benchmark.pretrain.captions import NOTHING, caption_index, encode_captions, shape_of_caption, text_tower
from benchmark.pretrain.pictures import NONE, PretrainingPictures, draw_collages
from benchmark.pretrain.sounds import PretrainingSounds, draw_sounds
from tasks.synthetic.scene import CLASSES, COLOURS, TEXTURES

PATCHES = 4
BATCH = 256
STEPS = 3500
PEAK_RATE = 2e-3
HELD_OUT_SEED = 10**6
"""Held-out pictures come from this seed on, far from every training seed."""

SOUND_BATCH, SOUND_STEPS = 64, 1000
"""Sounds take as long to draw as to learn from."""

StepReport = Callable[[int, int, float], None]


class NamingObjective(nn.Module):
    """Cross-entropy for shape, colour and texture of each patch; presence of each class and colour in each third."""

    def __init__(self) -> None:
        super().__init__()
        self.shape = nn.Linear(WIDTH, len(CLASSES) + 1)
        self.colour = nn.Linear(WIDTH, len(COLOURS) + 1)
        self.texture = nn.Linear(WIDTH, len(TEXTURES) + 1)
        self.present = nn.Linear(WIDTH, 3 * (len(CLASSES) + len(COLOURS)))

    def forward(self, tokens: Tensor, pooled: Tensor, batch: PretrainingPictures) -> Tensor:
        """tokens (N, L, D), pooled (N, D) -> scalar loss."""
        named = [(self.shape, batch.shape), (self.colour, batch.colour), (self.texture, batch.texture)]
        loss = sum(F.cross_entropy(layer(tokens).flatten(0, 1), label.flatten()) for layer, label in named)
        presence = F.binary_cross_entropy_with_logits(self.present(pooled), batch.present.flatten(1))
        return loss + 4 * presence

    def shapes(self, tokens: Tensor) -> Tensor:
        """The class that each patch is taken for: (N, L, D) -> (N, L)."""
        return self.shape(tokens).argmax(-1)


class CaptionObjective(nn.Module):
    """Contrast of each patch with the captions of all things, and of each picture with those of the batch.

    A picture's text is the sum of the captions of its patches.
    """

    captions: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.text = text_tower(WIDTH)
        self.patch = nn.Linear(WIDTH, WIDTH)
        self.picture = nn.Linear(WIDTH, WIDTH)
        self.log_scale = nn.Parameter(torch.full((2,), math.log(10.0)))
        self.register_buffer("captions", encode_captions(), persistent=False)

    def forward(self, tokens: Tensor, pooled: Tensor, batch: PretrainingPictures) -> Tensor:
        """tokens (N, L, D), pooled (N, D) -> scalar loss."""
        texts = F.normalize(self.text(self.captions), dim=-1)
        scale = self.log_scale.clamp(max=math.log(100.0)).exp()
        index = caption_index(batch).flatten(1)
        patches = F.cross_entropy(scale[0] * self._match(tokens, texts).flatten(0, 1), index.flatten())
        named = ((index != NONE) & (index != NOTHING)).float().unsqueeze(-1)
        picture_texts = F.normalize((texts[index.clamp(min=0)] * named).sum(1), dim=-1)
        logits = scale[1] * F.normalize(self.picture(pooled), dim=-1) @ picture_texts.T
        diagonal = torch.arange(len(logits))
        return 2 * patches + 0.5 * (F.cross_entropy(logits, diagonal) + F.cross_entropy(logits.T, diagonal))

    def shapes(self, tokens: Tensor) -> Tensor:
        """The class in the caption that each patch matches best: (N, L, D) -> (N, L)."""
        return shape_of_caption(self._match(tokens, F.normalize(self.text(self.captions), dim=-1)).argmax(-1))

    def _match(self, tokens: Tensor, texts: Tensor) -> Tensor:
        return F.normalize(self.patch(tokens), dim=-1) @ texts.T


class HearingObjective(nn.Module):
    """Which classes sound in a second, and which is the loudest, from its two tokens and from its patches' mean."""

    def __init__(self) -> None:
        super().__init__()
        self.present, self.loudest = nn.Linear(WIDTH, len(CLASSES)), nn.Linear(WIDTH, len(CLASSES) + 1)
        self.present_in_patches = nn.Linear(WIDTH, len(CLASSES))

    def forward(self, tokens: Tensor, pooled: Tensor, batch: PretrainingSounds) -> Tensor:
        """tokens (N, L, D), pooled (N, D) -> scalar loss."""
        presence = F.binary_cross_entropy_with_logits(self.present(pooled), batch.present)
        patches = F.binary_cross_entropy_with_logits(self.present_in_patches(tokens.mean(1)), batch.present)
        return F.cross_entropy(self.loudest(pooled), batch.loudest) + 2 * (presence + patches)


OBJECTIVES: dict[str, Callable[[], nn.Module]] = {"tiny_clip": CaptionObjective, "tiny_ast": HearingObjective}
"""What backbones learn that are not to name what patches show."""


def pretrain_backbone(
    name: str, output: Path, steps: int | None = None, seed: int = 0, report: StepReport | None = None
) -> dict[str, Any]:
    """Pre-train one tiny backbone and write `<name>.safetensors` (half precision) into `output`.

    Deterministic for a machine, a seed and a number of threads.

    Returns:
        What was reached on held-out pictures, to be kept beside the weights.
    """
    torch.manual_seed(seed)
    steps = steps or (SOUND_STEPS if name == "tiny_ast" else STEPS)
    model = BUILDERS[name]()
    objective = OBJECTIVES.get(name, NamingObjective)()
    started = time.perf_counter()
    for step, loss in enumerate(_train(model, objective, steps, seed), start=1):
        if report and (step % 50 == 0 or step == steps):
            report(step, steps, loss)
    output.mkdir(parents=True, exist_ok=True)
    save_file({k: v.half().contiguous() for k, v in model.state_dict().items()}, output / f"{name}.safetensors")
    threads = torch.get_num_threads()
    return {
        "backbone": name,
        "command": f"OMP_NUM_THREADS={threads} python -m benchmark pretrain {name} --steps {steps} --seed {seed}",
        "data_seed": seed,
        **_reached(model, objective, steps),
        "seconds": round(time.perf_counter() - started),
    }


def features(model: Any, pictures: Tensor) -> tuple[Tensor, Tensor]:
    """Tokens after the final norm and their pooled form, without class tokens: (N, L, D), (N, D)."""
    if not hasattr(model, "forward_features"):  # open_clip's tower
        pooled, tokens = model(pictures)
        return tokens, pooled
    tokens = model.forward_features(pictures)
    if isinstance(model, TinyAst):
        return tokens[:, 2:], tokens[:, :2].mean(1)
    tokens = tokens.flatten(1, 2) if tokens.ndim == 4 else tokens[:, 1:]
    return tokens, tokens.mean(1)


def _reached(model: nn.Module, objective: nn.Module, steps: int) -> dict[str, Any]:
    """How much was seen or heard, and accuracy in percent on what was held out."""
    if isinstance(objective, HearingObjective):
        right, heard = sound_accuracy(model, objective)
        names = ("sound_class_accuracy", "sound_class_accuracy_on_things")
        return {
            "sounds": steps * SOUND_BATCH,
            **dict(zip(names, (round(100 * right, 2), round(100 * heard, 2)), strict=True)),
        }
    right, covered = patch_accuracy(model, objective)
    names = ("patch_shape_accuracy", "patch_shape_accuracy_on_things")
    return {
        "pictures": steps * BATCH,
        **dict(zip(names, (round(100 * right, 2), round(100 * covered, 2)), strict=True)),
    }


@torch.no_grad()
def sound_accuracy(model: nn.Module, objective: HearingObjective, sounds: int = 1024) -> tuple[float, float]:
    """Share of held-out seconds whose loudest class is named: over all, and over those in which something sounds."""
    model.eval()
    batch = draw_sounds(np.random.default_rng(HELD_OUT_SEED), sounds)
    right = objective.loudest(features(model, batch.pictures)[1]).argmax(-1) == batch.loudest
    return right.float().mean().item(), right[batch.loudest < len(CLASSES)].float().mean().item()


@torch.no_grad()
def patch_accuracy(model: nn.Module, objective: nn.Module, pictures: int = 2048) -> tuple[float, float]:
    """Share of held-out patches whose shape is named: over all patches, and over those that show a thing."""
    model.eval()
    batch = draw_collages(np.random.default_rng(HELD_OUT_SEED), pictures, PICTURE_SIDE, PATCHES)
    named = objective.shapes(features(model, batch.pictures)[0])  # type: ignore[operator]
    label = batch.shape.flatten(1)
    right, covered = named == label, label < len(CLASSES)
    return right.float().mean().item(), right[covered].float().mean().item()


def _draw(model: nn.Module, rng: np.random.Generator) -> PretrainingPictures | PretrainingSounds:
    if isinstance(model, TinyAst):
        return draw_sounds(rng, SOUND_BATCH)
    return draw_collages(rng, BATCH, PICTURE_SIDE, PATCHES)


def _train(model: nn.Module, objective: nn.Module, steps: int, seed: int) -> Iterator[float]:
    parameters = [p for p in [*model.parameters(), *objective.parameters()] if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=PEAK_RATE, weight_decay=0.02, betas=(0.9, 0.98))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, PEAK_RATE, total_steps=steps, pct_start=0.08)
    model.train()
    for step in range(steps):
        batch = _draw(model, np.random.default_rng([seed, step]))
        # On CPU the fused kernel is slow in bfloat16 over so few tokens; plain products take half the time.
        reduced = not isinstance(model, TinyAst)
        with sdpa_kernel(SDPBackend.MATH), torch.autocast("cpu", dtype=torch.bfloat16, enabled=reduced):
            tokens, pooled = features(model, batch.pictures)
        loss = objective(tokens.float(), pooled.float(), batch)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        schedule.step()
        yield float(loss.detach())
