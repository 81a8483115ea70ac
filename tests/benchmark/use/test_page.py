from __future__ import annotations

import re
from html.parser import HTMLParser

import numpy as np
import pytest
from shown_predictions import NO_MAP, as_a_whole, exchange, hostile, prediction

from benchmark.use.page import to_html, write_page
from results.store.files import OutputError


class Seen(HTMLParser):
    """Tags with their attributes, and the text between them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.said = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.said += data


def test_segments_are_lanes_and_a_table() -> None:
    seen = Seen(to_html(prediction(), exchange()))
    assert [tag for tag, _ in seen.tags].count("tr") == 1 + 4
    labels = [words["aria-label"] for _, words in seen.tags if words.get("class") == "frame"]
    assert labels[:4] == ["frame at 2.0 s", "frame at 6.0 s", "frame at 10.0 s", "frame at 14.0 s"]
    cells = [str(words["class"]) for _, words in seen.tags if str(words.get("class")).startswith("cell")]
    assert (len(cells), cells.count("cell best")) == (3 * 4, 4)
    assert "synthetic data" in seen.said


def test_a_clip_as_a_whole_has_bars_and_its_question() -> None:
    seen = Seen(to_html(as_a_whole(question="What barks ?"), exchange()))
    assert "What barks ? dog" in seen.said
    widths = [words["style"] for tag, words in seen.tags if tag == "i"]
    assert widths == ["width:70.0%", "width:20.0%", "width:10.0%"]


def test_a_similarity_is_called_so_and_may_be_negative() -> None:
    rows = np.array([[-0.25]], np.float32)
    made = prediction(task="retrieval", labels=("match",), probabilities=rows, times=((0.0, 16.0),))
    seen = Seen(to_html(made, exchange()))
    assert "Similarity of sight and sound" in seen.said
    assert "-0.250" in seen.said


def test_the_map_stands_beside_its_control_and_says_what_it_is_not() -> None:
    page = to_html(prediction(), exchange())
    assert page.count("<img class='heat'") == 8
    said = Seen(page).said
    assert "control: silence" in said
    assert "not where the sound comes from" in said


def test_without_a_map_the_page_says_why() -> None:
    page = to_html(prediction(log_mels=None, notes=("no sound track", "one frame")), NO_MAP)
    said = Seen(page).said
    assert "<img class='heat'" not in page
    assert "There is no sound, so sight took nothing from it." in said
    assert "There is no sound in this file." in said
    assert "no sound track" in said
    assert "one frame" in said


def test_no_text_becomes_markup() -> None:
    seen = Seen(to_html(hostile(), exchange()))
    assert not {"script", "iframe", "object", "link", "form"} & {tag for tag, _ in seen.tags}
    assert [words["class"] for tag, words in seen.tags if tag == "img"] == ["heat"] * 8 + ["lane mel"]
    assert not [name for _, words in seen.tags for name in words if name.startswith("on")]
    assert "<script>alert(1)</script>" in seen.said
    assert not {"\x1b", "\u202e"} & set(seen.said)


@pytest.mark.parametrize("made", [prediction(), hostile(), as_a_whole()], ids=["plain", "hostile", "whole"])
def test_nothing_is_fetched(made) -> None:
    page = to_html(made, exchange())
    tags = Seen(page).tags
    assert all(str(words["src"]).startswith("data:image/png;base64,") for _, words in tags if "src" in words)
    assert not any("href" in words for _, words in tags)
    assert all(link.startswith("data:") for link in re.findall(r"url\(([^)]*)", page))
    policy = next(words["content"] for tag, words in tags if words.get("http-equiv"))
    assert str(policy).startswith("default-src 'none'; img-src data:;")


def test_a_place_that_cannot_be_written_is_one_line(tmp_path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot write"):
        write_page(prediction(), exchange(), tmp_path / "file" / "prediction.html")
