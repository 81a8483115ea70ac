"""Every file of a leaderboard, and the summary of it: all that needs libraries for statistics and pictures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from results.page.build import to_html
from results.render.csv import to_csv
from results.render.latex import to_latex
from results.render.markdown import to_markdown
from results.render.plots import draw_tradeoff
from results.render.terminal import summarise
from results.store.files import write_atomically
from results.store.source import RecordSource
from results.summary import Summary
from results.table.gather import Leaderboard, gather

RENDERERS: dict[str, Callable[[Leaderboard], str]] = {
    "leaderboard.csv": lambda board: to_csv([*board.rows, *board.published]),
    "leaderboard.md": to_markdown,
    "leaderboard.tex": lambda board: to_latex(board.rows, board.published),
    "leaderboard.html": to_html,
}


def make(output: Path, source: RecordSource, command: str) -> Summary:
    """Write every file under `output`.

    Raises:
        UserError: the output cannot be written.
    """
    board = gather(source, command)
    for name, render in RENDERERS.items():
        write_atomically(output / name, render(board).encode())
    pictures = [path.name for path in draw_tradeoff(board.rows, output)]
    return summarise(board, [*RENDERERS, *pictures])
