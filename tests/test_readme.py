"""What the README promises is what the project holds."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def test_shows_the_example_adapter_as_it_stands():
    shown = re.search(r"```python title=\"my_adapter.py\"\n(.*?)```", README, re.DOTALL)
    assert shown
    assert shown.group(1) == (ROOT / "examples" / "my_adapter.py").read_text()


def test_every_link_leads_to_a_file():
    prose = re.sub(r"```.*?```", "", README, flags=re.DOTALL)
    links = [target for target in re.findall(r"\]\(([^)]+)\)", prose) if "://" not in target]
    assert links
    assert [target for target in links if not (ROOT / target).exists()] == []


def test_commands_of_the_readme_are_targets_of_the_makefile():
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"make ([a-z]+)\b", README))
    assert {"grid", "install", "docs"} <= targets
    assert [target for target in targets if f"\n{target}:" not in makefile] == []


def test_the_readme_is_short():
    lines = README.splitlines()
    assert len(lines) <= 130
    assert [line for line in lines if len(line) > 120] == []
