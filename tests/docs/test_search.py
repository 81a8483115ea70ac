"""The built site, opened from disk in headless Chromium: the search box finds answers, nothing comes from elsewhere.

`make test-browser` runs it, which installs what it needs.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import quote

import pytest

ROOT = Path(__file__).parents[2]
ASKED = {
    "what does STG-CMA add to a ViT block": "questions/what_stg_cma_adds.html",
    "total parameter count not the paper's": "questions/total_parameters.html",
    "run on my eight videos": "questions/eight_videos.html",
    "job was killed": "questions/killed_job.html",
    "which adapter for 2 M parameters": "questions/two_million_parameters.html",
    "how sure is the gain": "questions/how_sure_is_the_gain.html",
    "compare with 83.3 on AVE": "questions/compare_with_ave.html",
}

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True)
    return folder


@pytest.fixture(scope="module")
def browser():
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1280,900"):
        options.add_argument(argument)
    driver = webdriver.Chrome(options=options)
    yield driver
    driver.quit()


def found(browser, site: Path, question: str) -> list[str]:
    """Pages that the search box proposes, best first."""
    browser.get(f"file://{site}/index.html?q={quote(question)}")
    script = "return [...document.querySelectorAll('.md-search-result__item > a')].map(a => a.href)"
    for _ in range(100):
        links = browser.execute_script(script)
        if links:
            return [link.split("?")[0].split("#")[0].removeprefix(f"file://{site}/") for link in links]
        time.sleep(0.3)
    pytest.fail(f"the search box finds nothing for {question!r}")


@pytest.mark.parametrize(("question", "page"), ASKED.items(), ids=[page.split("/")[1] for page in ASKED.values()])
def test_a_question_finds_its_page_first(browser, site: Path, question: str, page: str) -> None:
    assert found(browser, site, question)[0] == page


def test_no_page_loads_anything_from_elsewhere(site: Path) -> None:
    loads = re.compile(r'<(?:script|link|img|iframe)[^>]+(?:src|href)="(https?:)?//[^"]+"')
    assert {str(p): loads.findall(p.read_text()) for p in site.rglob("*.html") if loads.search(p.read_text())} == {}


@pytest.mark.parametrize("width", [1280, 420])
def test_no_page_is_wider_than_its_window(browser, site: Path, width: int) -> None:
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    )
    wide = {}
    for page in sorted(site.rglob("*.html")):
        browser.get(f"file://{page}")
        beyond = browser.execute_script("return document.documentElement.scrollWidth - window.innerWidth")
        if beyond > 0:
            wide[page.name] = beyond
    assert wide == {}
