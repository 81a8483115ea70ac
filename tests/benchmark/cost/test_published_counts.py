"""Parameter counts of both papers, to the unit, on the meta device.

Expected numbers are those of the official classes, instantiated: STG-CMA (kaiw7/STG-CMA, commit b09534d) and LAVISH
(GenjiB/LAVISH, commit 97722b0, timm 0.6.7). docs/evidence/parameter_counts.md has the same rows with their commands.
"""

from __future__ import annotations

import json
import time

import pytest
from covering import smaller_first

from benchmark.__main__ import main
from benchmark.cost.describe import count
from registry import Component

CLIP = "stg_cma(ratio={ratio}, position='embedding', train_final_norm=True{more})"
SWIN = "stg_cma(ratio={ratio}, every=2, position='bias'{more})"
FOUR = {
    "quarter": (0.25, 0.25, 0.125, 0.125),
    "eighth": (0.125, 0.125, 0.0625, 0.0625),
    "constant": (0.5, 0.25, 0.125, 0.0625),
    "sixth": (1 / 6, 1 / 6, 1 / 12, 1 / 12),
    "flat": (0.25,) * 4,
}
LONE = {"visual": ", modality='visual'", "audio": ", modality='audio', mlp_adapter='parallel'"}

# backbone, ratio, mode; then total, trainable, head as in the specification's table of AVE rows.
STG_CMA_AVE = [
    ("clip_vit_base", 0.125, "fusion", 97_529_909, 11_497_781, 801_821),
    ("clip_vit_base", 0.0625, "fusion", 92_218_037, 6_185_909, 801_821),
    ("clip_vit_base", 0.03125, "fusion", 89_562_101, 3_529_973, 801_821),
    ("clip_vit_base", 0.0625, "multimodal", 92_218_037, 6_185_909, 801_821),
    ("clip_vit_base", 0.0625, "visual", 88_756_469, 2_724_341, 23_837),
    ("clip_vit_large", 0.125, "fusion", 342_445_133, 39_001_165, 1_063_965),
    ("clip_vit_large", 0.0625, "fusion", 323_561_549, 20_117_581, 1_063_965),
    ("clip_vit_large", 0.03125, "fusion", 314_119_757, 10_675_789, 1_063_965),
    ("clip_vit_large", 0.0625, "audio", 313_013_837, 9_569_869, 31_773),
    ("swin_base", "quarter", "fusion", 96_814_253, 10_068_597, 1_063_965),
    ("swin_base", "eighth", "fusion", 92_345_613, 5_599_957, 1_063_965),
    ("swin_base", "constant", "fusion", 95_585_133, 8_839_477, 1_063_965),
    ("swin_large", "constant", "fusion", 214_025_981, 19_026_857, 1_588_253),
    ("swin_large", "eighth", "fusion", 206_739_821, 11_740_697, 1_588_253),
    ("swin_large", "quarter", "fusion", 216_791_261, 21_792_137, 1_588_253),
    ("swin_large", "sixth", "fusion", 210_090_301, 15_091_177, 1_588_253),
    ("swin_large", "flat", "fusion", 235_971_101, 40_971_977, 1_588_253),
    ("swin_large", "constant", "visual", 203_771_453, 8_772_329, 47_645),
]

# backbone, adapters, head, trainable, backbone norms, total with the classifier; r=8, t=2, g=2 and every norm and gate.
LAVISH_AVE = [
    ("vit_base", 3_843_168, 801_821, 4_644_989, 38_400, 107_240_912),
    ("vit_large", 13_394_112, 1_063_965, 14_458_077, 100_352, 340_148_784),
    ("swin_v2_base", 3_887_040, 1_063_965, 4_951_005, 54_016, 114_231_846),
    ("swin_v2_large", 8_447_808, 1_588_253, 10_036_061, 81_024, 238_808_610),
]


