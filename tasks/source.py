"""Where a task's clips come from: the procedural world, a folder, a manifest, or a data set known by its sizes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, NoReturn

from torch.utils.data import Dataset

from registry.errors import UserError
from registry.vocabulary import Split

Report = Callable[[int, int], None]


class Source(ABC):
    """Clips of three splits. Tasks ask their sources for more: classes, words, answers."""

    segments: int
    """T, the segments of a clip."""

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


def require_default(data: str, **options: tuple[Any, Any]) -> None:
    """Check that options that mean nothing for this data were left alone; each comes with its default.

    Raises:
        UserError: one was set.
    """
    for name, (value, default) in options.items():
        if value != default:
            raise UserError(f"option {name}={value!r} means nothing for data={data!r}; leave it out.")
