from __future__ import annotations

from results.store.store import Store
from results.table.gather import gather
from results.table.short_names import LONGEST, short_names

PLACE = "/home/somebody/projects/weights/checkpoints"


def vit(model: str, size: int = 224, weights: str = f"{PLACE}/dinov2_vits14_reg4_pretrain.safetensors") -> str:
    return f"vit(model={model!r}, size={size}, weights={weights!r})"


def test_short_components_are_their_own_names() -> None:
    assert short_names(["tiny_vit", "stg_cma(ratio=0.25)", "stg_cma"], {}) == {}


def test_only_the_options_that_differ_are_told() -> None:
    small, large = vit("vit_small"), vit("vit_large")
    assert short_names([small, large], {}) == {small: "vit(vit_small)", large: "vit(vit_large)"}
    other = vit("vit_large", size=336)
    assert short_names([small, large, other], {})[other] == "vit(model=vit_large, size=336)"


def test_a_lone_component_needs_no_option() -> None:
    assert short_names([vit("vit_small")], {}) == {vit("vit_small"): "vit"}


def test_of_long_values_the_part_that_differs_is_told() -> None:
    files = [f"{PLACE}/dinov2_vits14_reg4_pretrain_{name}_2026.safetensors" for name in ("imagenet", "lvd")]
    names = short_names([vit("vit_small", weights=file) for file in files], {})
    assert sorted(names.values()) == ["vit(…imagenet…)", "vit(…lvd…)"]


def test_names_of_120_characters_become_short_and_stay_distinct() -> None:
    texts = [f"adapter_{'x' * 108}_{number}" for number in range(60)]
    names = short_names(texts, {})
    assert len(set(names.values())) == 60
    assert all(len(name) <= LONGEST + 4 for name in names.values())


def test_given_names_win_and_are_taken_by_no_other() -> None:
    small, large = vit("vit_small"), vit("vit_large")
    assert short_names([small, large, "tiny"], {small: "dino", "tiny": "vit"}) == {
        small: "dino",
        "tiny": "vit",
        large: "vit #2",
    }


def test_names_are_shown_and_decide_nothing(record, tmp_path) -> None:
    store = Store(tmp_path)
    store.write(record(backbone=vit("vit_small")))
    before = gather(store).rows[0]
    store.add_names({vit("vit_small"): "dino"})
    after = gather(store).rows[0]
    assert (before.short_backbone, after.short_backbone) == ("vit", "dino")
    assert (before.backbone, before.context, before.identity) == (after.backbone, after.context, after.identity)
