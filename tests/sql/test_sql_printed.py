"""A tree that the server prints says the same as the one that a procedure holds."""

from __future__ import annotations

import pytest
from benign import ANALYTICS, ASYNCPG, CATALOGUE, lines
from conftest import Twins
from evasions import evasions
from hypothesis import given
from hypothesis import strategies as st
from side_psycopg import SESSION, PsycopgSide, finished

from hoopgate.errors import Refused, UnresolvableStatement
from hoopgate.events import Resolution, Statement
from hoopgate.sql import printed
from hoopgate.sql.analysis import analyze
from hoopgate.sql.resolver import Resolver, needs_resolution

ODD = [
    'SELECT "Se cret" AS "a  b c", "pla""in" FROM "Odd.Table"',
    "SELECT $1::int + id AS \"a\\b)(}{\", $2 || name, '{QUERY }' FROM patients WHERE dob > $3",
    "PREPARE q(bigint, varchar(3)[]) AS SELECT name, $2 FROM patients WHERE id = $1",
    "SELECT 1 FROM nowhere",
    "UPDATE patients SET weight = $1 WHERE id = $2 RETURNING name, ssn",
]


def resolved(resolver: Resolver, side: PsycopgSide, sql: str) -> list[Resolution | str]:
    found: list[Resolution | str] = []
    try:
        statements = analyze(sql)
    except Refused:
        return found
    for facts in statements:
        if not needs_resolution(facts):
            continue
        try:
            one = Statement(facts.text or sql)
            found.append(finished(resolver.ask(side, one, facts, SESSION)))
        except Refused as refused:
            found.append(refused.code)
    return found


def test_a_printed_tree_says_the_same(twins: Twins) -> None:
    """Of all that other tests ask, with the answers of a server that creates nothing."""
    sides = [PsycopgSide(twins.one), PsycopgSide(twins.one, creates=False)]
    resolvers = [Resolver(lambda: 0.0) for _ in sides]
    known = 0
    for sql in [*evasions(), *lines(ANALYTICS), *lines(CATALOGUE), ASYNCPG, *ODD]:
        held, told = (
            resolved(resolver, side, sql) for resolver, side in zip(resolvers, sides, strict=True)
        )
        assert held == told, sql
        known += any(isinstance(one, Resolution) for one in held)
    assert known > 250


def test_what_creates_nothing_is_found_out(twins: Twins) -> None:
    """The first statement may come before the first connection has told."""

    class Standby(PsycopgSide):
        async def run(
            self, script: list[str | tuple[str, ...]]
        ) -> list[list[tuple[str | None, ...]]]:
            if any("CREATE PROCEDURE" in one for one in script):
                raise UnresolvableStatement(f"resolve.{self.refusal}", "refused")
            return await super().run(script)

        refusal = "25006"

    side = Standby(twins.one)
    resolver = Resolver(lambda: 0.0)
    sql = "SELECT name FROM patients"
    assert isinstance(resolved(resolver, side, sql)[0], Resolution)
    side.refusal = "42501"
    resolver.invalidate()
    assert resolved(resolver, side, sql) == ["resolve.42501"]  # a table's, as far as it knows


def printing(dump: str) -> bytes:
    """``format_node_dump()`` of PostgreSQL's ``print.c``, line by line of 78 bytes."""
    rest, lines = dump.encode(), []
    while len(rest) > 78:
        if rest[78:79] == b" ":
            line, rest = rest[:78], rest[79:]
        elif (space := rest.rfind(b" ", 1, 78)) > 0:
            line, rest = rest[:space], rest[space + 1 :]
        else:
            line, rest = rest[:78], rest[78:]
        lines.append(line)
    return b"".join(line + b"\n" for line in [*lines, rest])


WORD = st.text("ab\\é:", min_size=1, max_size=12)


@given(st.lists(WORD, max_size=60), st.integers(0, 3))
def test_lines_are_joined_as_they_were(words: list[str], long: int) -> None:
    dump = "{QUERY :commandType 1 " + " ".join(words) + "}"
    fields = {b"V": b"LOG", b"M": b"parse tree:", b"D": printing(dump)}
    assert printed.tree(fields) == f"(({dump}))"
    if long:
        fields[b"D"] = printing(dump + " " + "x" * 77 * long + " " + dump)
        with pytest.raises(UnresolvableStatement):
            printed.tree(fields)


@pytest.mark.parametrize("kind", [b"V", b"M", b"D"])
def test_other_notices_are_none(kind: bytes) -> None:
    told = {b"V": b"LOG", b"M": b"parse tree:", b"D": b"{QUERY :x 1}"}
    assert printed.tree(told) == "(({QUERY :x 1}))"
    assert printed.tree({**told, kind: b"duration: {QUERY"}) is None
    del told[kind]
    assert printed.tree(told) is None
