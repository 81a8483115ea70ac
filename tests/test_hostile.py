"""Hostile inputs made by hypothesis: each is read or refused in one line; nothing crashes, nothing is executed.

python -m pytest tests/test_hostile.py                          # some hundreds
python -m pytest tests/test_hostile.py -m hostile               # ten thousand
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save

from benchmark.grid.check import checked
from benchmark.grid.grid import Grid
from benchmark.launch.plan import read_plan
from benchmark.train.checkpoint import Checkpoints
from registry import ADAPTERS, BACKBONES, TASKS, Component, UserError
from results.record import RunRecord
from results.render.csv import to_csv
from results.render.latex import to_latex
from results.render.markdown import to_markdown
from results.store.serialise import RecordError, from_json, to_json
from results.store.store import Store
from results.table.gather import gather

CALLED: list[str] = []
_watching: list[bool] = []


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    if not _watching:
        return
    # `ast.parse` compiles to a tree and no further; hypothesis and pytest themselves import while they work.
    if event in ("os.system", "subprocess.Popen", "os.exec", "os.posix_spawn", "pickle.find_class", "exec"):
        CALLED.append(event)


sys.addaudithook(_audit)


@contextlib.contextmanager
def nothing_executed(*but: str) -> Iterator[None]:
    """Python's own audit events tell of every process, executed code object and unpickled class."""
    CALLED.clear()
    _watching.append(True)
    try:
        yield
    finally:
        _watching.pop()
    assert not set(CALLED) - set(but)


CODE = st.sampled_from(
    [
        "__import__('os').system('false')", "open('x','w')", "lambda: 0", "().__class__.__mro__", "exec('1')", "a.b",
        "subprocess.getoutput", "*a", "**a", "x:=1", "f'{1}'", "[x for x in y]", "1e999", "9**9**9", "'a'*99", "-1",
        "(" * 90, "[" * 300, "{}", "\0", "\ud800", "nan", "inf", "None", "True", "...", "b'x'", "2j", "10" * 3000,
    ]
)  # fmt: skip
WORDS = st.one_of(CODE, st.text(max_size=30), st.sampled_from(["lavish", "stg_cma", "tiny_vit", "latents", "ratio"]))
COMPONENTS = st.one_of(
    WORDS,
    st.builds("{}({}={})".format, WORDS, WORDS, WORDS),
    st.builds("{}({}={}, {}={})".format, WORDS, WORDS, WORDS, WORDS, WORDS),
    st.text(alphabet="ab(){}[]=,.'\"\\*:@# \n0", max_size=60),
)
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), WORDS),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(WORDS, inner, max_size=3)),
    max_leaves=6,
)
RECORD = json.loads(
    to_json(
        RunRecord(
            hash="abc", slug="s", backbone="b", adapter="a", task="t", seed=0, recipe={"epochs": 1},
            protocol="validation",
            status="completed", primary_metric="accuracy", scores={"accuracy": 50.0},
        )
    )
)  # fmt: skip
RECORDS = st.one_of(
    st.binary(max_size=200),
    JSON.map(lambda value: json.dumps(value).encode()),
    st.builds(
        lambda key, value: json.dumps({**RECORD, key: value}).encode(), st.sampled_from([*RECORD, "__class__"]), JSON
    ),
    st.integers(0, 400).map(lambda length: json.dumps(RECORD).encode()[:length]),
    st.sampled_from([b"[" * 100_000, b'{"a":' * 50_000, b"\xff\xfe", b"NaN", b"1" * 5000, b'{"schema": 1e400}']),
)
WITHOUT_MEASURE = st.sampled_from(
    [
        10**400, -(10**9), 1.7976931348623157e308, float("nan"), float("-inf"), "a" * 300_000, "\ud800", "\x1b]0;x\x07",
        {"a": [[[]]]}, [float("nan")] * 3, {"adapter": 10**400}, {"accuracy": 1.7e308}, {"accuracy": float("inf")},
        [{"epoch": 1.0, "train_loss": 1.7e308}], [{"epoch": float("inf")}], {"\udfff": 1}, "../a", "$\\frac{$",
    ]
)  # fmt: skip
"""Values that no run writes: without end, without a number, without a character, or that act where they are shown."""
DEEP = st.integers(1, 3000).map(lambda depth: json.dumps({**RECORD, "environment": "HERE"}).replace(
    '"HERE"', "[" * depth + "]" * depth).encode())  # fmt: skip
