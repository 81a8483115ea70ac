"""A trained model: what it says of clips, their embeddings, and its features as a module."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader

from benchmark.data.loader import clip_loader
from benchmark.kept.config import KeptConfig
from benchmark.kept.folder import write_folder
from benchmark.model.model import AudioVisualModel
from benchmark.runtime.main_module import main_module_left_alone
from benchmark.runtime.tensor_digest import tensors_sha256
from benchmark.train.checkpoint import trained_state
from benchmark.use.build import WeightFiles, rebuild, task_with_clips
from benchmark.use.clips import ClipItems, ReadClip, UserClip, find_clips, read_clip, true_masks
from benchmark.use.features import AdaptedFeatures
from benchmark.use.find import find_folder
from benchmark.use.prediction import Prediction
from benchmark.use.questions import encode_question
from registry.errors import UserError, in_one_line, unknown
from registry.vocabulary import MODALITIES, SAMPLE_RATE, Inputs, Modality, Split
from tasks.task import Evaluation, Task

CHANGED = "changed after scoring"


class TrainedModel:
    """An adapter and a head as they were scored, on their frozen backbone; `load` builds it.

    Args:
        config: components, classes, recipe and scores, as `config.json` says them.
        task: where labels and scores come from.
        model: front end, backbone, adapter and head with their trained weights.
    """

    def __init__(self, config: KeptConfig, task: Task, model: AudioVisualModel) -> None:
        self.config = config
        """Components, classes, recipe, scores: what `config.json` says."""
        self.features = AdaptedFeatures(model.encoder, model.data_preprocessor.front_end, config.model.precision)
        """The adapted backbone alone, a `torch.nn.Module` for projects of your own."""
        self._task, self._model = task, model

    @classmethod
    def from_pretrained(
        cls,
        name: str | Path,
        *,
        output: str | Path | None = None,
        seed: int | None = None,
        device: str = "cpu",
        weights: WeightFiles | None = None,
    ) -> TrainedModel:
        """See `load`.

        Raises:
            UserError: nothing of that name, or files that are damaged, of another version or for other weights.
        """
        folder, own_weights = find_folder(str(name), output, seed)
        return cls(*rebuild(folder, own_weights if weights is None else weights)).to(device)

    def save_pretrained(self, folder: str | Path) -> None:
        """Write `config.json`, `model.safetensors` and `README.md`; what the folder held before is taken away.

        Tensors that were trained further since they were loaded are labelled so, and their scores left out.

        Raises:
            UserError: the folder holds something else or cannot be written.
        """
        folder = Path(folder)
        if (
            folder.exists()
            and not (folder / "config.json").is_file()
            and (not folder.is_dir() or any(folder.iterdir()))
        ):
            raise UserError(f"{folder} holds something else than a kept adapter; give a new folder.")
        tensors = trained_state(self._model)
        config, digest = self.config, tensors_sha256(tensors)
        if digest != config.tensors_sha256:
            labels = [*config.labels, *([] if CHANGED in config.labels else [CHANGED])]
            changes: dict[str, Any] = {"scores": {}, "validation": {}, "interval": None, "labels": labels}
            config = replace(config, tensors_sha256=digest, **changes)
        write_folder(folder, config, tensors)

    def to(self, device: str | torch.device) -> TrainedModel:
        """The same model, moved to a device such as `cuda:0`.

        Raises:
            UserError: there is no such device here.
        """
        try:
            self._model.to(device)
        except (RuntimeError, AssertionError) as error:
            raise UserError(f"device={device!r} cannot be used here ({in_one_line(error)[:200]}); try 'cpu'.") from None
        return self

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return next(self._model.parameters()).device

    def predict(self, source: str | Path, question: str | None = None) -> Prediction:
        """What the model says of one clip: a video, a folder of pictures with their sound, a manifest of one row.

        Args:
            question: for models that answer questions, in their words.

        Raises:
            UserError: a file that is missing or damaged, a source of several clips, or a question that is missing,
                idle or not in the words of the model.
        """
        clips = find_clips([source])
        if len(clips) > 1:
            raise UserError(f"{source} holds {len(clips)} clips; predict takes one, predict_each takes all.")
        return self._predict(clips[0], question)

    def predict_each(self, sources: Iterable[str | Path], question: str | None = None) -> Iterator[Prediction]:
        """As `predict`, of every clip that the sources hold, one after the other.

        Raises:
            UserError: as `predict`; sources and question are looked at before the first clip is.
        """
        encode_question(question, self.config.model)
        clips = find_clips(sources)
        return (self._predict(clip, question) for clip in clips)

    def embed(
        self, sources: Iterable[str | Path], modality: Modality = "visual", *, batch_size: int = 8, workers: int = 0
    ) -> NDArray[np.float32]:
        """A vector for each clip of one modality alone, (N, D): the joint space of retrieval, else mean features.

        Args:
            batch_size: clips at a time; no number depends on it but by rounding.
            workers: processes that decode clips.

        Raises:
            UserError: a file that is missing or damaged, or no such modality.
        """
        if isinstance(sources, str | Path):
            sources = [sources]
        batches = self.batches(find_clips(sources), batch_size, workers)
        vectors = [self.join_segments(self.embed_segments(batch, modality)).cpu().numpy() for batch in batches]
        return np.concatenate(vectors)

    @torch.inference_mode()
    def embed_segments(self, batch: Mapping[str, Any], modality: Modality) -> Tensor:
        """Vectors of the segments of one modality alone: `frames` (B, T, 3, h, w) or `waveform` -> (B, T, D).

        Args:
            batch: as `batches` gives it; `waveform` is (B, T, samples) at 16 kHz, within -1 and 1.

        Raises:
            UserError: no such modality.
        """
        if modality not in MODALITIES:
            raise unknown("modality", str(modality), MODALITIES)
        name = "frames" if modality == "visual" else "waveform"
        prepared = self._prepared({name: batch[name]})
        with self._model.autocast():
            return self._model.head.embed(self._model.encoder, prepared[modality], modality).float()

    def join_segments(self, segments: Tensor) -> Tensor:
        """One vector for each clip: (B, T, D) -> (B, D')."""
        return self._model.head.join_segments(segments)

    def batches(
        self, clips: Sequence[UserClip], batch_size: int, workers: int | None = 0, *, forgiving: bool = False
    ) -> Iterator[dict[str, Any]]:
        """Decoded clips in batches, see `ClipItems`; processes that decode are at work ahead.

        Args:
            workers: how many; None is one for each thread.
        """
        items = ClipItems(clips, self.config.model, forgiving)
        loader = clip_loader(items, workers=workers, batch_size=batch_size)
        with main_module_left_alone():
            batches = iter(loader)
        yield from batches

    def evaluate(self, data: str = "synthetic", split: Split = "test", *, batch_size: int | None = None) -> Evaluation:
        """Scores of a split, and of each of its items, as a run scores them.

        Args:
            data: as the task's option of this name: `synthetic`, or the folder of the data.
            batch_size: None is the recipe's.

        Raises:
            UserError: data that are missing, or whose classes, answers or words are not the model's.
        """
        task = task_with_clips(self.config, data)
        loader = DataLoader(task.dataset(split), batch_size=batch_size or self.config.batch_size)
        return task.evaluate([said for batch in loader for said in self._model.test_step(batch)])

    def _predict(self, clip: UserClip, question: str | None) -> Prediction:
        facts, config = self.config.model, self.config
        asked = encode_question(question, facts)
        read = read_clip(clip, facts)
        prepared, probabilities, masks, active = self._said(read, asked)
        rows = np.ascontiguousarray(probabilities.cpu().numpy(), dtype=np.float32)
        log_mels = prepared["audio"][0, :, 0].float().transpose(1, 2).cpu().numpy()
        return Prediction(
            task=config.component("task").name,
            source=clip.source,
            labels=tuple(facts.labels) or tuple(map(str, range(rows.shape[1]))),
            probabilities=rows,
            times=_times(read, len(rows)),
            question=question,
            notes=read.notes,
            frames=np.ascontiguousarray(read.clip.frames.permute(0, 2, 3, 1).numpy()),
            frame_times=read.frame_times,
            waveform=_on_one_line(read),
            sample_rate=SAMPLE_RATE,
            log_mels=log_mels if read.clip.has_sound else None,
            model=f"{config.row} ({config.hash})",
            warnings=tuple(config.labels),
            masks=masks,
            true_masks=None if masks is None else true_masks(clip, read, facts),
            active=active,
        )

    @torch.inference_mode()
    def _said(
        self, read: ReadClip, asked: Tensor | None
    ) -> tuple[Inputs, Tensor, NDArray[np.bool_] | None, NDArray[np.bool_] | None]:
        """Prepared inputs of one clip, its rows (rows, labels), and what a head tells beside them: masks (T, M, M), and
        which labels are on (rows, labels)."""
        inputs = {name: value[None] for name, value in read.clip.inputs().items()}
        prepared = self._prepared(inputs if asked is None else {**inputs, "questions": asked})
        head, outputs = self._model.head, self._model(prepared)
        masks, active = (
            None if told is None else told[0].cpu().numpy() for told in (head.masks(outputs), head.active(outputs))
        )
        return prepared, head.probabilities(outputs)[0].float(), masks, active

    def _prepared(self, inputs: Inputs) -> Inputs:
        self._model.eval()
        moved = {name: value.to(self.device) for name, value in inputs.items()}
        return cast(Inputs, self.features.front_end(moved))


def load(
    name: str | Path,
    *,
    output: str | Path | None = None,
    seed: int | None = None,
    device: str = "cpu",
    weights: WeightFiles | None = None,
) -> TrainedModel:
    """A trained model from where it was kept.

    Args:
        name: a folder with `config.json`, a row of a leaderboard such as `tiny_vit/lora(rank=8)/avqa`, or a repository
            of the Hugging Face hub.
        output: where the row's records are; None is `runs`.
        seed: of the row; None is the smallest whose adapter was kept.
        device: where it shall compute, such as `cuda:0`.
        weights: the file of the backbone's weights, where they were a file that is not in the folder; of
            `towers(visual=…, audio=…)` the file of each that has one, `{"visual": FILE, "audio": FILE}`.

    Raises:
        UserError: nothing of that name, or files that are damaged, of another version or for other weights. Nothing of
            a file is executed.
    """
    return TrainedModel.from_pretrained(name, output=output, seed=seed, device=device, weights=weights)


def _times(read: ReadClip, rows: int) -> tuple[tuple[float, float], ...]:
    edges = np.linspace(read.begin, read.begin + read.length, rows + 1).tolist()
    return tuple(pairwise(edges))


def _on_one_line(read: ReadClip) -> NDArray[np.float32]:
    """Each window of sound at its place in the clip; silence between them."""
    windows = read.clip.waveform.numpy()
    line = np.zeros(max(1, round(read.length * SAMPLE_RATE)), np.float32)
    for window, start in zip(windows, read.window_starts, strict=True):
        first = round(start * SAMPLE_RATE)
        piece = window[: max(0, len(line) - first)]
        line[first : first + len(piece)] = piece
    return line
