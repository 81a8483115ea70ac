"""Look at what passes through a live module without changing it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn


def watch_method(owner: nn.Module, method: str, see: Callable[..., None]) -> None:
    """Call `see(result, *arguments)` after each call of a method, or of a module if the method is `forward`."""
    original = getattr(owner, method)

    def watched(*arguments: Any, **named: Any) -> Any:
        result = original(*arguments, **named)
        see(result, *arguments)
        return result

    # On the instance, so that the class and other instances stay as they are.
    object.__setattr__(owner, method, watched)


def watch_input(module: nn.Module, see: Callable[[torch.Tensor], None]) -> None:
    """Call `see(x)` with what goes into a module."""
    module.register_forward_pre_hook(lambda _module, inputs: see(inputs[0]))


def watch_output(module: nn.Module, see: Callable[[Any], None]) -> None:
    """Call `see(y)` with what comes out of a module."""
    module.register_forward_hook(lambda _module, _inputs, output: see(output))


def into(seen: dict[str, torch.Tensor], key: str) -> Callable[[torch.Tensor], None]:
    """What keeps a tensor that passes under a key, for the functions above."""
    return lambda x: seen.update({key: x})
