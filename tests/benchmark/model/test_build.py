from __future__ import annotations

import pytest
import torch
from training_fakes import SEGMENTS, FakeBackbone, FakeTask, registered

from benchmark.model.build import build_backbone, build_model, build_scheme
from registry import ADAPTERS, BACKBONES, Component, UserError


@pytest.fixture(autouse=True, scope="module")
def _fakes():
    with registered():
        yield


def head_weights(adapter: str, seed: int) -> torch.Tensor:
    components = (Component.parse(text) for text in ("fake_backbone", adapter))
    return build_model(*components, FakeTask(), seed=seed, precision="fp32").head.classify.weight


def test_a_scheme_gets_the_tasks_segments_unless_it_is_told_otherwise():
    scheme = Component("fake_adapter")
    assert build_scheme(scheme, FakeBackbone(), SEGMENTS).segments == SEGMENTS
    assert build_scheme(scheme.with_options(segments=7), FakeBackbone(), SEGMENTS).segments == 7


def test_the_seed_alone_decides_where_a_part_starts():
    first = head_weights("fake_adapter", seed=0)
    torch.rand(9)
    assert torch.equal(head_weights("fake_adapter(dead=9)", seed=0), first)
    assert not torch.equal(head_weights("fake_adapter", seed=1), first)


def test_what_a_plug_in_registered_by_mistake_is_refused_by_what_it_should_be(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(BACKBONES.module_dict, "mine", lambda: torch.nn.Linear(2, 2))
    monkeypatch.setitem(ADAPTERS.module_dict, "mine", lambda backbone: torch.nn.Linear(2, 2))
    with pytest.raises(UserError, match=r"backbone mine builds a Linear, expected an object of backbones\.backbone"):
        build_backbone(Component("mine"))
    with pytest.raises(UserError, match=r"adapter mine builds a Linear, expected an object of adapters\.scheme"):
        build_scheme(Component("mine"), FakeBackbone(), SEGMENTS)
