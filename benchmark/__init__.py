"""AV Adapter Bench in Python: train grids, load what was trained, register components of your own.

`__all__` is the public surface. Other names here are what the command line is made of, and may move. All are imported
when they are first used.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if sys.argv[:1] == ["-m"] and (ours := str(Path(__file__).resolve().parents[1])) != os.getcwd():
    # `python -m benchmark` puts the current folder first, where a file tasks.py or registry.py of the user's would hide
    # ours. Our place goes before it by name too, since an editable install is found behind everything on the path.
    sys.path += [*([] if ours in sys.path else [ours]), sys.path.pop(0)]

from registry.lazy import lazy_names

if TYPE_CHECKING:
    from backbones.families.convert import convert as convert_weights
    from backbones.families.hub import refuse_out_of_reach
    from benchmark.cli.display import display, preparation, screen
    from benchmark.cli.dry_run import show_plan
    from benchmark.cli.study.tuning import tune_cells
    from benchmark.cost.describe import count, describe
    from benchmark.grid.check import checked
    from benchmark.grid.expand import build_task, expand
    from benchmark.grid.resolve import resolve
    from benchmark.launch.cell import run_cell
    from benchmark.launch.export import Exporter
    from benchmark.launch.ray import Ray
    from benchmark.launch.schedule import estimate_cost
    from benchmark.launch.slurm import Slurm
    from benchmark.launch.trackers import check_installed
    from benchmark.model.checks import check_builds
    from benchmark.pretrain.pretrain import pretrain_backbone
    from benchmark.profile.profile import ProfileRequest, profile_cell
    from benchmark.stress.kept import measure_kept, runs_of, without_stress
    from benchmark.use.clips import find_clips
    from benchmark.use.doctor import examine
    from benchmark.use.embedding import read_embeddings, write_embeddings
    from benchmark.use.find import find_folder
    from benchmark.use.hub import plan_pull, plan_push, pull, push
    from benchmark.use.prediction import Prediction
    from benchmark.use.report import folder_names, write_report
    from benchmark.use.search import search
    from benchmark.use.study import Results, run
    from benchmark.use.trained import TrainedModel, load
    from benchmark.verify.check import verify_file
    from registry import UserError, register_adapter, register_backbone, register_task
    from registry.plugins import load_plugins
    from tasks.datasets.prepare import prepare as prepare_data
    from tasks.datasets.sample import pass_on_note
    from tasks.datasets.verify import verify as verify_data
    from tasks.sample.export import export_sample
    from tasks.sample.layouts import LAYOUTS

__all__ = [
    "Prediction",
    "Results",
    "TrainedModel",
    "UserError",
    "load",
    "read_embeddings",
    "register_adapter",
    "register_backbone",
    "register_task",
    "run",
]
_PUBLIC = {
    "Prediction": "benchmark.use.prediction",
    "Results": "benchmark.use.study",
    "TrainedModel": "benchmark.use.trained",
    "UserError": "registry.errors",
    "load": "benchmark.use.trained",
    "read_embeddings": "benchmark.use.embedding",
    "register_adapter": "registry.registries",
    "register_backbone": "registry.registries",
    "register_task": "registry.registries",
    "run": "benchmark.use.study",
}
_PLACES = {
    "ProfileRequest": "benchmark.profile.profile",
    "Exporter": "benchmark.launch.export",
    "LAYOUTS": "tasks.sample.layouts",
    "Ray": "benchmark.launch.ray",
    "Slurm": "benchmark.launch.slurm",
    "build_task": "benchmark.grid.expand",
    "check_builds": "benchmark.model.checks",
    "check_installed": "benchmark.launch.trackers",
    "checked": "benchmark.grid.check",
    "convert_weights": "backbones.families.convert:convert",
    "count": "benchmark.cost.describe",
    "describe": "benchmark.cost.describe",
    "display": "benchmark.cli.display",
    "examine": "benchmark.use.doctor",
    "expand": "benchmark.grid.expand",
    "estimate_cost": "benchmark.launch.schedule",
    "export_sample": "tasks.sample.export",
    "folder_names": "benchmark.use.report",
    "search": "benchmark.use.search",
    "write_report": "benchmark.use.report",
    "find_clips": "benchmark.use.clips",
    "find_folder": "benchmark.use.find",
    "load_plugins": "registry.plugins",
    "measure_kept": "benchmark.stress.kept",
    "pass_on_note": "tasks.datasets.sample",
    "preparation": "benchmark.cli.display",
    "plan_pull": "benchmark.use.hub",
    "plan_push": "benchmark.use.hub",
    "prepare_data": "tasks.datasets.prepare:prepare",
    "pretrain_backbone": "benchmark.pretrain.pretrain",
    "profile_cell": "benchmark.profile.profile",
    "pull": "benchmark.use.hub",
    "push": "benchmark.use.hub",
    "refuse_out_of_reach": "backbones.families.hub",
    "resolve": "benchmark.grid.resolve",
    "run_cell": "benchmark.launch.cell",
    "runs_of": "benchmark.stress.kept",
    "screen": "benchmark.cli.display",
    "tune_cells": "benchmark.cli.study.tuning",
    "show_plan": "benchmark.cli.dry_run",
    "verify_data": "tasks.datasets.verify:verify",
    "verify_file": "benchmark.verify.check",
    "without_stress": "benchmark.stress.kept",
    "write_embeddings": "benchmark.use.embedding",
}
__getattr__ = lazy_names(__name__, _PUBLIC | _PLACES)


def __dir__() -> list[str]:
    return sorted(__all__)
