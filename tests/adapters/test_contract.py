"""Every registered adapter scheme takes the exam of `adapters.contract` on every family; the exam finds offenders."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from built_in import OWN_ADAPTERS
from covering import covering
from small_backbones import FAMILIES
from torch import nn

from adapters import contract
from adapters.avmoe import AvMoe
from adapters.cola import Cola
from adapters.contract import CHECKS
from adapters.dg_sct import DgSct
from adapters.lavish import Lavish
from adapters.parts import each_modality
from adapters.scheme import AdapterScheme
from adapters.stg_cma import StgCma
from adapters.toy import ToyBackbone
from adapters.unimodal.bitfit import BitFit
from adapters.unimodal.linear_probe import LinearProbe
from registry import ADAPTERS, UserError, look_up
from registry.vocabulary import PARTNER


@pytest.mark.parametrize("name", OWN_ADAPTERS)
def test_scheme_keeps_the_contract_on_every_family(name, backbone, pictures):
    for check in CHECKS:
        if check is not contract.runs_without_data:
            check(look_up(ADAPTERS, name), backbone, pictures)


@pytest.mark.parametrize(("name", "backbone"), covering(OWN_ADAPTERS, FAMILIES, each=2), indirect=["backbone"])
def test_scheme_runs_without_data(name, backbone, pictures):
    """Apart from the other checks: on the meta device an operation takes longer than on a very small model."""
    contract.runs_without_data(look_up(ADAPTERS, name), backbone, pictures)


VARIANTS = {
    "stg_cma on CLIP": partial(StgCma, position="embedding", segments=3, train_final_norm=True),
    "stg_cma on Swin": partial(StgCma, every=2, position="bias", segments=3),
    "stg_cma of one modality on Swin": partial(StgCma, every=2, exchange=False, mlp_adapter="parallel"),
    "lavish on ViT": partial(Lavish, latents=8, groups=4, batch_norm=False, norm_before=False, norm_after=False),
    "lavish for AVQA": partial(Lavish, latents=6, latent_start="zeros", groups=4, batch_norm=False),
    "lavish of one modality": partial(Lavish, exchange=False, activation=False),
    "dg_sct as released": partial(DgSct, latents=4, wiring="paired", projection="full"),
    "avmoe as released": partial(AvMoe, latents=4, wiring="paired", projection="full"),
    "avmoe with attention over frames": partial(AvMoe, skip=1, latents=4, self_attention="frames", batch_norm=False),
    "avmoe with own latents": partial(AvMoe, cross=2, unimodal=2, latents=4, self_attention="latents", balance=0.1),
    "avmoe with attention of tokens": partial(AvMoe, skip=1, latents=4, self_attention="tokens", noise=0.1),
    "cola with every second block": partial(Cola, rank=4, reduction=4, every=2, summary="mean"),
}


@pytest.mark.parametrize(("variant", "backbone"), covering(VARIANTS, FAMILIES), indirect=["backbone"])
def test_published_variants_keep_the_contract_on_every_family(variant, backbone, pictures):
    for check in CHECKS:
        check(VARIANTS[variant], backbone, pictures)


ACROSS_WIDTHS = {
    **{name: look_up(ADAPTERS, name) for name in OWN_ADAPTERS if look_up(ADAPTERS, name).across_widths},
    "stg_cma": partial(StgCma, ratio={"visual": 0.25, "audio": 0.5}),
    "stg_cma without exchange": partial(StgCma, every=2, position="bias", segments=3, exchange=False),
    "stg_cma along time": partial(
        StgCma, ratio={"visual": 0.25, "audio": 0.5}, every=2, position="embedding", segments=3, train_final_norm=True
    ),
    "lavish without exchange": partial(Lavish, exchange=False),
    "dg_sct": partial(DgSct, latents=4, projection="full"),
    "dg_sct as released": partial(DgSct, latents=4, wiring="paired", projection="full"),
    "avmoe": partial(AvMoe, latents=4, skip=1, projection="full"),
    "avmoe as released": partial(AvMoe, latents=4, wiring="paired", projection="full"),
    "cola": partial(Cola, rank=4, reduction=4),
}


@pytest.mark.parametrize("scheme", ACROSS_WIDTHS)
def test_two_backbones_of_unlike_widths(scheme, unlike, unlike_pictures):
    for check in CHECKS:
        check(ACROSS_WIDTHS[scheme], unlike, unlike_pictures)


@pytest.mark.parametrize(
    "make", [Lavish, DgSct, AvMoe, AdapterScheme], ids=["lavish", "dg_sct", "avmoe", "one that does not say"]
)
def test_a_scheme_of_one_width_refuses_two_in_one_line(make, unlike):
    with pytest.raises(
        UserError, match=r"step 0 has 32 for sight and 16 for sound; choose dg_sct\(projection='full'\)"
    ):
        make(unlike)


def test_codes_of_unlike_width_are_refused_before_they_are_exchanged(unlike):
    with pytest.raises(UserError, match="codes of step 0 are 2 wide for sight and 1 for sound"):
        StgCma(unlike)
    with pytest.raises(UserError, match="one for visual and for audio"):
        StgCma(unlike, ratio={"visual": 0.25})


ANOTHER_START = {
    "lavish": partial(Lavish, reduction=4, batch_norm=False, norm_before=False, gate_first=True, gate_audio=False),
    "dg_sct": partial(DgSct, latents=4, batch_norm=False, norm_before=False, gate_first=True, gate_audio=False),
    "avmoe": partial(AvMoe, latents=4, batch_norm=False, gate_audio=False),
    "dg_sct that pools by attention": partial(DgSct, latents=4, pooling="attention"),
}


@pytest.mark.parametrize(("variant", "backbone"), covering(ANOTHER_START, FAMILIES, each=2), indirect=["backbone"])
def test_the_avs_variants_keep_the_contract_but_do_not_start_as_the_identity(variant, backbone, pictures):
    """Audio adapters without a gate, or another pooling, so `starts_as_promised` is not their exam."""
    avs = ANOTHER_START[variant]
    for check in CHECKS:
        if check is not contract.starts_as_promised:
            check(avs, backbone, pictures)
    with pytest.raises(AssertionError, match="promised the identity"):
        contract.starts_as_promised(avs, backbone, pictures)


class WithLinear(AdapterScheme):
    """What the offenders below share: one linear map for each modality."""

    def __init__(self, backbone):
        super().__init__(backbone)
        self.maps = each_modality(lambda: nn.Linear(backbone.dim, backbone.dim))


class DropsTokens(AdapterScheme):
    def leave(self, streams, finish):
        return {m: finish(x[:, :, 1:]) for m, x in streams.items()}


class DropsTokensWithinAStage(AdapterScheme):
    """Two tokens less after the first stage of a toy; a copy of others stands in for them later."""

    def forward_block(self, index, block, streams):
        streams = super().forward_block(index, block, streams)
        return {m: x[:, :, 2:] for m, x in streams.items()} if index == 1 else streams

    def leave(self, streams, finish):
        return {m: finish(torch.cat([x, x[:, :, :2]], dim=2)) for m, x in streams.items()}


class ChangesTypes(AdapterScheme):
    def forward_block(self, index, block, streams):
        return {m: x.float() for m, x in super().forward_block(index, block, streams).items()}


class IsNotTheIdentity(WithLinear):
    def leave(self, streams, finish):
        return {m: finish(self.maps[m](x)) for m, x in streams.items()}


class ForgetsAudio(WithLinear):
    def leave(self, streams, finish):
        return {m: finish(x + self.maps["visual"](x) if m == "visual" else x) for m, x in streams.items()}


class KeepsTheBackbone(WithLinear):
    def __init__(self, backbone):
        super().__init__(backbone)
        self.kept = backbone


class TrainsTheBackbone(AdapterScheme):
    def __init__(self, backbone):
        super().__init__(backbone)
        backbone.blocks[0].requires_grad_(True)


class NeedsAPartner(WithLinear):
    def enter(self, streams):
        return {m: x + streams[PARTNER[m]].mean() for m, x in streams.items()}


class RemembersThePartner(WithLinear):
    def __init__(self, backbone):
        super().__init__(backbone)
        self.seen = {}

    def enter(self, streams):
        self.seen.update({m: x.detach().mean() for m, x in streams.items()})
        return {m: x + self.seen.get(PARTNER[m], 0.0) for m, x in streams.items()}


class MixesClips(AdapterScheme):
    def leave(self, streams, finish):
        return {m: finish(x - x.mean(dim=0)) for m, x in streams.items()}


class MovesOneModalityFirst(AdapterScheme):
    def enter(self, streams):
        moved = dict(streams)
        for m in streams:
            moved[m] = moved[m] + moved[PARTNER[m]].mean(dim=2, keepdim=True)
        return moved


class ReachesIntoTheBlock(AdapterScheme):
    def forward_block(self, index, block, streams):
        list(block.parameters())
        return super().forward_block(index, block, streams)


class MovesTheBackbone(WithLinear):
    def forward_block(self, index, block, streams):
        block._norm.bias.data.add_(0.01)
        return super().forward_block(index, block, streams)


class BorrowsAParameter(AdapterScheme):
    def trainable_copies(self):
        return {"final_norm.bias": nn.Parameter(torch.zeros(64))}


class StandsInForNobody(BitFit):
    def trainable_copies(self):
        return {"final_norm.offset": super().trainable_copies()["final_norm.bias"]}


class TrainsRoundedCopies(BitFit):
    def __init__(self, backbone):
        super().__init__(backbone)
        self.to(backbone.blocks[0]._maps["qkv"].weight.dtype)


class GradientOnAFixedDevice(BitFit):
    class Stay(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone()

        @staticmethod
        def backward(ctx, gradient):
            return torch.zeros(gradient.shape, device="cpu")

    def leave(self, streams, finish):
        return super().leave({m: self.Stay.apply(x) for m, x in streams.items()}, finish)


@pytest.mark.parametrize(
    ("offender", "check", "error", "words"),
    [
        (DropsTokens, contract.keeps_shapes_and_types, AssertionError, "tokens changed"),
        (DropsTokensWithinAStage, contract.keeps_shapes_and_types, AssertionError, "tokens changed within a stage"),
        (
            ChangesTypes,
            contract.keeps_shapes_and_types,
            AssertionError,
            r"visual changed its type .* block 0, torch.bfloat16 to torch.float32",
        ),
        (IsNotTheIdentity, contract.starts_as_promised, AssertionError, "promised the identity"),
        (ForgetsAudio, contract.trains_its_own_parameters_only, AssertionError, "no gradient reaches maps.audio"),
        (KeepsTheBackbone, contract.trains_its_own_parameters_only, AssertionError, "keeps a reference"),
        (TrainsTheBackbone, contract.trains_its_own_parameters_only, AssertionError, "trains the backbone's blocks.0"),
        (MovesTheBackbone, contract.leaves_the_backbone_untouched, AssertionError, "changed the backbone's blocks.0"),
        (BorrowsAParameter, contract.leaves_the_backbone_untouched, AssertionError, "without owning it"),
        (StandsInForNobody, contract.leaves_the_backbone_untouched, AssertionError, "which the backbone has not"),
        (TrainsRoundedCopies, contract.keeps_shapes_and_types, AssertionError, "in a reduced type"),
        (NeedsAPartner, contract.accepts_a_lone_stream, KeyError, "audio"),
        (RemembersThePartner, contract.accepts_a_lone_stream, AssertionError, "remembers"),
        (MixesClips, contract.keeps_clips_apart, AssertionError, "not close"),
        (MovesOneModalityFirst, contract.keeps_clips_apart, AssertionError, "not close"),
        (GradientOnAFixedDevice, contract.runs_without_data, RuntimeError, "expected device meta"),
        (ReachesIntoTheBlock, contract.uses_the_protocol_only, AttributeError, "'parameters' is not in the block"),
    ],
)
def test_the_exam_finds_an_offender(offender, check, error, words):
    torch.manual_seed(0)
    toy = ToyBackbone()
    pictures = {m: torch.randn(2, 3, 3, toy.picture, toy.picture) for m in ("visual", "audio")}
    with pytest.raises(error, match=words):
        check(offender, toy, pictures)


def test_a_broken_promise_to_leave_features_alone_is_found(backbone, pictures):
    class Shifted(AdapterScheme):
        leaves_features_unchanged = True
        identity_at_start = False

        def forward_block(self, index, block, streams):
            return {m: x + 1 for m, x in super().forward_block(index, block, streams).items()}

    with pytest.raises(AssertionError, match="leave features alone"):
        contract.starts_as_promised(Shifted, backbone, pictures)


def test_a_scheme_derived_from_the_probe_does_not_inherit_its_promise():
    class Derived(LinearProbe):
        pass

    assert LinearProbe.leaves_features_unchanged
    assert not Derived.leaves_features_unchanged
