"""Third-party components, loaded once, the culprit named."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path

import pytest

from registry import ADAPTERS, BACKBONES, TASKS, UserError, look_up, names, plugins
from registry.plugins import GROUP, load_plugins

GOOD = "from registry import register_adapter\n\n@register_adapter('from_outside')\nclass Outside:\n    pass\n"


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    for registry in (BACKBONES, ADAPTERS, TASKS):
        registry.import_from_location()
    before, loaded, modules = dict(ADAPTERS.module_dict), dict(plugins._loaded), set(sys.modules)
    yield
    ADAPTERS.module_dict.clear()
    ADAPTERS.module_dict.update(before)
    plugins._loaded.clear()
    plugins._loaded.update(loaded)
    for name in set(sys.modules) - modules:
        del sys.modules[name]


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Make modules of this source look like installed plug-ins."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def install(**sources: str) -> None:
        for name, source in sources.items():
            (tmp_path / f"{name}.py").write_text(source)
        points = EntryPoints(EntryPoint(name, name, GROUP) for name in sources)
        monkeypatch.setattr(plugins, "entry_points", lambda group: points.select(group=group))

    return install


def write(folder: Path, source: str, name: str = "mine.py") -> str:
    (folder / name).write_text(source)
    return str(folder / name)


def test_a_file_is_loaded_once_however_it_is_spelled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, GOOD)
    monkeypatch.chdir(tmp_path)
    load_plugins([path, "mine.py", "./mine.py"])
    load_plugins([path])
    assert "from_outside" in names(ADAPTERS)


def test_two_files_of_one_name_do_not_hide_each_other(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    first, second = write(tmp_path, GOOD), write(tmp_path / "inner", GOOD.replace("from_outside", "second"))
    load_plugins([first, second])
    assert {"from_outside", "second"} <= set(names(ADAPTERS))


def test_a_module_is_loaded_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, GOOD, "outside_module.py")
    monkeypatch.syspath_prepend(str(tmp_path))
    load_plugins(["outside_module"])
    assert "from_outside" in names(ADAPTERS)


def test_a_file_that_the_program_has_imported_is_not_imported_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path, GOOD, "imported_before.py")
    monkeypatch.syspath_prepend(str(tmp_path))
    module = importlib.import_module("imported_before")
    load_plugins([path])
    assert look_up(ADAPTERS, "from_outside") is module.Outside
    assert plugins.requested_plugins()[-1] == path


def test_the_line_of_a_plugin_that_led_to_an_error(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD + "    def work(self):\n        import json\n        json.loads('{')\n")
    load_plugins([path])
    with pytest.raises(json.JSONDecodeError) as raised:
        look_up(ADAPTERS, "from_outside")().work()
    assert plugins.line_of_plugin(raised.value) == "mine.py, line 8"
    assert plugins.line_of_plugin(ValueError()) == ""


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("x = 1\ny = 1 / 0\n", "ZeroDivisionError: division by zero (mine.py, line 2)"),
        ("import json\n\njson.loads('{')\n", "(mine.py, line 3)"),
        ("def f(:\n", "SyntaxError: invalid syntax (mine.py, line 1)"),
        ("import not_there\n", "ModuleNotFoundError: No module named 'not_there' (mine.py, line 1)"),
        ("raise SystemExit(3)\n", "SystemExit: 3 (mine.py, line 1)"),
        (
            GOOD.replace("from_outside", "linear_probe"),
            "failed: adapter name 'linear_probe' is registered twice, by adapters.unimodal.linear_probe and by",
        ),
    ],
)
def test_a_requested_plugin_that_fails_is_named_with_its_line(tmp_path: Path, source: str, expected: str) -> None:
    path = write(tmp_path, source)
    with pytest.raises(UserError) as raised:
        load_plugins([path])
    message = str(raised.value)
    assert message.startswith(f"plug-in {path} failed: ")
    assert expected in message
    assert "\n" not in message


def test_a_plugin_that_failed_is_tried_again(tmp_path: Path) -> None:
    path = write(tmp_path, "1 / 0")
    with pytest.raises(UserError):
        load_plugins([path])
    write(tmp_path, GOOD)
    load_plugins([path])
    assert "from_outside" in names(ADAPTERS)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("nowhere.py", "file nowhere.py does not exist"), ("no_such_module", "no_such_module is not importable")],
)
def test_a_plugin_that_is_not_there(name: str, expected: str) -> None:
    with pytest.raises(UserError, match=expected):
        load_plugins([name])


def test_installed_plugins_load_and_a_broken_one_is_reported_and_left_out(installed) -> None:
    installed(broken_plugin="x = 1\nraise ValueError('no good')", good_plugin=GOOD)
    reports: list[str] = []
    load_plugins(report=reports.append)
    load_plugins(report=reports.append)
    assert "from_outside" in names(ADAPTERS)
    assert len(reports) == 1
    assert "broken_plugin" in reports[0]
    assert "ValueError: no good (broken_plugin.py, line 2)" in reports[0]
