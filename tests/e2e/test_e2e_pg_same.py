"""What a client sees through the gateway is what it sees without one, message by message."""

from __future__ import annotations

import random
import socket

import pytest
from testbed.clinic import AGENT_PASSWORD, Clinic
from testbed.raw import Raw

from hoopgate.postgres import wire
from hoopgate.postgres.login import BackendLogin, Ready, Send

QUERIES = [
    b"select 1",
    b"select 2 as a, 'x' as b, null",
    b"",
    b";",
    b" -- nothing",
    b"select 1; select 2",
    b"select 1; select 1/0; select 2",
    b"begin",
    b"begin; select 3",
    b"commit",
    b"rollback",
    b"savepoint a",
    b"rollback to savepoint a",
    b"release savepoint a",
    b"select 1/0",
    b"select * from codes where dx = 'E2'",
    b"selec 1",
    b"select nosuch",
    b"select * from nosuch",
    b"prepare s as select 7 as seven",
    b"prepare t(int) as select $1 + 1",
    b"execute s",
    b"execute t(3)",
    b"execute s(1)",
    b"deallocate s",
    b"deallocate all",
    b"declare c cursor for select generate_series(1, 5)",
    b"declare c no scroll cursor for select dx from codes order by dx",
    b"declare h cursor with hold for select generate_series(1, 3)",
    b"fetch 2 from c",
    b"fetch all from c",
    b"fetch backward 1 from c",
    b"move 1 in c",
    b"fetch 1 from h",
    b"close c",
    b"close all",
    b"insert into codes values ('same', 'x')",
    b"update codes set description = 'y' where dx = 'same'",
    b"delete from codes where dx = 'same'",
    b"show datestyle",
    b"set datestyle to 'ISO, DMY'",
    b"reset datestyle",
    b"set local statement_timeout = '5s'",
    b"select $1",
    b"lock table nosuch",
]
#: Those that change names are not run by EXECUTE, which this knows no name of.
UTILITIES = (b"prepare", b"deallocate", b"declare", b"close", b"execute", b"fetch", b"move")
STATEMENTS = [b"", b"s", b"t"]
PORTALS = [b"", b"p", b"c", b"h"]
PARSED = [one for one in QUERIES if one.count(b";") < 2] + [
    b"select $1::int + 1",
    b"select $1::text, $2::int",
    b"select generate_series(1, 6)",
    b"select 1/$1::int",
    b"fetch 1 from p",
]
COPIES = [b"copy codes from stdin", b"copy codes (dx) from stdin with (format csv)"]


def message(dice: random.Random) -> bytes:
    kind = dice.choice("QQPPPBBBBDDEEEEECSSSHdcf")
    name, portal = dice.choice([*STATEMENTS, b"u"]), dice.choice(PORTALS)
    match kind:
        case "Q":
            return wire.query(dice.choice(QUERIES))
        case "P":
            text = dice.choice(PARSED)
            if text.startswith(UTILITIES):
                name = dice.choice([b"", b"u"])
            return wire.parse(name, text, dice.choice([(), (), (23,)]))
        case "B":
            values = dice.choice([(), (), (), (b"1",), (b"0",), (b"x", b"2"), (None,)])
            formats = dice.choice([(), (), (0,), (1,)])
            return wire.bind(portal, name, (), values, formats)
        case "D":
            return wire.describe(*dice.choice([(b"S", name), (b"P", portal)]))
        case "E":
            return wire.execute(portal, dice.choice([0, 0, 1, 2, -1]))
        case "C":
            return wire.close(*dice.choice([(b"S", name), (b"P", portal)]))
        case "S":
            return wire.sync()
        case "H":
            return wire.flush()
        case "d":
            return wire.copy_data(b"x\n")
        case "c":
            return wire.copy_done()
        case _:
            return wire.copy_fail(b"no")


def copy_in(dice: random.Random) -> list[bytes]:
    """COPY FROM STDIN as clients send it: by Query, or extended with its Sync before the data."""
    text = dice.choice(COPIES)
    begin = [wire.query(text)]
    if dice.random() < 0.5:
        begin = [wire.parse(b"", text, ()), wire.bind(b"", b"", (), (), ()), wire.execute(b"", 0)]
        begin += [wire.sync()] * dice.randrange(2)
    lines = [b"same\n", b"same\tx\n", b"same", b"\n", b"\\.\n", b'"same', b"a\tb\tc\n"]
    rows = [wire.copy_data(dice.choice(lines)) for _ in range(dice.randrange(4))]
    return [*begin, *rows, dice.choice([wire.copy_done(), wire.copy_fail(b"no")])]


