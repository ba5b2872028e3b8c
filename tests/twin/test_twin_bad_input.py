"""Statements that are too deep, too long or no text: each is answered, in bounded time and memory,
while other sessions go on; the session that sent it does, too."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from twin_wire import Client, extended, query
from twin_world import World

from hoopgate.postgres import wire

#: Seconds that an answer may take on a loaded machine; the server's own time-out is 3.
PATIENCE = 60
#: Bytes that the node may have grown by when all is done.
GROWTH = 400 * 2**20

DEEP = {
    "brackets": "SELECT " + "(" * 100_000 + "1" + ")" * 100_000,
    "brackets below the bound": "SELECT " + "(" * 390 + "1" + ")" * 390,
    "open brackets": "SELECT " + "(" * 50_000,
    "closed brackets": "SELECT " + ")" * 50_000,
    "arrays": "SELECT " + "ARRAY[" * 5_000 + "1" + "]" * 5_000,
    "calls": "SELECT " + "upper(" * 398 + "name" + ")" * 398 + " FROM patients",
    "subqueries": "SELECT * FROM " + "(SELECT * FROM " * 180 + "codes" + ") q" * 180,
    "scalar subqueries": "SELECT " + "(SELECT " * 390 + "1" + ")" * 390,
    "subqueries of a secret": "SELECT * FROM " + "(SELECT * FROM " * 90 + "patients" + ") q" * 90,
    "NOT": "SELECT " + "NOT " * 100_000 + "true",
    "minus": "SELECT " + "- " * 100_000 + "1",
    "casts": "SELECT 1" + "::int" * 100_000,
    "collations": "SELECT dx" + ' COLLATE "C"' * 20_000 + " FROM codes",
    "fields": "SELECT " + "a." * 50_000 + "b",
    "subscripts": "SELECT (ARRAY[1])" + "[1]" * 50_000,
    "comments": "/*" * 100_000 + "*/" * 100_000 + "SELECT 1",
    "open comments": "SELECT 1 " + "/*" * 200_000,
    "CTEs in CTEs": "WITH a AS (" * 190 + "SELECT 1" + ") SELECT * FROM a" * 190,
    "joins in brackets": "SELECT 1 FROM " + "(" * 150 + "codes" + " CROSS JOIN codes)" * 150,
    "JSON": "SELECT '" + "[" * 200_000 + "]" * 200_000 + "'::jsonb",
}
WIDE = {
    "terms": "SELECT " + "+".join(["1"] * 100_000),
    "conjuncts": "SELECT 1 WHERE " + " AND ".join(["1=1"] * 50_000),
    "disjuncts": "SELECT id FROM patients WHERE " + " OR ".join(f"id={n}" for n in range(20_000)),
    "concatenations of a secret": "SELECT " + "||".join(["name"] * 20_000) + " FROM patients",
    "IN": "SELECT dx FROM codes WHERE dx IN (" + ",".join(f"'{n}'" for n in range(60_000)) + ")",
    "values": "SELECT count(*) FROM (VALUES " + ",".join(["(1)"] * 40_000) + ") v",
    "unions": "SELECT count(*) FROM (" + " UNION ALL ".join(["SELECT 1"] * 2_000) + ") q",
    "joins": "SELECT 1 FROM " + " CROSS JOIN ".join(["codes"] * 2_000),
    "columns": "SELECT " + ",".join(["name"] * 1_600) + " FROM patients WHERE id = 1",
    "too many columns": "SELECT " + ",".join(["1"] * 60_000),
    "whens": "SELECT CASE " + "WHEN false THEN 1 " * 20_000 + "END",
    "CTEs": "WITH " + ",".join(f"a{n} AS (SELECT 1)" for n in range(3_000)) + " SELECT 1",
    "statements": "SELECT 1;" * 900,
    "too many statements": "SELECT 1;" * 50_000,
    "empty statements": ";" * 500_000,
    "a literal": "SELECT length('" + "x" * 1_000_000 + "')",
    "a literal too long": "SELECT length('" + "x" * 2_000_000 + "')",
    "a name": 'SELECT 1 AS "' + "x" * 900_000 + '"',
    "a comment": "SELECT 1 /*" + "x" * 1_000_000 + "*/",
    "spaces": "SELECT" + " " * 1_000_000 + "1",
    "parameters": "SELECT " + ",".join(f"${n}" for n in range(1, 30_000)),
    "an open literal": "SELECT '" + "x" * 500_000,
    "an open name": 'SELECT "' + "x" * 500_000,
    "an open dollar quote": "SELECT $a$" + "x$" * 300_000,
    "escapes": "SELECT E'" + "\\'" * 300_000 + "'",
    "operators": "SELECT 1 " + "+-*/<>=~!@#%^&|`?" * 20_000 + " 1",
}
SLOW = {
    "LIKE": "SELECT repeat('a', 20000) LIKE repeat('%a', 5000) || '%b'",
    "regular expression": r"SELECT repeat('a', 5000) ~ '(a*)*(a*)*(a|aa)+\1\1b'",
    "large regular expression": "SELECT 'x' ~ '"
    + "(" * 200
    + "x"
    + "{1,200}){1,200}" * 3
    + ")" * 197
    + "'",
    "SIMILAR TO": "SELECT repeat('a', 3000) SIMILAR TO '(a+)+(a+)+(a+)+b'",
    "LIKE on a secret": "SELECT id FROM patients WHERE name LIKE '" + "%a" * 10_000 + "'",
    "text search": "SELECT to_tsquery('simple', '" + "!" * 5_000 + "a')",
    "JSON path": "SELECT '[[1]]'::jsonb @? '$" + ".**" * 2_000 + "'",
    "numbers": "SELECT 9.9 ^ 99999",
    "growth": "SELECT repeat('x', 1000000000)",
    "rows": "SELECT count(*) FROM encounters a, encounters b, encounters c, encounters d",
}
NO_TEXT = {
    "NUL": b"SELECT 1\0, 2",
    "NUL in a literal": b"SELECT 'a\0b'",
    "overlong": b"SELECT '\xc0\xaf'",
    "surrogate": b"SELECT '\xed\xa0\x80'",
    "beyond Unicode": b"SELECT '\xf4\x90\x80\x80'",
    "half a character": b"SELECT '\xe4\xbd",
    "Latin-1": b"SELECT 'caf\xe9' FROM patients",
    "UTF-16": "SELECT 1".encode("utf-16"),
    "SJIS": "SELECT '表' -- ".encode("shift_jis"),
    "byte order mark": b"\xef\xbb\xbfSELECT 1",
    "controls": bytes(range(1, 32)),
    "all bytes": bytes(range(1, 256)) * 100,
    "no-break spaces": "SELECT\u00a01".encode(),
    "nothing": b"",
}
STATEMENTS = {
    **{name: text.encode() for name, text in {**DEEP, **WIDE, **SLOW}.items()},
    **NO_TEXT,
}


@pytest.fixture(scope="module")
def client(world: World) -> Iterator[Client]:
    made = world.client("twin_one")
    made.wait(PATIENCE)
    yield made
    made.close()


@pytest.fixture(scope="module")
def other(world: World) -> Iterator[Client]:
    made = world.client("twin_two")
    made.wait(PATIENCE)
    yield made
    made.close()


def resident(world: World) -> int:
    """Bytes of the node's own process and its children."""
    total = 0
    for pid in [world.gateway.pid, *children(world.gateway.pid)]:
        total += int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096
    return total


