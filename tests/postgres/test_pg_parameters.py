"""Elements of bound arrays: as the server and psycopg write them, whatever is in them."""

from __future__ import annotations

import psycopg
from hypothesis import given
from hypothesis import strategies as st
from psycopg.adapt import PyFormat
from psycopg.types.array import ListBinaryDumper, ListDumper
from testbed.postgres import Postgres

from hoopgate.postgres.parameters import elements, rebuilt

TEXT, TEXTS, INT4, INT4S = 25, 1009, 23, 1007
WORDS = st.lists(
    st.one_of(st.none(), st.text(st.characters(exclude_characters="\0", codec="utf-8")))
)


def encoded(values: list[str | None]) -> list[bytes | None]:
    return [None if one is None else one.encode() for one in values]


@given(WORDS, WORDS)
def test_arrays_of_text_come_apart_and_together(
    old: list[str | None], new: list[str | None]
) -> None:
    for dumper, wanted in ((ListDumper, PyFormat.TEXT), (ListBinaryDumper, PyFormat.BINARY)):
        made = dumper(list, None).upgrade(old, wanted)
        format = int(made.format)  # of an empty list it is always text
        raw = bytes(made.dump(old) or b"")
        assert elements(TEXTS, format, raw) == encoded(old)
        again = (new + old)[: len(old)]
        changed = rebuilt(TEXTS, format, raw, encoded(again))
        assert elements(TEXTS, format, changed) == encoded(again)


@given(st.binary(max_size=80), st.sampled_from([TEXTS, INT4S, TEXT, INT4]), st.sampled_from([0, 1]))
def test_any_bytes_are_elements_or_nothing(raw: bytes, type_: int, format: int) -> None:
    found = elements(type_, format, raw)
    if found is not None and type_ in (TEXT, INT4):
        assert found == [raw]
    elif found is not None and format == 1:
        assert rebuilt(type_, format, raw, found) == raw


def test_null_and_numbers() -> None:
    assert elements(TEXT, 0, None) == []
    assert rebuilt(TEXT, 0, None, []) is None
    assert elements(INT4, 0, b"[PID:1.00]") == [b"[PID:1.00]"]
    assert elements(INT4, 1, b"\0\0\0\1") is None  # no token is a number
    assert elements(INT4S, 0, b'{"[PID:1.00]", 7,NULL}') == [b"[PID:1.00]", b"7", None]
    assert elements(INT4S, 1, b"\0" * 12) is None
    assert elements(TEXTS, 0, b"{{a,b},{c,d}}") is None
    assert elements(TEXTS, 0, b"[0:1]={a,b}") is None


def test_the_server_reads_what_was_rebuilt(any_postgres: Postgres) -> None:
    values = ["a", None, 'quo"te', "back\\slash", "{brace}", "com,ma", "", "NULL", "ünï"]
    with psycopg.connect(any_postgres.dsn(), autocommit=True) as connection:
        for format in (0, 1):
            result = connection.pgconn.exec_params(
                b"SELECT $1::text[]", [b"{x,x,x,x,x,x,x,x,x}"], result_format=format
            )
            given_ = result.get_value(0, 0)
            assert given_ is not None
            new = rebuilt(TEXTS, format, given_, encoded(values))
            back = connection.pgconn.exec_params(
                b"SELECT unnest($1::text[])", [new], [TEXTS], [format]
            )
            assert [back.get_value(i, 0) for i in range(back.ntuples)] == encoded(values)
