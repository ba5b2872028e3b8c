"""The ways a client can run one statement."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from twin_wire import Step, extended, queries, query

from hoopgate.postgres import wire

Script = list[Step]

_LEADING = re.compile(r"\s*(?:--[^\n]*\n|/\*.*?\*/|\(|\s)*([a-z]+)", re.IGNORECASE | re.DOTALL)


def word(text: str) -> str:
    """The statement's first word, in upper case."""
    found = _LEADING.match(text)
    return found[1].upper() if found else ""


def simple(text: str) -> Script:
    return [query(text)]


def text_format(text: str) -> Script:
    return [extended(text)]


def binary_format(text: str) -> Script:
    return [extended(text, formats=(1,), describe=False)]


def by_rows(text: str) -> Script:
    """Execute with max_rows, suspended and gone on with; formats of Bind need not be Describe's."""
    return [
        extended(text, limits=(1, 2, 1), formats=(1,)),
        extended(text, limits=(3, 0), portal=b"twin", name=b"twin"),
    ]


def prepared(text: str) -> Script:
    return queries([f"PREPARE twin_p AS {text}", "EXECUTE twin_p", "EXECUTE twin_p"])


def prepared_by_protocol(text: str) -> Script:
    """SQL PREPARE run by Bind, a protocol Parse run by EXECUTE (PROTOCOLS A14)."""
    run = wire.bind(b"", b"twin_q", (), (), (1,)) + wire.describe(b"P", b"") + wire.execute(b"")
    return [
        query(f"PREPARE twin_q AS {text}"),
        Step(run + wire.sync()),
        Step(wire.parse(b"twin_r", text.encode(), ()) + wire.sync()),
        query("EXECUTE twin_r"),
    ]


def cursor(text: str) -> Script:
    return queries(
        [
            f"DECLARE twin_c SCROLL CURSOR FOR {text}",
            "FETCH 2 FROM twin_c",
            "MOVE FORWARD 1 FROM twin_c",
            "FETCH BACKWARD 1 FROM twin_c",
            "FETCH LAST FROM twin_c",
            "MOVE BACKWARD ALL IN twin_c",
            "FETCH ALL FROM twin_c",
            "CLOSE twin_c",
        ]
    )


def binary_cursor(text: str) -> Script:
    """A BINARY cursor by FETCH, and by Execute of the portal that it is (PROTOCOLS A15)."""
    return [
        query(f"DECLARE twin_b BINARY CURSOR FOR {text}"),
        query("FETCH 3 FROM twin_b"),
        Step(wire.describe(b"P", b"twin_b") + wire.execute(b"twin_b", 2) + wire.sync()),
        extended("FETCH ALL FROM twin_b", formats=(1,)),
    ]


def held_cursor(text: str) -> Script:
    return queries(
        [
            f"DECLARE twin_h CURSOR WITH HOLD FOR {text}",
            "COMMIT",
            "FETCH ALL twin_h",
            "CLOSE twin_h",
        ]
    )


def fetched_portal(text: str) -> Script:
    """A portal of the protocol read by SQL FETCH (PROTOCOLS A15)."""
    bind = wire.parse(b"", text.encode(), ()) + wire.bind(b"twin_f", b"", (), (), (1,))
    return [
        Step(bind + wire.sync()),
        query("FETCH 2 FROM twin_f"),
        Step(wire.execute(b"twin_f", 1) + wire.sync()),
        query("FETCH ALL FROM twin_f"),
    ]


def copy_text(text: str) -> Script:
    return queries(
        [
            f"COPY ({text}) TO STDOUT",
            f"COPY ({text}) TO STDOUT (DELIMITER '|', NULL 'nil', HEADER)",
        ]
    )


def copy_csv(text: str) -> Script:
    return queries(
        [
            f"COPY ({text}) TO STDOUT (FORMAT csv, HEADER true, FORCE_QUOTE *)",
            f"COPY ({text}) TO STDOUT CSV QUOTE '''' ESCAPE '\\' DELIMITER ';' NULL 'x'",
        ]
    )


