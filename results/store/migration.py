"""Records of older schemas, brought up to the present one step by step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from results.record import SCHEMA

Content = dict[str, Any]


def _costs_were_fewer(content: Content) -> Content:
    """1 to 2: training time of a clip, costs at batch size 1, published totals and checkpoint bytes were not kept."""
    return content


STEPS: Mapping[int, Callable[[Content], Content]] = {1: _costs_were_fewer}
"""By the schema that each reads; what a step does not add is unknown."""


def to_present(content: Content) -> Content:
    """The content of a record as the present schema has it.

    Raises:
        ValueError: a schema that this version does not read.
    """
    schema = content.get("schema")
    if isinstance(schema, bool) or not isinstance(schema, int) or (schema != SCHEMA and schema not in STEPS):
        raise ValueError(f"record schema {schema!r}, this version reads 1 to {SCHEMA}")
    while schema != SCHEMA:
        content = {**STEPS[schema](content), "schema": schema + 1}
        schema += 1
    return content
