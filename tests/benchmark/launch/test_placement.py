"""Rooms for cells on the GPUs of one machine."""

from __future__ import annotations

from pathlib import Path

import pytest
from queued_cells import cell

from benchmark.cli.run_options import kinds_to_retry
from benchmark.launch.placement import Placement
from registry.errors import UserError


def test_every_gpu_gets_a_cell_before_any_gets_a_second() -> None:
    slots = Placement("cuda", 6, gpus=("0", "1", "3"), cells_per_gpu=2).slots
    assert [slot.gpus for slot in slots] == [("0",), ("1",), ("3",), ("0",), ("1",), ("3",)]
    assert len(Placement("cuda", 4, gpus=("0", "1", "3"), cells_per_gpu=2).slots) == 4


def test_cells_that_need_several_gpus() -> None:
    placement = Placement("cuda", 2, gpus=("0", "1", "2", "3", "4"), gpus_per_cell=2)
    assert [slot.gpus for slot in placement.slots] == [("0", "1"), ("2", "3")]
    job = placement.job(cell("a"), Path("out"), placement.slots[1])
    assert (job.gpus, job.processes) == (("2", "3"), 2)
    with pytest.raises(UserError, match="--gpus-per-cell 3 is more than the 2 GPUs"):
        Placement("cuda", 1, gpus=("0", "1"), gpus_per_cell=3)


def test_kinds_of_failure_that_run_again() -> None:
    assert kinds_to_retry("oom, killed") == {"out_of_memory", "killed"}
    assert kinds_to_retry("none") == set()
    assert "nan_loss" in kinds_to_retry("failed")
    with pytest.raises(UserError, match=r"unknown kind of failure 'kill'\. Did you mean killed"):
        kinds_to_retry("kill")


def test_a_cell_knows_how_many_share_the_machines_memory() -> None:
    placement = Placement("cpu", 3)
    assert placement.job(cell("a"), Path("out"), placement.slots[0]).cells == 3
