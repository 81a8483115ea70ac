"""The head that papers put on MUSIC-AVQA: spatial grounding, then attention over time (ST-AVQA, CVPR 2022).

As LAVISH and STG-CMA use it; they differ in how sound is projected. Sound picks out the places of each frame that it
fits, a side task tells frames of the clip from frames of another one, and the question attends over the segments.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from registry.vocabulary import Encode, Inputs, Outputs, Prediction, Targets, Width
from tasks.avqa.answers import answer_loss, answer_predictions
from tasks.heads import widths_of
from tasks.lstm import run_lstm
from tasks.task import Head

NEGATIVE = "negative"
"""The input with pictures of another clip, (B, T, 3, S, S); only training has it."""


@dataclass(frozen=True)
class GroundedForm:
    """What the two papers' heads differ in."""

    narrowing: int
    """Sound is projected to this part of the width before its mean over tokens, and widened after it where it is."""


FORMS = {
    "lavish": GroundedForm(narrowing=1),
    "stg_cma": GroundedForm(narrowing=4),
}
"""`Swin_AVQAModel.py` of STG-CMA and `net_avst.py` of LAVISH, at their 512 channels."""


class QuestionReader(nn.Module):
    """Word embedding, one-layer LSTM, and a layer on its last hidden and cell state."""

    def __init__(self, words: int, width: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(words, width)
        self.lstm = nn.LSTM(width, width, batch_first=True)
        self.project = nn.Linear(2 * width, width)

    def forward(self, questions: Tensor) -> Tensor:
        """Word numbers (N, W) -> (N, width). Padding is read like a word, as in the published code."""
        _, (hidden, cell) = run_lstm(self.lstm, torch.tanh(self.embed(questions)))
        return self.project(torch.tanh(torch.cat([hidden[-1], cell[-1]], dim=-1)))


class OverTime(nn.Module):
    """The question attends over segments; a feed-forward layer and a norm follow, without the question's own sum."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.attend = nn.MultiheadAttention(width, heads, dropout, batch_first=True)
        self.feed_forward = nn.Sequential(
            nn.Linear(width, width), nn.ReLU(), nn.Dropout(dropout), nn.Linear(width, width), nn.Dropout(dropout)
        )
        self.norm = nn.LayerNorm(width)

    def forward(self, question: Tensor, segments: Tensor) -> Tensor:
        """(B, Q, width), (B, T, width) -> (B, Q, width)"""
        found = self.attend(question, segments, segments, need_weights=False)[0]
        return self.norm(found + self.feed_forward(found))


class GroundedReadout(Head):
    """Answers by spatial grounding and temporal attention; the loss adds half of the matching task's.

    The other clip's frames are encoded alone and without gradient. (The papers run them through the bare backbone, a
    head cannot: here they pass the adapters, each on its own.) Every token of a frame is a place, a class token too.

    Args:
        form: `lavish` or `stg_cma`.
    """

    def __init__(self, dim: Width, words: int, answers: int, form: str = "lavish", width: int = 512) -> None:
        super().__init__()
        published = FORMS[form]
        self.see = nn.Linear(widths_of(dim)["visual"], width)
        narrow = width // published.narrowing
        self.hear = nn.Linear(widths_of(dim)["audio"], narrow)
        widen = [nn.Linear(narrow, width)] if narrow < width else []
        self.sound = nn.Sequential(*widen, nn.ReLU(), nn.Linear(width, width))
        self.ground = nn.Linear(2 * width, width)
        self.match = nn.Sequential(
            nn.Linear(2 * width, width), nn.ReLU(),
            nn.Linear(width, width // 2), nn.ReLU(),
            nn.Linear(width // 2, width // 4), nn.ReLU(),
            nn.Linear(width // 4, 2),
        )  # fmt: skip
        self.question = QuestionReader(words, width)
        self.over_sound, self.over_sight = (OverTime(width, heads=4, dropout=0.1) for _ in range(2))
        self.fuse = nn.Linear(2 * width, width)
        self.answer = nn.Linear(width, answers)

    def forward(self, encode: Encode, inputs: Inputs) -> Outputs:
        """Pictures (B, T, 3, S, S), `questions` (B, Q, W) -> `logits` (B, Q, answers).

        With `negative` pictures also `match` and `mismatch` (B, T, 2).
        """
        features = encode({"visual": inputs["visual"], "audio": inputs["audio"]})
        sound = self.sound(self.hear(features["audio"].tokens.float().mean(2)))
        sight = self._grounded(features["visual"].tokens.float(), sound)
        outputs = {"logits": self._answer(sound, sight, inputs["questions"])}
        if NEGATIVE in inputs:
            with torch.no_grad():
                other = encode({"visual": inputs[NEGATIVE]})["visual"].tokens.float()
            elsewhere = self._grounded(other, sound)
            outputs["match"] = self.match(torch.cat([sound, sight], dim=-1))
            outputs["mismatch"] = self.match(torch.cat([sound, elsewhere], dim=-1))
        return outputs

    def loss(self, outputs: Outputs, targets: Targets) -> dict[str, Tensor]:
        """Cross-entropy of answers, and half of that of telling the clip's own frames (1) from another's (0)."""
        losses = {"cross_entropy": answer_loss(outputs, targets)}
        if "match" in outputs:
            own, other = outputs["match"].flatten(0, 1), outputs["mismatch"].flatten(0, 1)
            label = torch.cat([own.new_ones(len(own)), own.new_zeros(len(other))]).long()
            losses["match"] = 0.5 * F.cross_entropy(torch.cat([own, other]), label)
        return losses

    def predict(self, outputs: Outputs, targets: Targets) -> list[Prediction]:
        return answer_predictions(outputs, targets)

    def _grounded(self, tokens: Tensor, sound: Tensor) -> Tensor:
        """What of each frame fits the sound: (B, T, L, D), (B, T, width) -> (B, T, width)."""
        places = self.see(tokens)
        directions = F.normalize(places, dim=-1)
        fit = torch.einsum("btlw,btw->btl", directions, F.normalize(sound, dim=-1)).softmax(-1)
        found = torch.einsum("btl,btlw->btw", fit.to(directions.dtype), directions)
        return self.ground(torch.tanh(torch.cat([places.mean(2), found], dim=-1)))

    def _answer(self, sound: Tensor, sight: Tensor, questions: Tensor) -> Tensor:
        asked = self.question(questions.flatten(0, 1)).unflatten(0, questions.shape[:2])
        heard = self.over_sound(asked, sound) + sound.mean(1, keepdim=True)
        seen = self.over_sight(asked, sight) + sight.mean(1, keepdim=True)
        fused = self.fuse(torch.tanh(torch.cat([heard, seen], dim=-1)))
        return self.answer(torch.tanh(fused * asked))
