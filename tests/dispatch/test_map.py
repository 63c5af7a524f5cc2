"""The map of a wId's way names what there is."""

import ast
import re
from pathlib import Path

import wxcontacts_async
from wxcontacts_async import _dispatch

ROOT = Path(wxcontacts_async.__file__).parent
HERE = ROOT / "_dispatch"
MAP = _dispatch.__doc__ or ""


def _names_in(path: Path) -> set[str]:
    """Return the names of a file's classes and functions, methods with their class."""
    names = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            names.add(node.name)
        if isinstance(node, ast.ClassDef):
            for inner in ast.walk(node):
                if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef):
                    names.add(f"{node.name}.{inner.name}")
                elif isinstance(inner, ast.Name | ast.Attribute):
                    name = inner.id if isinstance(inner, ast.Name) else inner.attr
                    names.add(f"{node.name}.{name}")
    return names


def test_it_is_short() -> None:
    drawing = MAP.partition("\n\n")[2]
    assert 10 < len(drawing.rstrip().splitlines()) <= 30


def test_every_file_and_function_in_it_exists() -> None:
    files = re.findall(r"(?:\.\./)?(?:_[a-z]+/)?[a-z_]+\.py", MAP)
    assert len(files) > 10
    named: set[str] = set()
    for file in files:
        named |= _names_in(HERE / file)
    functions = re.findall(r"\b[A-Z][A-Za-z]+\.\w+", MAP)
    assert len(functions) > 10
    assert [function for function in functions if function not in named] == []
    steps = re.findall(r"\b(?:CallAgain|Requeue|Fetched|Failed|Job|Consumer)\b", MAP)
    everything = {name for path in ROOT.rglob("*.py") for name in _names_in(path)}
    assert set(steps) <= everything


def test_in_it_a_function_stands_behind_its_file() -> None:
    pairs = re.findall(r"((?:\.\./)?(?:_[a-z]+/)?[a-z_]+\.py) ([A-Z]\w+\.\w+)", MAP)
    assert len(pairs) > 8
    for file, function in pairs:
        assert function in _names_in(HERE / file), (file, function)
