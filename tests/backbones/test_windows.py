"""Partitions of tokens and their inverse."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from backbones.windows import ShiftedWindows, WholePicture

SIDES = st.integers(1, 3)


@st.composite
def windows(draw: st.DrawFn) -> ShiftedWindows:
    window = (draw(SIDES), draw(SIDES))
    grid = (window[0] * draw(SIDES), window[1] * draw(SIDES))
    return ShiftedWindows(grid, window, (draw(st.integers(0, window[0])), draw(st.integers(0, window[1]))))


@given(windows())
def test_join_undoes_split_and_no_token_is_lost(groups: ShiftedWindows) -> None:
    length = groups.grid[0] * groups.grid[1]
    x = torch.arange(2 * 3 * length).reshape(2, 3, length, 1)
    split = groups.split(x)
    assert split.shape == (2, 3, length // (groups.window[0] * groups.window[1]), -(-length // split.shape[2]), 1)
    assert torch.equal(groups.join(split), x)
    assert torch.equal(split.flatten(2).sort(-1).values, x.flatten(2))


@given(windows())
def test_tokens_of_a_window_are_neighbours_on_the_rolled_grid(groups: ShiftedWindows) -> None:
    rows, columns = groups.grid
    index = torch.arange(rows * columns).reshape(1, 1, -1, 1)
    split = groups.split(index)[0, 0, ..., 0]
    row = (split // columns - groups.shift[0]) % rows
    column = (split % columns - groups.shift[1]) % columns
    assert (row.amax(1) - row.amin(1) == groups.window[0] - 1).all()
    assert (column.amax(1) - column.amin(1) == groups.window[1] - 1).all()


def test_the_whole_picture_is_one_group() -> None:
    x = torch.randn(2, 3, 7, 5)
    assert WholePicture().split(x).shape == (2, 3, 1, 7, 5)
    assert torch.equal(WholePicture().join(WholePicture().split(x)), x)
