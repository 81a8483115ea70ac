"""Where events come from: the procedural world, AVE's folder, its sizes alone, or a manifest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tasks.datasets.source import Outline, require_default
from tasks.synthetic.dataset import SyntheticEvents
from tasks.synthetic.scene import CLASSES
from tasks.synthetic.source import SyntheticSource

if TYPE_CHECKING:
    from tasks.datasets.ave import AveFolder
    from tasks.datasets.manifest_events import ManifestEvents

OFFICIAL = "ave"
SEGMENTS = 10
"""Of a manifest's clips, where the task's option does not say."""


class SyntheticEventSource(SyntheticSource):
    """The procedural world's events."""

    classes = tuple(CLASSES)

    def __init__(self) -> None:
        super().__init__(SyntheticEvents)


class AveOutline(Outline):
    """AVE's published sizes: 28 categories, ten segments."""

    classes = tuple(f"category {i}" for i in range(28))

    def __init__(self) -> None:
        super().__init__(OFFICIAL)


def open_events(
    data: str,
    split: str,
    segments: int | None,
    one_kind: bool,
    sampling: str = "middle",
    background: bool = False,
    allow_missing: bool = False,
) -> SyntheticEventSource | AveOutline | AveFolder | ManifestEvents:
    """The source behind a task's option `data`.

    Args:
        one_kind: whether the clips of a manifest must each have events of one kind only.

    Raises:
        UserError: no such folder, annotation files that are missing or malformed, or an option that is not for them.
    """
    if data in ("synthetic", OFFICIAL):
        require_default(
            data,
            split=(split, "official"),
            segments=(segments, None),
            sampling=(sampling, "middle"),
            background=(background, False),
            allow_missing=(allow_missing, False),
        )
        return SyntheticEventSource() if data == "synthetic" else AveOutline()
    # The decoder behind real data takes a moment to import, and nothing else needs it.
    from tasks.datasets.ave import AveFolder
    from tasks.datasets.manifest import find_manifest
    from tasks.datasets.manifest_events import ManifestEvents

    if manifest := find_manifest(data):
        require_default(data, split=(split, "official"), sampling=(sampling, "middle"), background=(background, False))
        return ManifestEvents(manifest, SEGMENTS if segments is None else segments, one_kind, allow_missing)
    require_default(data, segments=(segments, None))
    return AveFolder(data, split=split, sampling=sampling, background=background, allow_missing=allow_missing)
