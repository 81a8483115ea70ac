"""The head of DG-SCT and AVMoE on AVE: streams meet over time, then events are told from background.

Xia, Zhao: Cross-modal Background Suppression for Audio-Visual Event Localization, CVPR 2022, behind the temporal
attention of Duan et al., NeurIPS 2023 (arXiv 2311.05152).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from registry.vocabulary import Encode, Inputs, Outputs, Prediction, Targets
from tasks.event_localisation.head import SegmentHead
from tasks.lstm import run_lstm

WIDTHS, MODEL_WIDTH, FEEDFORWARD, HEADS, LAYERS, DROPOUT = (512, 128), 256, 1024, 4, 2, 0.1
"""As released; the first are what visual and audio features become before anything else."""
STRENGTH = 0.1
"""γ: how much a stream is raised where its partner finds something."""
CLASS_SHARE = 0.3
"""How much the streams' own class scores add to those of the clip."""
HIGHEST = 4
"""Segments over which a stream's class scores are averaged, the highest of each class."""


class Decoder(nn.Module):
    """One layer in which queries attend to a memory and themselves alike, then the usual two-layer network."""

    def __init__(self, dim: int, heads: int, feedforward: int) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(dim, heads, dropout=DROPOUT, batch_first=True)
        self.linear1, self.linear2 = nn.Linear(dim, feedforward), nn.Linear(feedforward, dim)
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.drop = nn.Dropout(DROPOUT)

    def forward(self, x: Tensor, memory: Tensor) -> Tensor:
        """(B, T, D), (B, T, D) -> (B, T, D)"""
        keys = torch.cat((memory, x), dim=1)
        x = self.norm1(x + self.drop(self.attention(x, keys, keys, need_weights=False)[0]))
        return self.norm2(x + self.drop(self.linear2(self.drop(F.relu(self.linear1(x))))))


class StreamOverTime(nn.Module):
    """One stream's layers: a recurrent one, those that attend over time, and those that attend to the partner."""

    def __init__(self, width: int, states: int, dim: int, heads: int, feedforward: int, layers: int) -> None:
        super().__init__()
        self.recurrent = nn.LSTM(width, states, batch_first=True, bidirectional=True)
        self.to_key, self.to_query = nn.Linear(2 * states, dim), nn.Linear(2 * states, dim)
        self.encoder = nn.Sequential(
            *(nn.TransformerEncoderLayer(dim, heads, feedforward, DROPOUT, batch_first=True) for _ in range(layers))
        )
        self.decoder = Decoder(dim, heads, feedforward)
        self.gate = nn.Linear(dim, 1)

    def over_time(self, x: Tensor) -> Tensor:
        """(B, T, W) -> (B, T, 2 · states)"""
        return run_lstm(self.recurrent, x)[0]


