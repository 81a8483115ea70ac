"""The exam that every adapter scheme takes, built-in or from outside.

    @pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
    def test_contract(check):
        check(MyScheme, ToyBackbone(), pictures)

A check takes the scheme's class (or a function of a backbone), a backbone whose parameters are random rather than at
their zeros, and pictures of both modalities; it raises AssertionError with the rule that was broken.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

import torch
from torch import Tensor, nn

from adapters.parts import blocks_in, entered, stage_ends, steps_of, tower_of
from adapters.scheme import AdapterScheme
from adapters.trainable_copies import substitute_parameters
from adapters.unimodal.linear_probe import LinearProbe
from backbones.block import Step
from registry.vocabulary import MODALITIES, Features, Modality, Streams

MakeScheme = Callable[..., AdapterScheme]
Check = Callable[[MakeScheme, Any, Streams], None]

BRANCHES = ("attend", "mix", "project", "attend_over_time", "feed_forward", "mlp_input")
PROTOCOL = frozenset({"dim", "heads", "sites", "enter", "projection", "group", "ungroup", *BRANCHES})
"""All that a scheme may use of a block."""


class ProtocolOnly:
    """A block seen through its public protocol: anything else raises AttributeError."""

    def __init__(self, block: nn.Module) -> None:
        self._block = block

    def __getattr__(self, name: str) -> Any:
        if name not in PROTOCOL:
            raise AttributeError(
                f"{name!r} is not in the block protocol; a scheme may use {', '.join(sorted(PROTOCOL))}."
            )
        return getattr(self._block, name)


def _protocol_only(step: Any) -> Any:
    if not isinstance(step, Step):
        return ProtocolOnly(step)
    return Step({m: cast(Any, ProtocolOnly(block)) for m, block in step.blocks.items()})


def encode(
    scheme: AdapterScheme, backbone: Any, pictures: Streams, protocol_only: bool = False
) -> dict[Modality, Features]:
    """Pictures {m: (B, T, 3, S, S)} through the backbone under the scheme, as a run does it."""
    with substitute_parameters(backbone, scheme.trainable_copies()):
        steps = steps_of(backbone)
        ends: dict[Modality, list[Tensor]] = {m: [] for m in pictures}
        streams = scheme.enter({m: tower_of(backbone, m).embed(picture) for m, picture in pictures.items()})
        for index, step in enumerate(steps):
            moved = entered(step, {m: x for m, x in streams.items() if m in blocks_in(step)})
            seen = _protocol_only(step) if protocol_only else step
            streams = streams | (scheme.forward_block(index, seen, moved) if moved else {})
            for m, x in streams.items():
                if index in stage_ends(steps)[m]:
                    ends[m].append(x)

        def finish(x: Tensor, modality: Modality | None = None) -> Features:
            return tower_of(backbone, modality).finish(x)

        features = scheme.leave(streams, finish)
    return {m: replace(f, stages=(*ends[m], f.tokens)) for m, f in features.items()}


def keeps_shapes_and_types(make: MakeScheme, backbone: Any, pictures: Streams) -> None:
    """Features have the frozen backbone's shapes; streams keep their type in float32 and under bfloat16 autocast.

    What is trained is float32 even where the frozen weights are held in bfloat16: small steps would be rounded away.
    """
    plain = encode(LinearProbe(backbone), backbone, pictures)
    for m, features in encode(perturbed(make(backbone)), backbone, pictures).items():
        assert features.tokens.shape == plain[m].tokens.shape, f"shape of {m} tokens changed"
        assert features.pooled.shape == plain[m].pooled.shape, f"shape of {m} features changed"
        for stage, left in zip(features.stages, plain[m].stages, strict=True):
            assert stage.shape == left.shape, f"shape of {m} tokens changed within a stage"
    half = copy.deepcopy(backbone).cast_projections(torch.bfloat16)
    with torch.autocast("cpu", torch.bfloat16):
        scheme = perturbed(make(half))
        rounded = [name for name, p in scheme.named_parameters() if p.dtype != torch.float32]
        assert not rounded, f"trains {', '.join(rounded)} in a reduced type"
        with substitute_parameters(half, scheme.trainable_copies()):
            streams = scheme.enter({m: tower_of(half, m).embed(x) for m, x in pictures.items()})
            for index, step in enumerate(steps_of(half)):
                moved = entered(step, {m: x for m, x in streams.items() if m in blocks_in(step)})
                types = {m: x.dtype for m, x in moved.items()}
                moved = scheme.forward_block(index, step, moved)
                for m, x in moved.items():
                    assert x.dtype == types[m], (
                        f"{m} changed its type under autocast in block {index}, {types[m]} to {x.dtype}: "
                        "bring what is added to a stream x to its type, .to(x.dtype)"
                    )
                streams = streams | moved


@torch.no_grad()
def starts_as_promised(make: MakeScheme, backbone: Any, pictures: Streams) -> None:
    """A scheme that promises the identity changes nothing before training; training can change it.

    Bit for bit, and therefore without gradients: attention takes another kernel where a position bias has one.
    """
    scheme = make(backbone).eval()
    plain = encode(LinearProbe(backbone), backbone, pictures)
    if scheme.identity_at_start:
        assert _same(encode(scheme, backbone, pictures), plain), (
            "promised the identity at start, but features differ: let the last layer start at zero, weight and bias, "
            "or say identity_at_start = False"
        )
    if scheme.leaves_features_unchanged:
        assert _same(encode(perturbed(scheme).train(), backbone, pictures), plain), "promised to leave features alone"
    elif any(True for _ in scheme.parameters()):
        trained = encode(perturbed(scheme), backbone, pictures)
        assert not _same(trained, plain), "has parameters, but they change nothing"


def trains_its_own_parameters_only(make: MakeScheme, backbone: Any, pictures: Streams) -> None:
    """Every parameter of the scheme is reached by a gradient, none of the backbone's is, and neither owns the other."""
    scheme = perturbed(make(backbone))
    frozen = set(backbone.modules())
    assert frozen.isdisjoint(scheme.modules()), "keeps a reference to the backbone"
    loss = _random_loss(encode(scheme, backbone, pictures))
    if loss.requires_grad:
        loss.backward()
    idle = [name for name, p in scheme.named_parameters() if p.grad is None or not p.grad.any()]
    assert not idle, f"no gradient reaches {', '.join(idle)}"
    touched = [name for name, p in backbone.named_parameters() if p.requires_grad or p.grad is not None]
    assert not touched, f"trains the backbone's {', '.join(touched)}"


