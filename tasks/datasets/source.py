"""Where a task's clips come from: what every data set gives to whoever asks for it, see `tasks.datasets.open`."""

from __future__ import annotations

import copy
import itertools
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, NoReturn, Self, TypeVar

from torch.utils.data import Dataset

from registry.errors import DataError, UserError
from registry.vocabulary import SPLITS, Item, Split
from tasks.media.sampling import MIDDLE, Sampling

if TYPE_CHECKING:
    from tasks.media.inspect import Problem
    from tasks.media.library import Library
    from tasks.media.recording import Recording

SEGMENTS = 10
"""T of every data set of this field, and of a manifest that does not say."""

Row = TypeVar("Row")
CountReport = Callable[[int, int], None]


class ClipSource(ABC):
    """Clips of three splits, and what a task has to know of them before it reads any."""

    version: ClassVar[int]
    """Of the code that turns annotations and media into items: raise it whenever items change on purpose."""
    segments: int = SEGMENTS
    """T, the segments of a clip."""
    classes: tuple[str, ...] = ()
    """Names by number, without background; empty where clips have no class."""
    answers: tuple[str, ...] = ()
    """By number; empty where there are no questions."""
    words: tuple[str, ...] = ()
    """Of questions, by number; number 0 is padding."""
    question_shape: tuple[int, int] = (0, 0)
    """(Q, W), the questions of a clip and the words of a question, padding counted."""
    left_out: Mapping[Split, int] = {}
    """Items that were left out because their media are missing (option `allow_missing`); empty where none was."""
    official: Mapping[Split, int] = {}
    """Items of the published lists; empty where there are none."""
    sampling: Sampling = MIDDLE
    """Which moments of a clip are seen and heard."""
    seconds: float | None = None
    """How long clips are; None where they last as long as their files."""
    side: int = 224
    """Frames are fitted to this many pixels, squared, unless `with_frames` says; clips of a store keep theirs."""
    mask_side: int = 224
    """M of masks, which keep it whatever the frames are fitted to."""

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
    def clips(self, split: Split) -> Dataset[Item]:
        """The items of a split, see `Task.dataset`.

        Raises:
            DataError: clips whose media are not there.
        """

    @abstractmethod
    def identity(self) -> str:
        """`name@version` of an embedded world, `name@digest` of annotations: what decides the items, and no path."""

    def prepare(self, report: CountReport | None = None) -> None:  # noqa: B027
        """Do once, before any cell starts, what every cell would wait for or stumble over."""

    @property
    def groups(self) -> Mapping[str, str]:
        """Of test items by their names: what some have in common (an object, a speaker, a recording), so that they are
        no independent evidence; empty where the data set does not say."""
        return {}

    def shared_groups(self) -> dict[str, int]:
        """How many groups two splits share, by `train and test`, …; empty where there are no groups."""
        return {}

    def recordings(self) -> dict[Split, list[Recording]]:
        """The recording of each item, split by split in their order; clips may be missing.

        Raises:
            UserError: the source has no files.
        """
        raise UserError("these clips are no files; give the folder of a data set.")

    def label_problems(self, *, decode: bool) -> Iterator[tuple[str, Problem]]:
        """What is wrong with labels that lie in files of their own, such as masks, by the name of the recording.

        Args:
            decode: whether these files are opened, or only looked for.
        """
        return iter(())

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


class FolderSource(ClipSource):
    """Clips whose media lie in a folder by their ids, as published data sets have them."""

    root: Path
    """The folder of annotations and media."""

    @cached_property
    def media(self) -> Library:
        """The clips' files."""
        # The decoder's library stays out of commands that only name tasks.
        from tasks.media.library import open_library  # noqa: PLC0415

        return open_library(self.root, self.sampling)

    @property
    def stored_side(self) -> int | None:
        return self.media.side


class Outline(ClipSource):
    """A data set known by its published sizes, without its files: parameters can be counted, nothing can be trained.

    Args:
        name: of the data set.
        classes: how many, or their names; `answers` and `words` likewise.
        question_shape: (Q, W)
        segments, sampling, seconds, mask_side: see `ClipSource`.
    """

    version = 1

    def __init__(
        self,
        name: str,
        classes: int | Sequence[str] = 0,
        answers: int | Sequence[str] = 0,
        words: int | Sequence[str] = 0,
        question_shape: tuple[int, int] = (0, 0),
        segments: int = SEGMENTS,
        sampling: Sampling = MIDDLE,
        seconds: float | None = None,
        mask_side: int = 224,
    ) -> None:
        self.name, self.question_shape = name, question_shape
        self.segments, self.sampling, self.seconds, self.mask_side = segments, sampling, seconds, mask_side
        self.classes, self.answers, self.words = (
            tuple(f"{what} {i}" for i in range(known)) if isinstance(known, int) else tuple(known)
            for what, known in (("class", classes), ("answer", answers), ("word", words))
        )

    def clips(self, split: Split) -> NoReturn:
        self._refuse()

    def identity(self) -> NoReturn:
        self._refuse()

    def prepare(self, report: CountReport | None = None) -> None:
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise DataError(
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
            raise DataError(f"allow_missing=True leaves nothing of the {split} split; all its media are missing.")
    return kept, {split: count for split, count in counts.items() if count}
