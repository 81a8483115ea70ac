"""The page of a prediction in a real browser: `make test-browser`. Pictures of it are kept, to be looked at."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from headless import SCREENSHOTS, headless_chromium
from shown_predictions import NO_MAP, as_a_whole, exchange, hostile, prediction

from benchmark.use.page import write_page

pytestmark = pytest.mark.browser
PAGES = {
    "segments": (prediction(), exchange()),
    "whole": (as_a_whole(question="What barks ?", notes=("only the first 16 s of 2400 s were read",)), exchange()),
    "mute": (prediction(log_mels=None, notes=("no sound track", "one frame")), NO_MAP),
    "hostile": (hostile(), exchange()),
}


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with headless_chromium(tmp_path_factory.mktemp("profile")) as driver:
        yield driver


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("name", PAGES)
def test_a_page_fits_runs_nothing_and_fetches_nothing(
    name: str, width: int, theme: str, chromium: Any, tmp_path: Path
) -> None:
    write_page(*PAGES[name], tmp_path / "prediction.html")
    metrics = {"width": width, "height": 1500, "deviceScaleFactor": 1, "mobile": width < 600}
    chromium.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    scheme = {"features": [{"name": "prefers-color-scheme", "value": theme}]}
    chromium.execute_cdp_cmd("Emulation.setEmulatedMedia", scheme)
    chromium.get_log("browser")
    chromium.get((tmp_path / "prediction.html").as_uri())
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    chromium.save_screenshot(str(SCREENSHOTS / f"prediction-{name}-{width}-{theme}.png"))

    def measured(script: str) -> Any:
        return chromium.execute_script(f"return {script}")

    assert measured("document.documentElement.scrollWidth") <= width
    ground = measured("getComputedStyle(document.body).backgroundColor")
    assert (ground == "rgb(255, 255, 255)") == (theme == "light")
    assert measured("[...document.images].every(image => image.complete && image.naturalWidth > 0)")
    assert measured("performance.getEntriesByType('resource').filter(e => !e.name.startsWith('data:')).length") == 0
    assert measured("document.scripts.length") == 0
    lanes = measured("[...document.querySelectorAll('.row')].map(row => row.getBoundingClientRect().left)")
    assert len(set(map(round, lanes))) == 1, "lanes begin at one place"
    assert [entry for entry in chromium.get_log("browser") if entry["level"] == "SEVERE"] == []