def copy_binary(text: str) -> Script:
    return [query(f"COPY ({text}) TO STDOUT (FORMAT binary)"), extended(f"COPY ({text}) TO STDOUT")]


def explained(text: str) -> Script:
    return queries([f"EXPLAIN {text}", f"EXPLAIN (VERBOSE, COSTS OFF, FORMAT json) {text}"])


def explained_running(text: str) -> Script:
    options = "ANALYZE, TIMING OFF, SUMMARY OFF, BUFFERS OFF"
    return queries([f"EXPLAIN ({options}) {text}", "SAVEPOINT twin_x"])


def several(text: str) -> Script:
    """One Query of several statements: rows of the first are out when a later one fails."""
    return queries([f"SELECT 1; {text}; SELECT 2", f"{text}; {text}", f"{text}; SELECT 1/0"])


def in_savepoint(text: str) -> Script:
    return queries(
        [
            "SAVEPOINT twin_s",
            text,
            "ROLLBACK TO twin_s",
            text,
            "SELECT 1/0",
            text,
            "ROLLBACK TO twin_s",
            "SELECT 2",
        ]
    )


def in_a_pipeline(text: str) -> Script:
    """Several without a Sync between; one fails in the middle (PROTOCOLS A19)."""
    one = wire.parse(b"", text.encode(), ()) + wire.bind(b"", b"", (), (), ()) + wire.execute(b"")
    bad = wire.parse(b"", b"SELECT 1/0", ()) + wire.bind(b"", b"", (), (), ()) + wire.execute(b"")
    return [Step(one + bad + one + wire.sync() + one + wire.sync(), 2)]


def described(text: str) -> Script:
    """Describe without Execute."""
    parse = wire.parse(b"twin_d", text.encode(), ()) + wire.describe(b"S", b"twin_d")
    return [Step(parse + wire.sync()), Step(wire.close(b"S", b"twin_d") + wire.sync())]


Mode = Callable[[str], Script]

#: For what returns rows and writes nothing.
READING: dict[str, Mode] = {
    "simple": simple,
    "text": text_format,
    "binary": binary_format,
    "rows": by_rows,
    "prepare": prepared,
    "prepare2": prepared_by_protocol,
    "cursor": cursor,
    "binary cursor": binary_cursor,
    "hold": held_cursor,
    "portal": fetched_portal,
    "copy": copy_text,
    "csv": copy_csv,
    "copy binary": copy_binary,
    "explain": explained,
    "analyze": explained_running,
    "several": several,
    "savepoint": in_savepoint,
    "pipeline": in_a_pipeline,
    "describe": described,
}
#: For what writes, or cannot be in a cursor.
WRITING = {
    name: READING[name]
    for name in [
        "simple",
        "text",
        "binary",
        "rows",
        "prepare",
        "prepare2",
        "copy",
        "csv",
        "explain",
        "analyze",
        "savepoint",
        "pipeline",
        "describe",
    ]
}
#: For what is no query at all.
OTHER = {name: READING[name] for name in ("simple", "text", "savepoint", "pipeline")}

_READS = frozenset({"SELECT", "VALUES", "TABLE", "WITH"})
_WRITES = frozenset({"INSERT", "UPDATE", "DELETE", "MERGE"})
_WRITES_INSIDE = re.compile(r"\b(INSERT INTO|UPDATE \w|DELETE FROM|MERGE INTO)", re.IGNORECASE)


def modes_of(text: str) -> dict[str, Mode]:
    """The ways this statement can be run in."""
    first = word(text)
    if first in _READS:
        return WRITING if first == "WITH" and _WRITES_INSIDE.search(text) else READING
    return WRITING if first in _WRITES else OTHER


def scripts(text: str) -> Iterator[tuple[str, Script]]:
    """Every mode with its script."""
    for name, mode in modes_of(text).items():
        yield name, mode(text)
