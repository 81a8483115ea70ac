"""Where pairs come from: the procedural world, AVE, VGGSound, their sizes alone, or a manifest."""

from __future__ import annotations

from pathlib import Path

from torch.utils.data import Dataset

from registry.vocabulary import Split
from tasks.source import Outline, Report, Source, require_default
from tasks.synthetic.dataset import SyntheticPairs
from tasks.synthetic.source import SyntheticSource

OFFICIAL = ("ave", "vggsound")


def open_pairs(data: str, segments: int | None) -> Source:
    """The source behind a task's option `data`; a folder is VGGSound's where it holds lists, else AVE's.

    Raises:
        UserError: no such folder, annotation files that are missing or malformed, or an option that is not for them.
    """
    if data == "synthetic" or data in OFFICIAL:
        require_default(data, segments=(segments, None))
        return SyntheticSource(SyntheticPairs) if data == "synthetic" else Outline(data)
    # The decoder behind real data takes a moment to import, and nothing else needs it.
    from tasks.media.manifest import find_manifest
    from tasks.media.manifest_clips import ManifestClips
    from tasks.retrieval.vggsound import VggSoundFolder

    if manifest := find_manifest(data):
        return ManifestClips(manifest, segments)
    require_default(data, segments=(segments, None))
    return VggSoundFolder(data) if _holds_lists(Path(data).expanduser()) else AvePairs(data)


class AvePairs(Source):
    """AVE's clips, each once, and none that an earlier split has; see `AveFolder.pairs`."""

    def __init__(self, data: str) -> None:
        from tasks.event_localisation.data import AveFolder

        self._folder = AveFolder(data)
        self.segments = self._folder.segments

    def clips(self, split: Split) -> Dataset:
        return self._folder.pairs(split)

    def identity(self) -> str:
        return self._folder.identity()

    def prepare(self, report: Report | None = None) -> None:
        self._folder.check()


def _holds_lists(folder: Path) -> bool:
    """Whether CAV-MAE's lists lie in a folder; of several data sets in one folder, AVE is taken."""
    places = [folder] if (folder / "ave").is_dir() else [folder, folder / "vggsound"]
    return any("train" in path.name for place in places for path in place.glob("*.json"))