class TemporalAttention(nn.Module):
    """Both streams over time, each asked by the other and raised where the other finds something.

    Args:
        dims: widths of visual and audio features.
        widths: what they become first.
        dim: width of everything that attends.
    """

    def __init__(
        self,
        dims: tuple[int, int],
        widths: tuple[int, int] = WIDTHS,
        dim: int = MODEL_WIDTH,
        heads: int = HEADS,
        feedforward: int = FEEDFORWARD,
        layers: int = LAYERS,
    ) -> None:
        super().__init__()
        self.narrow_visual = nn.Sequential(nn.Linear(dims[0], widths[0]), nn.ReLU(), nn.Dropout(0.2))
        self.narrow_audio = nn.Linear(dims[1], widths[1])
        states = (dim, dim // 2)
        self.visual, self.audio = (
            StreamOverTime(*sizes, dim, heads, feedforward, layers) for sizes in zip(widths, states, strict=True)
        )

    def forward(self, visual: Tensor, audio: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, T, D), (B, T, D') -> both streams (B, T, d), and the product of their gates (B, T)."""
        visual = self.visual.over_time(self.narrow_visual(visual))
        audio = self.audio.over_time(self.narrow_audio(audio))
        visual_keys = self.visual.encoder(self.visual.to_key(visual))
        audio_keys = self.audio.encoder(self.audio.to_key(audio))
        asked_audio = self.audio.decoder(self.audio.to_query(audio), visual_keys)
        asked_visual = self.visual.decoder(self.visual.to_query(visual), audio_keys)
        visual_gate, audio_gate = self.visual.gate(visual_keys).sigmoid(), self.audio.gate(audio_keys).sigmoid()
        gates = (audio_gate * visual_gate).squeeze(-1)
        return asked_visual * (1 + STRENGTH * audio_gate), asked_audio * (1 + STRENGTH * visual_gate), gates


class CmbsHead(SegmentHead):
    """Whether each segment holds an event, and which one the clip has.

    `loss` is the authors': whether there is an event by segment, from the head's own score and (DG-SCT) from the gates,
    and the clip's event, from both streams together and from each of them. The gates are a product of two sigmoids, and
    their term takes them for logits, so that it never comes near zero.

    Args:
        dims: widths of visual and audio features.
        classes: with background as the last.
        gate_loss: whether the gates have a term, as in DG-SCT; AVMoE's code leaves it out.
        sizes: those of `TemporalAttention`, as released by default.
    """

    def __init__(self, dims: tuple[int, int], classes: int, gate_loss: bool = True, **sizes: object) -> None:
        super().__init__()
        self.events, self.gate_loss = classes - 1, gate_loss
        self.over_time = TemporalAttention(dims, **sizes)  # type: ignore[arg-type]
        dim = self.over_time.visual.to_key.out_features
        self.is_event, self.which_event = nn.Linear(dim, 1), nn.Linear(dim, self.events)
        self.visual_classes, self.audio_classes = nn.Linear(dim, self.events), nn.Linear(dim, self.events)

    def forward(self, encode: Encode, inputs: Inputs) -> Outputs:
        """Pictures of both modalities (B, T, 3, S, S) -> scores.

        `event` (B, T) and `gate` (B, T) of segments, `clip` and `streams` (B, C - 1) of clips.
        """
        features = encode({"visual": inputs["visual"], "audio": inputs["audio"]})
        visual, audio, gate = self.over_time(features["visual"].pooled.float(), features["audio"].pooled.float())
        streams = (_highest(self.visual_classes(visual)) + _highest(self.audio_classes(audio))) / 2
        fused = (visual + audio) / 2
        clip = self.which_event(fused.amax(dim=1)) + CLASS_SHARE * streams
        return {"event": self.is_event(fused).squeeze(-1), "gate": gate, "clip": clip, "streams": streams}

    def loss(self, outputs: Outputs, targets: Targets) -> dict[str, Tensor]:
        """Binary cross-entropy of segments, and of gates; cross-entropy of clips, and of streams; `labels` (B, T).

        A clip's event is the highest label of its segments, background counting as 0.
        """
        labels = targets["labels"]
        on = (labels != self.events).to(outputs["event"].dtype)
        event = torch.where(labels == self.events, torch.zeros_like(labels), labels).amax(dim=1)
        terms = {
            "event": F.binary_cross_entropy_with_logits(outputs["event"], on),
            "clip": F.cross_entropy(outputs["clip"], event),
            "streams": F.cross_entropy(outputs["streams"], event),
        }
        if self.gate_loss:
            terms["gate"] = F.binary_cross_entropy_with_logits(outputs["gate"], on)
        return terms

    def predict(self, outputs: Outputs, targets: Targets) -> list[Prediction]:
        """The clip's event in every segment that is likelier than not to hold one."""
        event = outputs["clip"].argmax(-1, keepdim=True).expand_as(outputs["event"])
        predicted = torch.where(outputs["event"] > 0, event, torch.full_like(event, self.events))
        return super().predict({"logits": F.one_hot(predicted, self.events + 1)}, targets)


def _highest(scores: Tensor) -> Tensor:
    """The mean of the highest scores of each class: (B, T, C) -> (B, C)"""
    return scores.topk(min(HIGHEST, scores.shape[1]), dim=1).values.mean(dim=1)
