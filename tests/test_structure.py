"""The house keeps its order: imports run downward, rooms of a floor meet through contracts only."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "hoopgate"

#: From the top of the house to the ground. A module may import from floors below its own.
FLOORS: tuple[tuple[str, ...], ...] = (
    ("tap", "cli", "console"),
    ("gateway",),
    ("postgres", "mysql", "ssh", "http"),
    ("guardrails", "evidence"),
    ("sql", "shell", "phi", "identity", "approvals", "recorder", "state", "settings"),
    (
        "interfaces",
        "events",
        "actions",
        "verdicts",
        "trials",
        "plans",
        "settings.model",
        "sql.classes",
        "pooling",
        "incoming",
        "outgoing",
        "telling",
    ),
    ("errors", "network", "turns", "child", "__init__"),
    ("tls_records",),
)

#: Sans-I/O: the protocol's own logic is tested without a reactor, and cannot block one.
PURE = (
    *("http.wire", "http.targets", "http.gate", "http.headers", "http.session", "http.requests"),
    *("http.bodies", "http.documents", "http.inquiry", "http.problems", "http.messages"),
    *("http.answering", "http.exchange", "http.forwarding", "http.rewriting", "http.codings"),
    *("http.masking_work", "http.websockets", "http.frames", "http.tunnel", "http.h2_messages"),
    *("trials", "postgres.trials", "mysql.trials"),
    *("postgres.wire", "postgres.session", "postgres.masking"),
    *("mysql.wire", "mysql.startup", "mysql.login", "mysql.session", "mysql.statements"),
    *("mysql.answers", "mysql.masking"),
    *("ssh.wire", "ssh.packets", "ssh.session", "ssh.authentication", "ssh.sftp", "ssh.refusals"),
    *("ssh.output", "ssh.masking", "ssh.streams"),
    *("guardrails", "sql", "phi", "shell"),
)

#: Floors whose rooms may use one another.
MINGLING = (FLOORS[0], FLOORS[5])

IO = ("twisted.internet", "socket", "asyncio", "ssl", "subprocess")

MODULES = sorted(PACKAGE.rglob("*.py"))


def name_of(path: Path) -> str:
    """``postgres.wire`` for hoopgate/postgres/wire.py; a package by its own name."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if len(parts) > 1 and parts[-1] == "__init__" else parts)


def within(module: str, room: str) -> bool:
    """True for a room's modules, and for those that a file was split into (``wire_backend``)."""
    return module == room or module.startswith((f"{room}.", f"{room}_"))


PURE_MODULES = [path for path in MODULES if any(within(name_of(path), room) for room in PURE)]


def floor_of(module: str) -> int:
    """Index into FLOORS; the longest name decides, so that contracts win over their folder."""
    places = [
        (len(room), number)
        for number, rooms in enumerate(FLOORS)
        for room in rooms
        if module == room or module.startswith(f"{room}.")
    ]
    assert places, f"hoopgate.{module} has no floor: name its room in FLOORS"
    return max(places)[1]


def imports(path: Path, *, for_types: bool = True) -> Iterator[tuple[int, str]]:
    """Line and full name of everything a module imports, also inside functions."""
    tree = ast.parse(path.read_text())
    skipped: set[ast.AST] = set()
    for node in ast.walk(tree):
        if not for_types and isinstance(node, ast.If) and _is_type_checking(node.test):
            skipped.update(child for one in node.body for child in ast.walk(one))
    for node in ast.walk(tree):
        if node in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            module = node.module or ""
            for alias in node.names:
                # ``from hoopgate.settings import packs`` imports a module, not a name.
                nested = PACKAGE.parent / module.replace(".", "/") / f"{alias.name}.py"
                yield node.lineno, f"{module}.{alias.name}" if nested.exists() else module


def _is_type_checking(test: ast.expr) -> bool:
    return isinstance(test, ast.Name) and test.id == "TYPE_CHECKING"


def upward(importer: str, path: Path) -> list[str]:
    """What is wrong with the imports of ``importer``, whose text is at ``path``."""
    floor = floor_of(importer)
    room = importer.partition(".")[0]
    wrong = []
    for line, name in imports(path):
        if name != "hoopgate" and not name.startswith("hoopgate."):
            continue
        imported = name.removeprefix("hoopgate").lstrip(".") or "__init__"
        target = floor_of(imported)
        if target < floor:
            wrong.append(f"line {line}: {name} is above")
        elif (
            imported.partition(".")[0] != room and target == floor and FLOORS[floor] not in MINGLING
        ):
            wrong.append(f"line {line}: {name} is a sibling: meet through interfaces.py")
    return wrong


def doing_io(path: Path) -> list[str]:
    """Modules imported at run time that wait, send or start something."""
    return [
        name
        for _, name in imports(path, for_types=False)
        if any(name == one or name.startswith(f"{one}.") for one in IO)
    ]


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_run_downward(path: Path) -> None:
    assert not upward(name_of(path), path)


@pytest.mark.parametrize("path", PURE_MODULES, ids=name_of)
def test_protocol_logic_is_sans_io(path: Path) -> None:
    assert not doing_io(path)


@pytest.mark.parametrize(
    ("importer", "line", "told"),
    [
        ("sql.classes", "import hoopgate.gateway.relay", "above"),
        ("postgres.session", "from hoopgate.mysql import wire", "sibling"),
        ("sql.resolver", "def f():\n    from hoopgate.phi.tokens import x", "sibling"),
        ("guardrails.pipeline", "from hoopgate.postgres.session import Session", "above"),
        ("events", "from hoopgate.settings.load import load", "above"),
        ("settings.model", "from hoopgate.settings import load", "above"),
        ("errors", "from hoopgate import events", "above"),
    ],
)
def test_a_wrong_import_is_found(importer: str, line: str, told: str, tmp_path: Path) -> None:
    path = tmp_path / "module.py"
    path.write_text(line)
    (problem,) = upward(importer, path)
    assert told in problem


def test_input_and_output_are_found(tmp_path: Path) -> None:
    path = tmp_path / "module.py"
    types_only = "if TYPE_CHECKING:\n    from twisted.internet.defer import Deferred\n"
    path.write_text(types_only)
    assert doing_io(path) == []
    path.write_text(types_only + "def f():\n    from twisted.internet import reactor")
    assert doing_io(path) == ["twisted.internet"]


def test_no_package_hides_twisteds_plugins() -> None:
    # An __init__.py there would make ours the only plugins there are.
    assert not list((PACKAGE.parent / "twisted").rglob("__init__.py"))


@pytest.mark.parametrize(
    ("module", "floor"), [("postgres.wire", 2), ("settings.model", 5), ("settings.load", 4)]
)
def test_floors(module: str, floor: int) -> None:
    assert floor_of(module) == floor
