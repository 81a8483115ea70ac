"""Whether what an output kept is what was scored: every adapter of it, loaded and scored again, item by item.

    python measurements/rescored.py runs                # each folder of runs/adapters
    python measurements/rescored.py runs --clip a.mp4   # also what each says of a video

Exit status 1 where a score of an item differs from the record's, or where a folder cannot be loaded.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import benchmark
from benchmark.kept.folder import FOLDER
from benchmark.use.trained import TrainedModel
from registry import Component, UserError
from results.store.store import Store

QUESTION = "How many sounds are there ?"
"""Which the embedded world and MUSIC-AVQA both know."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path)
    parser.add_argument("--clip", type=Path, help="a video that each model predicts too")
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    folders = sorted(path for path in (arguments.output / FOLDER).iterdir() if not path.name.startswith("."))
    wrong = [folder.name for folder in folders if not _holds(folder, arguments)]
    print(f"{len(folders) - len(wrong)} of {len(folders)} adapters score as their records say")
    return 1 if wrong or not folders else 0


def _holds(folder: Path, arguments: argparse.Namespace) -> bool:
    try:
        model = benchmark.load(folder, device=arguments.device)
        differ = differing_items(model, Store(arguments.output))
        said = _said_of(model, arguments.clip) if arguments.clip else ""
    except UserError as error:
        print(f"FAIL  {folder.name}: {error}")
        return False
    print(f"{'MISS' if differ else 'ok  '}  {folder.name}: {len(differ)} items differ{said}", flush=True)
    return not differ


def differing_items(model: TrainedModel, store: Store) -> list[str]:
    """Names of the test items whose score is not the record's, of all where others were scored."""
    record = store.read(model.config.hash)
    if record is None:
        raise UserError(f"{store.place} has no record {model.config.hash}.")
    data = str(Component.parse(record.task).options.get("data", "synthetic"))
    scored, again = store.items(record.hash), model.evaluate(data).items
    if [item.item for item in scored] != [item.item for item in again]:
        return [item.item for item in scored]
    return [one.item for one, two in zip(scored, again, strict=True) if one != two]


def _said_of(model: TrainedModel, clip: Path) -> str:
    prediction = model.predict(clip, question=QUESTION if model.config.model.words else None)
    return f"; {clip.name}: {', '.join(dict.fromkeys(prediction.best))}"


if __name__ == "__main__":
    sys.exit(main())
