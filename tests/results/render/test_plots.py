from __future__ import annotations

from xml.etree import ElementTree

import pytest

from registry import UserError
from results.render.plots import draw_tradeoff, tradeoff_figure
from results.table.build import build


@pytest.fixture(scope="module")
def picture(grid, tmp_path_factory):
    records, items = grid
    folder = tmp_path_factory.mktemp("picture")
    rows = build(records, items.__getitem__)
    draw_tradeoff(rows, folder)
    return rows, folder


def test_the_picture_is_drawn_with_its_labels(picture) -> None:
    _, folder = picture
    assert (folder / "tradeoff.png").read_bytes().startswith(b"\x89PNG")
    drawing = (folder / "tradeoff.svg").read_text()
    ElementTree.fromstring(drawing)
    for text in ("synthetic data", "event localisation", "stg_cma", "tiny_swin", "Pareto front"):
        assert text in drawing


def test_equal_rows_give_equal_bytes(picture, tmp_path) -> None:
    rows, folder = picture
    for path in draw_tradeoff(rows, tmp_path):
        assert path.read_bytes() == (folder / path.name).read_bytes()


@pytest.mark.filterwarnings("error")
def test_lone_points_without_parameters_or_score_are_no_trouble(record, tmp_path) -> None:
    assert draw_tradeoff(build([record(parameters=None)]), tmp_path) == []
    assert draw_tradeoff(build([record(status="failed")]), tmp_path) == []
    assert len(draw_tradeoff(build([record()]), tmp_path)) == 2


def test_the_figure_itself_can_be_had(picture, record, tmp_path) -> None:
    rows, _ = picture
    figure = tradeoff_figure(rows)
    figure.savefig(tmp_path / "own.png")
    assert (tmp_path / "own.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(UserError, match="no row has a score yet"):
        tradeoff_figure(build([record(status="failed")]))
