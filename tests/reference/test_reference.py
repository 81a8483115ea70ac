"""Every built-in component gives the numbers that are recorded for its version.

A change of numbers without a raised version fails here, and so does a raised version without new numbers.
"""

from __future__ import annotations

from pathlib import Path

import catalog
import pytest
import record
from summary import Numbers

from registry.errors import UserError

PARTS = catalog.declared()
RECORDED = catalog.recorded()


@pytest.mark.parametrize("key", PARTS)
def test_numbers_are_those_recorded_for_the_version(key: str, tmp_path: Path) -> None:
    measured = PARTS[key](tmp_path) if key in RECORDED else {}
    complaint = catalog.complaint(key, measured, RECORDED)
    assert not complaint, complaint


def test_every_recorded_version_is_declared() -> None:
    old = sorted(RECORDED.keys() - PARTS.keys())
    assert not old, f"nothing declares {', '.join(old)}; raised versions are recorded with: {catalog.COMMAND}"


def test_every_built_in_component_declares_a_version() -> None:
    assert not [key for key in PARTS if "file:" in key]


NUMBERS: Numbers = {"output": [2.0, -30.0], "identity": "world@1"}


def test_another_processor_passes_and_a_changed_coefficient_fails() -> None:
    entries = {"adapter/some@1": NUMBERS}
    assert not catalog.complaint("adapter/some@1", {**NUMBERS, "output": [2.0 + 2e-5, -30.0 - 2e-3]}, entries)
    for changed in ([2.0, -30.01], [2.01, -30.0], [2.0], [float("nan"), -30.0]):
        message = catalog.complaint("adapter/some@1", {**NUMBERS, "output": changed}, entries)
        assert "adapter/some@1 gives other numbers than recorded: 'output' is [" in message
        assert "raise the version that is declared" in message
        assert catalog.COMMAND in message
    assert "'identity' is world@2" in catalog.complaint("adapter/some@1", {**NUMBERS, "identity": "world@2"}, entries)


def test_numbers_that_came_or_went_fail() -> None:
    entries = {"adapter/some@1": NUMBERS}
    assert "'gradient' was not measured before" in catalog.complaint(
        "adapter/some@1", {**NUMBERS, "gradient": [1.0]}, entries
    )
    assert "'output' is not measured any more" in catalog.complaint("adapter/some@1", {"identity": "world@1"}, entries)


def test_a_raised_version_without_numbers_fails_and_says_how_to_record_them() -> None:
    message = catalog.complaint("adapter/some@2", NUMBERS, {"adapter/some@1": NUMBERS})
    assert message == f"no numbers are recorded for adapter/some@2; record them with: {catalog.COMMAND}"


@pytest.fixture
def parts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, catalog.Measure]:
    """Declared parts and a folder for numbers of this test's own."""
    declared: dict[str, catalog.Measure] = {"adapter/some@1": lambda folder: NUMBERS}
    monkeypatch.setattr(catalog, "declared", lambda: declared)
    monkeypatch.setattr(catalog, "FOLDER", tmp_path / "numbers")
    return declared


def test_recording_keeps_the_numbers_of_a_version_unless_they_are_named(parts: dict[str, catalog.Measure]) -> None:
    record.record()
    assert catalog.recorded() == {"adapter/some@1": NUMBERS}
    parts["adapter/some@1"] = lambda folder: {"output": [7.0]}
    record.record()
    assert catalog.recorded() == {"adapter/some@1": NUMBERS}
    record.record(replace=["adapter/some@1"])
    assert catalog.recorded() == {"adapter/some@1": {"output": [7.0]}}
    with pytest.raises(UserError, match=r"adapter/some@1"):
        record.record(replace=["adapter/some"])


def test_a_raised_version_is_recorded_and_the_old_one_dropped(parts: dict[str, catalog.Measure]) -> None:
    record.record()
    parts["adapter/some@2"] = parts.pop("adapter/some@1")
    record.record()
    assert catalog.recorded() == {"adapter/some@2": NUMBERS}
