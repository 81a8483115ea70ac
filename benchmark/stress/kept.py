"""Kept adapters of an output measured under conditions, and what was measured kept beside their records."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from benchmark.kept.config import slug_of
from benchmark.kept.folder import CONFIG, FOLDER, read_folder_config
from benchmark.stress.corruptions import VERSION
from benchmark.stress.measure import stress
from benchmark.use.build import WeightFiles, rebuild, task_with_clips
from benchmark.use.find import kept_runs, weight_files
from benchmark.use.trained import TrainedModel
from registry.component import Component
from registry.errors import UserError
from results.record import RunRecord
from results.store.serialise import RecordError
from results.store.store import Store

Report = Callable[[int, int], None]


def runs_of(name: str, output: Path, seed: int | None = None) -> tuple[Path, list[RunRecord]]:
    """The output and the runs behind a row's name, or behind the folder of a kept adapter.

    Args:
        output: of a row; the folder of an adapter lies in its own.

    Raises:
        UserError: there is none, nothing of it was kept, or a folder that no output holds.
    """
    folder = Path(name).expanduser()
    if not folder.is_dir():
        return output, kept_runs(name, output, seed)
    config = read_folder_config(folder)
    home = folder.resolve().parent.parent
    record = Store(home).read(config.hash)
    if record is None or folder.resolve().parent.name != FOLDER:
        raise UserError(
            f"{folder} lies in no output with its record, beside which scores are kept; give a folder of "
            f"OUTPUT/{FOLDER}/, or a row."
        )
    return home, [record]


def without_stress(runs: Iterable[RunRecord], output: Path) -> list[RunRecord]:
    """Those that were not measured yet, or under conditions of another version."""
    store = Store(output)
    return [run for run in runs if not _measured(store, run)]


def measure_kept(
    run: RunRecord,
    output: Path,
    *,
    device: str = "cpu",
    data: str | None = None,
    weights: WeightFiles | None = None,
    workers: int | None = None,
    report: Report = lambda done, total: None,
) -> None:
    """Measure the kept adapter of a run, and keep its scores in the output.

    Args:
        data: where the clips are; None is where the record says.
        weights: the files of the backbone's weights; None are those that the record names, where it names some.

    Raises:
        UserError: a model or data that cannot be used, or an output that cannot be written.
    """
    folder = output / FOLDER / slug_of(run)
    if not (folder / CONFIG).is_file():
        raise UserError(f"{run.slug} cannot be measured: its adapter was not kept ({folder} is not there).")
    config, outline, model = rebuild(folder, weights or weight_files(run))
    TrainedModel(config, outline, model).to(device)
    place = data or str(Component.parse(run.task).options.get("data", "synthetic"))
    task = task_with_clips(config, place)
    found = task.data_identity()
    if found != run.data:
        raise UserError(f"data={place!r} is {found}, and {run.slug} was scored on {run.data}; give those with --data.")
    # Clips of the embedded world are read faster than processes start.
    workers = 0 if workers is None and task.is_synthetic else workers
    scores = stress(model, task, batch_size=config.batch_size, workers=workers, report=report)
    Store(output).write_stress(run.hash, scores)


def _measured(store: Store, run: RunRecord) -> bool:
    try:
        found = store.stress(run.hash)
    except RecordError:
        return False
    return found is not None and found.version == VERSION
