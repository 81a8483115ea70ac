"""What every head of AVQA does with answer logits."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from registry.vocabulary import Outputs, Prediction, Targets
from tasks.questions import NO_ANSWER


def answer_loss(outputs: Outputs, targets: Targets) -> Tensor:
    """Cross-entropy over real questions; `logits` (B, Q, answers), `answers` (B, Q)."""
    return F.cross_entropy(outputs["logits"].flatten(0, 1), targets["answers"].flatten(), ignore_index=NO_ANSWER)


def answer_predictions(outputs: Outputs, targets: Targets) -> list[Prediction]:
    """For each clip, the predicted and true answer, the kind and the probabilities of each of its questions."""
    predicted, answers, kinds = (
        tensor.cpu() for tensor in (outputs["logits"].argmax(-1), targets["answers"], targets["kinds"])
    )
    probabilities = outputs["logits"].detach().float().softmax(-1).cpu()
    real = answers != NO_ANSWER
    return [
        {
            "id": clip,
            "predicted": predicted[i][real[i]].tolist(),
            "answers": answers[i][real[i]].tolist(),
            "kinds": kinds[i][real[i]].tolist(),
            "probabilities": probabilities[i][real[i]].tolist(),
        }
        for i, clip in enumerate(targets["id"])
    ]
