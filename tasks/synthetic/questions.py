"""Questions about a scene, over the nine types of MUSIC-AVQA.

The audio-visual ones need binding: sight alone does not say which object sounds, sound alone not where or which
colour it is. Answers of a template are balanced by keeping rarer answers more often, so that its majority is low.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import permutations

import numpy as np

from tasks.synthetic.scene import CLASSES, COLOURS, PLACES, Scene, Thing, make_scene

NUMBERS = ("zero", "one", "two", "three")
ANSWERS = (*NUMBERS, "yes", "no", *PLACES)

_CALIBRATION_SCENES = range(-1500, 0)
_CALIBRATION_OFFSET = 2**40
"""Balancing looks at scenes that no split contains."""


@dataclass(frozen=True)
class Question:
    """A template, what fills its placeholders from left to right, and the answer."""

    kind: str
    template: str
    values: tuple[str, ...]
    answer: str

    @property
    def text(self) -> str:
        """The question with its placeholders filled."""
        words = iter(self.values)
        return " ".join(next(words) if word.startswith("<") else word for word in self.template[:-1].split())


REPEATS = 2
"""Questions of one template about one scene, at most; they differ in what fills the placeholders."""


def ask(scene: Scene, seed: int, repeats: int = REPEATS) -> list[Question]:
    """Balanced questions about a scene: at most `repeats` for each template, in an order that the seed decides."""
    rng = np.random.default_rng([scene.seed, seed, 3])
    keep = _keep_rates()
    asked: list[Question] = []
    candidates = list(_candidates(scene))
    for i in rng.permutation(len(candidates)):
        question = candidates[i]
        asked_already = sum(other.template == question.template for other in asked)
        if asked_already < repeats and rng.random() < keep[question.template, question.answer]:
            asked.append(question)
    return asked


def words() -> list[str]:
    """Every word that a question can contain, `<pad>` first."""
    fixed = {word for template in _templates() for word in template[:-1].split() if not word.startswith("<")}
    return ["<pad>", *sorted(fixed | set(CLASSES) | set(COLOURS) | set(PLACES) | {"first", "last"})]


LONGEST = 13
"""Words of the longest question."""


def _candidates(scene: Scene) -> Iterator[Question]:
    seen = [thing for thing in scene.things if thing.seen]
    heard = [thing for thing in scene.things if thing.heard]
    yield from _about_sound(heard)
    yield from _about_sight(seen)
    yield from _about_both(seen, heard)


def _about_sound(heard: list[Thing]) -> Iterator[Question]:
    yield Question("Audio Counting", "How many sounds are there ?", (), NUMBERS[min(len(heard), 3)])
    for a, b in permutations(heard, 2):
        names = (CLASSES[a.category], CLASSES[b.category])
        louder = _yes(a.loudness > b.loudness)
        yield Question("Audio Comparative", "Is the <Object> louder than the <Object> ?", names, louder)


def _about_sight(seen: list[Thing]) -> Iterator[Question]:
    yield Question("Visual Counting", "How many objects are seen ?", (), NUMBERS[len(seen)])
    for thing in seen:
        where = PLACES[thing.place]
        yield Question("Visual Location", "Where is the <Object> ?", (CLASSES[thing.category],), where)
        yield Question("Visual Location", "Where is the <Colour> object ?", (COLOURS[thing.colour],), where)


def _about_both(seen: list[Thing], heard: list[Thing]) -> Iterator[Question]:
    sounding = [thing for thing in seen if thing.heard]
    count = NUMBERS[len(sounding)]
    yield Question("Audio-Visual Counting", "How many of the seen objects sound ?", (), count)
    for thing in seen:
        sounds = _yes(bool(thing.heard))
        yield Question(
            "Audio-Visual Existential", "Is the object on the <LR> sounding ?", (PLACES[thing.place],), sounds
        )
        yield Question(
            "Audio-Visual Existential", "Is the <Colour> object sounding ?", (COLOURS[thing.colour],), sounds
        )
    if len(sounding) == 1:
        where = PLACES[sounding[0].place]
        yield Question("Audio-Visual Location", "Where is the object that sounds ?", (), where)
    for a, b in permutations(seen, 2):
        level_a, level_b = (thing.loudness if thing.heard else 0.0 for thing in (a, b))
        if level_a != level_b:
            places = (PLACES[a.place], PLACES[b.place])
            template = "Is the object on the <LR> louder than the one on the <LR> ?"
            yield Question("Audio-Visual Comparative", template, places, _yes(level_a > level_b))
    if len(sounding) == 2 and sounding[0].heard[0] != sounding[1].heard[0]:  # type: ignore[index]
        first, last = sorted(sounding, key=lambda thing: thing.heard)  # type: ignore[arg-type, return-value]
        for word, thing in (("first", first), ("last", last)):
            template = "Where is the object that sounds <FL> ?"
            yield Question("Audio-Visual Temporal", template, (word,), PLACES[thing.place])


def _yes(holds: bool) -> str:
    return "yes" if holds else "no"


@lru_cache(maxsize=1)
def _counts() -> dict[tuple[str, str], float]:
    """How often a scene offers each answer of each template, each scene counted as one question."""
    counts: defaultdict[tuple[str, str], float] = defaultdict(float)
    for seed in _CALIBRATION_SCENES:
        by_template: dict[str, list[str]] = {}
        for question in _candidates(make_scene(seed + _CALIBRATION_OFFSET, kind="ensemble")):
            by_template.setdefault(question.template, []).append(question.answer)
        for template, answers in by_template.items():
            for answer in answers:
                counts[template, answer] += 1 / len(answers)
    return dict(counts)


@lru_cache(maxsize=1)
def _keep_rates() -> dict[tuple[str, str], float]:
    """Probability of keeping each answer of each template: the rarest always, the others down to its share."""
    counts = _counts()
    rarest = {template: min(n for (t, _), n in counts.items() if t == template) for template in _templates()}
    return {(template, answer): rarest[template] / n for (template, answer), n in counts.items()}


def _templates() -> list[str]:
    return sorted({template for template, _ in _counts()})
