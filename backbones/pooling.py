"""From the tokens of a picture to one vector, in each family's own way: (N, L, D) -> (N, D)."""

from __future__ import annotations

from torch import Tensor, nn


class FirstToken(nn.Module):
    """The class token."""

    def forward(self, tokens: Tensor) -> Tensor:
        """(N, L, D) -> (N, D)"""
        return tokens[:, 0]


class MeanToken(nn.Module):
    """The mean over tokens, leaving out the first `skip`."""

    def __init__(self, skip: int = 0) -> None:
        super().__init__()
        self.skip = skip

    def forward(self, tokens: Tensor) -> Tensor:
        """(N, L, D) -> (N, D)"""
        return tokens[:, self.skip :].mean(dim=1)


class AttentionPool(nn.Module):
    """The model's own attention pool, over the tokens after the first `skip`."""

    def __init__(self, pool: nn.Module, skip: int = 0) -> None:
        super().__init__()
        self.pool, self.skip = pool, skip

    def forward(self, tokens: Tensor) -> Tensor:
        """(N, L, D) -> (N, D)"""
        return self.pool(tokens[:, self.skip :])
