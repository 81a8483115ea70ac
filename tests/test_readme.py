"""What the README promises is what the project holds."""

import re
from pathlib import Path

import pytest

from registry import ADAPTERS, BACKBONES, TASKS, names

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def test_shows_the_example_adapter_as_it_stands():
    shown = re.search(r"```python\n(.*?)```", README, re.DOTALL)
    assert shown
    assert shown.group(1) == (ROOT / "examples" / "my_adapter.py").read_text()


@pytest.mark.parametrize("registry", [BACKBONES, ADAPTERS, TASKS], ids=lambda registry: registry.name)
def test_names_every_registered_component(registry):
    assert [name for name in names(registry) if f"`{name}" not in README] == []


def test_every_link_leads_to_a_file():
    prose = re.sub(r"```.*?```", "", README, flags=re.DOTALL)
    links = [target for target in re.findall(r"\]\(([^)]+)\)", prose) if "://" not in target]
    assert links
    assert [target for target in links if not (ROOT / target).exists()] == []


def test_commands_of_the_readme_are_targets_of_the_makefile():
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"make ([a-z]+)\b", README))
    assert {"grid", "test", "check"} <= targets
    assert [target for target in targets if f"\n{target}:" not in makefile] == []
