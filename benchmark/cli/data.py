"""`data`: look at a data set, prepare it, or write a sample of the synthetic world as files."""

from __future__ import annotations

import argparse
import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import benchmark
import registry
import results
from benchmark.cli.arguments import Verbs, add_plugins, add_verb, at_least, load_requested, warn
from benchmark.runtime.allocator import keep_freed_memory
from registry import Component, UserError
from registry.machine import cores
from registry.text import printable
from results.render.format import counted
from tasks.media.files import write_text

if TYPE_CHECKING:
    from tasks.datasets.source import ClipSource
    from tasks.datasets.verify import Verification

SHOWN = 10
FAULTY = 1


def add_to(verbs: Verbs) -> None:
    parser = add_verb(
        verbs, "data", act_without,
        examples="data verify event_localisation --data AVE\n"
        "data prepare event_localisation --data AVE --store AVE-224\n"
        "data sample clips --layout ave",
    )  # fmt: skip
    actions = parser.add_subparsers(title="actions", metavar="ACTION", parser_class=type(parser))
    _add_verify(actions)
    _add_prepare(actions)
    _add_sample(actions)


def _add_verify(actions: Verbs) -> None:
    parser = add_verb(
        actions, "verify", act_verify,
        summary="count what is there, and name what is missing, unreadable, short or silent",
        examples="data verify event_localisation --data AVE\n"
        "data verify \"avqa(version='v1u')\" --data MUSIC-AVQA --quick --json",
        details="Decodes every clip, or with --quick reads headers only. Exit status: 0 all clips can be used, 1 some "
        "are missing or unreadable, 2 a mistake to mend. Short clips and clips without sound can be used.",
    )  # fmt: skip
    _add_task_and_data(parser)
    parser.add_argument("--quick", action="store_true", help="look for files and read headers; decode nothing")
    parser.add_argument("--json", action="store_true", help="print everything as JSON and nothing else")
    parser.add_argument(
        "--list", type=Path, metavar="FILE", help="where findings are listed as CSV (default: verify_TASK.csv here)"
    )


def _add_prepare(actions: Verbs) -> None:
    parser = add_verb(
        actions, "prepare", act_prepare,
        summary="decode a data set once into a store that trains at the speed of memory",
        examples="data prepare event_localisation --data AVE --store AVE-224\n"
        "run --backbone vit_base --adapter lavish --task event_localisation --set data=AVE-224",
        details="Interrupted and started again, it continues; run on a finished store, it mends damaged shards.",
    )  # fmt: skip
    _add_task_and_data(parser)
    parser.add_argument("--store", type=Path, required=True, metavar="DIR", help="where the store is, or will be")
    parser.add_argument(
        "--size", type=at_least(16), default=224, metavar="N",
        help="side of the frames in pixels, that of the backbones which will train from it (default: 224)",
    )  # fmt: skip
    parser.add_argument(
        "--allow-missing", action="store_true", help="leave out clips that are missing or damaged, and count them"
    )