RECORDS |= DEEP | st.builds(
    lambda keys, value: json.dumps({**RECORD, **dict.fromkeys(keys, value)}).encode(),
    st.lists(st.sampled_from(list(RECORD)), min_size=1, max_size=2), WITHOUT_MEASURE,
)  # fmt: skip
TOML_VALUES = st.one_of(
    COMPONENTS.map(repr), st.lists(COMPONENTS, max_size=2).map(str), st.integers().map(str), CODE, st.just("[{}]")
)
GRIDS = st.one_of(
    st.text(max_size=80).map(str.encode),
    st.binary(max_size=80),
    st.builds(
        lambda key, value: f"backbones = ['tiny_vit']\nadapters = ['lavish']\ntasks = ['avqa']\n{key} = {value}\n",
        st.sampled_from(["seeds", "recipe", "override", "recipe.epochs", "recipe.lr", "_base_", "backbones", "x.y"]),
        TOML_VALUES,
    ).map(lambda text: text.encode(errors="replace")),
    st.builds("backbones = {}\nadapters = {}\ntasks = ['avqa']\n".format, TOML_VALUES, TOML_VALUES).map(
        lambda text: text.encode(errors="replace")
    ),
)
WHOLE = save({"model/x": torch.ones(3)}, metadata={"facts": "{}", "digest": "0"})
CHECKPOINTS = st.one_of(
    st.binary(max_size=200),
    st.integers(0, len(WHOLE)).map(lambda length: WHOLE[:length]),
    st.builds(lambda at, byte: WHOLE[:at] + bytes([byte]) + WHOLE[at + 1 :], st.integers(0, 199), st.integers(0, 255)),
    st.builds(lambda size, rest: size.to_bytes(8, "little") + rest, st.integers(0, 2**64 - 1), st.binary(max_size=80)),
    st.builds(
        lambda facts: save({"x": torch.ones(1)}, metadata={"facts": facts, "digest": "0"}),
        JSON.map(json.dumps).filter(lambda text: text.isprintable()),
    ),
)

few = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
many = settings(max_examples=2500, deadline=None, suppress_health_check=list(HealthCheck), database=None)


def read_component(text: str) -> None:
    component = None
    with nothing_executed(), contextlib.suppress(UserError):
        Component.parse_list(text)
        component = Component.parse(text)
    # Type hints of our own classes are code, and read by `eval`.
    with nothing_executed("exec"), contextlib.suppress(UserError):
        if component:
            checked(ADAPTERS, component)


def read_grid(content: bytes) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "grid.toml"
        path.write_bytes(content)
        # The same holds of the recipe's; its components are read as above.
        with nothing_executed("exec"), contextlib.suppress(UserError):
            grid = Grid.load(path)
            for registry, components in ((BACKBONES, grid.backbones), (ADAPTERS, grid.adapters), (TASKS, grid.tasks)):
                for component in components:
                    checked(registry, component)


def read_record(content: bytes) -> None:
    with TemporaryDirectory() as folder:
        (Path(folder) / "records").mkdir()
        (Path(folder) / "records" / "abc.json").write_bytes(content)
        (Path(folder) / "plan.json").write_bytes(content)
        # The fields' type hints again.
        with nothing_executed("exec"):
            with contextlib.suppress(RecordError):
                from_json(content)
            loaded = Store(Path(folder)).load()
            with contextlib.suppress(UserError):
                read_plan(Path(folder))
        assert len(loaded) + len(loaded.unreadable) == 1


GOOD = to_json(from_json(json.dumps({**RECORD, "hash": "good", "adapter": "the_good_one"}).encode()))


def show_record(content: bytes) -> None:
    """A leaderboard keeps its good record, whatever lies beside it."""
    with TemporaryDirectory() as folder:
        (Path(folder) / "records").mkdir()
        (Path(folder) / "records" / "abc.json").write_bytes(content)
        (Path(folder) / "records" / "good.json").write_text(GOOD)
        with nothing_executed("exec"):
            board = gather(Store(Path(folder)))
            told = [to_csv(board.rows), to_markdown(board), to_latex(board.rows)]
        assert all("good" in text and "\x1b" not in text for text in told)


def read_checkpoint(content: bytes) -> None:
    with TemporaryDirectory() as folder:
        (Path(folder) / "epoch-000001.safetensors").write_bytes(content)
        with nothing_executed():
            assert Checkpoints(Path(folder)).newest() is None


PAIRS = (
    (read_component, COMPONENTS),
    (read_grid, GRIDS),
    (read_record, RECORDS),
    (show_record, RECORDS),
    (read_checkpoint, CHECKPOINTS),
)


@pytest.mark.parametrize(("read", "inputs"), PAIRS, ids=lambda value: getattr(value, "__name__", ""))
def test_hundreds(read, inputs) -> None:
    few(given(inputs)(read))()


@pytest.mark.hostile
@pytest.mark.parametrize(("read", "inputs"), PAIRS, ids=lambda value: getattr(value, "__name__", ""))
def test_ten_thousand(read, inputs) -> None:
    many(given(inputs)(read))()


def test_the_watch_sees_execution() -> None:
    with pytest.raises(AssertionError), nothing_executed():
        eval("1 + 1")
