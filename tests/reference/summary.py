"""A tensor in two numbers that any change of it moves, and values that are the same on every machine."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn

Numbers = dict[str, list[float] | str]
"""By what was measured: a `summary`, a few plain numbers or a text."""

RELATIVE, FLOOR = 1e-4, 1e-6
"""Other processors and libraries differ by a hundredth of this tolerance; a changed coefficient by more than all."""
FEW = 6
"""Up to this many numbers are recorded as they are."""


def summary(values: object) -> list[float]:
    """The norm, and the sum with fixed weights, which order and signs change; a few numbers as they are."""
    x = (
        (values.detach() if isinstance(values, Tensor) else torch.as_tensor(values, dtype=torch.float64))
        .double()
        .flatten()
    )
    if len(x) <= FEW:
        return x.tolist()
    return [float(x.norm()), float(x @ weights(x.shape).double())]


def weights(shape: Iterable[int]) -> Tensor:
    """Numbers of deviation one that no library draws: sin(k²), float32."""
    shape = tuple(shape)
    k = torch.arange(1, 1 + int(np.prod(shape)), dtype=torch.float64)
    return (2**0.5 * torch.sin(k * k)).float().reshape(shape)


def noise(*shape: int, seed: int | str = 0) -> Tensor:
    """Normal noise that follows from the seed alone."""
    number = zlib.crc32(seed.encode()) if isinstance(seed, str) else seed
    return torch.randn(shape, generator=torch.Generator().manual_seed(number))


def filled(model: nn.Module) -> nn.Module:
    """The model with parameters that follow from their names and shapes, so that no initialisation decides them."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            values = noise(*parameter.shape, seed=name)
            if name.endswith("logit_scale"):
                values = 2 + 2 * values  # some above Swin v2's clamp
            elif parameter.ndim == 1:
                values = 0.1 * values + (1.0 if name.endswith("weight") else 0.0)
            else:
                # Half of what keeps lengths: unscaled attention over long tokens would magnify last bits.
                values = 0.5 * values / int(np.prod(parameter.shape[1:])) ** 0.5
            parameter.copy_(values)
    return model.eval()


def loss_of(outputs: Iterable[Tensor]) -> Tensor:
    """A scalar that depends on every entry."""
    return torch.stack([(x * weights(x.shape)).sum() / x.numel() ** 0.5 for x in outputs]).sum()


def gradients(module: nn.Module) -> Numbers:
    """Of all parameters of one shape together, so that neither their names nor their order matter."""
    by_shape: dict[tuple[int, ...], list[Tensor]] = {}
    for parameter in module.parameters():
        if parameter.grad is not None:
            by_shape.setdefault(tuple(parameter.shape), []).append(parameter.grad.double())
    return {
        f"gradient of {len(found)} times {'x'.join(map(str, shape)) or 1}": [
            float(sum(g.square().sum() for g in found) ** 0.5),
            float(sum((g * weights(shape).double()).sum() for g in found)),
        ]
        for shape, found in by_shape.items()
    }


def dropout_rates(module: nn.Module) -> Numbers:
    """Each rate once; what they drop is drawn differently by other processors."""
    rates = {float(m.p) for m in module.modules() if isinstance(m, nn.Dropout)}
    rates |= {float(m.dropout) for m in module.modules() if isinstance(m, nn.MultiheadAttention)}
    return {"dropout rates": sorted(rates)} if rates else {}


@contextmanager
def portable_draws() -> Iterator[None]:
    """`bernoulli_` from torch's own generator; libraries of some processors bring another one."""
    plain = torch.Tensor.bernoulli_
    torch.Tensor.bernoulli_ = lambda x, p=0.5: x.copy_(torch.rand(x.shape) < p)  # type: ignore[method-assign]
    try:
        yield
    finally:
        torch.Tensor.bernoulli_ = plain  # type: ignore[method-assign]


def under(name: str, numbers: Mapping[str, list[float] | str]) -> Numbers:
    """The same numbers, their names behind this one."""
    return {f"{name}: {key}": value for key, value in numbers.items()}


def differences(measured: Numbers, recorded: Numbers) -> list[str]:
    """What differs by more than the tolerance, one line each."""
    found = [f"{name!r} is not measured any more" for name in recorded if name not in measured]
    for name, value in measured.items():
        if name not in recorded:
            found.append(f"{name!r} was not measured before")
        elif not _close(value, recorded[name]):
            found.append(f"{name!r} is {_short(value)}, recorded {_short(recorded[name])}")
    return found


def rounded(value: list[float] | str) -> list[float] | str:
    """To six digits, as numbers are recorded."""
    return value if isinstance(value, str) else [float(f"{number:.6g}") for number in value]


def _close(value: list[float] | str, other: list[float] | str) -> bool:
    if isinstance(value, str) or isinstance(other, str):
        return value == other
    if len(value) != len(other):
        return False
    allowed = FLOOR + RELATIVE * max(map(abs, other), default=0.0)
    # Written so that what is no number is not close.
    return all(abs(a - b) <= allowed for a, b in zip(value, other, strict=True))


def _short(value: list[float] | str) -> str:
    return value if isinstance(value, str) else "[" + ", ".join(f"{number:.6g}" for number in value) + "]"
