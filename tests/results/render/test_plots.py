from __future__ import annotations

from xml.etree import ElementTree

import pytest

from registry import UserError
from results.record import Parameters
from results.render import plots
from results.render.plots import draw_tradeoff, tradeoff_figure
from results.table.build import build
from results.table.gather import named
from results.table.row import by_board


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


LONG = "adapter_" + "x" * 112


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("backbones", "adapters"), [(1, 1), (5, 12)])
def test_names_of_120_characters_leave_the_panels_their_room(record, tmp_path, backbones: int, adapters: int) -> None:
    rows = named(
        build(
            [
                record(
                    backbone=f"vit(model='{'y' * 100}{b}')",
                    adapter=f"{LONG[:-2]}{a:02d}",
                    parameters=Parameters(10**6, 1000 * (a + 1), 2000),
                    scores={"accuracy": 50.0 + a + b},
                )
                for b in range(backbones)
                for a in range(adapters)
            ]
        ),
        {},
    )
    looks = plots._looks(rows)
    figure = plots._figure(by_board(rows))
    (panel,) = figure.axes
    width, height = figure.get_size_inches()
    assert panel.get_position().width * width > 3.5
    assert panel.get_position().height * height > 3
    assert max(map(len, looks[0])) <= 44
    assert len(draw_tradeoff(rows, tmp_path)) == 2


def test_chance_and_majority_are_told_in_the_panel(record, tmp_path) -> None:
    rows = build([record()], levels=lambda run_hash: {"chance": 10.0, "majority": 49.9})
    draw_tradeoff(rows, tmp_path)
    assert "chance 10.00 %, majority 49.90 %" in (tmp_path / "tradeoff.svg").read_text()