def leaves_the_backbone_untouched(make: MakeScheme, backbone: Any, pictures: Streams) -> None:
    """A step of training changes nothing in the backbone, and trainable copies are parameters that the scheme owns."""
    before = {name: (value, value.clone()) for name, value in backbone.state_dict(keep_vars=True).items()}
    scheme = perturbed(make(backbone))
    copies = scheme.trainable_copies()
    owned = {id(p) for p in scheme.parameters()}
    borrowed = [name for name, p in copies.items() if id(p) not in owned]
    assert not borrowed, f"trains {', '.join(borrowed)} without owning it"
    for name, p in copies.items():
        assert name in before, f"stands in for {name}, which the backbone has not"
        assert p.shape == before[name][0].shape, f"its {name} has another shape than the backbone's"
    loss = _random_loss(encode(scheme, backbone, pictures))
    if loss.requires_grad:
        loss.backward()
        torch.optim.SGD(scheme.parameters(), lr=0.1).step()
        encode(scheme, backbone, pictures)
    after = backbone.state_dict(keep_vars=True)
    replaced = [name for name, (value, _) in before.items() if after.get(name) is not value]
    changed = [name for name, (value, old) in before.items() if not torch.equal(value, old)]
    assert before.keys() == after.keys(), "the backbone's parameters have other names than before"
    assert not replaced, f"replaced the backbone's {', '.join(replaced)}"
    assert not changed, f"changed the backbone's {', '.join(changed)}"


def accepts_a_lone_stream(make: MakeScheme, backbone: Any, pictures: Streams) -> None:
    """Each modality can be encoded alone, and then nothing of an earlier partner is left in it."""
    scheme = perturbed(make(backbone))
    for m in MODALITIES:
        alone = encode(scheme, backbone, {m: pictures[m]})
        assert set(alone) == {m}, f"{m} alone became {', '.join(alone)}"
        other = {n: picture if n == m else picture.flip(0) + 1.0 for n, picture in pictures.items()}
        encode(scheme, backbone, other)
        assert _same(encode(scheme, backbone, {m: pictures[m]}), alone), f"{m} alone remembers an earlier partner"


def keeps_clips_apart(make: MakeScheme, backbone: Any, pictures: Streams) -> None:
    """Out of training, a clip's features depend neither on its batch nor on which modality comes first."""
    scheme = perturbed(make(backbone))
    together = encode(scheme, backbone, pictures)
    first = encode(scheme, backbone, {m: pictures[m][:1] for m in reversed(MODALITIES) if m in pictures})
    for m, features in first.items():
        torch.testing.assert_close(features.tokens, together[m].tokens[:1], rtol=1e-4, atol=1e-4)


def uses_the_protocol_only(make: MakeScheme, backbone: Any, pictures: Streams) -> None:
    """A scheme asks a block for nothing but its public protocol, so that it fits every family."""
    scheme = perturbed(make(backbone))
    assert _same(encode(scheme, backbone, pictures, protocol_only=True), encode(scheme, backbone, pictures))


def runs_without_data(make: MakeScheme, backbone: Any, pictures: Streams) -> None:
    """On the meta device the scheme builds, runs and has gradients, so that it is counted in seconds."""
    with torch.device("meta"):
        frozen = copy.deepcopy(backbone).to("meta")
        features = encode(make(frozen), frozen, {m: picture.to("meta") for m, picture in pictures.items()})
    assert all(f.pooled.is_meta for f in features.values()), "creates tensors on a fixed device"
    loss = torch.stack([part.sum() for f in features.values() for part in (f.tokens, f.pooled)]).sum()
    if loss.requires_grad:
        loss.backward()


CHECKS: tuple[Check, ...] = (
    keeps_shapes_and_types,
    starts_as_promised,
    trains_its_own_parameters_only,
    leaves_the_backbone_untouched,
    accepts_a_lone_stream,
    keeps_clips_apart,
    uses_the_protocol_only,
    runs_without_data,
)
"""The rules that every scheme keeps: each is called with its class, a backbone and pictures {m: (B, T, 3, S, S)}."""


def perturbed(scheme: AdapterScheme, seed: int = 0) -> AdapterScheme:
    """The scheme in eval mode with noise on every parameter, so that nothing hides behind a zero gate."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in scheme.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    return scheme.eval()


def _random_loss(features: dict[Modality, Features]) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    parts = [part for f in features.values() for part in (f.tokens, f.pooled)]
    return torch.stack([(part * torch.randn(part.shape, generator=generator)).sum() for part in parts]).sum()


def _same(left: dict[Modality, Features], right: dict[Modality, Features]) -> bool:
    return all(
        torch.equal(left[m].tokens, right[m].tokens) and torch.equal(left[m].pooled, right[m].pooled) for m in left
    )
