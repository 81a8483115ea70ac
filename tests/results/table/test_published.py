from __future__ import annotations

import re

from results.render.csv import to_csv
from results.table.build import build
from results.table.published import published, published_for


def test_every_number_has_a_primary_source_a_protocol_and_a_plausible_value() -> None:
    rows = published()
    assert len(rows) > 30
    for row in rows:
        assert re.match(r"\[[VC]\] \S", row.source), row
        assert row.protocol in ("test-selected", "zero-shot", "unknown")
        assert 0 < row.score.mean < 100
        assert row.kind == "published"
        assert row.cost.trainable_parameters is None or row.cost.trainable_parameters > 10**5


def test_the_numbers_that_the_field_quotes_most() -> None:
    found = {(row.task, row.adapter, row.backbone): row for row in published()}
    best = found["event_localisation", "STG-CMA (ratio 1/16)", "CLIP ViT-L/14"]
    assert (best.score.mean, best.cost.trainable_parameters, best.protocol) == (83.3, 20_100_000, "test-selected")
    assert found["event_localisation", "frozen, trained head", "Swin-V2-L"].score.mean == 77.94
    assert found["avqa", "DG-SCT", "Swin-V2-L + HTS-AT"].cost.total_as_published == 520_200_000


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
