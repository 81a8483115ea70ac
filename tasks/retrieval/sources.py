"""Where pairs come from: the procedural world, AVE, VGGSound, their sizes alone, or a manifest."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Self

from torch.utils.data import Dataset

from registry.vocabulary import Split
from tasks.datasets.source import Outline, Report, Source, require_default
from tasks.synthetic.dataset import SyntheticPairs
from tasks.synthetic.source import SyntheticSource

if TYPE_CHECKING:
    from tasks.media.recording import Recording

OFFICIAL = ("ave", "vggsound")


def open_pairs(data: str, segments: int | None, allow_missing: bool = False) -> Source:
    """The source behind a task's option `data`; a folder is VGGSound's where it holds lists, else AVE's.

    Raises:
        UserError: no such folder, annotation files that are missing or malformed, or an option that is not for them.
    """
    if data == "synthetic" or data in OFFICIAL:
        require_default(data, segments=(segments, None), allow_missing=(allow_missing, False))
        return SyntheticSource(SyntheticPairs) if data == "synthetic" else Outline(data)
    # The decoder behind real data takes a moment to import, and nothing else needs it.
    from tasks.datasets.manifest import find_manifest
    from tasks.datasets.manifest_clips import ManifestClips
    from tasks.datasets.vggsound import VggSoundFolder

    if manifest := find_manifest(data):
        return ManifestClips(manifest, segments, allow_missing=allow_missing)
    require_default(data, segments=(segments, None))
    if _holds_lists(Path(data).expanduser()):
        return VggSoundFolder(data, allow_missing=allow_missing)
    return AvePairs(data, allow_missing)


class AvePairs(Source):
    """AVE's clips, each once, and none that an earlier split has; see `AveFolder.pairs`."""

    def __init__(self, data: str, allow_missing: bool = False) -> None:
        from tasks.datasets.ave import AveFolder

        self._folder = AveFolder(data, allow_missing=allow_missing)
        self.left_out, self.official = self._folder.left_out, self._folder.official
        self.segments = self._folder.segments

    @property
    def stored_side(self) -> int | None:
        return self._folder.stored_side

    def with_frames(self, side: int) -> Self:
        other = super().with_frames(side)
        other._folder = self._folder.with_frames(side)
        return other

    def clips(self, split: Split) -> Dataset:
        return self._folder.pairs(split)

    def recordings(self) -> dict[Split, list[Recording]]:
        return self._folder.recordings()

    def annotation_files(self) -> dict[str, Path]:
        return self._folder.annotation_files()

    def identity(self) -> str:
        return self._folder.identity()

    def prepare(self, report: Report | None = None) -> None:
        self._folder.check()


def _holds_lists(folder: Path) -> bool:
    """Whether CAV-MAE's lists lie in a folder; of several data sets in one folder, AVE is taken."""
    places = [folder] if (folder / "ave").is_dir() else [folder, folder / "vggsound"]
    return any("train" in path.name for place in places for path in place.glob("*.json"))
