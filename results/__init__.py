"""Records of runs, and what is made of them. The names below are imported when they are first used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from registry.lazy import lazy_names

if TYPE_CHECKING:
    from results.export.every_eval_ever import evaluation, item_lines, items_path
    from results.export.every_eval_ever import path as evaluation_path
    from results.export.hub import eval_results
    from results.export.schema import record_schema
    from results.leaderboard import refresh
    from results.render.comparison import show_comparison
    from results.render.console import show, show_coverage
    from results.render.csv import harmless
    from results.render.robustness import show_robustness
    from results.store.merged import Merged, open_store
    from results.table.against_published import against_published
    from results.table.compare import compare_rows
    from results.table.coverage import coverage
    from results.table.gather import gather
    from results.table.naming import find as find_rows
    from results.table.published import figure_of

_PLACES = {
    "Merged": "results.store.merged",
    "against_published": "results.table.against_published",
    "figure_of": "results.table.published",
    "find_rows": "results.table.naming:find",
    "compare_rows": "results.table.compare",
    "coverage": "results.table.coverage",
    "harmless": "results.render.csv",
    "eval_results": "results.export.hub",
    "evaluation": "results.export.every_eval_ever",
    "item_lines": "results.export.every_eval_ever",
    "items_path": "results.export.every_eval_ever",
    "evaluation_path": "results.export.every_eval_ever:path",
    "gather": "results.table.gather",
    "record_schema": "results.export.schema",
    "open_store": "results.store.merged",
    "refresh": "results.leaderboard",
    "show": "results.render.console",
    "show_comparison": "results.render.comparison",
    "show_coverage": "results.render.console",
    "show_robustness": "results.render.robustness",
}
__getattr__ = lazy_names(__name__, _PLACES)
