"""What was scored is what is loaded, and it says of files what it said of the data set."""

from __future__ import annotations

import dataclasses
import random
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from kept_cells import TASKS, Kept, cell, data_of, train_and_keep

import benchmark
from registry import UserError
from tasks.datasets.ave import AveFolder


@pytest.mark.parametrize("task", TASKS)
def test_scores_of_the_test_split_are_those_of_the_record_item_by_item(
    kept: dict[str, Kept], sample: Path, task: str
) -> None:
    model = benchmark.load(kept[task].folder)
    found = model.evaluate(str(data_of(sample, task)))
    assert found.items == list(kept[task].items)
    assert found.scores == kept[task].record.scores == model.config.scores


def test_a_video_is_told_as_the_record_scored_it(kept: dict[str, Kept], sample: Path) -> None:
    data = data_of(sample, "event_localisation")
    clips = AveFolder(data, side=32).clips("test")
    model = benchmark.load(kept["event_localisation"].folder)
    items = {item.item: item.score for item in kept["event_localisation"].items}
    for index in range(len(clips)):
        targets = clips[index]["targets"]
        prediction = model.predict(data / "videos" / f"{targets['id']}.mp4")
        truth = [prediction.labels[label] for label in targets["labels"]]
        right = np.mean([said == true for said, true in zip(prediction.best, truth, strict=True)])
        assert right == pytest.approx(items[targets["id"]])


def test_a_cell_of_two_backbones_is_used_like_any_other(sample: Path, tmp_path: Path) -> None:
    data = data_of(sample, "event_localisation")
    backbone = "towers(audio='tiny_vit', visual='tiny_swin')"
    made = cell(backbone, "dg_sct(latents=2, projection='full')", f"event_localisation(data={str(data)!r})")
    left = train_and_keep(made, tmp_path)
    model = benchmark.load(left.folder)
    assert model.evaluate(str(data)).items == list(left.items)
    video = data / "videos" / "syn00000012.mp4"
    assert "two backbones" in model.predict(video).warnings
    assert model.embed([video], modality="audio").shape == (1, 64)
    assert model.config.weights.keys() == {"visual: tiny_swin.safetensors", "audio: tiny_vit.safetensors"}
    assert model.config.versions["backbone"] == "1, visual 1, audio 1"
    with pytest.raises(UserError, match="give them by tower"):
        benchmark.load(left.folder, weights="some.safetensors")


def test_a_prediction_holds_what_the_model_saw_and_heard(kept: dict[str, Kept], sample: Path) -> None:
    video = data_of(sample, "event_localisation") / "videos" / "syn00000012.mp4"
    prediction = benchmark.load(kept["event_localisation"].folder).predict(video)
    assert prediction.probabilities.shape == (10, len(prediction.labels))
    assert prediction.probabilities.dtype == np.float32
    assert prediction.probabilities.sum(1) == pytest.approx(np.ones(10), abs=1e-5)
    assert prediction.times[0] == (0.0, 1.0)
    assert prediction.times[-1] == (9.0, 10.0)
    assert prediction.frames.shape == (10, 32, 32, 3)
    assert prediction.frame_times == pytest.approx(np.arange(10) + 0.5)
    assert prediction.waveform.shape == (160_000,)
    assert prediction.log_mels is not None
    assert prediction.log_mels.shape == (10, 32, 32)
    assert prediction.notes == ()
    assert prediction.warnings == ("synthetic data",)
    assert prediction.labels[-1] == "background"
    assert prediction.source == str(video)
    assert kept["event_localisation"].record.hash in prediction.model


def test_a_whole_clip_has_one_row(kept: dict[str, Kept], sample: Path) -> None:
    video = next((sample / "manifest").rglob("*.mp4"))
    prediction = benchmark.load(kept["classification"].folder).predict(video)
    assert prediction.probabilities.shape == (1, len(prediction.labels))
    assert len(prediction.times) == 1


def test_questions_are_answered_in_words_that_the_model_knows(kept: dict[str, Kept], sample: Path) -> None:
    video = next((sample / "both" / "music_avqa").rglob("*.mp4"))
    model = benchmark.load(kept["avqa"].folder)
    asked = model.predict(video, question="how many sounds are there?")
    assert asked.probabilities.shape == (1, len(asked.labels))
    same = model.predict(video, question="How many sounds are there ?")
    assert np.array_equal(asked.probabilities, same.probabilities)
    with pytest.raises(UserError, match="answers questions; give one"):
        model.predict(video)
    with pytest.raises(UserError, match=r"unknown word 'soundz'. Did you mean sound or sounds"):
        model.predict(video, question="how many soundz are there")
    with pytest.raises(UserError, match="words, and this model reads 14 at most"):
        model.predict(video, question="how " * 40)
    with pytest.raises(UserError, match="this model answers none; leave the question out"):
        benchmark.load(kept["retrieval"].folder).predict(video, question="how many?")


