"""What a model answered on the test split, as one compressed file of arrays: `<output>/answers/<hash>.npz`."""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from typing import Any

import numpy as np

from registry.vocabulary import Answers
from results.store.serialise import RecordError

_FACTS = "facts"
MOST_UNPACKED = 2**30
"""Bytes of all arrays of a run."""


def answers_to_bytes(answers: Answers, *, with_probabilities: bool = True) -> bytes:
    """The file's content; probabilities in half precision, which is finer than any reader of them needs."""
    facts = {"levels": answers.levels, "classes": answers.classes, "items": answers.items}
    arrays: dict[str, Any] = {_FACTS: np.frombuffer(json.dumps(facts).encode(), dtype=np.uint8)}
    if answers.labels is not None and answers.predicted is not None:
        arrays |= {"labels": answers.labels.astype(np.int32), "predicted": answers.predicted.astype(np.int32)}
    if with_probabilities and answers.probabilities is not None:
        arrays["probabilities"] = answers.probabilities.astype(np.float16)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def answers_from_bytes(content: bytes, path: str) -> Answers:
    """What `answers_to_bytes` wrote.

    Raises:
        RecordError: something else.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            if sum(part.file_size for part in packed.infolist()) > MOST_UNPACKED:
                raise ValueError(f"more than {MOST_UNPACKED // 2**20} MB when unpacked")
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            facts = json.loads(arrays[_FACTS].tobytes())
            known = {name: arrays[name] for name in ("labels", "predicted", "probabilities") if name in arrays}
        answers = Answers(
            {str(name): float(level) for name, level in facts["levels"].items()},
            tuple(map(str, facts["classes"])),
            tuple(map(str, facts["items"])),
            **known,
        )
        _check(answers)
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise RecordError(f"{path}: not readable answers ({error})") from None
    return answers


def _check(answers: Answers) -> None:
    many, classes = len(answers.items), len(answers.classes)
    for numbers in (answers.labels, answers.predicted):
        if numbers is not None and (numbers.shape != (many,) or not ((numbers >= 0) & (numbers < classes)).all()):
            raise ValueError(f"numbers of classes that are not {many} from 0 to {classes - 1}")
    if answers.probabilities is not None and answers.probabilities.shape != (many, classes):
        raise ValueError(f"probabilities of shape {answers.probabilities.shape}, not {(many, classes)}")
