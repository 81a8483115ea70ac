"""What a run scored under conditions, as one compressed file of arrays: `<output>/stress/<hash>.npz`."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
import zlib
from typing import Any

import numpy as np

from registry.vocabulary import CLEAN, STRESS_FAMILIES, Condition, StressScores
from results.store.answers import MOST_UNPACKED
from results.store.serialise import RecordError

_FACTS, _SCORES, _DIGEST = "facts", "scores", "sha256"


def stress_to_bytes(stress: StressScores, run_hash: str) -> bytes:
    """The file's content."""
    facts = {
        "run": run_hash,
        "version": stress.version,
        "conditions": [list(condition) for condition in stress.conditions],
        "items": stress.items,
        "kinds": stress.kinds,
        "groups": stress.groups if any(stress.groups) else None,
        "left_out": stress.left_out,
    }
    arrays = {_FACTS: np.frombuffer(json.dumps(facts).encode(), np.uint8), _SCORES: stress.scores.astype("<f4")}
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays, **{_DIGEST: _digest(arrays)})  # type: ignore[arg-type]
    return buffer.getvalue()


def stress_from_bytes(content: bytes, path: str, run_hash: str) -> StressScores:
    """What `stress_to_bytes` wrote of a run.

    Raises:
        RecordError: something else, of another run, or changed since.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            if sum(part.file_size for part in packed.infolist()) > MOST_UNPACKED:
                raise ValueError(f"more than {MOST_UNPACKED // 2**20} MB when unpacked")
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            known = {name: arrays[name] for name in (_FACTS, _SCORES, _DIGEST)}
        if not np.array_equal(_digest(known), known[_DIGEST]):
            raise ValueError("its digest is another")
        facts = json.loads(known[_FACTS].tobytes())
        if facts["run"] != run_hash:
            raise ValueError(f"it is of run {facts['run']!r}")
        return _checked(facts, known[_SCORES])
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise RecordError(f"{path}: not readable scores under conditions ({error})") from None


def _digest(arrays: dict[str, Any]) -> np.ndarray:
    content = b"".join(arrays[name].tobytes() for name in (_FACTS, _SCORES))
    return np.frombuffer(hashlib.sha256(content).digest(), np.uint8)


def _checked(facts: dict[str, Any], scores: np.ndarray) -> StressScores:
    items = tuple(map(str, facts["items"]))
    conditions = tuple(Condition(*map(str, one)) for one in facts["conditions"])
    found = StressScores(
        items,
        tuple(map(str, facts["kinds"])),
        tuple(map(str, facts["groups"])) if facts["groups"] else ("",) * len(items),
        conditions,
        scores,
        {str(family): str(why) for family, why in facts["left_out"].items()},
        int(facts["version"]),
    )
    if {len(found.items), len(found.kinds), len(found.groups)} != {len(items)} or not items:
        raise ValueError("names, kinds and groups of items that differ in number")
    if scores.shape != (len(conditions), len(items)) or not np.isfinite(scores).all():
        raise ValueError(f"scores of shape {scores.shape}, not {(len(conditions), len(items))}, or no numbers")
    known = [condition.family in STRESS_FAMILIES for condition in conditions[1:]]
    if conditions[:1] != (CLEAN,) or not all(known) or len(set(conditions)) < len(conditions):
        raise ValueError("conditions that there are not, or one twice")
    return found
