from __future__ import annotations

import pytest

from results.render import format


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (0, "0"),
        (999, "999"),
        (1_000, "1.0 k"),
        (12_345, "12.3 k"),
        (999_949, "999.9 k"),
        (999_950, "1.0 M"),
        (1_234_567, "1.2 M"),
        (3_000_000_000, "3.0 G"),
    ],
)
def test_count(value, text) -> None:
    assert format.count(value) == text


@pytest.mark.parametrize(("value", "text"), [(0.0, "0"), (0.012345, "0.0123"), (1.234, "1.23"), (12_345.6, "12346")])
def test_significant(value, text) -> None:
    assert format.significant(value) == text


def test_scores_gains_and_times() -> None:
    assert format.score(71.234, 0.516) == "71.23 ± 0.52"
    assert format.score(71.234, None) == "71.23"
    assert format.gain(4.1, 0.92) == "+4.10 ± 0.92"
    assert format.gain(-0.001, None) == "+0.00"
    assert [format.duration(seconds) for seconds in (45, 750, 11_520)] == ["45 s", "12.5 min", "3.2 h"]


def test_bytes() -> None:
    assert [format.byte_count(value) for value in (None, 0, 987, 12_345, 2e6)] == [
        "–",
        "0 B",
        "987 B",
        "12.3 kB",
        "2.0 MB",
    ]


def test_one_thing_is_no_plural() -> None:
    assert [format.counted(many, "cell") for many in (0, 1, 2)] == ["0 cells", "1 cell", "2 cells"]
