"""What several heads do with features, and which modalities a task looks at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from registry.errors import unknown
from registry.vocabulary import MODALITIES, Encode, Inputs, Modality, Width


def modalities_of(choice: str) -> tuple[Modality, ...]:
    """The modalities behind a task's option `modality`: `both`, or one alone to see what it gives.

    Raises:
        UserError: another word.
    """
    if choice == "both":
        return MODALITIES
    if choice not in MODALITIES:
        raise unknown("modality", str(choice), ("both", *MODALITIES))
    return (choice,)


def widths_of(dim: Width) -> Mapping[Modality, int]:
    """D of features by modality."""
    return dim if isinstance(dim, Mapping) else dict.fromkeys(MODALITIES, dim)


def joined(norms: nn.ModuleDict, encode: Encode, inputs: Inputs) -> Tensor:
    """Normed pooled features of the modalities that have a norm, encoded together, side by side: (B, T, M * D)."""
    features = encode({m: inputs[m] for m in MODALITIES if m in norms})
    return torch.cat([norm(features[m].pooled.float()) for m, norm in norms.items()], dim=-1)  # type: ignore[index]


def side_by_side(order: Sequence[Modality], encode: Encode, inputs: Inputs) -> Tensor:
    """Pooled features of these modalities as they are, encoded together, in this order: (B, T, M * D)."""
    features = encode({m: inputs[m] for m in MODALITIES if m in order})
    return torch.cat([features[m].pooled.float() for m in order], dim=-1)
