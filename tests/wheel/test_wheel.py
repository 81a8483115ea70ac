"""The built wheel in an environment of its own, from a folder without a checkout: `make test-wheel`.

The environment has the wheel and no other copy of the project. What it depends on is, by default, seen through a
`.pth` file where the tests' own environment has it, since to install torch again takes minutes;
`AVBENCH_WHEEL=full` installs everything from the package index, under constraints.txt.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

pytestmark = pytest.mark.wheel
ROOT = Path(__file__).parents[2]
PACKAGES = ("adapters", "backbones", "benchmark", "registry", "results", "tasks")
NOT_SHIPPED = (".git", ".venv", "build", "runs", "*.egg-info", ".pytest_cache", ".mypy_cache", ".ruff_cache")
GRID = """\
backbones = ["tiny_vit"]
adapters = ["linear_probe", "stg_cma(ratio=0.25)"]
tasks = ["event_localisation"]
[recipe]
epochs = 1
precision = "fp32"
"""


@dataclass(frozen=True)
class Environment:
    """A Python with the wheel, and a folder to start it in."""

    python: Path
    folder: Path

    def run(self, *command: str | Path) -> subprocess.CompletedProcess[str]:
        kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
        words = [str(word) for word in (self.python, *command)]
        return subprocess.run(words, cwd=self.folder, env=kept, capture_output=True, text=True, check=False)

    def benchmark(self, *words: str | Path) -> str:
        """Standard output of a command that must succeed without a warning."""
        done = self.run("-m", "benchmark", *words)
        assert (done.returncode, done.stderr) == (0, ""), done.stderr[-3000:]
        return done.stdout

    def install(self, *what: str | Path) -> None:
        pip(["--python", str(self.python), "install", *map(str, what)])


def pip(words: Sequence[str]) -> None:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]


def make_environment(folder: Path) -> Environment:
    """An empty one, with a folder to work in."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder / "env")], check=True)
    (folder / "work").mkdir()
    return Environment(folder / "env" / "bin" / "python", folder / "work")