def children(pid: int) -> list[int]:
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def alive(client: Client) -> bool:
    client.send(query("SELECT name, 1 FROM patients WHERE id = 1").data)
    rows = [message for message in client.answers(1) if message[:1] == b"D"]
    return [wire.data_row_values(row) for row in rows] == [(b"[NAME]", b"1")]


def simple(text: bytes) -> bytes:
    """A Query that says what it is given, NULs and all."""
    return b"Q" + (len(text) + 5).to_bytes(4, "big") + text + b"\0"


def prepared(text: bytes) -> bytes:
    """Parse, Bind, Execute, Sync; a NUL ends the text, and what is behind it is no message."""
    body = b"\0" + text + b"\0" + b"\0\0"
    parse = b"P" + (len(body) + 4).to_bytes(4, "big") + body
    return parse + wire.bind(b"", b"", (), (), ()) + wire.execute(b"") + wire.sync()


def chosen() -> list[tuple[str, Callable[[bytes], bytes]]]:
    """All of them in both protocols with TWIN_ALL, else a part of each kind, in turns."""
    ways = (simple, prepared)
    if os.environ.get("TWIN_ALL"):
        return [(name, way) for name in STATEMENTS for way in ways]
    slow = {"comments", "open comments", "subscripts", "growth", "rows", "values"}
    names = [name for name in STATEMENTS if name not in slow]
    return [(name, ways[n // 2 % 2]) for n, name in enumerate(names) if n % 2 or name in NO_TEXT]


@pytest.mark.parametrize(("name", "way"), chosen())
def test_it_is_answered_and_nobody_is_lost(
    client: Client, other: Client, name: str, way: Callable[[bytes], bytes]
) -> None:
    client.send(way(STATEMENTS[name]))
    assert alive(other)
    answers = client.answers(1)
    assert answers and answers[-1][:1] == b"Z", answers[-1:]
    assert client.status == b"I"
    assert alive(client)


def test_parameters_that_are_no_text(client: Client) -> None:
    for value in (b"a\0b", b"\xff\xfe", b"\xed\xa0\x80", b"x" * 10_000_000):
        for step in (
            extended("SELECT length($1::text)", parameters=[value]),
            extended("SELECT id FROM patients WHERE sex = $1", parameters=[value]),
            extended("SELECT $1::bytea", parameters=[value], parameter_formats=[1]),
        ):
            client.send(step.data)
            assert client.answers(1)[-1][:1] == b"Z"
    assert alive(client)


def test_it_has_cost_no_more_than_that(world: World, client: Client) -> None:
    """After all of the above, and the worst of it once more, many times."""
    before = resident(world)
    began = time.monotonic()
    while time.monotonic() - began < 4:
        for name in ("brackets", "NOT", "casts", "terms", "a literal too long", "all bytes"):
            client.send(query(STATEMENTS[name]).data)
            assert client.answers(1)[-1][:1] == b"Z"
    assert alive(client)
    assert resident(world) - before < GROWTH
