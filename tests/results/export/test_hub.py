from __future__ import annotations

import pytest
import yaml

from results.export.hub import eval_results
from results.table.build import build


def test_entries_are_those_of_the_hubs_own_library(record) -> None:
    hub = pytest.importorskip("huggingface_hub")
    if not hasattr(hub, "EvalResultEntry"):
        pytest.skip("this huggingface_hub knows no .eval_results")
    rows = build([record(finished="2026-01-01T00:00:00+00:00"), record(adapter="lavish", status="failed")])
    (entry,) = yaml.safe_load(eval_results(rows, "owner/name"))
    theirs = hub.EvalResultEntry(
        dataset_id="owner/name",
        task_id="avqa",
        value=50.0,
        date="2026-01-01T00:00:00+00:00",
        notes="tiny_vit with linear_probe: 50.00 (1 seed, 95 % interval; accuracy, selected on validation)",
    )
    assert [entry] == hub.eval_result_entries_to_yaml([theirs])


def test_what_a_record_says_ends_no_line(record) -> None:
    (entry,) = yaml.safe_load(eval_results(build([record(adapter="x: [\n- y: 'z'")]), "owner/name"))
    assert "x: [\n- y: 'z'" in entry["notes"]
