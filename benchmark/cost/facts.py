"""What is known of a combination without training it, worked out once for each state of the code."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import benchmark
from benchmark.runtime.remembered import names_no_file, recall, remember
from registry.component import Component

Versions = Mapping[str, str]
"""Of the parts, see `Cell.versions`; they tell plug-ins apart that share a name."""


def facts_of(
    backbone: Component, adapter: Component, task: Component, versions: Versions | None = None
) -> dict[str, Any]:
    """What `benchmark.cost.describe.describe` says, without importing torch where it has been said before.

    Raises:
        UserError: an unknown name or an option that a part refuses.
    """
    return _remembered(
        "facts", lambda: benchmark.describe(backbone, adapter, task), [backbone, adapter, task], versions
    )


def counts_of(
    backbone: Component, adapter: Component, task: Component, versions: Versions | None = None
) -> dict[str, Any]:
    """The parameters alone, which takes a fraction of the time.

    Raises:
        UserError: an unknown name or an option that a part refuses.
    """
    return _remembered("counts", lambda: benchmark.count(backbone, adapter, task), [backbone, adapter, task], versions)


def _remembered(
    kind: str, work_out: Callable[[], dict[str, Any]], parts: list[Component], versions: Versions | None
) -> dict[str, Any]:
    asked = [*map(str, parts), dict(versions or {})]
    facts: dict[str, Any] | None = recall(kind, asked) if names_no_file(parts) else None
    if facts is None:
        facts = work_out()
        if names_no_file(parts):
            remember(kind, asked, facts)
    return facts