def test_each_side_is_embedded_alone_as_the_record_scored_it(kept: dict[str, Kept], sample: Path) -> None:
    model = benchmark.load(kept["retrieval"].folder)
    data = data_of(sample, "retrieval")
    videos = [data / "videos" / f"syn{number:08d}.mp4" for number in range(12, 18)]
    audio, visual = (model.embed(videos, modality=m) for m in ("audio", "visual"))
    assert audio.shape == visual.shape == (6, 640)
    assert np.linalg.norm(audio, axis=1) == pytest.approx(np.ones(6), abs=1e-5)
    items = {item.item: item.score for item in kept["retrieval"].items if item.kind == "audio_to_visual"}
    found = {
        video.stem: float(np.argmax(row) == i)
        for i, (video, row) in enumerate(zip(videos, audio @ visual.T, strict=True))
    }
    assert {name: items[name] for name in found} == found
    assert model.predict(videos[0]).probabilities[0, 0] == pytest.approx(float(audio[0] @ visual[0]), abs=1e-5)
    assert model.predict(videos[0]).labels == ("match",)


def test_embeddings_of_other_tasks_are_mean_features(kept: dict[str, Kept], sample: Path) -> None:
    model = benchmark.load(kept["event_localisation"].folder)
    video = data_of(sample, "event_localisation") / "videos" / "syn00000012.mp4"
    prediction = model.predict(video)
    frames = torch.from_numpy(prediction.frames).permute(0, 3, 1, 2)[None]
    expected = model.features(frames)["visual"].pooled.mean(1)
    assert np.allclose(model.embed([video]), expected.detach().numpy(), atol=1e-5)
    with pytest.raises(UserError, match="unknown modality 'sight'"):
        model.embed([video], modality="sight")  # type: ignore[arg-type]


def test_loading_leaves_the_programs_random_numbers_alone(kept: dict[str, Kept]) -> None:
    def drawn() -> tuple[float, float, float]:
        return random.random(), float(np.random.rand()), torch.rand(1).item()

    for seeded in (random.seed, np.random.seed, torch.manual_seed):
        seeded(5)
    expected = drawn()
    for seeded in (random.seed, np.random.seed, torch.manual_seed):
        seeded(5)
    benchmark.load(kept["avqa"].folder)
    assert drawn() == expected


def test_what_is_saved_is_loaded_again(kept: dict[str, Kept], tmp_path: Path) -> None:
    model = benchmark.load(kept["retrieval"].folder)
    model.save_pretrained(tmp_path / "copy")
    again = benchmark.TrainedModel.from_pretrained(tmp_path / "copy")
    assert again.config == model.config
    assert (tmp_path / "copy" / "model.safetensors").read_bytes() == (
        kept["retrieval"].folder / "model.safetensors"
    ).read_bytes()
    with pytest.raises(UserError, match="holds something else than a kept adapter"):
        model.save_pretrained(tmp_path)


def test_what_was_trained_further_keeps_no_score(kept: dict[str, Kept], tmp_path: Path) -> None:
    model = benchmark.load(kept["retrieval"].folder)
    with torch.no_grad():
        model.features.trainable_parameters()[0].add_(1.0)
    model.save_pretrained(tmp_path / "changed")
    changed = benchmark.load(tmp_path / "changed")
    assert changed.config.scores == {}
    assert changed.config.labels == ["synthetic data", "changed after scoring"]
    assert "changed after they were scored" in (tmp_path / "changed" / "README.md").read_text()


def test_unusual_files_are_told(kept: dict[str, Kept], tmp_path: Path) -> None:
    model = benchmark.load(kept["event_localisation"].folder)
    silent = model.predict(_video(tmp_path / "silent.mp4", seconds=12))
    assert silent.notes == ("no sound track", "only the first 10 s of 12 s were read")
    assert silent.log_mels is None
    short = model.predict(_video(tmp_path / "short.mp4", seconds=4))
    assert short.notes == ("no sound track", "it lasts 4.0 of 10 s; its last frame is held and silence follows")
    assert "one frame" in model.predict(_video(tmp_path / "one.mp4", seconds=0.25)).notes
    with pytest.raises(UserError, match=r"gone.mp4 is missing"):
        model.predict(tmp_path / "gone.mp4")
    with pytest.raises(UserError, match="holds 3 clips; predict takes one"):
        model.predict(tmp_path)
    assert [p.source for p in model.predict_each([tmp_path])] == [str(p) for p in sorted(tmp_path.iterdir())]


def _video(path: Path, seconds: float, rate: int = 4) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("h264", rate=rate)
        stream.width = stream.height = 32
        for number in range(max(1, round(seconds * rate))):
            picture = np.full((32, 32, 3), number % 256, np.uint8)
            for packet in stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    return path


def test_a_device_that_is_not_there_is_one_line(kept: dict[str, Kept]) -> None:
    with pytest.raises(UserError, match="device='quantum' cannot be used here"):
        benchmark.load(kept["retrieval"].folder, device="quantum")


def test_a_configuration_is_frozen(kept: dict[str, Kept]) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        benchmark.load(kept["retrieval"].folder).config.seed = 3  # type: ignore[misc]
