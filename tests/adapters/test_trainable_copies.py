"""Training a backbone's own parameters as copies: what is chosen, and that the numbers are those of plain training."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from adapters.contract import encode
from adapters.toy import ToyBackbone
from adapters.trainable_copies import substitute_parameters
from adapters.unimodal.bitfit import BitFit
from adapters.unimodal.full_finetune import FullFinetune
from adapters.unimodal.linear_probe import LinearProbe
from adapters.unimodal.norm_tuning import NormTuning
from registry.errors import UserError

SCHEMES = {"full_finetune": FullFinetune, "bitfit": BitFit, "norm_tuning": NormTuning}


@pytest.mark.parametrize("name", SCHEMES)
def test_a_step_is_the_step_of_training_the_backbone_itself(name, backbone, pictures):
    """Plain training of a copy whose parameters require gradients, on every family: same loss, same new values."""
    scheme = SCHEMES[name](backbone)
    chosen = scheme.trainable_copies()
    plain = copy.deepcopy(backbone)
    for key, parameter in plain.named_parameters():
        parameter.requires_grad_(key in chosen)
    weights = {m: torch.randn(2, 3, backbone.dim) for m in pictures}

    def step(encoded, parameters):
        loss = sum((encoded[m].pooled * weights[m]).sum() for m in weights)
        loss.backward()
        torch.optim.SGD(parameters, lr=0.01).step()
        return loss

    ours = step(encode(scheme, backbone, pictures), scheme.parameters())
    theirs = step(encode(LinearProbe(plain), plain, pictures), [p for p in plain.parameters() if p.requires_grad])
    torch.testing.assert_close(ours, theirs)
    expected = dict(plain.named_parameters())
    for key, parameter in scheme.trainable_copies().items():
        torch.testing.assert_close(parameter, expected[key], rtol=1e-4, atol=1e-5)
    moved = sum(
        not torch.equal(p, dict(backbone.named_parameters())[key]) for key, p in scheme.trainable_copies().items()
    )
    assert moved == len(chosen)


def test_full_finetune_takes_everything(backbone):
    assert FullFinetune(backbone).trainable_copies().keys() == dict(backbone.named_parameters()).keys()


def test_bitfit_takes_vectors_called_bias_and_no_tables(backbone):
    taken = BitFit(backbone).trainable_copies()
    modules = dict(backbone.named_modules())
    linears = [name for name, m in modules.items() if isinstance(m, nn.Linear) and m.bias is not None]
    assert {f"{name}.bias" for name in linears} <= taken.keys()
    assert not [name for name in taken if "table" in name or name.endswith(("weight", "logit_scale"))]


def test_norm_tuning_takes_every_norm_and_nothing_else(backbone):
    layer_norms = [name for name, m in backbone.named_modules() if isinstance(m, nn.LayerNorm)]
    assert NormTuning(backbone).trainable_copies().keys() == {
        f"{n}.{part}" for n in layer_norms for part in ("weight", "bias")
    }


def test_a_trained_position_bias_is_felt(backbone, pictures):
    """Swin's bias is summed up once while it is frozen, and read from its parameters once they are trained."""
    scheme = FullFinetune(backbone)
    tables = [name for name in scheme.trainable_copies() if ".position." in name]
    if not tables:
        pytest.skip("this family has no position bias inside attention")
    before = encode(scheme, backbone, pictures)["audio"].pooled
    with torch.no_grad():
        for name in tables:
            scheme.trainable_copies()[name].mul_(3.0)
    assert not torch.allclose(encode(scheme, backbone, pictures)["audio"].pooled, before)


def test_the_backbone_gets_its_parameters_back_after_an_error():
    toy = ToyBackbone()
    before = dict(toy.named_parameters())
    scheme = BitFit(toy)
    with pytest.raises(RuntimeError), substitute_parameters(toy, scheme.trainable_copies()):
        _fail_if(toy.final_norm.bias is scheme.trainable_copies()["final_norm.bias"])
    after = dict(toy.named_parameters())
    assert before.keys() == after.keys()
    assert all(after[name] is parameter for name, parameter in before.items())
    assert not any(p.requires_grad for p in toy.parameters())


def test_copies_are_float32_beside_weights_held_in_bfloat16():
    toy = ToyBackbone().cast_projections(torch.bfloat16)
    assert toy.blocks[0]._maps["qkv"].weight.dtype == torch.bfloat16
    assert {p.dtype for p in FullFinetune(toy).parameters()} == {torch.float32}


def test_nothing_to_train_is_refused():
    bare = ToyBackbone()
    for block in bare.blocks:
        block._norm = nn.Identity()
    bare.final_norm = nn.Identity()
    with pytest.raises(UserError, match="no norms with parameters"):
        NormTuning(bare)


def _fail_if(stands_in: bool) -> None:
    if stands_in:
        raise RuntimeError