def program(dice: random.Random) -> list[bytes]:
    messages = [message(dice) for _ in range(dice.randrange(2, 14))]
    if dice.random() < 0.4:  # what drivers send
        text, limit = dice.choice(PARSED), dice.choice([0, 2])
        for one in range(dice.randrange(1, 4)):
            messages += [
                wire.parse(b"", text, ()) if one == 0 or dice.random() < 0.5 else wire.flush(),
                wire.bind(b"", b"", (), (b"1",) if b"$1" in text else (), ()),
                wire.describe(b"P", b""),
                wire.execute(b"", limit),
                wire.sync(),
            ]
    if dice.random() < 0.3:
        messages += [wire.sync(), *copy_in(dice)]
    return messages


END = (
    wire.sync()
    + wire.query(b"rollback")
    + wire.query(b"close all")
    + wire.query(b"deallocate all")
    + wire.query(b"reset datestyle")
    + wire.query(b"delete from codes where dx = 'same'")
    + wire.query(b"select 'the end'")
)


class Direct(Raw):
    """A client of the server itself, as the gateway's own account."""

    def login(self, *_: object, **__: object) -> Raw:
        server = self.clinic.postgres
        self.socket.close()
        self.socket = socket.create_connection(("127.0.0.1", server.port), timeout=60)
        login = BackendLogin(
            user="agent",
            database=self.clinic.database,
            password=AGENT_PASSWORD,
            tls_mode="disable",
            parameters={},
        )
        self.send(login.start())
        while True:
            for action in login.received(self.socket.recv(65536)):
                if isinstance(action, Send):
                    self.send(action.data)
                elif isinstance(action, Ready):
                    return self
                else:
                    raise AssertionError(action)


def told(client: Raw, data: bytes, dice: random.Random) -> list[tuple[str, bytes]] | None:
    """What the client sees, up to the answer to the last query; None: it was cut off.

    Of errors and notices that is their SQLSTATE; the gateway withholds some reports of parameters.
    """
    while data:
        size = dice.choice([7, 100, 100_000])
        client.send(data[:size])
        data = data[size:]
    seen: list[tuple[str, bytes]] = []
    while message := client.message():
        kind = message[:1].decode()
        if kind in "EN":
            seen.append((kind, wire.error_fields(message)[b"C"]))
        elif kind != "S":
            seen.append((kind, message[5:]))
        if kind == "D" and b"the end" in message:
            assert client.message()[:1] == b"C"
            assert client.message()[:1] == b"Z"
            return seen
    return None


def alike(direct: tuple[str, bytes], through: tuple[str, bytes]) -> bool:
    """The same; or an error where the gateway has its own word for what the server says: it asks
    what a statement reads before it sends it, also in a transaction that has failed."""
    if direct == through:
        return True
    own = direct[1][:2] == b"42" or direct[1] in (b"25P02", b"26000", b"34000")
    return direct[0] == through[0] == "E" and own


@pytest.mark.parametrize("seed", range(3))
def test_programs_of_messages(clinic: Clinic, seed: int) -> None:
    """PROTOCOLS A14 to A19: whatever is sent in whichever order, and however it is cut."""
    through, direct = Raw(clinic).login(), Direct(clinic).login()
    same = 0
    try:
        for number in range(40):
            dice = random.Random(f"{seed}.{number}")
            messages = program(dice)
            data = b"".join(messages) + END
            expected = told(direct, data, dice)
            if expected is None:  # there are orders that PostgreSQL itself does not survive
                direct.socket.close()
                direct = Direct(clinic).login()
                continue
            seen = told(through, data, dice)
            assert seen is not None, messages
            assert len(seen) == len(expected), (messages, expected, seen)
            for one, other in zip(expected, seen, strict=True):
                assert alike(one, other), (messages, expected, seen)
            same += 1
    finally:
        through.socket.close()
        direct.socket.close()
    assert same > 30
