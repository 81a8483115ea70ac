"""Two tutorials as notebooks, made of their pages: `python docs/_site/notebooks.py` writes examples/notebooks/.

Needs the extra [notebooks]. The pages stay the one source; a marked test holds the notebooks against them and runs them.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import jupytext

ROOT = Path(__file__).resolve().parents[2]
PAGES = ("first_grid", "from_python")
FOLDER = ROOT / "examples" / "notebooks"
# Without it, a page of shell alone would become a notebook of bash.
HEADER = "---\njupyter:\n  kernelspec:\n    name: python3\n    display_name: Python 3\n    language: python\n---\n\n"
CLIPS = "```bash\ntest -d clips || python -m benchmark data sample clips --layout manifest --clips 4\n```\n"


def notebook(name: str) -> Any:
    """A tutorial page as a notebook: shell blocks are cells of bash, shown output is left out."""
    text = (ROOT / "docs" / "tutorials" / f"{name}.md").read_text()
    text = re.sub(r"```text\n.*?```\n", "", text, flags=re.DOTALL).replace("```shell\n", "```bash\n")
    text = re.sub(r"\]\((?!https?:)(?:\.\./)*([\w/]+)\.md\)", r"](\1)", text)
    text = re.sub(r"\[([^\]]+)\]\([\w/]+\)", r"*\1*", text)
    if name != PAGES[0]:
        head, rest = text.split("\n## ", 1)
        text = f"{head}\n{CLIPS}\n## {rest}"
    made = jupytext.reads(HEADER + text, fmt="md")
    for number, cell in enumerate(made.cells):
        cell["id"] = f"cell-{number}"
    return made


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for name in PAGES:
        jupytext.write(notebook(name), FOLDER / f"{name}.ipynb", fmt="ipynb")


if __name__ == "__main__":
    main()
