from __future__ import annotations

import re

from results.render.csv import to_csv
from results.table.build import build
from results.table.published import lines, published, published_for


def test_every_number_has_a_primary_source_a_protocol_and_a_plausible_value() -> None:
    rows = published()
    assert len(rows) > 30
    for row in rows:
        assert re.match(r"\[[VC]\] \S", row.source), row
        assert row.protocol in ("test-selected", "validation-selected", "zero-shot", "unknown")
        assert 0 < row.score.mean < 100
        assert row.kind == "published"
        assert row.cost.trainable_parameters is None or row.cost.trainable_parameters > 10**5


def test_the_numbers_that_the_field_quotes_most() -> None:
    found = {(row.task, row.adapter, row.backbone): row for row in published()}
    best = found["event_localisation", "STG-CMA (ratio 1/16)", "CLIP ViT-L/14"]
    assert (best.score.mean, best.cost.trainable_parameters, best.protocol) == (83.3, 20_100_000, "test-selected")
    assert found["event_localisation", "frozen, trained head", "Swin-V2-L"].score.mean == 77.94
    dg_sct = found["event_localisation", "DG-SCT", "Swin-V2-L + HTS-AT"].cost
    assert (dg_sct.adapter_parameters, dg_sct.trainable_parameters) == (188_538_864, 201_160_647)
    assert found["avqa", "DG-SCT", "Swin-V2-L + HTS-AT"].cost.total_as_published == 520_188_176
    parsing = {row.metric: row.score.mean for row in published() if row.task == "parsing"}
    assert (len(parsing), parsing["type_at_av"], parsing["event_level_event_at_av"]) == (10, 57.1, 49.1)


def test_percentages_follow_from_the_counts() -> None:
    counted = [row for row in published() if row.cost.trainable_parameters and row.cost.total_as_published]
    assert len(counted) >= 13
    for row in counted:
        share = 100 * row.cost.trainable_parameters / row.cost.total_as_published
        assert row.cost.trainable_percent == share
    printed = [line for line in lines() if line["trainable_percent"]]
    assert len(printed) == 4
    for line in printed:
        digits = len(line["trainable_percent"].partition(".")[2])
        share = 100 * int(line["trainable_parameters"]) / int(line["total_parameters"])
        assert f"{share:.{digits}f}" == line["trainable_percent"], line


def test_no_count_is_a_share_in_disguise() -> None:
    """Adapters are part of what is trained, and that of the whole."""
    for row in published():
        cost = row.cost
        sizes = (cost.adapter_parameters, cost.trainable_parameters, cost.total_as_published)
        known = [size for size in sizes if size is not None]
        assert known == sorted(known), row


def test_they_come_last_and_enter_no_number_of_ours(record) -> None:
    rows = build([record(), record(adapter="lavish", task="event_localisation(modality='both')")])
    shown = published_for(rows)
    assert {row.task for row in shown} == {"avqa", "event_localisation"}
    assert all(row.score.mean == 50.0 for row in rows)
    assert all(
        (row.fronts.pareto, row.comparison.mean_rank, row.comparison.tied_with_best) == (None, None, None)
        for row in shown
    )
    lines = to_csv([*rows, *shown]).splitlines()
    kinds = ["published" if ",published," in line else "measured" for line in lines[1:]]
    assert kinds == ["measured"] * 2 + ["published"] * len(shown)


def test_without_rows_there_is_nothing_to_stand_beside() -> None:
    assert published_for([]) == ()
