"""What questions can be asked about: the procedural world, MUSIC-AVQA's folder, or its sizes alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tasks.datasets.source import Outline, require_default
from tasks.synthetic import questions as world
from tasks.synthetic.dataset import QUESTIONS, SyntheticQuestions
from tasks.synthetic.source import SyntheticSource

if TYPE_CHECKING:
    from tasks.datasets.music_avqa import MusicAvqaFolder

OFFICIAL = "music_avqa"


class SyntheticQuestionSource(SyntheticSource):
    """The procedural world's questions."""

    question_shape = (QUESTIONS, world.LONGEST)

    def __init__(self) -> None:
        super().__init__(SyntheticQuestions)
        self.answers, self.words = tuple(world.ANSWERS), tuple(world.words())


class MusicAvqaOutline(Outline):
    """MUSIC-AVQA's published sizes: 93 words with padding, 42 answers, questions of up to 14 words."""

    question_shape = (1, 14)
    answers = tuple(f"answer {i}" for i in range(42))
    words = tuple(f"word {i}" for i in range(93))

    def __init__(self) -> None:
        super().__init__(OFFICIAL)


def open_questions(
    data: str, version: str, subset: str, sampling: str = "middle", allow_missing: bool = False
) -> SyntheticQuestionSource | MusicAvqaOutline | MusicAvqaFolder:
    """The source behind a task's option `data`.

    Raises:
        UserError: no such folder, or annotation files that are missing or malformed.
    """
    if data in ("synthetic", OFFICIAL):
        require_default(
            data,
            version=(version, "v1"),
            subset=(subset, "all"),
            sampling=(sampling, "middle"),
            allow_missing=(allow_missing, False),
        )
        return SyntheticQuestionSource() if data == "synthetic" else MusicAvqaOutline()
    # The decoder behind it takes a moment to import, and nothing else needs it.
    from tasks.datasets.music_avqa import MusicAvqaFolder

    return MusicAvqaFolder(data, version=version, subset=subset, sampling=sampling, allow_missing=allow_missing)
