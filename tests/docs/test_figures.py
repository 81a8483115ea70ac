"""Every figure of the README and the site stands in a file of the tree from which it comes, or is worked out here.

Tables of measurements are generated (`test_site.py`). This is about what pages say in words and in tables of their own:
counts of five digits or more, which a test or a file of data must hold, and quantities with a unit or a decimal point,
whose source is named below. A new figure fails here until its source is named.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from benchmark.grid.papers import paper
from registry import BACKBONES, look_up
from tasks.synthetic.questions import ask
from tasks.synthetic.scene import make_scene
from tasks.synthetic.store import seeds

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(path for path in DOCS.rglob("*.md") if "_parts" not in path.parts)]
CODE = re.compile(r"```[\s\S]*?```|^    .*$|`[^`\n]*`|\$[^$\n]*\$|\\\(.*?\\\)|\]\([^)]*\)", re.MULTILINE)
REFERENCE = re.compile(r"arXiv \d{4}\.\d{4,5}|[Ss]ections? \d[\d.]*|Python 3\.\d+|[Ss]chema \d[\d.]*")
QUANTITY = re.compile(
    r"(?<![\w.,/@-])(\d[\d,]*(?:\.\d+)?) ?"
    r"(?:%|ms|µs|s|seconds|minutes|hours|MB|MiB|GB|GiB|TFLOP/s|points|times|M)(?![\w×/])"
)
DECIMAL = re.compile(r"(?<![\w.,/@-])[1-9]\d*\.\d+(?![\w.])")
COUNT = re.compile(r"(?<![\w.,])(?:\d{2,3},\d{3}|\d{1,3}(?:,\d{3}){2,})(?!\d|,\d)")

SOURCES = {
    "evidence/embedded_default.md": {
        "71.8": "backbones/tiny/tiny_vit.json", "66.0": "backbones/tiny/tiny_swin.json",
        "56.2": "backbones/tiny/tiny_clip.json",
    },
    "evidence/parity.md": {"1.0": "benchmark/verify/precision.py"},
    "explanation/other_adapters.md": {
        "10": "backbones/families/audio/ast.py", "4.2677393": "backbones/families/audio/ast.py",
        "4.5689974": "backbones/families/audio/ast.py",
    },
    "explanation/statistics.md": {
        "62": "measurements/coverage.py", "60": "measurements/coverage.py", "25": "measurements/coverage.py",
    },
    "how_to/boards.md": {"6": "results/page/build.py"},
    "how_to/files.md": {"64": "results/store/store.py", "512": "results/store/items.py"},
    "how_to/measure_robustness.md": {
        "2": "benchmark/stress/corruptions.py", "8": "benchmark/stress/corruptions.py",
        "38": "benchmark/stress/corruptions.py",
    },
    "how_to/parsing.md": {
        "45.2": "tests/tasks/parsing/test_task.py", "6": "tasks/synthetic/scene.py",
        "10": "tasks/datasets/by_modality/llp.py",
    },
    "how_to/publish_an_adapter.md": {
        "64": "benchmark/kept/folder.py", "8": "benchmark/use/hub.py", "1": "benchmark/use/hub.py",
    },
    "how_to/read_the_leaderboard.md": {"2": "tests/results/page/test_page_build.py"},
    "how_to/reproduce_a_paper.md": {
        "365": "benchmark/grid/papers.py", "31": "benchmark/grid/papers.py", "1": "tasks/media/sampling.py",
        "1.95": "tasks/media/sampling.py",
    },
    "how_to/segmentation.md": {"1": "tasks/media/sampling.py", "1.95": "tasks/media/sampling.py"},
    "index.md": {"83.3": "results/published.csv"},
    "questions/compare_with_ave.md": {"83.3": "results/published.csv", "20.1": "results/published.csv"},
    "reference/data_layouts.md": {
        "30": "tasks/media/sound.py", "3": "tasks/media/sound.py", "1": "tasks/media/sampling.py",
        "1.95": "tasks/media/sampling.py", "128": "tasks/datasets/prepare.py",
    },
}  # fmt: skip
"""A page's figures, each with the file that has it, perhaps as a share of one, in thousands or in millions."""
CONVENTIONS = {"95", "80", "5"}
"""Percent: the level of every interval, the power that `compare` asks for, and the level of every test."""
NO_FIGURES = {
    "explanation/parameters.md": {"100"},  # a whole
    "evidence/parity.md": {"100"},
    "how_to/read_the_leaderboard.md": {"2.1", "3.4", "1.2"},  # rows made up to be read
    "how_to/resume_and_clusters.md": {"3.29", "4.2"},  # versions
    "questions/two_million_parameters.md": {"2"},  # what is asked for
    "index.md": {"2"},
    "tutorials/from_python.md": {"6", "10"},  # the words of a message
}
HOLD_COUNTS = (
    "tests/**/*.py",
    "benchmark/**/*.toml",
    "benchmark/grid/*.py",
    "benchmark/cost/*.py",
    "results/*.csv",
    "backbones/**/*.json",
)


def name(page: Path) -> str:
    return page.relative_to(ROOT if page.name == "README.md" else DOCS).as_posix()


