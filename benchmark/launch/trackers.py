"""Experiment trackers of `run --log NAME`: mmengine's visualizer back ends, where those do no more than asked."""

from __future__ import annotations

import importlib.util
import io
import os
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from registry.errors import UserError

PROJECT = "av-adapter-bench"


class Tracker(Protocol):
    """One run as a tracker is told of it."""

    def add_scalars(self, values: dict[str, float], step: int) -> None: ...
    def close(self) -> None: ...


def check_installed(kind: str) -> None:
    """Before anything trains.

    Raises:
        UserError: the package behind `kind` is not installed.
    """
    if importlib.util.find_spec(kind) is None:
        raise UserError(f"--log {kind} needs the package {kind}; install it: {_install(kind)}.")


def open_tracker(kind: str, name: str, facts: Mapping[str, Any], output: Path) -> Tracker:
    """A run of its own in a tracker, which is told of the run's facts at once.

    Args:
        name: of the run, unique among those of an output folder.
        facts: components, seed, data, recipe and labels, as JSON has them.
        output: what stays on this machine goes to `<output>/<kind>`.
    """
    return TRACKERS[kind](name, dict(facts), output / kind)


def _install(kind: str) -> str:
    # Aim asks for a file lock from before the release that we need, so that no installer takes both.
    return "pip install aim && pip install 'filelock>=4.2'" if kind == "aim" else f"pip install '{PROJECT}[{kind}]'"


def _of_mmengine(name: str, *arguments: Any, **options: Any) -> Any:
    # Their module brings much of mmengine along.
    return getattr(import_module("mmengine.visualization.vis_backend"), f"{name}VisBackend")(*arguments, **options)


def _told(backend: Any, facts: dict[str, Any]) -> Any:
    backend.add_config(import_module("mmengine.config").Config(facts))
    return backend


def _tensorboard(name: str, facts: dict[str, Any], folder: Path) -> Tracker:
    return _told(_of_mmengine("Tensorboard", str(folder / name)), facts)


def _wandb(name: str, facts: dict[str, Any], folder: Path) -> Tracker:
    # The back end's own `add_config` would upload every source file below the current folder.
    run = {"project": PROJECT, "name": name, "group": facts["task"], "config": facts, "reinit": True}
    return _of_mmengine("Wandb", save_dir=str(folder), init_kwargs=run)


def _aim(name: str, facts: dict[str, Any], folder: Path) -> Tracker:
    folder.mkdir(parents=True, exist_ok=True)
    run = {
        "repo": str(folder),
        "experiment": facts["task"],
        "system_tracking_interval": None,
        "capture_terminal_logs": False,
    }
    backend = _of_mmengine("Aim", str(folder), init_kwargs=run)
    backend.experiment.name = name
    return _told(backend, facts)


def _clearml(name: str, facts: dict[str, Any], folder: Path) -> Tracker:
    quiet = dict.fromkeys(("auto_connect_arg_parser", "auto_connect_frameworks", "auto_resource_monitoring"), False)
    run = {"project_name": PROJECT, "task_name": name, "reuse_last_task_id": False, "auto_connect_streams": False}
    return _told(_of_mmengine("ClearML", init_kwargs={**run, **quiet}), facts)


def _neptune(name: str, facts: dict[str, Any], folder: Path) -> Tracker:
    watched = ("stdout", "stderr", "hardware_metrics", "traceback")
    run = {"name": name, "source_files": [], "git_ref": False, **{f"capture_{what}": False for what in watched}}
    os.environ.setdefault("NEPTUNE_DATA_DIRECTORY", str(folder.absolute()))
    if "NEPTUNE_API_TOKEN" not in os.environ:
        run["mode"] = "offline"
    return _told(_of_mmengine("Neptune", init_kwargs=run), facts)


class _MLflow:
    """Without mmengine's back end, which at its end would upload files of the user's."""

    def __init__(self, name: str, facts: dict[str, Any], folder: Path) -> None:
        self._mlflow = mlflow = import_module("mlflow")
        folder.mkdir(parents=True, exist_ok=True)
        mlflow.set_tracking_uri(os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{folder.absolute() / 'mlflow.db'}")
        mlflow.set_experiment(PROJECT)
        mlflow.start_run(run_name=name)
        recipe = {f"recipe.{field}": value for field, value in facts["recipe"].items()}
        mlflow.log_params({**{fact: value for fact, value in facts.items() if fact != "recipe"}, **recipe})

    def add_scalars(self, values: dict[str, float], step: int) -> None:
        self._mlflow.log_metrics(values, step=step)

    def close(self) -> None:
        self._mlflow.end_run()


class _DVCLive:
    """Without mmengine's back end, which would make a DVC repository of the current folder."""

    def __init__(self, name: str, facts: dict[str, Any], folder: Path) -> None:
        self._live = import_module("dvclive").Live(str(folder / name), save_dvc_exp=False, dvcyaml=None)
        self._live.log_params(facts)

    def add_scalars(self, values: dict[str, float], step: int) -> None:
        self._live.step = step
        for metric, value in values.items():
            self._live.log_metric(metric, value)

    def close(self) -> None:
        self._live.end()


class _Trackio:
    """mmengine has no back end for it."""

    def __init__(self, name: str, facts: dict[str, Any], folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        # Its own variable wins, so that runs can be seen with all others of a user.
        os.environ.setdefault("TRACKIO_DIR", str(folder.absolute()))
        self._trackio = import_module("trackio")
        watched = {"auto_log_cpu": False, "auto_log_gpu": False}
        with redirect_stdout(io.StringIO()):
            self._trackio.init(project=PROJECT, name=name, group=facts["task"], config=facts, **watched)

    def add_scalars(self, values: dict[str, float], step: int) -> None:
        self._trackio.log(values, step=step)

    def close(self) -> None:
        with redirect_stdout(io.StringIO()):
            self._trackio.finish()


TRACKERS: dict[str, Callable[[str, dict[str, Any], Path], Tracker]] = {
    "aim": _aim,
    "clearml": _clearml,
    "dvclive": _DVCLive,
    "mlflow": _MLflow,
    "neptune": _neptune,
    "tensorboard": _tensorboard,
    "trackio": _Trackio,
    "wandb": _wandb,
}
"""By the name of the package, which is also that of the extra: a run's name, its facts, a folder -> the run there."""
