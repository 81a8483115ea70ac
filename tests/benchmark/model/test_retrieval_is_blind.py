"""Through real backbones and every registered adapter: swapping a clip's partner changes no retrieval embedding."""

import pytest
import torch
from built_in import OWN_ADAPTERS

from benchmark.model.build import build_model
from registry import Component
from tasks.retrieval.task import Retrieval

BATCH = 3


def perturbed_model(adapter):
    """No parameter keeps a value under which the adapter would do nothing."""
    model = build_model(
        Component.parse("tiny_vit(weights='none')"), Component(adapter), Retrieval(), seed=0, precision="fp32"
    )
    with torch.no_grad():
        for parameter in model.encoder.scheme.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return model.eval()


def pictures(model, seed):
    generator = torch.Generator().manual_seed(seed)
    task = Retrieval()
    shapes = model.data_preprocessor.front_end(task.example_inputs(BATCH))
    return {m: torch.randn(shapes[m].shape, generator=generator) for m in ("visual", "audio")}


@pytest.mark.parametrize("adapter", OWN_ADAPTERS)
@torch.no_grad()
def test_swapping_the_partner_changes_nothing(adapter):
    model = perturbed_model(adapter)
    inputs, others = pictures(model, 1), pictures(model, 2)
    before = model.head(model.encoder, inputs)
    for side, partner in (("visual", "audio"), ("audio", "visual")):
        after = model.head(model.encoder, {side: inputs[side], partner: others[partner]})
        assert torch.equal(after[side], before[side])
        assert not torch.allclose(after[partner], before[partner])


@pytest.mark.parametrize("adapter", ["lavish", "stg_cma"])
@torch.no_grad()
def test_encoded_together_it_would_change(adapter):
    """What makes the test above worth something."""
    model = perturbed_model(adapter)
    inputs, others = pictures(model, 1), pictures(model, 2)
    joint = model.encoder(inputs)["visual"].pooled
    swapped = model.encoder({"visual": inputs["visual"], "audio": others["audio"]})["visual"].pooled
    assert not torch.allclose(joint, swapped, atol=1e-4)
