"""Files of other sizes, written by an independent implementation, pass too: nothing depends on the files at hand."""

from __future__ import annotations

import pytest
import reference_lavish
import reference_stg_cma as reference

from benchmark.verify.check import verify_file


def passes(path) -> int:
    report = verify_file(path)
    assert [line for line in report.compared if not line.passed] == []
    return len(report.compared)


@pytest.mark.parametrize("mode", reference.MODES)
@pytest.mark.parametrize("kind", ["clip_block", "clip_full", "swin_stage", "swin_full"])
def test_stg_cma_of_other_sizes(kind, mode, tmp_path):
    getattr(reference, kind)(tmp_path / "file.npz", mode, seed=3)
    assert passes(tmp_path / "file.npz") > 15


@pytest.mark.parametrize(
    ("kind", "sizes"),
    [
        ("clip_full", {"batch": 3, "frames": 1, "heads": 8, "layers": 1, "p": 4, "side": 8, "audio": (8, 16)}),
        ("clip_full", {"p": 12, "side": 24, "audio": (40, 25), "ratio": 0.07}),
        ("swin_stage", {"grid": (2, 6), "window": 3, "depth": 2, "merging": False}),
        ("swin_stage", {"grid": (4, 8), "window": 4, "depth": 2}),
        ("swin_stage", {"grid": (8, 8), "window": 4, "depth": 1, "heads": 1, "frames": 5}),
        ("swin_full", {"heads": (1, 2, 4), "depths": (2, 1, 2), "ratios": (0.5, 0.25, 0.125), "window": 3, "side": 24}),
        ("swin_full", {"heads": (4,), "depths": (2,), "ratios": (0.3,), "window": 8, "side": 32, "p": 4, "batch": 2}),
    ],
)
def test_stg_cma_of_extreme_sizes(kind, sizes, tmp_path):
    """One segment, one token beside the class token, an oblong grid whose short side is a window, a single stage."""
    getattr(reference, kind)(tmp_path / "file.npz", "fusion", seed=4, **sizes)
    assert passes(tmp_path / "file.npz") > 15


FULL = {"bn": True, "ln_pre": True, "ln_post": True, "gate": True}


@pytest.mark.parametrize("kind", ["AVE", "AVQA", "AVS"])
@pytest.mark.parametrize("multimodal", [True, False])
@pytest.mark.parametrize("off", [(), ("bn",), ("gate",), ("bn", "ln_post"), ("ln_pre", "bn")])
def test_lavish_adapters_of_other_sizes_and_switches(kind, multimodal, off, tmp_path):
    switches = {name: name not in off for name in FULL}
    if kind == "AVS" and not multimodal:
        pytest.skip("without exchange an AVS file tells itself apart by its note alone")
    reference_lavish.adapter(tmp_path / "file.npz", seed=5, kind=kind, multimodal=multimodal, **switches)
    assert passes(tmp_path / "file.npz") > 10


def test_an_adapter_with_a_single_group_token_and_channel(tmp_path):
    reference_lavish.adapter(
        tmp_path / "file.npz", d=6, t=1, groups=1, reduction=6, n=1, lx=4, lc=1, kind="AVE", **FULL
    )
    assert passes(tmp_path / "file.npz") > 50
