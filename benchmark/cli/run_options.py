"""Where cells run: the options of `run` about devices, time, repeats and launchers, and what they come to."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import benchmark
from benchmark.cli.arguments import at_least
from benchmark.grid.cell import Cell
from benchmark.launch import server
from benchmark.launch.launcher import Launcher
from benchmark.launch.local import Local
from benchmark.launch.placement import Placement
from registry.errors import UserError, unknown
from registry.machine import cores
from results.record import FAILURE_KINDS
from results.store.serialise import RecordError
from results.store.store import Store

CELLS_ON_A_CLUSTER = 256
LAUNCHERS = ("local", "slurm", "ray")
OPTIONS_OF = {"slurm": ("partition", "time", "sbatch"), "ray": ("address",)}
SHORT = {"oom": "out_of_memory", "nan": "nan_loss"}


def add_to(parser: argparse.ArgumentParser, *, retry: str = "failed", leaves_files: bool = True) -> None:
    """These options.

    Args:
        retry: the default of `--retry`.
        leaves_files: whether cells leave adapters and answers, about which there are options then.
    """
    parser.add_argument(
        "--device", choices=["auto", "cpu", "cuda"], default="auto", help="default: cuda where there is one"
    )
    parser.add_argument(
        "--jobs", type=at_least(1), metavar="N",
        help="cells at a time, the processor's cores divided among them (default: one per core, on cuda one per GPU)",
    )  # fmt: skip
    parser.add_argument(
        "--workers", type=at_least(0), metavar="N",
        help="processes that load the clips of a cell, at most one per thread (default: as many; embedded clips: none)",
    )  # fmt: skip
    parser.add_argument("--gpus", metavar="0,1,3", help="the GPUs to use (default: all)")
    parser.add_argument(
        "--cells-per-gpu", type=at_least(1), default=1, metavar="N", help="cells that share a GPU (default: 1)"
    )
    parser.add_argument(
        "--gpus-per-cell", type=at_least(1), default=1, metavar="K",
        help="GPUs that train one cell together, the effective batch kept (default: 1)",
    )  # fmt: skip
    parser.add_argument("--timeout", type=_seconds, metavar="SECONDS", help="end a cell that takes longer")
    parser.add_argument(
        "--retry", default=retry, metavar="KINDS",
        help="which failed cells run again: failed (all), none, or some of oom, nan, "
        f"{', '.join(FAILURE_KINDS)} (default: {retry})",
    )  # fmt: skip
    if leaves_files:
        _add_files(parser)
    else:
        parser.set_defaults(discard_adapters=True, no_probabilities=True)
    parser.add_argument(
        "--no-gallery", action="store_true",
        help="keep no thumbnails of the worst test clips and those around the median (gallery/)",
    )  # fmt: skip
    parser.add_argument(
        "--stress", action="store_true",
        help="then score the kept adapters again with sight or sound taken away or spoiled, as the verb stress does",
    )  # fmt: skip
    parser.add_argument(
        "--launcher", choices=LAUNCHERS, default="local",
        help="local: this machine; slurm: submit an array and exit; ray: a Ray cluster (default: local)",
    )  # fmt: skip
    parser.add_argument("--partition", metavar="NAME", help="slurm: where the array goes")
    parser.add_argument("--time", type=at_least(1), metavar="MINUTES", help="slurm: for one cell (default: 1440)")
    parser.add_argument(
        "--sbatch", action="append", default=[], metavar="KEY=VALUE", help="slurm: any other option, such as account=x"
    )
    parser.add_argument("--address", metavar="HOST:PORT", help="ray: the cluster (default: start one here)")


def _add_files(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--discard-adapters",
        action="store_true",
        help="do not keep the trained adapters (default: adapters/ of the output has a folder for each cell)",
    )
    parser.add_argument(
        "--no-probabilities", action="store_true",
        help="keep the answers of test items without their probabilities, which calibration needs (answers/)",
    )  # fmt: skip


def refuse_idle_options(arguments: argparse.Namespace) -> None:
    """Options that the launcher would not heed.

    Raises:
        UserError: there is one.
    """
    chosen = arguments.launcher
    if arguments.stress and arguments.discard_adapters:
        raise UserError(
            "--stress scores adapters that are kept, and --discard-adapters keeps none; leave one of them out."
        )
    if arguments.stress and chosen == "slurm":
        raise UserError(
            "--stress is done on this machine once cells are done, and slurm's are not; run again without it."
        )
    for launcher, options in OPTIONS_OF.items():
        given = [f"--{option}" for option in options if getattr(arguments, option)]
        if given and chosen != launcher:
            raise UserError(f"{given[0]} is for --launcher {launcher}, not for {chosen}; leave one of them out.")
    if chosen != "local" and (arguments.gpus or arguments.timeout):
        raise UserError("--gpus and --timeout are for this machine; a cluster chooses GPUs itself and has --time.")
    if chosen == "slurm" and arguments.cells_per_gpu > 1:
        raise UserError("--cells-per-gpu is for this machine and Ray; SLURM gives each cell GPUs of its own.")


def kinds_to_retry(text: str) -> set[str]:
    """The kinds of failure whose cells run again.

    Raises:
        UserError: an unknown kind.
    """
    asked = {SHORT.get(word, word) for word in text.replace(" ", "").split(",") if word}
    if strange := sorted(asked - {"failed", "none", *FAILURE_KINDS}):
        raise unknown("kind of failure", strange[0], ["failed", "none", *SHORT, *FAILURE_KINDS])
    return set(FAILURE_KINDS) if "failed" in asked else asked - {"none"}


def missing_cells(
    cells: Sequence[Cell], store: Store, retry: set[str], report: Callable[[str], None] = lambda line: None
) -> tuple[list[Cell], list[Cell]]:
    """The cells to run, and those that failed and are left as they are.

    Args:
        report: is told of each record that cannot be read, whose cell is therefore run again.
    """
    run, left = [], []
    for cell in cells:
        try:
            record = store.read(cell.hash)
        except RecordError as error:
            report(f"{error}; it is moved aside and its cell trained again.")
            record = None
        if record is None or (record.failure and record.failure.kind in retry):
            run.append(cell)
        elif record.failure:
            left.append(cell)
    return run, left


def placement(arguments: argparse.Namespace) -> Placement:
    """Devices and how many cells at a time.

    Raises:
        UserError: a GPU that is not there.
    """
    on_cluster = arguments.launcher != "local"
    device = _device_of_cluster(arguments.device) if on_cluster else chosen_device(arguments.device)
    gpus = () if on_cluster else _gpus(arguments.gpus, device)
    if device == "cpu" and arguments.cells_per_gpu > 1:
        raise UserError("--cells-per-gpu needs a GPU, but the cells run on the processor; use --jobs.")
    room = (
        len(gpus) // arguments.gpus_per_cell * arguments.cells_per_gpu
        if gpus
        else CELLS_ON_A_CLUSTER
        if on_cluster
        else cores()
    )
    jobs = min(arguments.jobs or room, room) if gpus else arguments.jobs or room
    return Placement(
        device,
        max(1, jobs),
        tuple(arguments.plugin),
        gpus,
        arguments.cells_per_gpu,
        arguments.gpus_per_cell,
        arguments.timeout,
        arguments.discard_adapters,
        arguments.workers,
        not arguments.no_probabilities,
        not arguments.no_gallery,
    )


def launcher(arguments: argparse.Namespace, where: Placement) -> Launcher:
    """The launcher that was asked for.

    Raises:
        UserError: its extra is not installed.
    """
    if arguments.launcher == "slurm":
        return benchmark.Slurm(where, where.jobs, arguments.partition, arguments.time or 1440, tuple(arguments.sbatch))
    if arguments.launcher == "ray":
        return benchmark.Ray(where, arguments.address)
    return Local(where)


def get_ready(arguments: argparse.Namespace) -> None:
    """Let the server of cells import its heavy parts while this process looks at what to run.

    That does not wait for torch to say whether there is a GPU: a server that turns out to be of no use does no harm.
    """
    if arguments.launcher == "local" and (arguments.device == "cpu" or not _has_driver_of_a_gpu()):
        server.get_ready()


def check_device(arguments: argparse.Namespace) -> None:
    """Refuse a GPU that this machine has not, if the cells are to run here.

    Raises:
        UserError: `--device cuda` without a GPU.
    """
    if arguments.launcher == "local":
        chosen_device(arguments.device)


def chosen_device(asked: str) -> str:
    """Where torch computes on this machine.

    Raises:
        UserError: a GPU that is not there.
    """
    has_cuda = asked != "cpu" and _has_driver_of_a_gpu() and _cuda().is_available()
    if asked == "cuda" and not has_cuda:
        raise UserError("--device cuda, but torch finds no GPU here; use --device cpu.")
    return "cuda" if has_cuda else "cpu"


def _cuda() -> Any:
    # Whoever has no GPU, or asks for none, is spared torch.
    import torch  # noqa: PLC0415

    return torch.cuda


def _has_driver_of_a_gpu() -> bool:
    """NVIDIA's, on a board of its own or Tegra's, AMD's, or Windows' under Linux."""
    return any(path for pattern in ("nvidia*", "nvhost*", "kfd", "dxg") for path in Path("/dev").glob(pattern))


def _device_of_cluster(asked: str) -> str:
    """Its nodes have GPUs unless the user says otherwise; the machine that submits need not."""
    return "cpu" if asked == "cpu" else "cuda"


def _gpus(asked: str | None, device: str) -> tuple[str, ...]:
    """By the names that CUDA_VISIBLE_DEVICES takes."""
    if device == "cpu":
        if asked:
            raise UserError(f"--gpus {asked}, but the cells run on the processor; leave it out or use --device cuda.")
        return ()
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    names = visible.split(",") if visible else [str(i) for i in range(_cuda().device_count())]
    if asked is None:
        return tuple(names)
    try:
        return tuple(names[int(number)] for number in dict.fromkeys(asked.split(",")))
    except (ValueError, IndexError):
        raise UserError(f"--gpus {asked} is not a list of GPUs from 0 to {len(names) - 1}, such as 0,1.") from None


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds") from None
    if not 0 < seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not more than 0 seconds")
    return seconds
