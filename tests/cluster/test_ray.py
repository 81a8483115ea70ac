"""Cells on a Ray cluster of two nodes on this machine, one of which dies: `python -m pytest -m ray tests/cluster`."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmark.grid.cell import Cell
from benchmark.grid.resolve import resolve
from benchmark.launch.launcher import Outcome
from benchmark.launch.placement import Placement
from benchmark.runtime.progress import Progress
from registry.errors import UserError
from results.record import RunRecord
from results.store.store import Store

pytestmark = pytest.mark.ray
LONG = 120
"""Epochs: seconds in all, so that both nodes are at work when one dies, however late the second has started."""
PLUGIN = str(Path(__file__).parents[2] / "measurements" / "robustness" / "trivial.py")


class Silent:
    def started(self, cell: Cell) -> None: ...
    def progressed(self, cell: Cell, progress: Progress) -> None: ...
    def ended(self, cell: Cell, record: RunRecord) -> None: ...
    def let_go(self, cell: Cell) -> None: ...


@pytest.fixture
def cluster() -> Iterator[Any]:
    pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    yield cluster
    cluster.shutdown()


def cells(epochs: int) -> list[Cell]:
    from benchmark.grid.expand import expand
    from benchmark.grid.grid import Grid
    from registry import Component
    from registry.plugins import load_plugins

    load_plugins([PLUGIN])
    adapters = (Component("linear_probe"), Component("lavish"))
    grid = Grid((Component("trivial"),), adapters, (Component("brightness"),), (0, 1))
    return resolve(expand(grid, settings=[f"epochs={epochs}"]))


def test_a_node_dies_and_all_cells_complete(cluster: Any, tmp_path: Path) -> None:
    from benchmark.launch.ray import Ray

    other, store, wanted = cluster.add_node(num_cpus=1), Store(tmp_path), cells(epochs=LONG)
    cluster.wait_for_nodes()
    pids_of_the_dead: list[int] = []

    def kill_a_node() -> None:
        """When two cells have a checkpoint, so that one of them runs on the node that dies."""
        while len(list(tmp_path.glob("checkpoints/*/epoch-*2.safetensors"))) < 2:
            time.sleep(0.1)
        for path in tmp_path.glob("running/*.json"):
            pids_of_the_dead.append(json.loads(path.read_bytes())["pid"])
        cluster.remove_node(other, allow_graceful=False)

    killer = threading.Thread(target=kill_a_node, daemon=True)
    killer.start()
    outcome = Ray(Placement("cpu", 8, (PLUGIN,)), cluster.address).launch(wanted, store, Silent())
    killer.join(1)
    assert outcome == Outcome(completed=4)
    assert len(pids_of_the_dead) == 2
    resumed = [r for r in store.load() if "resumed_after_epochs" in r.environment]
    assert len(resumed) == 1


def test_a_request_that_no_node_can_satisfy_is_refused_at_once(cluster: Any, tmp_path: Path) -> None:
    from benchmark.launch.ray import Ray

    placement = Placement("cuda", 8, (PLUGIN,), cells_per_gpu=2)
    began = time.monotonic()
    with pytest.raises(UserError, match=r"asks for 1 CPU and 0\.5 GPU, but no node .* \(the most: 1 CPU, 0 GPU\)"):
        Ray(placement, cluster.address).launch(cells(epochs=1), Store(tmp_path), Silent())
    assert time.monotonic() - began < 30
