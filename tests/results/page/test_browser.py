"""The page in a real browser: `make test-browser`, or `pytest -m browser` where chromium and chromium-driver are.

Pictures of it are kept in `build/screenshots` (or in `$AVBENCH_SCREENSHOTS`), to be looked at.
"""

from __future__ import annotations

import csv
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from headless import SCREENSHOTS, headless_chromium

from results.table.gather import Leaderboard

pytestmark = pytest.mark.browser
TASK = "avqa"


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """One browser for all tests."""
    with headless_chromium(tmp_path_factory.mktemp("profile")) as driver:
        yield driver


@pytest.fixture
def browser(chromium: Any, page: Path) -> Iterator[Any]:
    """The page, freshly opened from disk, its plot drawn; afterwards its console holds no complaint."""
    chromium.get_log("browser")
    chromium.get(page.as_uri())
    until(chromium, "return document.querySelectorAll('#plot .main-svg').length > 0")
    yield chromium
    assert [entry for entry in chromium.get_log("browser") if entry["level"] == "SEVERE"] == []


def until(browser: Any, condition: str, seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not browser.execute_script(condition):
        assert time.monotonic() < end, condition
        time.sleep(0.05)


def choose(browser: Any, name: str, value: Any) -> None:
    """Set a filter as a person does: the value, then the events of the keyboard."""
    browser.execute_script(
        """const field = document.getElementById(arguments[0]);
        if (field.type === 'checkbox') { if (field.checked !== arguments[1]) field.click(); return; }
        field.value = arguments[1];
        field.dispatchEvent(new Event('input', {bubbles: true}));
        field.dispatchEvent(new Event('change', {bubbles: true}));""",
        name,
        value,
    )
    # Typing is heard a moment after the last key.
    time.sleep(0.3 if name in ("filter-text", "budget-parameters", "budget-memory") else 0.02)


def table(browser: Any) -> list[list[str]]:
    """The texts of all cells, page by page."""
    lines: list[list[str]] = []
    press(browser, "previous")
    while True:
        lines += browser.execute_script(
            "return [...document.querySelectorAll('#table tbody tr')].map(r => [...r.cells].map(c => c.textContent))"
        )
        if not press(browser, "next"):
            return lines


def press(browser: Any, button: str) -> bool:
    """Press a button that leads on, until it cannot for `previous`; whether there was a page to go to."""
    script = "const b = document.getElementById(arguments[0]); if (b.disabled) return false; b.click(); return true"
    moved: bool = browser.execute_script(script, button)
    return press(browser, button) if moved and button == "previous" else moved


@pytest.fixture
def rows(page: Path) -> list[dict[str, str]]:
    """The lines of the CSV."""
    path = page.with_suffix(".csv")
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def own(rows: list[dict[str, str]], **wanted: str) -> list[dict[str, str]]:
    return [row for row in rows if row["kind"] == "measured" and all(row[k] == v for k, v in wanted.items())]


def names(rows: list[dict[str, str]]) -> list[str]:
    return [f"{row['short_backbone']}/{row['short_adapter']}" for row in rows]


def shown_names(browser: Any) -> list[str]:
    return [f"{cells[1]}/{cells[2]}" for cells in table(browser)]


def sort_by(browser: Any, column: str) -> None:
    browser.execute_script(f"document.querySelector('#table thead button[data-column=\"{column}\"]').click()")


def test_every_row_and_digit_of_the_csv_is_on_the_page(browser: Any, rows: list[dict[str, str]]) -> None:
    choose(browser, "filter-task", "")
    choose(browser, "all-columns", True)
    choose(browser, "published", True)
    heads = browser.execute_script(
        "return [...document.querySelectorAll('#table thead button')].map(b => b.dataset.column)"
    )
    assert heads == list(rows[0])
    assert len(rows) > 50
    assert [dict(zip(heads, cells, strict=True)) for cells in table(browser)] == [
        {name: " ".join(value.split()) for name, value in row.items()} for row in rows
    ]


def test_remarks_tell_the_trials_behind_rows_and_who_had_fewer(browser: Any) -> None:
    shown = browser.execute_script("return document.querySelector('#table').textContent")
    assert "20 trials" in shown
    assert "20 trials, less" not in shown
    assert "0 trials, less tuned than others" in shown


def test_the_first_look_is_one_task_in_the_order_of_its_scores(browser: Any, rows: list[dict[str, str]]) -> None:
    ranked = own(rows, task=TASK)
    assert shown_names(browser) == names(ranked)
    summary = browser.find_element("id", "summary").text
    assert f"Highest: {names(ranked)[0]}" in summary
    tied = sum(row["tied_with_best"] == "true" for row in ranked) - 1
    assert f"{tied} more rows cannot be told apart from it" in summary
    assert browser.find_element("id", "labels").text == "All rows: synthetic data"


@pytest.mark.parametrize("column", ["mean", "trainable_parameters", "peak_memory_mb", "short_backbone"])
def test_sorting(browser: Any, rows: list[dict[str, str]], column: str) -> None:
    ranked = own(rows, task=TASK)

    def number(row: dict[str, str]) -> Any:
        return row[column] if column == "short_backbone" else float(row[column])

    falling = column == "mean"
    for reverse, direction in ((falling, "first"), (not falling, "second")):
        sort_by(browser, column)
        assert shown_names(browser) == names(sorted(ranked, key=number, reverse=reverse)), direction
        said = browser.execute_script(
            f"return document.querySelector('button[data-column=\"{column}\"]').closest('th').ariaSort"
        )
        assert said == ("descending" if reverse else "ascending")
    sort_by(browser, column)
    assert shown_names(browser) == names(ranked)


def test_filtering(browser: Any, rows: list[dict[str, str]]) -> None:
    choose(browser, "filter-backbone", "tiny_swin")
    assert shown_names(browser) == names(own(rows, task=TASK, backbone="tiny_swin"))
    choose(browser, "filter-text", "STG")
    assert shown_names(browser) == names(own(rows, task=TASK, backbone="tiny_swin", adapter="stg_cma"))
    choose(browser, "filter-text", "no such thing")
    assert shown_names(browser) == []
    assert "No row" in browser.find_element("id", "summary").text
    browser.find_element("id", "reset").click()
    time.sleep(0.4)
    assert shown_names(browser) == names(own(rows, task=TASK))
    choose(browser, "filter-task", "retrieval")
    choose(browser, "filter-adapter", "bottleneck")
    assert shown_names(browser) == names(own(rows, task="retrieval", adapter="bottleneck"))


def test_a_budget_keeps_what_fits_and_names_its_best(browser: Any, rows: list[dict[str, str]]) -> None:
    choose(browser, "budget-parameters", "40k")
    fitting = [row for row in own(rows, task=TASK) if float(row["trainable_parameters"]) <= 40_000]
    assert 0 < len(fitting) < len(own(rows, task=TASK))
    assert shown_names(browser) == names(fitting)
    summary = browser.find_element("id", "summary").text
    assert f"Highest: {names(fitting)[0]}" in summary
    assert "outside of these filters" in summary
    choose(browser, "budget-parameters", "forty")
    assert not browser.execute_script("return document.getElementById('budget-parameters').validity.valid")
    assert shown_names(browser) == names(fitting)


def drawn_front(browser: Any) -> set[tuple[float, float]]:
    traces = browser.execute_script(
        "return document.getElementById('plot').data.filter(t => t.mode === 'lines').map(t => [t.x, t.y])"
    )
    return {(x, y) for xs, ys in traces for x, y in zip(xs, ys, strict=True)}


@pytest.mark.parametrize(("axis", "flag"), [("trainable_parameters", "pareto"), ("peak_memory_mb", "pareto_memory")])
def test_the_front_that_is_drawn_is_that_of_the_csv(
    browser: Any, rows: list[dict[str, str]], axis: str, flag: str
) -> None:
    choose(browser, "axis-x", axis)
    front = [row for row in own(rows, task=TASK) if row[flag] == "true"]
    assert drawn_front(browser) == {(float(row[axis]), float(row["mean"])) for row in front}


def test_any_two_columns_can_be_drawn(browser: Any) -> None:
    columns = browser.execute_script("return [...document.getElementById('axis-x').options].map(o => o.value)")
    assert len(columns) > 20
    for x, y in pairwise(columns):
        choose(browser, "axis-x", x)
        choose(browser, "axis-y", y)
    assert "rows have both values" in browser.find_element("id", "plot-note").text


def test_hovering_tells_the_full_record(browser: Any, rows: list[dict[str, str]]) -> None:
    texts = browser.execute_script("return document.getElementById('plot').data.flatMap(t => t.text ?? [])")
    best = own(rows, task=TASK)[0]
    told = next(text for text in texts if f"score (%): {best['mean']}" in text)
    assert all(f": {best[name]}" in told for name in ("backbone", "adapter", "std", "single_train_ms", "recipe"))


def test_a_record_opens_by_keyboard_and_closes_again(browser: Any) -> None:
    from selenium.webdriver.common.keys import Keys

    browser.execute_script("document.querySelector('#table tbody tr').focus()")
    browser.switch_to.active_element.send_keys(Keys.ARROW_DOWN)
    second = browser.execute_script("return document.activeElement.rowIndex")
    assert second == 2
    browser.switch_to.active_element.send_keys(Keys.ENTER)
    until(browser, "return document.querySelectorAll('#curve-loss .main-svg').length > 0")
    body = browser.find_element("id", "record-body").text
    assert "By kind" in body
    assert "Audio-Visual Location" in body
    assert "python -m benchmark compare" in body
    assert "a processor" in body
    browser.save_screenshot(str(_picture("record.png")))
    browser.switch_to.active_element.send_keys(Keys.ESCAPE)
    assert not browser.execute_script("return document.getElementById('record').open")
    assert browser.execute_script("return document.activeElement.rowIndex") == second


def test_every_control_is_reached_by_the_tab_key(browser: Any) -> None:
    from selenium.webdriver.common.keys import Keys

    reached = set()
    browser.execute_script("document.activeElement.blur()")
    for _ in range(60):
        browser.switch_to.active_element.send_keys(Keys.TAB)
        reached.add(browser.execute_script("return document.activeElement.id || document.activeElement.tagName"))
    wanted = {
        "theme",
        "filter-task",
        "filter-text",
        "budget-memory",
        "published",
        "axis-x",
        "axis-y",
        "all-columns",
        "TR",
    }
    assert wanted <= reached


def test_text_of_records_stays_text(browser: Any) -> None:
    choose(browser, "filter-task", "")
    choose(browser, "filter-text", "onerror")
    browser.execute_script("document.querySelector('#table tbody tr').click()")
    until(browser, "return document.getElementById('record').open")
    assert browser.execute_script("return window.bitten ?? null") is None
    assert browser.execute_script("return document.querySelectorAll('main img, dialog img').length") == 0
    assert "</script>" in browser.find_element("id", "record-title").text
    texts = browser.execute_script("return document.getElementById('plot').data.flatMap(t => t.text ?? [])")
    assert all("<img" not in text for text in texts)


def test_nothing_is_fetched(browser: Any) -> None:
    assert browser.execute_script("return performance.getEntriesByType('resource').map(e => e.name)") == []


def test_rows_that_are_kept_apart_are_explained(browser: Any) -> None:
    text = browser.find_element("id", "more").text
    assert "Kept in rows of their own, and why" in text
    assert "since they differ in recipe epochs" in text
    assert "Mean rank over tasks" in text


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(("device", "width", "height"), [("desk", 1280, 1500), ("phone", 390, 844)])
def test_it_looks_right(browser: Any, theme: str, device: str, width: int, height: int) -> None:
    """What a test can see: the colours of the theme, and nothing wider than the screen. The pictures are for people."""
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": device == "phone"}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    media = {"features": [{"name": "prefers-color-scheme", "value": theme}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    try:
        time.sleep(0.8)
        ground = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
        assert (ground == "rgb(255, 255, 255)") == (theme == "light")
        assert browser.execute_script("return document.documentElement.scrollWidth <= innerWidth")
        paper = browser.execute_script("return document.getElementById('plot').layout.paper_bgcolor")
        assert (paper == "#ffffff") == (theme == "light")
        browser.save_screenshot(str(_picture(f"{device}-{theme}.png")))
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def _picture(name: str) -> Path:
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    return SCREENSHOTS / name


@pytest.mark.parametrize(("width", "mobile"), [(1280, False), (390, True)])
def test_no_column_is_cut_and_no_plot_overflows(browser: Any, width: int, mobile: bool) -> None:
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": mobile}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    try:
        fits = """const scroll = document.querySelector('.scroll'), plot = document.querySelector('#plot .main-svg');
            // On a phone the table scrolls within its frame.
            return innerWidth === arguments[0] && (innerWidth < 700 || scroll.scrollWidth <= scroll.clientWidth + 1) &&
              plot.getBoundingClientRect().right <= innerWidth + 1 &&
              document.documentElement.scrollWidth <= innerWidth;"""
        end = time.monotonic() + 20
        while not browser.execute_script(fits, width):
            assert time.monotonic() < end
            time.sleep(0.1)
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_a_record_shows_what_its_row_gets_wrong(browser: Any) -> None:
    browser.execute_script("openRecord(0)")
    until(browser, "return document.querySelectorAll('#confusion .heatmaplayer image').length > 0")
    until(browser, "return document.querySelectorAll('#reliability .main-svg').length > 0")
    told = browser.execute_script("return document.getElementById('record-body').innerText")
    assert "Expected calibration error" in told
    assert "Items whose truth got the least probability" in told
    assert "cannot be told apart from rows with one of these letters" in told


@pytest.mark.parametrize(("width", "mobile"), [(1280, False), (390, True)])
def test_what_rows_lose_without_sight_or_sound_is_shown(
    browser: Any, board: Leaderboard, width: int, mobile: bool
) -> None:
    metrics = {"width": width, "height": 1500, "deviceScaleFactor": 1, "mobile": mobile}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    deaf = next(i for i, own in enumerate(board.robustness) if own and "does not use sound" in own.verdicts)
    choose(browser, "filter-task", "")
    panel = browser.execute_script("return document.getElementById('stress-panel').innerText")
    assert "does not use sound" in panel
    browser.execute_script(f"openRecord({deaf})")
    until(browser, "return document.querySelectorAll('#stress-levels .main-svg').length > 0")
    assert "This row does not use sound" in browser.execute_script("return document.getElementById('record').innerText")
    browser.execute_script("document.getElementById('stress-levels').scrollIntoView()")
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    browser.save_screenshot(str(SCREENSHOTS / f"stress-{width}.png"))
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    assert not browser.execute_script("return window.bitten")
    browser.execute_script("closeRecord()")
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


@pytest.mark.parametrize(("width", "mobile"), [(1280, False), (390, True)])
def test_clips_of_a_row_are_shown_with_their_lanes(browser: Any, board: Leaderboard, width: int, mobile: bool) -> None:
    metrics = {"width": width, "height": 1500, "deviceScaleFactor": 1, "mobile": mobile}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    row = next(i for i, own in enumerate(board.galleries) if own)
    browser.execute_script(f"openRecord({row})")
    until(
        browser, "return [...document.querySelectorAll('.clip img')].every((img) => img.complete && img.naturalWidth)"
    )
    assert browser.execute_script("return document.querySelectorAll('.clip').length") == 3
    lanes = "return [...document.querySelectorAll('.clip .lane')].map((lane) => lane.children.length)"
    assert browser.execute_script(lanes) == [3, 6, 3, 6]
    assert browser.execute_script("return document.querySelectorAll('.lane .wrong').length") == 6
    browser.execute_script("document.querySelector('.clip').scrollIntoView()")
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    browser.save_screenshot(str(SCREENSHOTS / f"gallery-{width}.png"))
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    assert not browser.execute_script("return window.bitten")
    browser.execute_script("closeRecord()")
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
