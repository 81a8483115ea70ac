"""Commands of a warm process say and do what commands of their own do."""

from __future__ import annotations

import subprocess
from pathlib import Path

from pages import environment
from warm_commands import warm_python

SCRIPT = """\
python -m benchmark --help | head -3
python -m benchmark status --output nowhere || echo "ended with $?"
cd inner
python -m benchmark status || echo "ended with $?"
python -c "print(6 * 7)"
"""


def test_a_shell_sees_no_difference(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()

    def played(programs: Path | None) -> str:
        done = subprocess.run(
            ["bash", "-uc", SCRIPT],
            cwd=tmp_path,
            env=environment(tmp_path, programs),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        return done.stdout

    with warm_python(environment(tmp_path)) as programs:
        answered = played(programs)
    assert answered == played(None)
    assert "there is no folder nowhere" in answered
    assert answered.count("ended with 2") == 2
    assert answered.endswith("42\n")