def counted(backbone: str, adapter: str, task: str) -> dict:
    return count(*map(Component.parse, (backbone, adapter, task)))


@pytest.mark.parametrize(("backbone", "ratio", "mode", "total", "trainable", "head"), smaller_first(STG_CMA_AVE))
def test_stg_cma_on_ave(backbone, ratio, mode, total, trainable, head):
    lone = mode in LONE
    more = LONE[mode] if lone else ", exchange=False" if mode == "multimodal" else ""
    form = CLIP if backbone.startswith("clip") else SWIN
    adapter = form.format(ratio=FOUR.get(ratio, ratio), more=more)
    task = f"event_localisation(data='ave', head='stg_cma', modality='{mode if lone else 'both'}')"
    facts = counted(backbone, adapter, task)
    assert facts["total_as_published"] == total
    assert facts["trainable_as_published"] == trainable
    assert facts["head"] == facts["head_as_published"] == head
    if mode == "fusion":
        assert facts["trainable"] == trainable
        assert facts["adapter"] == trainable - head
        # The one difference left: the authors' frozen second stem for sound, which here is an option.
        if ratio in (0.0625, "constant"):
            own = counted(f"{backbone}(sound={{'stem': 'own'}})", adapter, task)
            assert own["total"] == own["total_as_published"] == total


@pytest.mark.parametrize(("backbone", "adapters", "head", "trainable", "norms", "total"), smaller_first(LAVISH_AVE))
def test_lavish_on_ave_with_and_without_norms(backbone, adapters, head, trainable, norms, total):
    task = "event_localisation(data='ave', head='lavish')"
    facts = counted(backbone, "lavish", task)
    assert (facts["adapter"], facts["head"], facts["trainable"]) == (adapters, head, trainable)
    assert facts["total_as_published"] == total
    tuned = counted(backbone, "lavish(train_norms=True)", task)
    assert tuned["trainable"] == trainable + norms
    assert tuned["total"] == facts["total"]
    assert tuned["total_as_published"] == total


@pytest.mark.parametrize(
    ("backbone", "reduction", "trainable"),
    smaller_first(
        [
            ("vit_base", 8, 2_904_701),
            ("vit_base", 16, 2_019_965),
            ("vit_large", 8, 8_242_397),
            ("vit_large", 16, 5_096_669),
        ]
    ),
)
def test_the_flags_of_lavish_on_vit(backbone, reduction, trainable):
    """LAVISH's flags for ViT-B: no batch or layer norms, four groups, eight latents, backbone norms trained."""
    adapter = (
        f"lavish(reduction={reduction}, groups=4, latents=8, batch_norm=False, norm_before=False, norm_after=False, "
        "train_norms=True)"
    )
    assert counted(backbone, adapter, "event_localisation(data='ave', head='lavish')")["trainable"] == trainable


def test_avqa():
    lavish = counted(
        "swin_v2_large",
        "lavish(latents=64, latent_start='zeros', groups=4, batch_norm=False, train_norms=True)",
        "avqa(data='music_avqa', head='lavish')",
    )
    assert lavish["adapter"] == 8_835_264 + 81_024
    assert lavish["head_as_published"] == 12_182_188
    assert lavish["trainable_as_published"] == 21_098_476
    assert lavish["total_as_published"] == 249_790_001
    stg_cma = counted(
        "swin_large", SWIN.format(ratio=FOUR["constant"], more=""), "avqa(data='music_avqa', head='stg_cma')"
    )
    assert (stg_cma["head"], stg_cma["trainable"]) == (8_900_396, 26_339_000)
    assert stg_cma["total_as_published"] == 221_338_124


LAVISH_AVS = "lavish(latents=16, reduction=4, batch_norm=False, gate_first=True, gate_audio=False)"

