"""Methods of the library peft: LoRA through it is ours, and the exam of `adapters.contract` for several of them."""

from __future__ import annotations

from functools import partial

import pytest
import torch

from adapters.contract import CHECKS, encode, perturbed, starts_as_promised
from adapters.toy import ToyBackbone
from adapters.unimodal.linear_probe import LinearProbe
from adapters.unimodal.lora import Lora
from adapters.unimodal.peft import Peft
from registry.errors import UserError

SITES = ("qkv", "proj", "fc1", "fc2")
installed = pytest.mark.usefixtures("library")


@pytest.fixture
def library():
    return pytest.importorskip("peft", reason="needs peft: pip install -e '.[peft]'")


def test_without_the_library_its_extra_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "peft", None)
    with pytest.raises(UserError, match=r"pip install 'av-adapter-bench\[peft\]'"):
        Peft(ToyBackbone())


@pytest.mark.parametrize(
    ("options", "words"), [({"sites": ("qkw",)}, "Did you mean qkv"), ({"sites": ()}, "changes nothing")]
)
def test_wrong_sites_are_refused(options, words):
    with pytest.raises(UserError, match=words):
        Peft(ToyBackbone(), **options)


@installed
@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"type": "dorra"}, "Did you mean dora"),
        ({"type": "prefix_tuning"}, "no linear layers"),
        ({"type": "vera"}, "shared state"),
        ({"type": "ia3", "r": 4}, "unknown setting of peft type 'ia3' 'r'"),
        ({"options": {"lora_alfa": 3}}, "Did you mean lora_alpha"),
        ({"options": {"target_modules": "all"}}, "unknown setting"),
        ({"r": 0}, "peft type='lora' cannot adapt"),
    ],
)
def test_what_the_library_does_not_take_is_one_line(options, words):
    with pytest.raises(UserError, match=words) as raised:
        Peft(ToyBackbone(), **options)
    assert "\n" not in str(raised.value)


@installed
def test_lora_through_the_library_is_ours(backbone, pictures):
    """With the same factors: features and gradients."""
    ours = perturbed(Lora(backbone, rank=4, alpha=6.0, sites=SITES))
    theirs = Peft(backbone, "lora", r=4, sites=SITES, options={"lora_alpha": 6}).eval()
    pairs = []
    for index, deltas in enumerate(ours.deltas):
        for m in ("visual", "audio"):
            for site in SITES:
                layer = theirs.layers[m][f"block{index}_{site}"]
                pairs += [
                    (deltas[m][site].down.weight, layer.lora_A["default"].weight),
                    (deltas[m][site].up.weight, layer.lora_B["default"].weight),
                ]
    with torch.no_grad():
        for mine, copy in pairs:
            copy.copy_(mine)
    assert len(pairs) == len(list(theirs.parameters()))
    found = [encode(scheme, backbone, pictures) for scheme in (ours, theirs)]
    for m in pictures:
        torch.testing.assert_close(found[1][m].tokens, found[0][m].tokens, rtol=1e-4, atol=1e-5)
    for features in found:
        sum(f.tokens.sin().sum() for f in features.values()).backward()
    largest = max(float(mine.grad.abs().max()) for mine, _ in pairs)
    for mine, copy in pairs:
        assert (copy.grad - mine.grad).abs().max() <= 1e-4 * largest


@installed
def test_dora_is_its_equation():
    """The weight of length m in the direction of W + s B A, output by output (arXiv 2402.09353, equation 5)."""
    backbone = ToyBackbone()
    scheme = perturbed(Peft(backbone, "dora", r=4, sites="fc1", options={"lora_alpha": 2}))
    block, layer = backbone.blocks[0], scheme.layers["visual"]["block0_fc1"]
    linear, x = block.projection("fc1"), torch.randn(1, 2, 4, 32)
    delta = scheme._delta(0, block, scheme.layers["visual"])["fc1"]
    changed = linear.weight + 0.5 * layer.lora_B["default"].weight @ layer.lora_A["default"].weight
    magnitude = layer.lora_magnitude_vector["default"].weight
    expected = x @ (magnitude[:, None] * changed / changed.norm(dim=1, keepdim=True)).T + linear.bias
    torch.testing.assert_close(linear(x) + delta(x), expected, rtol=1e-4, atol=1e-5)


@installed
def test_small_changes_survive_reduced_precision():
    """One by a thousandth of the projection's output, which bfloat16 cannot tell apart when it is added there."""
    backbone = ToyBackbone()
    scheme = perturbed(Peft(backbone, "lora", r=4, sites="fc1"))
    block, linear = backbone.blocks[0], backbone.blocks[0].projection("fc1")
    with torch.no_grad():
        scheme.layers["visual"]["block0_fc1"].lora_B["default"].weight.mul_(1e-3)
        linear.bias.fill_(1.0)
    x, delta = torch.randn(1, 2, 4, 32), scheme._delta(0, block, scheme.layers["visual"])["fc1"]
    exact = delta(x).detach()
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(delta(x).float(), exact, rtol=0, atol=0.05 * float(exact.abs().max()))


EXAMINED = {
    "lora": partial(Peft, type="lora", r=4, sites=SITES),
    "dora": partial(Peft, type="dora", r=8),
    "ia3": partial(Peft, type="ia3", sites=("qkv", "fc2")),
    "oft": partial(Peft, type="oft", options={"oft_block_size": 8}),
}
"""Methods that change what a projection puts out, its weight, or what it is given."""


@installed
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("method", EXAMINED)
def test_a_method_keeps_the_contract(method, check, backbone, pictures):
    if method == "oft" and check is starts_as_promised:
        # It starts at the identity up to rounding; that training changes something is seen by its gradients.
        alone = encode(EXAMINED[method](backbone).eval(), backbone, pictures)
        frozen = encode(LinearProbe(backbone), backbone, pictures)
        for m, features in alone.items():
            torch.testing.assert_close(features.tokens, frozen[m].tokens, rtol=1e-4, atol=1e-4)
    else:
        check(EXAMINED[method], backbone, pictures)
