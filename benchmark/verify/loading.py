"""Recorded parameters by our names, and into our modules; whatever has no counterpart is kept as a problem."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from torch import Tensor, nn

Names = Mapping[str, str]
"""Patterns in recorded names, and what stands there in ours."""

Problems = dict[str, str]
"""Parameters without a counterpart, and on which side it is missing."""


def translate(name: str, names: Names) -> str:
    """A recorded name in ours; patterns apply one after the other."""
    for pattern, replacement in names.items():
        name = re.sub(pattern, replacement, name)
    return name


def fill(module: nn.Module, values: Mapping[str, Tensor], absent: Iterable[str] = ()) -> Problems:
    """Load values by our names into a module.

    Args:
        absent: what the names begin with that a file need not have.

    Raises:
        RuntimeError: a value of another shape.
    """
    missing, unexpected = module.load_state_dict(dict(values), strict=False)
    needed = [n for n in missing if not n.startswith(tuple(absent)) and not n.endswith("num_batches_tracked")]
    return {
        **dict.fromkeys(needed, "nothing recorded for this parameter of our model"),
        **dict.fromkeys(unexpected, "our model has no place for this parameter"),
    }
