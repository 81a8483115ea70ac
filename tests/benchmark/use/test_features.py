"""The adapted backbone as a module of somebody else's."""

from __future__ import annotations

import pytest
import torch
from kept_cells import Kept
from torch import nn

import benchmark
from registry import UserError


def test_features_refuse_what_is_no_clip(kept: dict[str, Kept]) -> None:
    features = benchmark.load(kept["avqa"].folder).features
    frames, waveform = torch.zeros(2, 3, 3, 8, 8, dtype=torch.uint8), torch.zeros(2, 3, 16_000)
    for given, said in (
        ((), "need frames"),
        ((frames.float(),), r"frames are \(2, 3, 3, 8, 8\) of torch.float32, expected"),
        ((frames[0],), "expected"),
        ((None, waveform[0]), r"waveform is \(3, 16000\)"),
        ((frames, waveform[:1]), "both need the same B and T"),
    ):
        with pytest.raises(UserError, match=said):
            features(*given)
    assert features(frames, waveform)["audio"].pooled.shape == (2, 3, features.dim)


def test_a_module_of_ones_own_trains_around_the_features(kept: dict[str, Kept]) -> None:
    class Loudness(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.adapted = benchmark.load(kept["retrieval"].folder).features
            self.read = nn.Linear(self.adapted.dim, 1)

        def forward(self, waveform: torch.Tensor) -> torch.Tensor:
            return self.read(self.adapted(waveform=waveform)["audio"].pooled).squeeze(-1)

    torch.manual_seed(0)
    model, loud = Loudness(), torch.rand(8, 10)
    sound = torch.randn(8, 10, 16_000) * 0.1 * 4 ** loud[..., None]
    before = {name: value.clone() for name, value in model.state_dict().items()}
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=3e-3)
    losses = []
    for _ in range(12):
        losses.append(nn.functional.mse_loss(model.train()(sound), loud))
        optimizer.zero_grad()
        losses[-1].backward()
        optimizer.step()
    assert losses[-1] < 0.5 * losses[0]
    moved = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert any("scheme" in name for name in moved)
    assert not any("backbone" in name for name in moved)
    assert not any(p.requires_grad for p in model.adapted.requires_grad_(False).parameters())
    assert len(model.adapted.requires_grad_(True).trainable_parameters()) == len(
        list(model.adapted.encoder.scheme.parameters())
    )
