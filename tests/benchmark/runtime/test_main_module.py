"""A user's script without a guard can start processes of ours."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SCRIPT = """
import multiprocessing
print("the script runs", flush=True)
from benchmark.runtime.main_module import main_module_left_alone
with main_module_left_alone():
    process = multiprocessing.get_context("spawn").Process(target=print, args=("the process runs",))
    process.start()
    process.join()
import __main__
assert __main__.SCRIPT_IS_BACK, "the main module is gone"
"""


def test_the_script_is_not_run_again(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text("SCRIPT_IS_BACK = True\n" + SCRIPT)
    root = Path(__file__).parents[3]
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, check=False, env={"PYTHONPATH": str(root)}
    )
    assert (done.returncode, done.stdout.splitlines()) == (0, ["the script runs", "the process runs"]), done.stderr