def said(page: Path) -> str:
    """A page without code, equations, targets of links, and numbers that name a publication or a version."""
    return REFERENCE.sub("", CODE.sub("", page.read_text()))


def figures(page: Path) -> set[str]:
    text = said(page)
    return {figure.replace(",", "") for figure in QUANTITY.findall(text)} | set(DECIMAL.findall(text))


def numbers(path: Path) -> Iterator[float]:
    joined = re.sub(r"(?<=\d)[_,](?=\d{3}(?!\d))", "", path.read_text())
    yield from (float(number) for number in re.findall(r"(?<![\w.])\d+(?:\.\d+)?", joined))


def holds(source: Path, figure: str) -> bool:
    """Whether a file has a number that the page may have rounded."""
    decimals = len(figure.partition(".")[2])
    scales = (1, 100, 1000, 1e-3, 1e-6)
    return any(round(number * scale, decimals) == float(figure) for number in numbers(source) for scale in scales)


def background() -> float:
    """Percent of the test segments without an event."""
    labels = np.concatenate([make_scene(seed, kind="event").labels() for seed in seeds("event", "test")])
    return 100 * float((labels == labels.max()).mean())


def most_frequent_answers() -> float:
    """Percent of the test questions that have their template's most frequent answer."""
    answers: dict[str, Counter[str]] = defaultdict(Counter)
    for seed in seeds("ensemble", "test"):
        for question in ask(make_scene(seed, kind="ensemble"), seed=0):
            answers[question.template][question.answer] += 1
    return 100 * sum(max(of.values()) for of in answers.values()) / sum(of.total() for of in answers.values())


def parameters(backbone: str) -> int:
    return sum(parameter.numel() for parameter in look_up(BACKBONES, backbone)().parameters())


WORKED_OUT: dict[str, dict[str, Callable[[], float]]] = {
    "evidence/embedded_default.md": {
        "40.7": background, "43.1": most_frequent_answers, "0.2": lambda: 100 / 512, "12.5": lambda: 100 / 8,
    },
    "explanation/other_adapters.md": {"0.2": lambda: parameters("tiny_ast") / 1e6},
    "explanation/procedural_world.md": {"0.2": lambda: parameters("tiny_vit") / 1e6},
    "how_to/reproduce_a_paper.md": {
        "2.8": lambda: paper("stg_cma_avqa_swin_large").hours, "8.3": lambda: paper("lavish_avqa_swin_v2_large").hours,
    },
    # Frames, and ten seconds of sound in float32.
    "reference/data_layouts.md": {"2.1": lambda: (10 * 3 * 224 * 224 + 10 * 16_000 * 4) / 1e6},
}  # fmt: skip
COUNTS: dict[int, Callable[[], int]] = {
    213_568: lambda: parameters("tiny_vit"),
    136_172: lambda: parameters("tiny_swin"),
    213_632: lambda: parameters("tiny_clip"),
    # LAVISH with its backbone's norms: rows of test_published_counts.py.
    4_683_389: lambda: 4_644_989 + 38_400,
    5_005_021: lambda: 4_951_005 + 54_016,
    14_558_429: lambda: 14_458_077 + 100_352,
    10_117_085: lambda: 10_036_061 + 81_024,
    # One bottleneck of width 768 and hidden width 48, and all of them.
    74_544: lambda: 2 * 768 * 48 + 768 + 48,
    5_367_168: lambda: 12 * 6 * 74_544,
    # Sixty times AVBENCH_FUZZ=170.
    10_200: lambda: 60 * 170,
}
ROUND = {21_000, 22_000}
"""Classes of ImageNet-21k and 22k, as those are spoken of."""


def test_counts_are_held() -> None:
    held = {number for pattern in HOLD_COUNTS for path in ROOT.glob(pattern) for number in numbers(path)}
    asked = {(name(page), int(count.replace(",", ""))) for page in PAGES for count in COUNT.findall(said(page))}
    assert {one for one in asked if one[1] not in {*held, *COUNTS, *ROUND}} == set()


@pytest.mark.parametrize("count", COUNTS)
def test_counts_that_are_worked_out(count: int) -> None:
    assert COUNTS[count]() == count


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_quantities_have_their_source(page: Path) -> None:
    own = SOURCES.get(name(page), {})
    known = own.keys() | CONVENTIONS | NO_FIGURES.get(name(page), set()) | WORKED_OUT.get(name(page), {}).keys()
    assert figures(page) - known == set(), "without a source"
    assert own.keys() - figures(page) == set(), "a source of nothing"
    assert {figure: path for figure, path in own.items() if not holds(ROOT / path, figure)} == {}


@pytest.mark.parametrize(("page", "figure"), [(page, figure) for page, own in WORKED_OUT.items() for figure in own])
def test_quantities_that_are_worked_out(page: str, figure: str) -> None:
    assert figure in figures(DOCS / page)
    assert f"{WORKED_OUT[page][figure]():.{len(figure.partition('.')[2])}f}" == figure


def test_a_figure_without_a_source_is_noticed(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("It takes 3.7 ms, `4.5 ms`, arXiv 2212.07983, and 1,234,567 parameters at 12 %.\n")
    assert figures(page) == {"3.7", "12"}
    assert COUNT.findall(said(page)) == ["1,234,567"]
