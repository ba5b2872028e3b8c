"""What the modules that mypyc compiles must not do, because it does it differently."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[1]


def _modules() -> Iterator[Path]:
    """The sources that setup.py names."""
    for node in ast.parse((CHECKOUT / "setup.py").read_text()).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "MODULES":
            for name in ast.walk(node.value):
                if isinstance(name, ast.Constant):
                    yield CHECKOUT / "hoopgate" / f"{name.value.replace('.', '/')}.py"


SOURCES = {
    path.relative_to(CHECKOUT).as_posix(): ast.parse(path.read_text()) for path in _modules()
}


def nodes(source: str, *kinds: type[ast.AST]) -> Iterator[ast.AST]:
    return (node for node in ast.walk(SOURCES[source]) if isinstance(node, kinds))


@pytest.mark.parametrize("source", SOURCES)
def test_no_slice_calls(source: str) -> None:
    """mypyc 2.4 evaluates the ends of a slice twice where it does not know the sequence's type."""
    calls = [
        ast.unparse(slice_)
        for slice_ in nodes(source, ast.Slice)
        for inner in ast.walk(slice_)
        if isinstance(inner, ast.Call | ast.NamedExpr) and ast.unparse(inner)[:4] != "len("
    ]
    assert calls == []


@pytest.mark.parametrize("source", SOURCES)
def test_no_generator_holds_a_resource(source: str) -> None:
    """A compiled generator that is dropped does not run its ``with`` and ``finally``."""
    held = [
        function.name
        for function in nodes(source, ast.FunctionDef)
        if isinstance(function, ast.FunctionDef)
        if any(isinstance(node, ast.Yield | ast.YieldFrom) for node in ast.walk(function))
        if any(isinstance(node, ast.With) or _finally(node) for node in ast.walk(function))
    ]
    assert held == []


def _finally(node: ast.AST) -> bool:
    return isinstance(node, ast.Try) and bool(node.finalbody)


@pytest.mark.parametrize("source", SOURCES)
def test_no_class_is_decorated(source: str) -> None:
    """A class with a decorator that mypyc does not know is compiled to an ordinary slow one."""
    known = {"final", "dataclass"}
    strange = [
        class_.name
        for class_ in nodes(source, ast.ClassDef)
        if isinstance(class_, ast.ClassDef)
        for decorator in class_.decorator_list
        if ast.unparse(decorator).partition("(")[0] not in known
    ]
    assert strange == []


def test_mypyc_would_take_them(tmp_path: Path) -> None:
    """It knows no zope.interface, and what it does not like is left interpreted, all of it."""
    setup = (CHECKOUT / "setup.py").read_text()
    options = [
        *("--config-file=", "--namespace-packages", "--explicit-package-bases"),
        *("--ignore-missing-imports", "--follow-imports=silent"),
    ]
    assert all(f'"{option}"' in setup for option in options)
    done = subprocess.run(
        [sys.executable, "-m", "mypy", f"--cache-dir={tmp_path}", *options, *SOURCES],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout
