"""Nothing that a test computes is kept for later runs, unless the test asks for it in a folder of its own."""

from __future__ import annotations

import os

os.environ["AVBENCH_PREPARED"] = "none"