def see_dependencies(environment: Environment) -> None:
    """Let an environment import what this one has installed; files of an editable install are not followed."""
    (site,) = environment.python.parents[1].glob("lib/python*/site-packages")
    here = [folder for folder in sys.path if Path(folder).name == "site-packages"]
    (site / "dependencies.pth").write_text("\n".join(here))


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    # setuptools writes beside what it builds.
    shutil.copytree(ROOT, folder / "source", symlinks=True, ignore=shutil.ignore_patterns(*NOT_SHIPPED))
    pip(["wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(folder / "source")])
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="session")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    made = make_environment(tmp_path_factory.mktemp("fresh"))
    if os.environ.get("AVBENCH_WHEEL") == "full":
        made.install("--constraint", ROOT / "constraints.txt", wheel)
    else:
        see_dependencies(made)
        made.install("--no-index", "--no-deps", wheel)
    return made


@pytest.fixture(scope="session")
def data(environment: Environment) -> Path:
    environment.benchmark("data", "sample", "clips", "--clips", "2")
    return environment.folder / "clips"


@pytest.fixture(scope="session")
def trained(environment: Environment, data: Path) -> Path:
    """The output folder of a tiny grid."""
    (environment.folder / "grid.toml").write_text(GRID)
    words = ("run", "--grid", "grid.toml", "--set", f"data={data}", "--device", "cpu", "--jobs", "1", "--seeds", "0")
    assert "2 cells: 0 done, 2 to train" in environment.benchmark(*words)
    return environment.folder / "runs"


def test_every_package_is_the_wheels(environment: Environment) -> None:
    script = "import importlib, sys; print(*(importlib.import_module(name).__file__ for name in sys.argv[1:]))"
    files = environment.run("-c", script, *PACKAGES).stdout.split()
    assert len(files) == len(PACKAGES)
    assert all((Path(file).parent / "py.typed").is_file() for file in files)
    assert all(Path(file).is_relative_to(environment.python.parents[1]) for file in files)


def test_the_command_is_installed(environment: Environment) -> None:
    done = subprocess.run(
        [environment.python.with_name("av-adapter-bench"), "--version"], capture_output=True, text=True
    )
    assert done.stdout.startswith("av-adapter-bench ")


def test_a_tiny_grid_trains_and_is_not_trained_again(trained: Path, environment: Environment) -> None:
    records = [json.loads(path.read_text()) for path in (trained / "records").iterdir()]
    assert {(record["adapter"], record["status"]) for record in records} == {
        ("linear_probe", "completed"),
        ("stg_cma(ratio=0.25)", "completed"),
    }
    assert (trained / "leaderboard.html").is_file()
    assert "nothing to train" in environment.benchmark(
        "run", "--grid", "grid.toml", "--set", f"data={environment.folder / 'clips'}", "--seeds", "0"
    )


def test_what_was_trained_is_loaded_predicts_and_embeds(trained: Path, environment: Environment, data: Path) -> None:
    (folder,) = (trained / "adapters").glob("*-stg_cma-*")
    script = "import sys, benchmark; print(benchmark.load(sys.argv[1]).predict(sys.argv[2]).probabilities.shape)"
    video = min((data / "ave" / "videos").iterdir())
    assert environment.run("-c", script, folder, video).stdout.startswith("(10, ")
    told = environment.run("-m", "benchmark", "predict", folder, video, "--output", "seen", "--json")
    assert (told.returncode, len(json.loads(told.stdout)["rows"])) == (0, 10), told.stderr
    assert {path.name for path in (environment.folder / "seen" / video.stem).iterdir()} == {
        "prediction.html",
        "prediction.png",
    }
    assert "clips by tiny_vit" in environment.benchmark("embed", folder, data / "ave" / "videos", "-o", "vectors.npz")
    words = ("search", folder, "vectors.npz", "--query", video, "--by", "audio", "--among", "audio", "--json")
    assert json.loads(environment.benchmark(*words))[0]["source"] == str(video)


def test_golden_files_ship_and_verify(environment: Environment) -> None:
    told = json.loads(environment.benchmark("verify", "--json"))
    assert told["passed"]
    assert len(told["files"]) == len(list((ROOT / "tests" / "golden").glob("*/*.npz")))


def test_the_example_of_a_plug_in_ships_and_trains(environment: Environment, data: Path) -> None:
    script = "import benchmark.examples as example; print(*example.__path__)"
    (folder,) = environment.run("-c", script).stdout.split()
    words = ("run", "--plugin", Path(folder) / "my_adapter.py", "--backbone", "tiny_vit", "--adapter", "cross_excite")
    settings = ("--set", f"data={data}", "--set", "epochs=1", "--set", "precision=fp32", "--device", "cpu")
    told = environment.benchmark(
        *words, "--task", "event_localisation", *settings, "--output", "plugged", "--seeds", "0"
    )
    assert "cross_excite" in told


def test_the_doctor_finds_nothing_wrong(environment: Environment) -> None:
    assert environment.benchmark("doctor").splitlines()[-1] == "The default grid can run."


@pytest.mark.parametrize("ours_first", [True, False], ids=["ours first", "ours second"])
def test_beside_a_package_of_the_same_name_there_is_one_line(ours_first: bool, wheel: Path, tmp_path: Path) -> None:
    """AdapterHub's distribution `adapters` has a package `adapters`, whose files pip lays over ours or under them."""
    environment, theirs = make_environment(tmp_path), namesake(tmp_path)
    see_dependencies(environment)
    for package in (wheel, theirs) if ours_first else (theirs, wheel):
        environment.install("--no-index", "--no-deps", package)
    done = environment.run("-m", "benchmark", "list")
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1
    assert "belongs to the distribution adapters, not to av-adapter-bench; install" in done.stderr


def namesake(folder: Path) -> Path:
    """A wheel of another project with our names, laid out as AdapterHub's."""
    path, facts = folder / "adapters-1.3.0-py3-none-any.whl", "adapters-1.3.0.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("adapters/__init__.py", "import a_library_that_is_not_here\n")
        archive.writestr("adapters/composition.py", "")
        archive.writestr(f"{facts}/METADATA", "Metadata-Version: 2.1\nName: adapters\nVersion: 1.3.0\n")
        archive.writestr(f"{facts}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{facts}/top_level.txt", "adapters\n")
        archive.writestr(f"{facts}/RECORD", "")
    return path
