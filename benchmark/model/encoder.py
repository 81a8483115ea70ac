"""Two streams of tokens on their way through a frozen backbone."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor, nn

from adapters.parts import blocks_in, entered, stage_ends, steps_of, tower_of
from adapters.scheme import AdapterScheme
from adapters.trainable_copies import substitute_parameters
from backbones.backbone import Backbone
from backbones.block import Block, Step
from benchmark.model.compile import CompiledSteps
from benchmark.model.recompute import block_sizes, blocks_to_recompute, recompute
from benchmark.runtime.memory import free_memory
from registry.vocabulary import Features, FrozenFeatures, Modality, Streams
from tasks.recipe import Checkpointing


class Encoder(nn.Module):
    """A frozen backbone under an adapter scheme; what heads call to `encode` pictures.

    Args:
        checkpointing: of which blocks only the input is kept for the backward pass, which computes them again.
        compiled: let `torch.compile` fuse what each block does in training.
    """

    def __init__(
        self,
        backbone: Backbone,
        scheme: AdapterScheme,
        *,
        checkpointing: Checkpointing = "none",
        compiled: bool = False,
    ) -> None:
        super().__init__()
        self.backbone, self.scheme = backbone, scheme
        self.checkpointing = checkpointing
        self._stage_ends = stage_ends(steps_of(backbone))
        self._recomputed: dict[tuple[torch.Size, ...], frozenset[int]] = {}
        self._without_fused: set[int] = set()
        """Blocks in which no fused attention was found, so that it need not be looked for."""
        self._compiled = CompiledSteps(len(steps_of(backbone))) if compiled else None

    def forward(self, pictures: Streams | Mapping[Modality, FrozenFeatures]) -> dict[Modality, Features]:
        """{m: (B, T, 3, S, S')} of one or both modalities -> features of the same modalities.

        Features that were kept instead of pictures are given back; only under a scheme that leaves them unchanged.
        """
        if any(isinstance(picture, dict) for picture in pictures.values()):
            return {m: _given_back(cast(FrozenFeatures, kept)) for m, kept in pictures.items()}
        pictures = cast(Streams, pictures)
        with self._substituted_parameters():
            recomputed = self._blocks_to_recompute(pictures)
            streams = self.scheme.enter({m: self._tower(m).embed(picture) for m, picture in pictures.items()})
            stages: dict[Modality, list[Tensor]] = {m: [] for m in streams}
            for index, step in enumerate(steps_of(self.backbone)):
                # Of two backbones, one may have blocks that no block of the other goes with.
                moved = {m: x for m, x in streams.items() if m in blocks_in(step)}
                if moved:
                    carry = self._recompute if index in recomputed else self._step
                    streams = streams | carry(index, step, moved)
                for m, x in streams.items():
                    if index in self._stage_ends[m]:
                        stages[m].append(x)
            features = self.scheme.leave(streams, self._finish)
        return {m: replace(f, stages=(*stages[m], f.tokens)) for m, f in features.items()}

    def _tower(self, modality: Modality | None) -> Backbone:
        return tower_of(self.backbone, modality)

    def _finish(self, x: Tensor, modality: Modality | None = None) -> Features:
        # A plug-in's scheme may leave out the modality, where one backbone serves both.
        return self._tower(modality).finish(x)

    def kept(self, picture: Tensor, modality: Modality, *, tokens: bool, stages: bool = False) -> FrozenFeatures:
        """What `forward` takes instead of a picture (B, T, 3, S, S') of a modality.

        Args:
            tokens, stages: whether these are kept as well, which are large.
        """
        features = self.forward({modality: picture})[modality]
        kept = {"pooled": features.pooled, **({"tokens": features.tokens} if tokens else {})}
        return kept | ({f"stage{i}": stage for i, stage in enumerate(features.stages)} if stages else {})

    def _substituted_parameters(self) -> AbstractContextManager[None]:
        """Within, the backbone computes with the scheme's trainable copies, if it has any."""
        copies = self.scheme.trainable_copies()
        return substitute_parameters(self.backbone, copies) if copies else nullcontext()

    def _blocks_to_recompute(self, pictures: Streams) -> frozenset[int]:
        if self.checkpointing == "none" or not torch.is_grad_enabled():
            return frozenset()
        if self.checkpointing == "auto" and any(picture.is_cuda for picture in pictures.values()):
            # Memory that a GPU has and does not use is worth nothing.
            return frozenset()
        shapes = tuple(picture.shape for picture in pictures.values())
        if shapes not in self._recomputed:
            # Once: after its first step the process keeps for itself what that took.
            self._recomputed[shapes] = blocks_to_recompute(
                self.checkpointing,
                block_sizes(self.backbone, pictures),
                reduced=torch.is_autocast_enabled("cpu"),
                trained=sum(p.numel() for p in self.scheme.parameters()),
                free=free_memory(),
            )
        return self._recomputed[shapes]

    def _step(self, index: int, step: Block | Step, streams: Streams) -> Streams:
        if self._compiled is not None:
            return self._compiled(self.scheme, index, step, streams)
        carried = self.scheme.forward_block(index, step, entered(step, streams))
        if carried is None:
            raise TypeError(f"{type(self.scheme).__name__}.forward_block returned nothing; return the streams.")
        return carried

    def _recompute(self, index: int, step: Block | Step, streams: Streams) -> Streams:
        fused: list[Any] | None = [] if index not in self._without_fused and self._compiled is None else None
        streams = recompute(partial(self._step_with_copies, index, step), streams, self.scheme, fused)
        if not fused:
            self._without_fused.add(index)
        return streams

    def _step_with_copies(self, index: int, step: Block | Step, streams: Streams) -> Streams:
        # The backward pass comes back here from outside `forward`.
        with self._substituted_parameters():
            return self._step(index, step, streams)


def _given_back(kept: FrozenFeatures) -> Features:
    pooled = kept["pooled"]
    stages = tuple(kept[f"stage{i}"] for i in range(len(kept)) if f"stage{i}" in kept)
    tokens = stages[-1] if stages else pooled.new_empty(0)
    return Features(kept.get("tokens", tokens), pooled, stages)
