"""Looks at every clip of a data set: what is missing, unreadable, too short or without sound, and what splits share.

Missing and unreadable clips are faults: training stops at them. Short and silent clips are used, by the rules of
`tasks.media.decode`, and are listed all the same.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from registry.errors import UserError
from registry.vocabulary import SPLITS, Split
from tasks.datasets.source import ClipSource as Source
from tasks.datasets.source import CountReport
from tasks.media.inspect import CRASHED, Problem, inspect_decoded, inspect_headers
from tasks.media.parallel import run_all
from tasks.media.recording import Recording
from tasks.media.sampling import Sampling

FAULTS = ("missing", "unreadable")
Mode = Literal["full", "quick"]


@dataclass(frozen=True)
class Finding:
    """What is wrong with one clip."""

    clip: str
    splits: tuple[Split, ...]
    problem: Problem


@dataclass(frozen=True)
class Verification:
    """What a data set holds."""

    data: str
    """Its identity."""
    mode: Mode
    items: Mapping[Split, int]
    """Rows of the annotations."""
    clips: Mapping[Split, int]
    """Different clips among them."""
    usable: Mapping[Split, int]
    """Those that are neither missing nor unreadable."""
    official: Mapping[Split, int]
    """Rows of the published lists; empty where there are none."""
    overlap: Mapping[str, int]
    """Clips that two splits share, by `train and test`, …."""
    findings: tuple[Finding, ...]
    shared_groups: Mapping[str, int] = field(default_factory=dict)
    """Groups of items that two splits share, by `train and test`, …; empty where items have no groups."""

    @property
    def counts(self) -> dict[str, int]:
        """Clips by kind of problem."""
        return dict(Counter(finding.problem.kind for finding in self.findings))

    @property
    def faults(self) -> int:
        """Clips that cannot be used."""
        return len({finding.clip for finding in self.findings if finding.problem.kind in FAULTS})

    def as_dict(self) -> dict[str, Any]:
        """Everything, for JSON."""
        return {
            "data": self.data,
            "mode": self.mode,
            "items": dict(self.items),
            "clips": dict(self.clips),
            "usable": dict(self.usable),
            "official": dict(self.official),
            "overlap": dict(self.overlap),
            "shared_groups": dict(self.shared_groups),
            "problems": self.counts,
            "faults": self.faults,
            "findings": [
                {"clip": f.clip, "splits": list(f.splits), "problem": f.problem.kind, "detail": f.problem.detail}
                for f in self.findings
            ],
        }

    def as_csv(self, cell: Callable[[str], str] = str) -> str:
        """The findings as a table: clip, splits, problem, detail.

        Args:
            cell: is asked for each text that comes from the data.
        """
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["clip", "splits", "problem", "detail"])
        for found in self.findings:
            writer.writerow([cell(found.clip), " ".join(found.splits), found.problem.kind, cell(found.problem.detail)])
        return text.getvalue()


@dataclass(frozen=True)
class _Job:
    recording: Recording
    segments: int
    sampling: Sampling


def verify(source: Source, mode: Mode, workers: int, report: CountReport | None = None) -> Verification:
    """Look at every clip.

    Args:
        mode: `quick` looks for the files and reads their headers; `full` decodes what training would read.
        workers: processes; 0 works in this one.
        report: is told how many clips are done, of how many.

    Raises:
        UserError: the source has no files, or a store without an index.
    """
    recordings = source.recordings()
    used: dict[str, tuple[Split, ...]] = {}
    for split in SPLITS:
        for name in dict.fromkeys(recording.name for recording in recordings[split]):
            used[name] = (*used.get(name, ()), split)
    unique = {recording.name: recording for split in SPLITS for recording in recordings[split]}
    findings = []
    for done, (name, problems) in enumerate(_inspect_all(source, unique, mode, workers), start=1):
        findings += [Finding(name, used[name], problem) for problem in problems]
        if report:
            report(done, len(unique))
    findings += [Finding(name, used[name], found) for name, found in source.label_problems(decode=mode == "full")]
    faulty = {finding.clip for finding in findings if finding.problem.kind in FAULTS}
    order = {name: place for place, name in enumerate(unique)}
    return Verification(
        data=source.identity(),
        mode=mode,
        items={split: len(recordings[split]) for split in SPLITS},
        clips={split: sum(split in splits for splits in used.values()) for split in SPLITS},
        usable={split: sum(split in s for name, s in used.items() if name not in faulty) for split in SPLITS},
        official=dict(source.official),
        overlap=source.overlap(),
        findings=tuple(sorted(findings, key=lambda finding: order[finding.clip])),
        shared_groups=source.shared_groups(),
    )


def _inspect_all(
    source: Source, recordings: Mapping[str, Recording], mode: Mode, workers: int
) -> Iterator[tuple[str, list[Problem]]]:
    jobs = [_Job(recording, source.segments, source.sampling) for recording in recordings.values()]
    look = _decode if mode == "full" else _read_headers
    for job, problems in run_all(look, jobs, min(workers, len(jobs))):
        yield job.recording.name, [CRASHED] if problems is None else problems


def _read_headers(job: _Job) -> list[Problem]:
    return _noting_refusals(lambda: inspect_headers(job.recording, job.segments))


def _decode(job: _Job) -> list[Problem]:
    return _noting_refusals(lambda: inspect_decoded(job.recording, job.segments, job.sampling))


def _noting_refusals(look: Callable[[], list[Problem]]) -> list[Problem]:
    try:
        return look()
    except UserError as error:
        return [Problem("unreadable", str(error))]
