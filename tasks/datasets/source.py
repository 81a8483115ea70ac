"""Where a task's clips come from: the procedural world, a folder, a manifest, or a data set known by its sizes."""

from __future__ import annotations

import copy
import itertools
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, Self, TypeVar

from torch.utils.data import Dataset

from registry.errors import UserError
from registry.vocabulary import SPLITS, Split
from tasks.media.sampling import MIDDLE, Sampling

if TYPE_CHECKING:
    from tasks.media.recording import Recording

Row = TypeVar("Row")
Report = Callable[[int, int], None]


class Source(ABC):
    """Clips of three splits. Tasks ask their sources for more: classes, words, answers."""

    segments: int
    """T, the segments of a clip."""
    left_out: Mapping[Split, int] = {}
    """Items that were left out because their media are missing (option `allow_missing`); empty where none was."""
    official: Mapping[Split, int] = {}
    """Items of the published lists; empty where there are none."""
    sampling: Sampling = MIDDLE
    """Which moments of a clip are seen and heard."""
    side: int = 224
    """Frames are fitted to this many pixels, squared, unless `with_frames` says; clips of a store keep theirs."""

    @property
    def stored_side(self) -> int | None:
        """Side of the frames of a prepared store; None where clips are decoded."""
        return None

    def with_frames(self, side: int) -> Self:
        """The same clips with frames fitted to this many pixels, squared; those of a store stay as they are."""
        other = copy.copy(self)
        other.side = side
        return other

    @abstractmethod
    def clips(self, split: Split) -> Dataset[dict[str, dict[str, Any]]]:
        """The items of a split, see `Task.dataset`.

        Raises:
            UserError: clips whose media are not there.
        """

    @abstractmethod
    def identity(self) -> str:
        """`name@<hash>` of everything that decides what is measured."""

    def prepare(self, report: Report | None = None) -> None:  # noqa: B027
        """Do once, before any cell starts, what every cell would wait for or stumble over."""

    def recordings(self) -> dict[Split, list[Recording]]:
        """The recording of each item, split by split in their order; clips may be missing.

        Raises:
            UserError: the source has no files.
        """
        raise UserError("these clips are no files; give the folder of a data set.")

    def overlap(self) -> dict[str, int]:
        """How many clips two splits share, by `train and test`, ….

        Raises:
            UserError: the source has no files.
        """
        names = {split: {recording.name for recording in rows} for split, rows in self.recordings().items()}
        return {f"{one} and {two}": len(names[one] & names[two]) for one, two in itertools.combinations(SPLITS, 2)}

    def annotation_files(self) -> dict[str, Path]:
        """The annotation files, by the place in a data folder where a prepared copy is looked for."""
        return {}

    @property
    def partial(self) -> str:
        """What the identity says of clips that were left out."""
        return "+partial" if any(self.left_out.values()) else ""


class Outline(Source):
    """A data set known by its published sizes, without its files: parameters can be counted, nothing can be trained."""

    segments = 10

    def __init__(self, name: str) -> None:
        self.name = name

    def clips(self, split: Split) -> NoReturn:
        self._refuse()

    def identity(self) -> NoReturn:
        self._refuse()

    def prepare(self, report: Report | None = None) -> None:
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise UserError(
            f"data={self.name!r} names the data set without its files, for counting parameters only; "
            f"to run it give its folder, as in data=./{self.name}."
        )


def keep_present(
    rows: Mapping[Split, Sequence[Row]], clip_of: Callable[[Row], str], missing: Collection[str]
) -> tuple[dict[Split, list[Row]], dict[Split, int]]:
    """The rows whose clip is not missing, and how many others each split has.

    Raises:
        UserError: nothing is left of a split.
    """
    kept = {split: [row for row in rows[split] if clip_of(row) not in missing] for split in SPLITS}
    counts = {split: len(rows[split]) - len(kept[split]) for split in SPLITS}
    for split in SPLITS:
        if not kept[split]:
            raise UserError(f"allow_missing=True leaves nothing of the {split} split; all its media are missing.")
    return kept, {split: count for split, count in counts.items() if count}


def require_default(data: str, **options: tuple[Any, Any]) -> None:
    """Check that options that mean nothing for this data were left alone; each comes with its default.

    Raises:
        UserError: one was set.
    """
    for name, (value, default) in options.items():
        if value != default:
            raise UserError(f"option {name}={value!r} means nothing for data={data!r}; leave it out.")
