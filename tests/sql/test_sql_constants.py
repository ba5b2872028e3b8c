"""Calls that cannot fail for their constants, and statements of which literals decide that."""

from __future__ import annotations

import pytest

from hoopgate.sql.analysis import analyze
from hoopgate.sql.constants import integer, total_as_called
from hoopgate.sql.nodetree import Node, Value, parse

_TEXT = (
    "{CONST :consttype 25 :constlen -1 :constbyval false :constisnull false :constvalue %d [ %s ]}"
)


def number(value: int, type_: int = 23) -> Value:
    size = 8
    octets = " ".join(
        str(one - 256 if one > 127 else one) for one in value.to_bytes(size, "little", signed=True)
    )
    return parse(
        f"{{CONST :consttype {type_} :constlen 4 :constisnull false :constvalue 4 [ {octets} ]}}"
    )


def words(text: str) -> Value:
    length = len(text) + 4
    octets = (length * 4).to_bytes(4, "little") + text.encode()
    return parse(_TEXT % (length, " ".join(map(str, octets))))


COLUMN = Node("VAR", {"varno": "1", "varattno": "1"})
PARAMETER = Node("PARAM", {"paramkind": "0", "paramid": "1"})


def test_integers_are_read_as_far_as_they_are_small() -> None:
    assert [integer(number(one)) for one in (0, 1, 255, 256, 65_535)] == [0, 1, 255, 256, 65_535]
    assert integer(number(7, 20)) == 7
    for other in (number(-1), number(65_536), number(2**31 - 1), words("1"), COLUMN, PARAMETER):
        assert integer(other) is None


SUBSTRING = "pg_catalog.substring(text, integer, integer)"
SPLIT = "pg_catalog.split_part(text, text, integer)"
REPLACE = "pg_catalog.replace(text, text, text)"


@pytest.mark.parametrize(
    ("signature", "arguments", "total"),
    [
        (SUBSTRING, [COLUMN, number(1), number(3)], True),
        (SUBSTRING, [COLUMN, COLUMN, number(0)], True),
        (SUBSTRING, [COLUMN, number(1), number(-1)], False),
        (SUBSTRING, [COLUMN, number(1), COLUMN], False),
        (SUBSTRING, [COLUMN, number(1), PARAMETER], False),
        (SUBSTRING, [COLUMN, number(1)], False),
        ("pg_catalog.substring(bytea, integer, integer)", [COLUMN, number(1), number(3)], False),
        (SPLIT, [COLUMN, words("@"), number(2)], True),
        (SPLIT, [COLUMN, COLUMN, number(1)], True),
        (SPLIT, [COLUMN, words("@"), number(0)], False),
        (REPLACE, [COLUMN, words("-"), words("")], True),
        (REPLACE, [COLUMN, COLUMN, words("")], True),
        (REPLACE, [COLUMN, words("-"), words("x")], False),
        (REPLACE, [COLUMN, words("-"), words("longer than what is read")], False),
        (REPLACE, [COLUMN, words("-"), PARAMETER], False),
        ("pg_catalog.lpad(text, integer, text)", [COLUMN, number(9), words("0")], True),
        ("pg_catalog.lpad(text, integer, text)", [COLUMN, number(9), COLUMN], False),
        ("pg_catalog.lpad(text, integer)", [COLUMN, number(1_000_000_000)], False),
    ],
)
def test_what_constants_make_total(signature: str, arguments: list[Value], total: bool) -> None:
    assert total_as_called(signature, Node("FUNCEXPR", {"args": arguments})) is total


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        # What is in quotes may be a number of an argument: then one says nothing of the other.
        ("SELECT substring(a, 1, '3') FROM t", "SELECT substring(a, 1, '-1') FROM t", False),
        (
            "SELECT substring(a, 1, int '3') FROM t",
            "SELECT substring(a, 1, int '-1') FROM t",
            False,
        ),
        ("SELECT pg_catalog.substr(a, '1', 1)", "SELECT pg_catalog.substr(a, '2', 1)", False),
        ("SELECT replace(a, '-', '')", "SELECT replace(a, '-', 'xx')", False),
        ("SELECT split_part(a, '@', 1)", "SELECT split_part(a, '@', 0)", False),
        ("SELECT substring(a, 1, 3)", "SELECT substring(a, 1, 4)", False),
        (
            "SELECT substring(a, 1, 3) FROM t WHERE b = 'x'",
            "SELECT substring(a, 1, 3) FROM t WHERE b = 'y'",
            True,
        ),
        ("SELECT upper(a) FROM t WHERE b = 'x'", "SELECT upper(a) FROM t WHERE b = 'y'", True),
    ],
)
def test_statements_are_alike_where_no_such_literal_differs(
    one: str, other: str, alike: bool
) -> None:
    found = {analyze(text)[0].fingerprint for text in (one, other)}
    assert (len(found) == 1) is alike
