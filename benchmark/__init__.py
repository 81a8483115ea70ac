"""AV Adapter Bench: what the command line is made of, by name. Imported when it is first used."""

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
    from benchmark.cost.describe import count, describe
    from benchmark.grid.check import checked
    from benchmark.grid.expand import build_task, expand
    from benchmark.grid.resolve import resolve
    from benchmark.launch.cell import run_cell
    from benchmark.launch.export import Exporter, check_installed
    from benchmark.launch.ray import Ray
    from benchmark.launch.schedule import estimate_cost
    from benchmark.launch.slurm import Slurm
    from benchmark.model.checks import check_builds
    from benchmark.pretrain.pretrain import pretrain_backbone
    from benchmark.profile.profile import ProfileRequest, profile_cell
    from benchmark.verify.check import verify_file
    from registry.plugins import load_plugins
    from tasks.datasets.prepare import prepare as prepare_data
    from tasks.datasets.sample import pass_on_note
    from tasks.datasets.verify import verify as verify_data
    from tasks.sample.export import export_sample
    from tasks.sample.layouts import LAYOUTS

_PLACES = {
    "ProfileRequest": "benchmark.profile.profile",
    "Exporter": "benchmark.launch.export",
    "LAYOUTS": "tasks.sample.layouts",
    "Ray": "benchmark.launch.ray",
    "Slurm": "benchmark.launch.slurm",
    "build_task": "benchmark.grid.expand",
    "check_builds": "benchmark.model.checks",
    "check_installed": "benchmark.launch.export",
    "checked": "benchmark.grid.check",
    "convert_weights": "backbones.families.convert:convert",
    "count": "benchmark.cost.describe",
    "describe": "benchmark.cost.describe",
    "display": "benchmark.cli.display",
    "expand": "benchmark.grid.expand",
    "estimate_cost": "benchmark.launch.schedule",
    "export_sample": "tasks.sample.export",
    "load_plugins": "registry.plugins",
    "pass_on_note": "tasks.datasets.sample",
    "preparation": "benchmark.cli.display",
    "prepare_data": "tasks.datasets.prepare:prepare",
    "pretrain_backbone": "benchmark.pretrain.pretrain",
    "profile_cell": "benchmark.profile.profile",
    "refuse_out_of_reach": "backbones.families.hub",
    "resolve": "benchmark.grid.resolve",
    "run_cell": "benchmark.launch.cell",
    "screen": "benchmark.cli.display",
    "show_plan": "benchmark.cli.dry_run",
    "verify_data": "tasks.datasets.verify:verify",
    "verify_file": "benchmark.verify.check",
}
__getattr__ = lazy_names(__name__, _PLACES)
