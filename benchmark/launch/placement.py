"""Which cells run where on one machine: devices, how many at a time, processor threads, time."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from benchmark.grid.cell import Cell
from benchmark.launch.job import Job, Train
from registry.errors import UserError
from registry.machine import cores


@dataclass(frozen=True)
class Slot:
    """Room for one cell."""

    device: str
    gpus: tuple[str, ...] = ()
    """Those that its process sees; for the process they are `cuda:0`, `cuda:1`, …"""


@dataclass(frozen=True)
class Placement:
    """Where cells run.

    Raises:
        UserError: fewer GPUs than one cell needs.
    """

    device: str
    """`cpu` or `cuda`."""
    jobs: int
    """Cells at a time, at most."""
    plugins: tuple[str, ...] = ()
    gpus: tuple[str, ...] = ()
    """The GPUs to use, in order; empty leaves the choice to CUDA."""
    cells_per_gpu: int = 1
    gpus_per_cell: int = 1
    timeout: float | None = None
    """Seconds that a cell may take."""
    discard_adapter: bool = False
    workers: int | None = None
    """Processes that load the clips of a cell, see `benchmark.train.train.train`."""
    keep_probabilities: bool = True
    keep_gallery: bool = True

    def __post_init__(self) -> None:
        if self.gpus and len(self.gpus) < self.gpus_per_cell:
            raise UserError(f"--gpus-per-cell {self.gpus_per_cell} is more than the {len(self.gpus)} GPUs of --gpus.")

    @property
    def threads(self) -> int:
        """Processor threads for each cell. It depends on `jobs` alone, so that a cell run again gives equal numbers."""
        return max(1, cores() // self.jobs)

    @cached_property
    def slots(self) -> list[Slot]:
        """Rooms for cells, in the order in which they fill: every GPU gets one cell before any gets a second."""
        if not self.gpus:
            return [Slot(self.device)] * self.jobs
        share = self.gpus_per_cell
        groups = [self.gpus[i : i + share] for i in range(0, len(self.gpus) - share + 1, share)]
        return [Slot(self.device, group) for _ in range(self.cells_per_gpu) for group in groups][: self.jobs]

    def job(self, cell: Cell, output: Path, slot: Slot, train: Train | None = None) -> Job:
        """What the process of a cell needs to know."""
        return Job(
            cell, output, slot.device, self.threads, slot.gpus, self.plugins, self.discard_adapter,
            self.keep_probabilities, self.keep_gallery, train,
            processes=self.gpus_per_cell, workers=self.workers, cells=self.jobs,
        )  # fmt: skip
