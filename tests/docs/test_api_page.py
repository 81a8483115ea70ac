"""Every object of the API page says what it takes and returns: shapes, units, errors, and a method's source."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import sys
import textwrap
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from registry import ADAPTERS, look_up, names

ROOT = Path(__file__).parents[2]
OURS = ("adapters", "backbones", "benchmark", "registry", "results", "tasks")
OF_TENSORS = re.compile(r"\b(?:Tensor|NDArray|Streams|Features|Inputs|Outputs)\b")
# (B, T, L, D), {m: (B, T, L, D)}, (…, D), a scalar, or in words that the shape stays.
SHAPE = re.compile(r"\([^()]*\b[A-Za-z]\w?'?\b(?:, |\))[^()]*\)?|\bscalars?\b|\bsame shapes?\b|\bshapes of\b")
ERRORS = re.compile(r"^Raises:$", re.MULTILINE)
PAPER = re.compile(
    r"\barXiv \d{4}\.\d{4,5}\b|\b(?:CVPR|ICML|NeurIPS|ICLR|ECCV|ICCV|ACL|AAAI|Interspeech)\b[^.]{0,20}\b20\d\d\b"
)
PLACE = re.compile(r"\b(?:[Ss]ections?|[Ee]quations?) \d|\([\w.-]+/[\w.-]+, commit [0-9a-f]{7}\)|\bof the abstract\b")
OF_NO_PAPER = {"full_finetune", "linear_probe", "peft"}
"""Plain training of what is there, and methods of another library, which names their papers."""


def face() -> dict[str, list[str]]:
    sys.path.insert(0, str(ROOT / "docs" / "_site"))
    try:
        return importlib.import_module("reference").face()
    finally:
        sys.path.pop(0)


PUBLIC = {
    f"{module}.{name}": getattr(importlib.import_module(module), name) for module, own in face().items() for name in own
}
CLASSES = {name: one for name, one in PUBLIC.items() if inspect.isclass(one)}
CONSTANTS = {name: one for name, one in PUBLIC.items() if not (inspect.isclass(one) or inspect.isfunction(one))}


def functions(public: dict[str, Any]) -> Iterator[tuple[str, Callable[..., Any], type | None]]:
    """Name, function and class of every public function, and of every public method that a class itself defines."""
    for name, one in public.items():
        if inspect.isfunction(one):
            yield name, one, None
        elif inspect.isclass(one):
            for member, held in vars(one).items():
                held = getattr(held, "__func__", None) or getattr(held, "fget", None) or held
                if inspect.isfunction(held) and not member.startswith("_"):
                    yield f"{name}.{member}", inspect.unwrap(held), one


FUNCTIONS = {name: (function, kind) for name, function, kind in functions(PUBLIC)}


def told(function: Callable[..., Any], kind: type | None = None) -> str:
    """The docstring, or that of the method of ours which this one overrides."""
    for base in inspect.getmro(kind) if kind else ():
        text = getattr(vars(base).get(function.__name__), "__doc__", None)
        if text and base.__module__.partition(".")[0] in OURS:
            return inspect.cleandoc(text)
    return inspect.cleandoc(function.__doc__ or "")


@cache
def tree(function: Callable[..., Any]) -> ast.AST:
    return ast.parse(textwrap.dedent(inspect.getsource(function)))


def raises(function: Callable[..., Any]) -> bool:
    """Whether a function has an error of its own in its body; `NotImplementedError` marks what a subclass writes."""
    said = [node.exc for node in ast.walk(tree(function)) if isinstance(node, ast.Raise) and node.exc]
    return any("NotImplementedError" not in ast.unparse(error) for error in said)


def called(function: Callable[..., Any], kind: type | None) -> Iterator[Callable[..., Any]]:
    """The functions and methods of this project that a body calls by name."""
    for node in ast.walk(tree(function)):
        if isinstance(node, ast.Call):
            match node.func:
                case ast.Name(id=name):
                    found = function.__globals__.get(name)
                case ast.Attribute(value=ast.Name(id="self" | "cls"), attr=name) if kind:
                    found = inspect.getattr_static(kind, name, None)
                case _:
                    continue
            found = inspect.unwrap(getattr(found, "__func__", found)) if found else None
            if inspect.isfunction(found) and found.__module__.partition(".")[0] in OURS:
                yield found


def may_fail(function: Callable[..., Any], kind: type | None) -> bool:
    return raises(function) or any(raises(one) for one in called(function, kind))


def test_every_public_function_and_method_is_documented() -> None:
    assert [name for name, (function, kind) in FUNCTIONS.items() if not told(function, kind)] == []


def test_every_public_class_is_documented() -> None:
    assert [name for name, one in CLASSES.items() if not (one.__doc__ or "").strip()] == []


def test_what_takes_or_returns_tensors_says_their_shapes() -> None:
    silent = []
    for name, (function, kind) in FUNCTIONS.items():
        noted = " ".join(map(str, function.__annotations__.values()))
        if OF_TENSORS.search(noted) and not SHAPE.search(told(function, kind)):
            silent.append(f"{name}: {noted}")
    assert silent == []


def test_what_may_fail_says_so() -> None:
    silent = [
        name
        for name, (function, kind) in FUNCTIONS.items()
        if may_fail(function, kind) and not ERRORS.search(told(function, kind))
    ]
    assert silent == []


def built_by_hand(one: type) -> bool:
    return inspect.isfunction(vars(one).get("__init__")) and not hasattr(one, "__dataclass_fields__")


@pytest.mark.parametrize("name", [name for name, one in CLASSES.items() if built_by_hand(one)])
def test_a_class_says_what_it_is_built_from(name: str) -> None:
    one = CLASSES[name]
    text = inspect.cleandoc(one.__doc__ or "")
    taken = list(inspect.signature(one.__init__).parameters)[1:]
    assert [parameter for parameter in taken if not re.search(rf"\b{parameter}\b", text)] == []
    if may_fail(one.__init__, one):
        assert ERRORS.search(text)


def described(module: str) -> dict[str, str]:
    """The string below each assignment of a module, and of each class in it as `Class.field`."""
    found: dict[str, str] = {}
    body = ast.parse(inspect.getsource(importlib.import_module(module)))
    for scope, prefix in [
        (body, ""),
        *((node, f"{node.name}.") for node in body.body if isinstance(node, ast.ClassDef)),
    ]:
        for node, after in zip(scope.body, [*scope.body[1:], None], strict=True):
            if isinstance(node, (ast.Assign, ast.AnnAssign)) and isinstance(after, ast.Expr):
                target = node.target if isinstance(node, ast.AnnAssign) else node.targets[0]
                found[prefix + ast.unparse(target)] = str(ast.literal_eval(after.value))
    return found


def home(module: str, name: str) -> str:
    """The module that assigns a name which another one imports."""
    for node in ast.walk(ast.parse(inspect.getsource(importlib.import_module(module)))):
        if isinstance(node, ast.ImportFrom) and node.module and name in {alias.name for alias in node.names}:
            return home(node.module, name)
    return module


@pytest.mark.parametrize("name", CONSTANTS)
def test_a_constant_or_a_type_has_its_sentence(name: str) -> None:
    module, _, own = name.rpartition(".")
    assert described(home(module, own)).get(own)


@pytest.mark.parametrize(
    "name", [name for name, one in CLASSES.items() if hasattr(one, "__dataclass_fields__") or hasattr(one, "_fields")]
)
def test_every_field_has_its_sentence(name: str) -> None:
    one = CLASSES[name]
    texts = described(one.__module__)
    fields = [field for field in one.__annotations__ if not field.startswith("_")]
    assert [
        field
        for field in fields
        if f"{one.__name__}.{field}" not in texts and not re.search(rf"\b{field}\b", one.__doc__ or "")
    ] == []


UNITS = {
    "frame_shift_ms": "[Mm]illiseconds", "window_ms": "[Mm]illiseconds", "mean": "0..1|logarithms|log-mel",
    "std": "0..1|log-mel", "mel_bands": "F", "frames": "[Rr]ows|T, H, W", "size": "pixels", "sample_rate": "per second",
    "frame_times": "[Ss]econds", "times": "seconds", "waveform": "samples", "batch_size": "[Cc]lips", "score": "0..1",
    "scores": "percent", "accumulate": "passes", "epochs": "[Pp]asses", "warmup_epochs": "[Ee]pochs",
    "step_epochs": "[Ee]pochs", "patience": "[Ee]pochs", "mask_bands": "mel bands", "mask_frames": "frames",
    "roll": "frames", "crop": "area", "flip": "[Pp]robability", "erase": "[Pp]robability", "mixup": "[Pp]robability",
    "rand_magnitude": "0 to 10", "noise": "amplitude", "final_lr_ratio": "share",
}  # fmt: skip
"""The word that says in what a field of this name is counted or measured."""


def test_quantities_have_their_units() -> None:
    found, silent = set(), []
    for one in {one for one in CLASSES.values() if hasattr(one, "__dataclass_fields__") or hasattr(one, "_fields")}:
        texts = described(one.__module__)
        for field in one.__annotations__.keys() & UNITS.keys():
            found.add(field)
            text = f"{one.__doc__} {texts.get(f'{one.__name__}.{field}', '')}"
            if not re.search(UNITS[field], text):
                silent.append(f"{one.__name__}.{field}: {text}")
    assert silent == []
    assert found == UNITS.keys()


@pytest.mark.parametrize("name", [name for name in names(ADAPTERS) if name not in OF_NO_PAPER])
def test_an_adapter_of_a_paper_names_it_and_the_place_in_it(name: str) -> None:
    made = look_up(ADAPTERS, name)
    text = f"{made.__doc__} {sys.modules[made.__module__].__doc__}"
    assert PAPER.search(text), "no paper"
    assert PLACE.search(text), "no section or equation, nor the authors' code"
