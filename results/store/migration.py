"""Records of older schemas, brought up to the present one step by step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from results.record import SCHEMA

Content = dict[str, Any]

DATA_WITH_VERSION = {"synthetic@bf5f38ee": "synthetic@1"}
"""Of data that were named by a hash of what drew them: the version that draws the same."""


def _costs_were_fewer(content: Content) -> Content:
    """1 to 2: training time of a clip, costs at batch size 1, published totals and checkpoint bytes were not kept."""
    return content


def _sources_were_identity(content: Content) -> Content:
    """2 to 3: the number of loader processes and the digest of the sources tell where numbers came from and decide
    none. Versions were not declared."""
    rest = {key: value for key, value in content.items() if key != "code"}
    recipe, environment = rest.get("recipe"), rest.get("environment", {})
    if isinstance(recipe, dict) and isinstance(environment, dict):
        moved = {"workers": recipe["workers"]} if "workers" in recipe else {}
        rest["recipe"] = {name: value for name, value in recipe.items() if name != "workers"}
        rest["environment"] = {**environment, **moved, "sources": content.get("code") or None}
    return {**rest, "data": DATA_WITH_VERSION.get(str(rest.get("data")), rest.get("data"))}


STEPS: Mapping[int, Callable[[Content], Content]] = {1: _costs_were_fewer, 2: _sources_were_identity}
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
