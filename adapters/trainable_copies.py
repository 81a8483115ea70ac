"""Trainable copies of a backbone's own parameters, in whose place they compute while it stays frozen and shared."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from torch import nn

from registry.errors import UserError

if TYPE_CHECKING:
    from backbones.backbone import Backbone

NORMS = (nn.LayerNorm, nn.RMSNorm, nn.GroupNorm, nn.modules.batchnorm._BatchNorm)

Choose = Callable[[nn.Module, str, nn.Parameter], bool]
"""Whether to train a parameter, from the module that owns it, its name there and itself."""


class TrainableCopies(nn.Module):
    """Trainable float32 copies of a choice of a backbone's parameters, known by their names in the backbone.

    One copy serves both modalities, as one backbone does.

    Args:
        choose: one of the functions below.
        what: for the message where nothing is chosen.

    Raises:
        UserError: the backbone has no such parameter.
    """

    def __init__(self, backbone: Backbone | nn.Module, choose: Choose, what: str) -> None:
        super().__init__()
        chosen = {
            name: parameter
            for name, parameter in backbone.named_parameters()
            if choose(*_owner(backbone, name), parameter)
        }
        if not chosen:
            raise UserError(f"this backbone has no {what} to train; choose another adapter.")
        # Keys of a ParameterDict may hold no dots.
        self.copies = nn.ParameterDict(
            {name.replace(".", "/"): nn.Parameter(p.detach().float().clone()) for name, p in chosen.items()}
        )

    def by_name(self) -> dict[str, nn.Parameter]:
        """{name in the backbone: copy}"""
        return {key.replace("/", "."): parameter for key, parameter in self.copies.items()}


def everything(owner: nn.Module, name: str, parameter: nn.Parameter) -> bool:
    """Every parameter."""
    return True


def biases(owner: nn.Module, name: str, parameter: nn.Parameter) -> bool:
    """Additive vectors, those of norms included; no tables of position bias (BitFit, arXiv 2106.10199)."""
    return parameter.ndim == 1 and name.endswith("bias")


def norms(owner: nn.Module, name: str, parameter: nn.Parameter) -> bool:
    """Scale and shift of every norm: in blocks, patch embedding, patch merging and at the end."""
    return isinstance(owner, NORMS)


def trainable_final_norm(backbone: Backbone) -> nn.Module:
    """A trainable float32 copy of a backbone's final norm, as a module.

    Raises:
        UserError: the backbone ends without a norm that has parameters.
    """
    norm = copy.deepcopy(backbone.final_norm).float().requires_grad_(True)
    if not any(True for _ in norm.parameters()):
        raise UserError("train_final_norm=True, but this backbone has no final norm to train; leave the option out.")
    return norm


def by_name(prefix: str, module: nn.Module) -> dict[str, nn.Parameter]:
    """The parameters of a copied module under the names that they have in the backbone, where it is `prefix`."""
    return {f"{prefix}.{name}": parameter for name, parameter in module.named_parameters()}


@contextmanager
def substitute_parameters(backbone: nn.Module, copies: Mapping[str, nn.Parameter]) -> Iterator[None]:
    """Within, the backbone computes with these copies in place of its parameters of the same names.

    Nothing is written to the frozen parameters; afterwards the backbone holds the very same ones as before. A forward
    pass that is to be computed again for its gradient (activation checkpointing) must enter again as well.
    """
    places = [(*_owner(backbone, name), replacement) for name, replacement in copies.items()]
    frozen = [getattr(owner, leaf) for owner, leaf, _ in places]
    try:
        for owner, leaf, replacement in places:
            setattr(owner, leaf, replacement)
        yield
    finally:
        for (owner, leaf, _), parameter in zip(places, frozen, strict=True):
            setattr(owner, leaf, parameter)


def _owner(module: nn.Module, name: str) -> tuple[nn.Module, str]:
    path, _, leaf = name.rpartition(".")
    return module.get_submodule(path), leaf
