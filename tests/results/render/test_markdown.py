from __future__ import annotations

from results.record import Failure, Parameters
from results.render.markdown import to_markdown
from results.table.build import build
from results.table.gather import Leaderboard


def test_one_table_for_each_task_with_front_labels_and_command(record) -> None:
    records = [
        record(),
        record(adapter="lavish", scores={"accuracy": 60.0}, parameters=Parameters(10**6, 12_300, 2_000)),
    ]
    records += [record(task="retrieval", labels=["synthetic data", "random weights"])]
    page = to_markdown(Leaderboard(build(records), command="python -m benchmark leaderboard --output runs"))
    assert "Made by `python -m benchmark leaderboard --output runs`." in page
    assert "**All rows: synthetic data.**" in page
    assert page.count("| backbone | adapter | score ± 95 % | std |") == 2
    assert page.index("## avqa") < page.index("## retrieval")
    lavish = next(line for line in page.splitlines() if "lavish" in line)
    assert lavish.startswith("| ★ | tiny_vit | lavish | 60.00 | – | 1 | – | – | +10.00 | 12.3 k | 2.0 k | 14.3 k |")
    assert next(line for line in page.splitlines()[::-1] if "tiny_vit" in line).endswith("| random weights |")


def test_rows_of_one_name_say_what_tells_them_apart(record) -> None:
    rows = build([record(), record(recipe={"epochs": 9}, hash="other")])
    page = to_markdown(Leaderboard(rows))
    assert all(f"recipe {row.recipe}" in page for row in rows)
    assert "weights " not in page


def test_failures_are_listed_and_break_no_table(record) -> None:
    failure = Failure("nan_loss", "a | b\nsecond `line`")
    rows = build([record(), record(adapter="lavish", status="failed", failure=failure)])
    page = to_markdown(Leaderboard(rows))
    assert "| avqa | tiny_vit | lavish | seed 0: nan_loss: a \\| b second \\`line\\` |" in page


def test_no_runs_is_said() -> None:
    assert "No runs yet." in to_markdown(Leaderboard([]))


def test_notes_have_a_section_of_their_own() -> None:
    assert "## Notes\n\n- seed 0 of a\\|b completed twice\n" in to_markdown(
        Leaderboard([], notes=["seed 0 of a|b completed twice"])
    )
