"""The procedural world as torch data sets, one for each task."""

from __future__ import annotations

from typing import Any

import torch
from torch.utils.data import Dataset

from registry.vocabulary import Split
from tasks.questions import KINDS, NO_ANSWER
from tasks.synthetic import store
from tasks.synthetic.masks import sounding_masks
from tasks.synthetic.questions import ANSWERS, LONGEST, REPEATS, Question, ask, words
from tasks.synthetic.scene import CLASSES, Kind, Scene, make_scene

QUESTIONS = 18
"""Q, the most questions that a scene gives: two of each template that has placeholders, one of each other."""
TRAINING_REPEATS = 4
"""Questions of one template about a training scene, at most: they share its encoding, so more of them cost nothing."""
TRAINING_QUESTIONS = 26
"""Q of training: no scene has more than three things to tell the place of, and four of other questions are kept."""

Item = dict[str, dict[str, Any]]


class SyntheticClips(Dataset[Item]):
    """Rendered clips with their scenes; subclasses add what their task asks."""

    kind: Kind = "event"

    def __init__(self, split: Split) -> None:
        self.scenes: list[Scene] = [make_scene(seed, kind=self.kind) for seed in store.seeds(self.kind, split)]
        self.split: Split = split
        store.prepare(self.kind)

    def __len__(self) -> int:
        return len(self.scenes)

    def __getitem__(self, index: int) -> Item:
        frames, sound = store.read(self.kind, self.split, index)
        return {
            "inputs": {"frames": torch.from_numpy(frames), "waveform": torch.from_numpy(sound)},
            "targets": {"id": f"synthetic-{self.scenes[index].seed}"},
        }


class SyntheticEvents(SyntheticClips):
    """Targets: `labels` (T,) int64, the class of each second or `len(CLASSES)` for background; `category` int."""

    def __getitem__(self, index: int) -> Item:
        item, scene = super().__getitem__(index), self.scenes[index]
        item["targets"] |= {"labels": torch.from_numpy(scene.labels()), "category": scene.event.category}
        return item


class SyntheticMasks(SyntheticClips):
    """Targets: `masks` (T, 32, 32) uint8, the pixels that show what is heard; `annotated` (T,) bool; `category` int."""

    def __getitem__(self, index: int) -> Item:
        item, scene = super().__getitem__(index), self.scenes[index]
        masks = torch.from_numpy(sounding_masks(scene, store.FRAME_SIDE).astype("uint8"))
        annotated = torch.ones(len(masks), dtype=torch.bool)
        item["targets"] |= {"masks": masks, "annotated": annotated, "category": scene.event.category}
        return item


class SyntheticModalities(SyntheticClips):
    """Targets: `labels` (C,) float32, the classes that are heard or seen; beyond training `audio` and `visual` (C, T)
    uint8, off-screen sounds and silent things included."""

    def __getitem__(self, index: int) -> Item:
        item = super().__getitem__(index)
        events = self.scenes[index].events_by_modality()
        item["targets"]["labels"] = torch.from_numpy((events["audio"] | events["visual"]).any(1).astype("float32"))
        if self.split != "train":
            item["targets"] |= {m: torch.from_numpy(on.astype("uint8")) for m, on in events.items()}
        return item


class SyntheticPairs(SyntheticClips):
    """Clips whose sound and sight share the course of several things."""

    kind = "ensemble"


class SyntheticQuestions(SyntheticClips):
    """Inputs: `questions` (Q, W) int64. Targets: `answers` (Q,) and `kinds` (Q,) int64; padding has no answer.

    Training asks more about a scene than validation and test do.
    """

    kind = "ensemble"

    def __init__(self, split: Split) -> None:
        super().__init__(split)
        number = {word: i for i, word in enumerate(words())}
        repeats, most = (TRAINING_REPEATS, TRAINING_QUESTIONS) if split == "train" else (REPEATS, QUESTIONS)
        self._asked = [self._encode(ask(scene, seed=0, repeats=repeats), number, most) for scene in self.scenes]

    def __getitem__(self, index: int) -> Item:
        item = super().__getitem__(index)
        questions, answers, kinds = self._asked[index]
        item["inputs"]["questions"] = questions
        item["targets"] |= {"answers": answers, "kinds": kinds}
        return item

    @staticmethod
    def _encode(
        asked: list[Question], number: dict[str, int], most: int
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        questions = torch.zeros(most, LONGEST, dtype=torch.int64)
        answers = torch.full((most,), NO_ANSWER)
        kinds = torch.zeros(most, dtype=torch.int64)
        for i, question in enumerate(asked):
            row = [number[word] for word in question.text.split()]
            questions[i, : len(row)] = torch.tensor(row)
            answers[i] = ANSWERS.index(question.answer)
            kinds[i] = KINDS.index(question.kind)
        return questions, answers, kinds


CLASS_NAMES = (*CLASSES, "background")
