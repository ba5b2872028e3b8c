"""Recordings made readable: what a bridge has seen of a session, read back in any chunks."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hoopgate.mysql import wire_commands as commands
from hoopgate.mysql.render import MysqlRenderer
from hoopgate.mysql.wire import packets
from hoopgate.mysql.wire_results import Column, Eof, Err, Ok, Prepared
from hoopgate.mysql.wire_values import Type
from hoopgate.recorder.render import renderer


def column(name: bytes, code: int) -> bytes:
    return Column(b"", b"", b"", name, b"", 45, 10, code, 0, 0).encode()


END = {False: Ok(0, 0, 2, 0, header=0xFE).encode(), True: Eof(0, 2).encode()}
BINARY = b"\0\0" + struct.pack("<i", -7) + b"\x04\x9e\x07\x03\x04" + b"\x05[SSN]"


def conversation(eof: bool) -> Iterator[tuple[bytes, list[bytes], list[str]]]:
    """What was asked, what was answered, and the lines of both."""
    marker = [Eof(0, 2).encode()] if eof else []
    two = [column(b"id", Type.LONG), column(b"ssn", Type.VAR_STRING)]
    yield (
        commands.query(b"SELECT 1"),
        [b"\x02", *two, *marker, b"\x011\x05[SSN]", b"\x012\xfb", END[eof]],
        ["SELECT 1", "columns: id | ssn", "row: 1 | [SSN]", "row: 2 | NULL"],
    )
    yield (
        commands.query(b"SELECT 0"),
        [b"\x01", two[0], *marker, END[eof]],
        ["SELECT 0", "columns: id"],
    )
    yield (b"\x0e", [Ok(0, 0, 2, 0).encode()], ["ping", "OK, 0 rows"])
    yield (b"\x09", [b"Uptime: 5"], ["statistics", "Uptime: 5"])
    three = [column(b"a", Type.LONG), column(b"b", Type.DATE), column(b"c", Type.BLOB)]
    yield (
        commands.prepare(b"SELECT ?"),
        [Prepared(9, 3, 1, 0).encode(), two[0], *marker, *three, *marker],
        ["prepare: SELECT ?", "prepared 9"],
    )
    yield (
        struct.pack("<BIBI", commands.STMT_EXECUTE, 9, 0, 1),
        [b"\x03", *three, *marker, BINARY, END[eof]],
        ["execute 9", "columns: a | b | c", "row: -7 | 1950-03-04 | [SSN]"],
    )
    yield (
        struct.pack("<BIBI", commands.STMT_EXECUTE, 9, 1, 1),
        [b"\x03", *three, Eof(0, 2 | 0x40).encode() if eof else END[False]],
        ["execute 9", "columns: a | b | c"],
    )
    yield (
        struct.pack("<BII", commands.STMT_FETCH, 9, 1),
        [BINARY, END[eof]],
        ["fetch 9", "row: -7 | 1950-03-04 | [SSN]"],
    )
    yield (
        commands.query(b"DROP TABLE x"),
        [Err(1142, b"42000", b"hoopgate: no\x1b[2J").encode()],
        ["DROP TABLE x", "ERROR 1142 42000: hoopgate: no\\x1b[2J"],
    )


@pytest.mark.parametrize("eof", [False, True])
@given(st.integers(1, 40))
def test_a_session_is_shown_as_it_was(eof: bool, size: int) -> None:
    shown = MysqlRenderer()
    for asked, answered, lines in conversation(eof):
        found: list[str] = []
        for stream, payloads in ((shown.request, [asked]), (shown.response, answered)):
            data = b"".join(packets(one, number) for number, one in enumerate(payloads))
            for start in range(0, len(data), size):
                found += stream(data[start : start + size])
        assert found == lines


@given(st.lists(st.tuples(st.booleans(), st.binary(max_size=60)), max_size=8))
def test_nothing_breaks_it(pieces: list[tuple[bool, bytes]]) -> None:
    shown = MysqlRenderer()
    for client, piece in pieces:
        for line in (shown.request if client else shown.response)(piece):
            assert line.isprintable()


def test_both_dialects_are_known() -> None:
    for protocol in ("mariadb", "mysql"):
        assert isinstance(renderer(protocol), MysqlRenderer)
