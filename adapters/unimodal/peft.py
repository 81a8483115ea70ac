"""Any method of Hugging Face's peft that changes linear layers, as a control: `peft(type='dora', r=8)`.

The library comes with the extra `peft`. It brings transformers along, which other libraries import wherever they find
it, so that every command starts some seconds later.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, cast

from torch import Tensor, nn

from adapters.parts import blocks_in, steps_of
from adapters.scheme import AdapterScheme
from backbones.kernels.linear import multiply
from registry import UserError, register_adapter
from registry.errors import in_one_line, unknown
from registry.vocabulary import MODALITIES, Modality, Streams

if TYPE_CHECKING:
    from backbones.backbone import Backbone
    from backbones.block import Block, Step

DORA = "dora"
"""A name of its own for LoRA with its option `use_dora`."""


@register_adapter("peft", version=1)
class Peft(AdapterScheme):
    """A method of the library peft on the frozen projections, for each modality its own; the modalities do not meet.

    Its layers stand beside the frozen projections instead of in their place: what they would put out, less what the
    projection puts out, is added there. So the backbone stays as it is and serves both modalities, at the cost of
    computing an adapted projection twice. LoRA by this way is `lora`.

    Args:
        backbone: its projections are read when layers are made, and lent to them in each call.
        type: the library's name of a method that changes linear layers (`lora`, `loha`, `ia3`, `oft`, …), or `dora`.
            Those whose layers share state, as VeRA's do, are refused by the library.
        r: its rank; None leaves the library's default, and is what methods without a rank take.
        sites: which projections of a block change: `qkv`, `proj`, `fc1`, `fc2`.
        options: more of the method's own settings by name, as in `options={'lora_alpha': 16}`.

    Raises:
        UserError: the library is missing, or refuses a type or a setting; a site that blocks do not have.
    """

    across_widths: ClassVar[bool] = True

    def __init__(
        self,
        backbone: Backbone,
        type: str = "lora",
        r: int | None = None,
        sites: Sequence[str] = ("qkv", "proj"),
        options: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(backbone)
        steps = [blocks_in(step) for step in steps_of(backbone)]
        asked = [sites] if isinstance(sites, str) else list(sites)
        for site in asked:
            known = next(iter(steps[0].values())).sites
            if site not in known:
                raise unknown("site of peft", site, known)
        if not asked:
            raise UserError("peft sites=() changes nothing; name some of qkv, proj, fc1, fc2.")
        self.sites = asked

        def layers(m: Modality) -> nn.ModuleDict:
            projections = {
                _name(index, site): blocks[m].projection(site)
                for index, blocks in enumerate(steps)
                for site in asked
                if m in blocks
            }
            return _layers(type, _config(type, r, list(projections), dict(options or {})), projections)

        self.layers = nn.ModuleDict({m: layers(m) for m in MODALITIES})

    def forward_block(self, index: int, step: Block | Step, streams: Streams) -> Streams:
        blocks = blocks_in(step)
        delta = {m: self._delta(index, blocks[m], cast(nn.ModuleDict, self.layers[m])) for m in streams}
        streams = {m: x + blocks[m].attend(x, delta=delta[m]) for m, x in streams.items()}
        return {m: x + blocks[m].feed_forward(x, delta=delta[m]) for m, x in streams.items()}

    def _delta(self, index: int, block: Block, layers: nn.ModuleDict) -> dict[str, Callable[[Tensor], Tensor]]:
        return {
            site: partial(_change, cast(nn.Module, layers[_name(index, site)]), block.projection(site))
            for site in self.sites
        }


def _name(index: int, site: str) -> str:
    return f"block{index}_{site}"


def _config(kind: str, rank: int | None, targets: list[str], options: dict[str, Any]) -> Any:
    """The library's configuration of a method."""
    known = _library("peft.mapping").PEFT_TYPE_TO_CONFIG_MAPPING
    build = {str(name.value).lower(): config for name, config in known.items()}
    build[DORA] = build["lora"]
    if kind not in build:
        raise unknown("type of peft", str(kind), build)
    settings = [field.name for field in dataclasses.fields(build[kind]) if field.init]
    given = {**({} if rank is None else {"r": rank}), **({"use_dora": True} if kind == DORA else {}), **options}
    for name in given:
        if name not in settings or name == "target_modules":
            raise unknown(f"setting of peft type {kind!r}", name, [s for s in settings if s != "target_modules"])
    if "target_modules" not in settings:
        raise UserError(f"peft type={kind!r} changes no linear layers; choose lora, dora, ia3 or another that does.")
    # IA3 tells the layers behind an activation from the others, and has to be told which.
    behind = {"feedforward_modules": [t for t in targets if t.endswith("fc2")]}
    given = {**({} if "feedforward_modules" not in settings else behind), **given}
    try:
        return build[kind](target_modules=targets, **given)
    # What a configuration raises differs from method to method.
    except Exception as error:
        raise UserError(f"peft refuses type={kind!r} with {given}: {in_one_line(error)}") from error


def _layers(kind: str, config: Any, places: Mapping[str, nn.Linear]) -> nn.ModuleDict:
    """The method's layers for some linear ones, without those that they were made for."""
    library = _library("peft")
    stand_in = nn.ModuleDict(places)
    try:
        library.inject_adapter_in_model(config, stand_in)
    except Exception as error:
        raise UserError(f"peft type={kind!r} cannot adapt these projections: {in_one_line(error)}") from error
    for layer in stand_in.values():
        if "base_layer" not in layer._modules:
            raise UserError(
                f"peft type={kind!r} changes no linear layers; choose lora, dora, ia3 or another that does."
            )
        del layer._modules["base_layer"]
    # Made in the type of the frozen weights; small steps would be rounded away in bfloat16.
    return stand_in.float()


class _Lent(nn.Linear):
    """A frozen projection on loan, which puts out float32, so that small changes of that are kept.

    Args:
        x: what the projection itself is given; `result` is what it puts out for that.
    """

    def __init__(self, linear: nn.Linear, x: Tensor) -> None:
        super().__init__(linear.in_features, linear.out_features, bias=False, device="meta")
        self.weight, self.bias = linear.weight, linear.bias
        self.x, self.result = x, multiply(x, self.weight, self.bias)

    def forward(self, input: Tensor, *_: Any, **__: Any) -> Tensor:
        # Some methods change what goes in, others what comes out.
        return (self.result if input is self.x else multiply(input, self.weight, self.bias)).float()


def _change(layer: nn.Module, linear: nn.Linear, x: Tensor) -> Tensor:
    """What a layer of the library adds to a frozen projection: (…, D_in) -> (…, D_out)."""
    rows = x.reshape(1, -1, x.shape[-1])
    lent = _Lent(linear, rows)
    layer._modules["base_layer"] = lent
    try:
        changed = layer(rows)
    finally:
        del layer._modules["base_layer"]
    change = (changed.float() - lent.result.float()).to(lent.result.dtype)
    return change.reshape(*x.shape[:-1], -1)


def _library(name: str) -> Any:
    """The library, whose advice about other libraries is not for our users.

    Raises:
        UserError: it is not installed.
    """
    try:
        found = import_module(name)
    except ImportError as error:
        raise UserError("the adapter peft needs the library peft: pip install 'av-adapter-bench[peft]'.") from error
    logging.getLogger("peft").setLevel(logging.ERROR)
    return found
