"""What data sets give for small files of their formats, and what the procedural world is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch
from summary import Numbers, summary, under

from registry.errors import UserError
from registry.vocabulary import SAMPLE_RATE, SPLITS
from tasks.datasets.open import open_source
from tasks.sample.export import sample_clips
from tasks.sample.layouts import LAYOUTS
from tasks.sample.masks import write_masks
from tasks.synthetic import store
from tasks.synthetic.masks import sounding_masks
from tasks.synthetic.questions import ANSWERS, ask, words
from tasks.synthetic.scene import CLASSES, make_scene

SECONDS, SIDE = 10, 16


def of_data(name: str, folder: Path) -> Numbers:
    """The items of a data set by what is asked for.

    Args:
        folder: an empty one.

    Raises:
        UserError: a data set without small files here.
    """
    if name == "synthetic":
        return _of_the_procedural_world()
    if name not in WRITERS:
        raise UserError(f"nothing writes small files of {name}; add it to WRITERS in {Path(__file__).name}.")
    asked = WRITERS[name](folder)
    return {k: v for need, options in asked for k, v in _items(str(folder), need, options).items()}


def _of_the_procedural_world() -> Numbers:
    numbers: Numbers = {"identity": store.identity()}
    for kind, seed in (("event", 1), ("event", 10_000_003), ("ensemble", 28)):
        frames, sound = store.render(kind, seed)
        numbers |= {f"frames of {kind} {seed}": summary(frames), f"sound of {kind} {seed}": summary(sound)}
    scene = make_scene(28, kind="ensemble")
    numbers["labels of event 1"] = summary(make_scene(1, kind="event").labels())
    for modality, on in make_scene(1, kind="event").events_by_modality().items():
        numbers[f"{modality} of event 1"] = summary(on)
    numbers["masks of event 1"] = summary(sounding_masks(make_scene(1, kind="event")))
    numbers["masks of ensemble 28"] = summary(sounding_masks(scene))
    numbers["questions of ensemble 28"] = "; ".join(f"{q.text}: {q.answer}" for q in ask(scene, seed=0, repeats=1))
    numbers |= {"classes": " ".join(map(str, CLASSES)), "answers": " ".join(ANSWERS), "words": " ".join(words())}
    numbers["seeds"] = str(
        {k: {s: (r.start, len(r)) for s in SPLITS for r in [store.seeds(k, s)]} for k in store.SIZES}
    )
    return numbers


def _items(data: str, need: str, options: dict[str, Any]) -> Numbers:
    source = open_source(data, need, **options)
    numbers: Numbers = {"identity": source.identity()}
    for what in ("classes", "answers", "words"):
        if getattr(source, what):
            numbers[what] = ", ".join(getattr(source, what))
    for split in SPLITS:
        clips = source.clips(split)
        numbers[f"{split} clips"] = [float(len(clips))]
        for part, values in clips[len(clips) - 1].items():
            numbers |= {f"last of {split}, {part} {key}": _value(key, value) for key, value in values.items()}
    asked = ", ".join([need, *(f"{key}={value!r}" for key, value in options.items())])
    return under(asked, numbers)


def _value(key: str, value: Any) -> list[float] | str:
    if isinstance(value, str):
        return value
    # Pictures of one colour, so that their size does not matter.
    return summary(torch.as_tensor(value).double().mean((-2, -1)) if key == "frames" else value)


def _write_clips(folder: Path, *names: str) -> None:
    """Clips without loss, in a grey and with a tone of their own, both changing from second to second."""
    folder.mkdir(exist_ok=True)
    second = np.arange(SECONDS)
    for place, name in enumerate(names, start=1):
        greys = (20 * second + 5 * place).astype(np.uint8)
        pitch = np.repeat(200 + 40 * second + 30 * place, SAMPLE_RATE)
        tone = 8000 * np.sin(2 * np.pi * np.cumsum(pitch) / SAMPLE_RATE)
        _write_clip(folder / f"{name}.mkv", greys.repeat(2), tone.round().astype(np.int16))


def _write_clip(path: Path, greys: np.ndarray, sound: np.ndarray) -> None:
    with av.open(str(path), "w", format="matroska") as container:
        video = container.add_stream("ffv1", rate=2)
        video.width, video.height, video.pix_fmt = SIDE, SIDE, "yuv420p"
        voice = container.add_stream("pcm_s16le", rate=SAMPLE_RATE, layout="mono")
        for grey in greys:
            picture = np.full((SIDE, SIDE, 3), grey, np.uint8)
            container.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(video.encode(None))
        frame = av.AudioFrame.from_ndarray(sound[None], format="s16", layout="mono")
        frame.sample_rate = SAMPLE_RATE
        container.mux(voice.encode(frame))
        container.mux(voice.encode(None))


Asked = list[tuple[str, dict[str, Any]]]


def _write_ave(folder: Path) -> Asked:
    lines = [f"{'dog' if n % 2 else 'church bell'}&c{n}&good&{n}&{n + 4}" for n in range(7)]
    parts = {"trainSet": [*lines[:3], lines[5]], "valSet": lines[3:5], "testSet": lines[4:]}
    for name, rows in {"Annotations": lines, **parts}.items():
        (folder / f"{name}.txt").write_text("\n".join(rows) + "\n")
    _write_clips(folder / "videos", *(f"c{n}" for n in range(7)))
    published = {"sampling": "published", "split": "dedup"}
    return [("events", {}), ("events", published), ("events_of_one_kind", {}), ("pairs", {})]


def _write_music_avqa(folder: Path) -> Asked:
    def row(number: int, content: str, values: list[str], answer: str, kind: str) -> dict[str, Any]:
        facts = {"video_id": f"0000000{number % 2}", "question_id": number, "question_content": content}
        lists = {"type": json.dumps(kind.split()), "templ_values": json.dumps(values)}
        return {**facts, **lists, "question_deleted": 0, "anser": answer}

    rows = [
        row(1, "Is the <Object> in the video always playing?", ["ukulele"], "yes", "Audio-Visual Existential"),
        row(2, "How many instruments are heard in the video ?", [], "more than ten", "Audio Counting"),
        row(3, "Is the <Object> to the <LR> of the <Object>? ", ["cello", "left", "ukulele"], "no", "Visual Location"),
    ]
    for name, part in {"train": rows, "val": rows[1:], "test": rows[:2]}.items():
        (folder / f"avqa-{name}.json").write_text(json.dumps(part))
    _write_clips(folder / "videos", "00000000", "00000001")
    return [("questions", {}), ("questions", {"sampling": "published"})]


def _write_vggsound(folder: Path) -> Asked:
    train = [{"video_id": f"t{n:02d}_000000", "labels": f"kind {n % 2}"} for n in range(20)]
    test = [{"video_id": f"x{n}_000010", "labels": f"kind {n}"} for n in range(2)]
    for name, entries in {"vgg_train": train, "vgg_test_for_retrieval": test}.items():
        (folder / f"{name}.json").write_text(json.dumps({"data": entries}))
    _write_clips(folder / "videos", *(entry["video_id"] for entry in [*train, *test]))
    return [("pairs", {})]


def _write_manifest(folder: Path) -> Asked:
    rows = ["a,0,8,train,dog", "b,1,,train,car", "c,,5,validation,dog", "d,2.5,9,test,car"]
    lines = [f"{n}{row[0]},videos/{row[0]}.mkv{row[1:]},masks/{row[0]},both" for n, row in enumerate(rows)]
    (folder / "manifest.csv").write_text("\n".join(["id,path,start,end,split,label,masks,modality", *lines]) + "\n")
    _write_clips(folder / "videos", "a", "b", "c", "d")
    for place, name in enumerate("abcd"):
        write_masks(folder / "masks" / name, "{k}.png", _masks(3, place))
    needs = ("events", "events_by_modality", "events_of_one_kind", "labels", "masks", "pairs")
    return [(need, {"segments": 4}) for need in needs]


def _masks(count: int, place: int) -> np.ndarray:
    """Boxes that grow from picture to picture."""
    masks = np.zeros((count, SIDE, SIDE), bool)
    for k in range(count):
        masks[k, : k + place + 1, : 2 * k + 1] = True
    return masks


def _write_single_sources(folder: Path) -> Asked:
    return _write_avsbench(folder, "avsbench_s4")


def _write_llp(folder: Path) -> Asked:
    layout = LAYOUTS["llp"]
    clips = sample_clips(layout, 2, seed=0)
    layout.annotate(folder, clips)
    _write_clips(folder / "videos", *(clip.name for clip in clips))
    return [("events_by_modality", {})]


def _write_several_sources(folder: Path) -> Asked:
    return _write_avsbench(folder, "avsbench_ms3")


def _write_avsbench(folder: Path, name: str) -> Asked:
    layout = LAYOUTS[name]
    clips = sample_clips(layout, 2, seed=0)
    for clip in clips:
        layout.write(folder, clip)  # type: ignore[misc]
    layout.annotate(folder, clips)
    return [("masks", {}), ("masks", {"sampling": "published"})]


WRITERS = {
    "ave": _write_ave,
    "avsbench_ms3": _write_several_sources,
    "avsbench_s4": _write_single_sources,
    "llp": _write_llp,
    "manifest": _write_manifest,
    "music_avqa": _write_music_avqa,
    "vggsound": _write_vggsound,
}
"""By data set, what writes small files of its format into a folder and says what to ask of them."""
