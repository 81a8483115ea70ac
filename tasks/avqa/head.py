"""The default head of AVQA: a linear read-out of both streams whose weights the question chooses.

Given the question, the answer logits are linear in the features and modalities only add up. Telling which object
sounds is therefore beyond the head, and shows whether the adapter brought sound and sight together.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from registry.vocabulary import MODALITIES, Encode, Inputs, Modality, Outputs, Prediction, Targets, Width
from tasks.avqa.answers import answer_loss, answer_predictions
from tasks.heads import joined, widths_of
from tasks.lstm import run_lstm
from tasks.task import Head

READING_RATE = 0.1
"""The question encoder's share of the head's rate: a recurrent net is thrown off by rates that suit a linear layer."""


class QuestionEncoder(nn.Module):
    """Word embeddings and a one-layer LSTM, as in the ST-AVQA baseline of MUSIC-AVQA, at a width of our choice."""

    def __init__(self, words: int, width: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(words, width, padding_idx=0)
        self.lstm = nn.LSTM(width, width, batch_first=True)

    def forward(self, questions: Tensor) -> Tensor:
        """Word numbers (N, W), 0 for padding -> (N, width), the state after the last word."""
        # Questions come from few templates, so a batch repeats most of them: each is read once.
        distinct, position = torch.unique(questions, dim=0, return_inverse=True)
        states, _ = run_lstm(self.lstm, self.embed(distinct))
        last = (distinct > 0).sum(1).clamp(min=1) - 1
        return states[torch.arange(len(distinct), device=states.device), last][position]


class QuestionReadout(Head):
    """Answers from features: the question weighs segments and hidden units; nothing else multiplies."""

    reads_tokens = False

    def __init__(
        self,
        dim: Width,
        segments: int,
        words: int,
        answers: int,
        modalities: Sequence[Modality] = MODALITIES,
        width: int = 64,
    ) -> None:
        super().__init__()
        widths = widths_of(dim)
        self.norm = nn.ModuleDict({m: nn.LayerNorm(widths[m]) for m in modalities})
        self.read = nn.Linear(sum(widths[m] for m in modalities), width)
        # Normed, since the states of a fresh LSTM are small and would all but close the gates that they set.
        self.question = nn.Sequential(QuestionEncoder(words, width), nn.LayerNorm(width))
        self.over_time = nn.Linear(width, segments)
        self.over_units = nn.Linear(width, width)
        self.answer = nn.Linear(2 * width, answers)

    def forward(self, encode: Encode, inputs: Inputs) -> Outputs:
        """Pictures (B, T, 3, S, S) of its modalities and `questions` (B, Q, W) -> `logits` (B, Q, answers)."""
        features = joined(self.norm, encode, inputs)
        questions = inputs["questions"]
        asked = self.question(questions.flatten(0, 1)).unflatten(0, questions.shape[:2])
        # Weights over segments may be negative: "first" is read off as early minus late.
        when = (1 + self.over_time(asked)) / features.shape[1]
        read = torch.einsum("bqt,btw->bqw", when, self.read(features))
        return {"logits": self.answer(torch.cat([read * self.over_units(asked), asked], dim=-1))}

    def lr_scale(self) -> dict[nn.Parameter, float]:
        return dict.fromkeys(self.question.parameters(), READING_RATE)

    def loss(self, outputs: Outputs, targets: Targets) -> dict[str, Tensor]:
        """See `answer_loss`."""
        return {"cross_entropy": answer_loss(outputs, targets)}

    def predict(self, outputs: Outputs, targets: Targets) -> list[Prediction]:
        """See `answer_predictions`."""
        return answer_predictions(outputs, targets)