def _add_task_and_data(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("task", metavar="TASK", help="a task's name, with options: 'name(option=1)'")
    parser.add_argument(
        "--data", required=True, metavar="DIR", help="folder of the data set, or a manifest's .csv file"
    )
    parser.add_argument("--jobs", type=at_least(1), metavar="N", help="processes (default: one per core)")
    add_plugins(parser)


def _add_sample(actions: Verbs) -> None:
    parser = add_verb(
        actions, "sample", act_sample, summary="write clips of the synthetic world as mp4 files with annotations",
        examples="data sample clips\ndata sample clips --clips 200 --seed 1 --layout ave_h5\n"
        "run --backbone tiny_vit --adapter lavish --task event_localisation --set data=clips",
    )  # fmt: skip
    parser.add_argument("folder", type=Path, metavar="DIR", help="where to write")
    parser.add_argument(
        "--layout", default="both", metavar="NAME",
        help="ave, ave_header, ave_h5, ave_frames, music_avqa, music_avqa_update, vggsound, manifest, avsbench_s4, "
        "avsbench_ms3, manifest_masks, llp or manifest_modality (default: ave and music_avqa in folders of their own)",
    )  # fmt: skip
    parser.add_argument("--clips", type=at_least(1), default=24, metavar="N", help="clips of each split (default: 24)")
    parser.add_argument("--seed", type=at_least(0), default=0, metavar="S", help="which clips (default: 0)")


def act_without(arguments: argparse.Namespace) -> int:
    raise UserError("data needs an action: verify, prepare or sample. See: python -m benchmark data --help")


def act_verify(arguments: argparse.Namespace) -> int:

    source = _source(arguments)
    listing = arguments.list or Path(f"verify_{arguments.task.partition('(')[0]}.csv")
    with benchmark.preparation(f"verifying {arguments.data}", done_word="looked at", quiet=arguments.json) as report:
        found = benchmark.verify_data(source, "quick" if arguments.quick else "full", arguments.jobs or cores(), report)
    if found.findings:
        try:
            write_text(listing, found.as_csv(results.harmless))
        except OSError as error:
            raise UserError(
                f"cannot write {listing}: {error.strerror or error}; give another file with --list."
            ) from None
    if arguments.json:
        print(json.dumps({**found.as_dict(), "list": str(listing) if found.findings else None}, indent=1))
    else:
        _show(found, listing)
    return FAULTY if found.faults else 0


def act_prepare(arguments: argparse.Namespace) -> int:
    source, store = _source(arguments), arguments.store
    keep_freed_memory()
    with benchmark.preparation(f"preparing {arguments.data}") as report:
        made = benchmark.prepare_data(
            source, store, arguments.size, arguments.jobs or cores(), arguments.allow_missing, report
        )
    for clip, reason in list(made.left_out.items())[:SHOWN]:
        print(printable(f"left out: {clip}: {reason}"))
    if len(made.left_out) > SHOWN:
        print(f"left out: … {len(made.left_out)} clips in all")
    if made.left_out and not arguments.allow_missing:
        print(
            f"not finished: {store} lacks {len(made.left_out)} clips; mend them and prepare again, or --allow-missing"
        )
        return FAULTY
    benchmark.pass_on_note(Path(arguments.data), store)
    kept = f", {made.reused} of them kept from before" if made.reused else ""
    print(f"prepared: {store}, {made.clips} clips{kept}")
    task = f"--task {shlex.quote(arguments.task)} --set {shlex.quote(f'data={store}')}"
    print(f"to train from it: {task}" + (" --set allow_missing=True" if made.left_out else ""))
    return 0


def act_sample(arguments: argparse.Namespace) -> int:
    benchmark.export_sample(arguments.folder, arguments.clips, arguments.seed, layout=arguments.layout)
    folder, layout = arguments.folder, benchmark.LAYOUTS.get(arguments.layout)
    task = f"--task {shlex.quote(layout.task)} " if layout else ""
    print(f"written: {folder}, {arguments.clips} clips in each split; to train from it: {task}--set data={folder}")
    return 0


def _source(arguments: argparse.Namespace) -> ClipSource:
    """Where the task's clips come from, with `--data`."""
    load_requested(arguments)
    task = benchmark.checked(registry.TASKS, Component.parse(arguments.task).with_options(data=arguments.data))
    source = benchmark.build_task(task).source
    if source is None:
        raise UserError(f"task {task.name} makes its own clips; there is nothing to verify or prepare.")
    return source


def _show(found: Verification, listing: Path) -> None:
    print(f"{found.data}, {'headers read' if found.mode == 'quick' else 'decoded'}")
    for split, items in found.items.items():
        official = found.official.get(split)
        against = (
            "" if official is None else " as published" if official == items else f" where {official} are published"
        )
        print(f"  {split}: {items} items{against}, of {found.clips[split]} clips, {found.usable[split]} usable")
    print("  clips in two splits: " + ", ".join(f"{count} in {pair}" for pair, count in found.overlap.items()))
    for pair, count in found.shared_groups.items():
        if count:
            warn(f"{counted(count, 'group')} in both {pair}, so that scores tell less: keep each group in one split.")
    for kind, count in found.counts.items():
        print(f"  {kind}: {count}")
        names = [printable(f"{f.clip} ({f.problem.detail})") for f in found.findings if f.problem.kind == kind]
        for name in names[:SHOWN]:
            print(f"    {name}")
        if count > SHOWN:
            print("    …")
    shared = sum(found.overlap.values())
    if found.findings:
        print(f"  listed in {listing}")
    elif shared and not found.official:
        print(f"  every clip can be read; {shared} lie in two splits, so that scores tell less")
    else:
        print("  every clip can be used")
