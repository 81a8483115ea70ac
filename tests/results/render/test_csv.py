from __future__ import annotations

import csv
import io

import pytest

from registry.vocabulary import STRESS_FAMILIES
from results.record import SingleClip
from results.render.csv import COLUMNS, harmless, to_csv, without_measurements
from results.table.build import build
from results.table.columns import MEASUREMENTS


def read(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_the_columns_and_their_order_are_stable() -> None:
    assert (
        "task",
        "data",
        "backbone",
        "adapter",
        "metric",
        "mean",
        "std",
        "seeds",
        "interval",
        "gain_over_linear_probe",
        "adapter_parameters",
        "head_parameters",
        "trainable_parameters",
        "total_parameters",
        "trainable_percent",
        "gflops",
        "peak_memory_mb",
        "ms_per_clip",
        "train_seconds",
        "pareto",
        "status",
        "labels",
        "protocol",
        "recipe",
        "gain_interval",
        "weights",
        "versions",
        "gain_p_value",
        "behind_best",
        "behind_best_interval",
        "behind_best_p_value",
        "tied_with_best",
        "total_as_published",
        "train_ms_per_clip",
        "single_peak_memory_mb",
        "single_train_ms",
        "single_inference_ms",
        "checkpoint_bytes",
        "ppt",
        "pareto_memory",
        "pareto_within_interval",
        "pareto_memory_within_interval",
        "hypervolume",
        "mean_rank",
        "kind",
        "source",
        "modality",
        "short_backbone",
        "short_adapter",
        "task_in_full",
        "chance",
        "majority",
        "probe",
        "letters",
        "rank_low",
        "rank_high",
        "both_against_one",
        "both_against_one_interval",
        "mean_rank_low",
        "mean_rank_high",
        "mean_rank_letters",
        "machine_load",
        "trials",
        "trial_epochs",
        "less_tuned",
        *(f"drop_{family}{part}" for family in STRESS_FAMILIES for part in ("", "_interval")),
        "confusion_audio",
        "confusion_visual",
        "confusion_either",
        "not_used",
    ) == COLUMNS


def test_a_row_in_text(record) -> None:
    single = SingleClip(250.04, 7.0, 3.0)
    run = record(
        labels=["synthetic data", "random weights"], single=single, train_ms_per_clip=5.5, checkpoint_bytes=8_192
    )
    (line,) = read(to_csv(build([run])))
    assert line | {"recipe": "", "versions": ""} == {
        "task": "avqa",
        "data": "synthetic@1",
        "backbone": "tiny_vit",
        "adapter": "linear_probe",
        "metric": "accuracy",
        "mean": "50.0000",
        "std": "",
        "seeds": "1",
        "interval": "",
        "gain_over_linear_probe": "",
        "adapter_parameters": "0",
        "head_parameters": "2000",
        "trainable_parameters": "2000",
        "total_parameters": "1002000",
        "trainable_percent": "0.1996",
        "gflops": "0.250000",
        "peak_memory_mb": "300.0",
        "ms_per_clip": "4.000",
        "train_seconds": "20.0",
        "pareto": "true",
        "status": "completed",
        "labels": "random weights; synthetic data",
        "protocol": "validation",
        "recipe": "",
        "gain_interval": "",
        "weights": "",
        "versions": "",
        "gain_p_value": "",
        "behind_best": "0.0000",
        "behind_best_interval": "",
        "behind_best_p_value": "",
        "tied_with_best": "true",
        "total_as_published": "",
        "train_ms_per_clip": "5.500",
        "single_peak_memory_mb": "250.0",
        "single_train_ms": "7.000",
        "single_inference_ms": "3.000",
        "checkpoint_bytes": "8192",
        "ppt": "0.5000",
        "pareto_memory": "true",
        "pareto_within_interval": "true",
        "pareto_memory_within_interval": "true",
        "hypervolume": "0.0000",
        "mean_rank": "",
        "kind": "measured",
        "source": "",
        "modality": "both",
        "short_backbone": "tiny_vit",
        "short_adapter": "linear_probe",
        "task_in_full": "avqa",
        "chance": "",
        "majority": "",
        "probe": "",
        "letters": "",
        "rank_low": "",
        "rank_high": "",
        "both_against_one": "",
        "both_against_one_interval": "",
        "mean_rank_low": "",
        "mean_rank_high": "",
        "mean_rank_letters": "",
        "machine_load": "",
        "trials": "",
        "trial_epochs": "",
        "less_tuned": "",
    }
    assert len(line["recipe"]) == len(line["versions"]) == 8


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r\n@x", "  =cmd|'/c calc'!A0"])
def test_no_text_starts_a_formula(record, text) -> None:
    assert harmless(text)[0] == "'"
    (line,) = read(to_csv(build([record(adapter=text, data=text, labels=[text], hash="a")])))
    assert all(line[name][0] == "'" for name in ("adapter", "data", "labels"))


def test_a_loss_stays_a_number_and_text_stays_on_its_line(record) -> None:
    rows = build([record(), record(adapter="a,b\nc", scores={"accuracy": 48.0}, hash="a")])
    text = to_csv(rows)
    assert text.count("\n") == 3
    assert "\r" not in text
    assert [line["gain_over_linear_probe"] for line in read(text)] == ["", "-2.0000"]
    assert read(text)[1]["adapter"] == "a,b c"


def test_runs_of_one_cell_have_equal_bytes_without_what_the_machine_measured(record) -> None:
    here = record(labels=["=x"], peak_memory_mb=300.0, ms_per_clip=4.0, train_seconds=20.0, train_ms_per_clip=5.0)
    there = record(
        labels=["=x"], peak_memory_mb=310.0, ms_per_clip=9.0, train_seconds=90.0, train_ms_per_clip=7.0,
        single=SingleClip(250.04, 7.0, 3.0),
    )  # fmt: skip
    first, second = to_csv(build([here])), to_csv(build([there]))
    assert first != second
    assert without_measurements(first) == without_measurements(second)
    (before,), (after,) = read(first), read(without_measurements(first))
    assert after == {**before, **dict.fromkeys(MEASUREMENTS, "")}


def test_a_score_is_not_among_what_is_left_out(record) -> None:
    texts = {without_measurements(to_csv(build([record(scores={"accuracy": score})]))) for score in (50.0, 50.001)}
    assert len(texts) == 2
