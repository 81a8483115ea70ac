"""The server of cells starts before anything heavy, hears no Ctrl-C and ends with the command."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benchmark.cli.parser import build_parser

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="processes are looked at in /proc")

SIGINT_BIT = 1 << 1
SCRIPT = """
import sys
from multiprocessing import forkserver
from pathlib import Path
from benchmark.launch.server import get_ready

get_ready()
pid = forkserver._forkserver._forkserver_pid
status = Path(f"/proc/{pid}/status").read_text()
ignored = next(line for line in status.splitlines() if line.startswith("SigIgn")).split()[1]
print(pid, ignored, "torch" in sys.modules)
"""


def test_it_starts_without_torch_deaf_to_interrupts_and_ends_with_the_command(tmp_path: Path) -> None:
    said = tmp_path / "said"
    with said.open("w") as out:
        subprocess.run([sys.executable, "-c", SCRIPT], stdout=out, check=True)
    pid, ignored, has_torch = said.read_text().split()
    assert has_torch == "False"
    assert int(ignored, 16) & SIGINT_BIT
    # It would import for seconds otherwise.
    stat = Path(f"/proc/{pid}/stat")
    assert not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] in "ZX"


def test_the_command_line_is_read_without_torch() -> None:
    script = (
        "import sys; from benchmark.cli.parser import build_parser; from benchmark.cli import run_options;"
        "words = ['run', '--grid', '--device', 'cpu'];"
        "run_options.get_ready(build_parser(words).parse_args(words));"
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False"]


@pytest.mark.parametrize("words", [["--device", "cuda"], ["--launcher", "slurm"]])
def test_none_starts_for_cells_that_need_none(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    from benchmark.cli import run_options
    from benchmark.launch import server

    started: list[str] = []
    monkeypatch.setattr(server, "get_ready", lambda: started.append("server"))
    monkeypatch.setattr(run_options, "_has_driver_of_a_gpu", lambda: True)
    words = ["run", "--grid", *words]
    run_options.get_ready(build_parser(words).parse_args(words))
    assert not started
