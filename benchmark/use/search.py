"""Clips whose one side is nearest to the other side of a query: search in a file of embeddings."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmark.use.embedding import Embeddings
from benchmark.use.trained import TrainedModel
from registry.errors import UserError
from registry.vocabulary import PARTNER, Modality


@dataclass(frozen=True)
class Hit:
    """A clip that was found."""

    id: str
    source: str
    similarity: float
    """Cosine, within -1 and 1; of vectors in the joint space of retrieval the mean over segments."""


def search(
    model: TrainedModel,
    embeddings: Embeddings,
    query: str | Path,
    by: Modality,
    *,
    among: Modality | None = None,
    k: int = 5,
) -> list[Hit]:
    """The nearest clips, the nearest first.

    Args:
        embeddings: of clips, by this model.
        query: one clip, as `predict` takes it.
        by: the side of the query that is known.
        among: the side of the clips that is searched; None is the other one.
        k: how many at most.

    Raises:
        UserError: embeddings of another model or without that side, or both sides of a model that has no joint space
            for them; a query that is missing or damaged.
    """
    among = among or PARTNER[by]
    made_by = f"{model.config.row} ({model.config.hash})"
    if embeddings.model != made_by:
        raise UserError(f"the embeddings were made by {embeddings.model}, expected {made_by}; embed the clips with it.")
    if among != by and model.config.component("task").name != "retrieval":
        raise UserError(
            f"{made_by} has no joint space for sight and sound, as models of retrieval have; search the same side "
            f"with --among {by}."
        )
    if among not in embeddings.segments:
        raise UserError(f"the embeddings hold no {among} vectors; embed the clips without --modality.")
    vectors = _unit(embeddings.vectors(among))
    asked = model.embed([query], by)
    if len(asked) > 1:
        raise UserError(f"{query} holds {len(asked)} clips; search takes one.")
    similarities = vectors @ _unit(asked)[0]
    nearest = np.argsort(-similarities, kind="stable")[:k].tolist()
    return [Hit(embeddings.ids[n], embeddings.sources[n], float(similarities[n])) for n in nearest]


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """(N, D), each of length one."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
