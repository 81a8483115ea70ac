from __future__ import annotations

import os
import subprocess
import sys

import pytest

COUNT = "import benchmark.launch.preload, os, sys; print(len(os.listdir('/proc/self/task')), 'timm' in sys.modules)"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="threads are counted in /proc")
def test_everything_is_imported_and_no_thread_runs():
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", COUNT], capture_output=True, text=True, env=environment, check=True)
    assert done.stdout.split() == ["1", "True"]
