"""Names and the classes behind them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest
from mmengine.registry import Registry

from registry import ADAPTERS, BACKBONES, TASKS, UserError, look_up, names, register_adapter
from registry.registries import version_of


@pytest.fixture
def _restored() -> Iterator[None]:
    ADAPTERS.import_from_location()
    before = dict(ADAPTERS.module_dict)
    yield
    ADAPTERS.module_dict.clear()
    ADAPTERS.module_dict.update(before)


@pytest.mark.usefixtures("_restored")
class TestRegistration:
    def test_a_decorated_class_is_found_and_unchanged(self) -> None:
        @register_adapter("brand_new")
        class BrandNew:
            pass

        assert look_up(ADAPTERS, "brand_new") is BrandNew
        assert "brand_new" in names(ADAPTERS)

    def test_a_name_is_taken_once(self) -> None:
        register_adapter("brand_new")(type("A", (), {}))
        mine = type("B", (), {"__module__": "mine"})
        with pytest.raises(
            UserError, match=r"'brand_new' is registered twice, by \S+ and by mine; choose another name"
        ):
            register_adapter("brand_new")(mine)

    @pytest.mark.parametrize("name", ["a.b", "Lora", "1a", "a-b", "", "a b"])
    def test_names_are_snake_case(self, name: str) -> None:
        with pytest.raises(UserError, match="is not snake_case"):
            register_adapter(name)


def test_unknown_names_are_refused_with_near_misses_and_the_list() -> None:
    registry = Registry("adapter")
    registry.register_module(name="lavish", module=type("A", (), {}))
    registry.register_module(name="lora", module=type("B", (), {}))
    with pytest.raises(UserError) as raised:
        look_up(registry, "lavsh")
    assert str(raised.value) == "unknown adapter 'lavsh'. Did you mean lavish? Known: lavish, lora."


def test_names_are_sorted() -> None:
    assert names(ADAPTERS) == sorted(names(ADAPTERS))


def test_an_error_or_a_component_is_had_without_torch() -> None:
    """The command line answers `--help` and mistakes at once because of this."""
    script = "import sys; from registry import Component, UserError; print('torch' in sys.modules)"
    printed = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "False"


@pytest.mark.parametrize("registry", [BACKBONES, ADAPTERS, TASKS], ids=lambda registry: registry.name)
def test_every_built_in_component_declares_a_version(registry: Registry) -> None:
    built_in = [name for name in names(registry) if not look_up(registry, name).__module__.startswith("plugin_")]
    assert built_in
    assert [name for name in built_in if not version_of(registry, name).isdigit()] == []
