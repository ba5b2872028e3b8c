"""What only the protocol's own messages can ask: order, names, formats, types of parameters."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import pytest
from twin_judge import Case, Judge, Outcome, told
from twin_wire import Step, extended, query
from twin_world import World

from hoopgate.postgres import wire

_INT4, _TEXT, _UNKNOWN = 23, 25, 705
_ONE = struct.pack("!i", 1)
_SYNC = wire.sync()
_FLUSH = b"H\0\0\0\x04"


def parsed(text: str, name: bytes = b"", types: tuple[int, ...] = ()) -> bytes:
    return wire.parse(name, text.encode(), types)


def run(name: bytes = b"", formats: tuple[int, ...] = (), limit: int = 0) -> bytes:
    return wire.bind(b"", name, (), (), formats) + wire.execute(b"", limit)


def function_call(oid: int, argument: bytes) -> bytes:
    body = struct.pack("!IHHHi", oid, 1, 1, 1, len(argument)) + argument + struct.pack("!H", 1)
    return b"F" + struct.pack("!I", len(body) + 4) + body


def scripts() -> Iterator[tuple[str, tuple[Step, ...]]]:
    one = "SELECT id, name, dob, notes FROM patients WHERE id = $1"
    for formats in ((), (1,), (0, 1, 1, 0), (1, 0, 0, 1)):
        for kind, value in ((0, b"7"), (1, struct.pack("!i", 7))):
            yield (
                f"parameter as {kind}, results as {formats}",
                (extended(one, parameters=(value,), parameter_formats=(kind,), formats=formats),),
            )
    yield "too few formats", (extended(one, parameters=(b"7",), formats=(1, 0)),)
    yield "a broken parameter", (extended(one, parameters=(b"abc",), parameter_formats=(1,)),)
    for types in ((_INT4,), (_TEXT,), (_UNKNOWN,), (0,)):
        for text in ("ssn = $1", "name > $1", "length(name) = $1", "$1 IN (name, ssn)"):
            source = f"SELECT id FROM patients WHERE {text}"
            describe = parsed(source, b"typed", types) + wire.describe(b"S", b"typed")
            yield f"{text} with {types}, described", (Step(describe + _SYNC),)
            yield (
                f"{text} with {types}, run",
                (extended(source, parameters=(b"1",), types=types),),
            )
    yield (
        "an update's parameter comes back",
        (
            extended(
                "UPDATE patients SET name = $1 WHERE id = 5 RETURNING name, weight",
                parameters=(b"guess",),
                formats=(1,),
            ),
        ),
    )
    rows = "SELECT name FROM patients WHERE id < 9 ORDER BY id"
    yield (
        "a portal read in parts, with a Flush between",
        (
            Step(
                parsed(rows)
                + wire.bind(b"p", b"", (), (), (1,))
                + _FLUSH
                + wire.execute(b"p", 3)
                + wire.describe(b"P", b"p")
                + wire.execute(b"p", 3)
                + _FLUSH
                + wire.execute(b"p", 0)
                + wire.execute(b"p", 0)
                + _SYNC
            ),
        ),
    )
    yield (
        "a statement closed, then bound",
        (
            Step(parsed(rows, b"gone") + wire.close(b"S", b"gone") + run(b"gone") + _SYNC),
            Step(run(b"gone") + _SYNC),
        ),
    )
    yield (
        "a name parsed twice",
        (Step(parsed(rows, b"twice") + parsed("SELECT 1", b"twice") + run(b"twice") + _SYNC),),
    )
    yield (
        "the unnamed statement replaced between Bind and Execute",
        (
            Step(
                parsed(rows)
                + wire.bind(b"", b"", (), (), ())
                + parsed("SELECT id FROM patients WHERE id < 3")
                + wire.execute(b"")
                + _SYNC
            ),
        ),
    )
    yield (
        "the schema changed between Parse and Bind",
        (
            Step(
                parsed("SELECT dx FROM codes ORDER BY dx LIMIT 2", b"kept")
                + parsed("CREATE VIEW mine AS SELECT dx FROM codes")
                + run()
                + run(b"kept")
                + parsed("SELECT * FROM mine")
                + run()
                + _SYNC
            ),
        ),
    )
    yield (
        "the path changed between Parse and Bind",
        (
            Step(
                parsed("SELECT ssn FROM patients WHERE id = 1", b"path")
                + parsed("SET search_path = other")
                + run()
                + run(b"path", (1,))
                + _SYNC
            ),
        ),
    )
    yield "a function called by its number", (Step(function_call(871, b"x")),)
    yield "a function that reads", (Step(function_call(2075, _ONE)),)
    yield (
        "a cursor bound as a portal after a statement failed",
        (
            query(f"DECLARE c CURSOR FOR {rows}"),
            Step(wire.execute(b"c", 2) + parsed("SELECT 1/0") + run() + _SYNC),
            Step(wire.execute(b"c", 2) + _SYNC),
        ),
    )
    yield (
        "COPY by messages",
        (
            Step(parsed("COPY patients(name, ssn) TO STDOUT (FORMAT binary)") + run() + _SYNC),
            Step(parsed("COPY staff FROM STDIN") + run() + b"f\0\0\0\x05\0" + _SYNC),
        ),
    )
    yield (
        "writes in one stretch, the last fails",
        (
            Step(
                parsed("UPDATE patients SET weight = 1 WHERE id < 4 RETURNING name")
                + run()
                + parsed("INSERT INTO codes VALUES ('E1', 'x') RETURNING dx")
                + run()
                + _SYNC
            ),
        ),
    )


@pytest.mark.parametrize("begin", [True, False])
def test_messages_tell_nothing(world: World, begin: bool) -> None:
    judge = Judge(world)
    found = [
        judge.judge(Case("messages", name, script, "messages", begin)) for name, script in scripts()
    ]
    judge.close()
    leaks = [one for one in found if one.outcome in (Outcome.LEAK, Outcome.CUT)]
    assert not leaks, "\n".join(told(one, 15) for one in leaks)
    outcomes = [one.outcome for one in found]
    assert outcomes.count(Outcome.MASKED) >= 8 and outcomes.count(Outcome.DENIED) >= 15
