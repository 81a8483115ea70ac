"""A module of one's own around the features of a trained adapter: it learns to hear how loud each segment is."""

import sys

import torch

import benchmark

features = benchmark.load(sys.argv[1]).features
readout = torch.nn.Linear(features.dim, 1)
optimizer = torch.optim.AdamW([*features.trainable_parameters(), *readout.parameters()], lr=3e-3)
for step in range(int(sys.argv[2])):
    loudness = torch.rand(8, 10)
    waveform = 0.1 * 4 ** loudness[..., None] * torch.randn(8, 10, 16_000)
    heard = readout(features(waveform=waveform)["audio"].pooled).squeeze(-1)
    loss = torch.nn.functional.mse_loss(heard, loudness)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    print(step, f"{loss.item():.4f}")