# Single sources (OpenNLPLab/AVSBench f7414af, and the segmentation of both repositories): backbone, adapter, TPAVI;
# then adapters, published and live head, trainable, total.
AVS = [
    ("swin_large", SWIN.format(ratio=FOUR["constant"], more=""), "(0, 1, 2, 3)",
     17_432_964, 21_168_961, 19_988_801, 38_601_925, 233_601_049),
    ("swin_base", SWIN.format(ratio=FOUR["quarter"], more=""), "(0, 1, 2, 3)",
     9_000_872, 20_738_881, 19_558_721, 29_739_753, 116_485_409),
    ("swin_v2_large", LAVISH_AVS, "()", 17_148_048, 20_505_921, 19_129_025, 37_653_969, 266_426_518),
    ("swin_v2_large", LAVISH_AVS, "(0, 1, 2, 3)", 17_148_048, 21_168_961, 19_988_801, 38_317_009, 267_089_558),
]  # fmt: skip


@pytest.mark.parametrize(("backbone", "adapter", "tpavi", "adapters", "head", "live", "trainable", "total"), AVS)
def test_avs(backbone, adapter, tpavi, adapters, head, live, trainable, total):
    facts = counted(backbone, adapter, f"segmentation(data='avsbench_s4', head='avsbench', tpavi={tpavi})")
    assert (facts["adapter"], facts["head"], facts["head_as_published"]) == (adapters, live, head)
    assert facts["trainable_as_published"] == trainable
    assert facts["total_as_published"] == total


@pytest.mark.parametrize(
    ("backbone", "data", "head"),
    [
        ("tiny_swin", "synthetic", 1_364),
        ("tiny_vit", "synthetic", 1_168),
        ("tiny_clip", "synthetic", 1_168),
        ("vit_base", "avsbench_s4", 50_752),
        ("swin_large", "avsbench_ms3", 455_380),
    ],
)
def test_the_linear_head_of_avs(backbone, data, head):
    assert counted(backbone, "linear_probe", f"segmentation(data='{data}')")["head"] == head


def test_the_decoder_on_a_backbone_of_one_stage():
    facts = counted("vit_base", "linear_probe", "segmentation(data='avsbench_s4', head='avsbench', tpavi=())")
    assert facts["head"] == 19_214_529 - 1_180_160 + 3_357_376


def test_a_row_by_the_command_line_within_twenty_seconds(capsys):
    start = time.process_time()
    cell = ("--backbone", "clip_vit_large", "--adapter", "stg_cma(position='embedding', train_final_norm=True)",
            "--task", "event_localisation(data='ave', head='stg_cma')")  # fmt: skip
    assert main(["describe", *cell, "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert {"adapter", "head", "trainable", "total", "total_as_published"} <= facts.keys()
    assert facts["trainable"] == 20_117_581
    assert time.process_time() - start < 20


def test_what_no_paper_counted_is_null():
    assert counted("vit_base", "lora", "event_localisation(data='ave')")["total_as_published"] is None
    assert counted("tiny_vit", "lavish", "event_localisation")["total_as_published"] is None


@pytest.mark.parametrize("adapter", ["full_finetune", "bitfit", "norm_tuning", "lavish(train_norms=True)"])
def test_trained_copies_count_once(adapter):
    facts = counted("vit_base", adapter, "event_localisation(data='ave')")
    frozen = counted("vit_base", "linear_probe", "event_localisation(data='ave')")
    added = 3_843_168 if "lavish" in adapter else 0
    assert facts["total"] == frozen["total"] + added
    if adapter == "full_finetune":
        assert facts["trainable_percent"] == 100.0


def test_the_head_of_video_parsing_is_published_with_layers_that_it_never_uses():
    """9,307,723 parameters of the official class, 1,902,592 of them in layers that read other networks' features."""
    facts = counted("vit_base", "lavish", "parsing(data='llp', head='han')")
    projections = 2 * (768 + 1) * 512
    assert facts["head"] == 2_628_608 + 38_475 + projections
    assert facts["head_as_published"] - projections == 9_307_723 - 1_902_592
