"""The pair whose identifiers come as tokens, whose quasi-identifiers are generalised, and whose
values may be aggregated over enough patients: where a secret legitimately meets the server.

Both twins have the same token for nothing, so transcripts are compared with every token as the
number of its first coming. A script says ``{ssn:3}`` for the token of row 3's SSN.
"""

from __future__ import annotations

import re
import secrets
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from testbed.certificates import Certificates, write_private
from testbed.gateway import Gateway
from testbed.issuer import TestIssuer, client
from testbed.postgres import Postgres
from twin_cases import from_file, in_modes, plain
from twin_judge import Case, Judge, Pair
from twin_wire import Client, extended, query
from twin_world import HBA, HERE, PASSWORD, SETTINGS, World, settings

COINS = ("coin_one", "coin_two")

#: Columns that come as tokens, with their kinds.
TOKENS = {
    "pid": "PID",
    "big": "BIG",
    "ssn": "SSN",
    "mrn": "MRN",
    "uid": "UID",
    "code": "CODE",
    "handle": "HANDLE",
    "email": "EMAIL",
}
#: Those that joins may go by, and those that nobody may send back.
JOINED, DENIED = ("PID", "MRN"), ("EMAIL",)
_QUASI = {
    "born": "DOB",
    "age": "AGE",
    "years": "AGE",
    "yob": "YOB",
    "zipn": "ZIP",
    "zip": "ZIP",
    "day": "DATE",
    "seen": "SEEN",
    "met": "MET",
    "rank": "RANK",
}
_HIDDEN = {"name": "NAME", "alias": "ALIAS"}
_GROUPED = {"weight": "WEIGHT", "score": "SCORE"}
_ROW = re.compile(r"\{(\w+):(\d+)\}")
_TOKEN = re.compile(rb"\[([A-Za-z]+):([0-9a-f]{1,4})\.([0-9a-f]{20})\]")
_STAND_IN = re.compile(rb"\[([A-Z]+):f\.0{8}([0-9]{12})\]")


def labels() -> list[dict[str, Any]]:
    """The data dictionary of both; what it does not name is public."""
    lines: list[dict[str, Any]] = []
    for column, kind in TOKENS.items():
        line = {"column": f"public.people.{column}", "kind": kind, "method": "token"}
        lines.append({**line, **({"joins": True} if kind in JOINED else {})})
    for column, kind in (("pid", "PID"), ("mrn", "MRN")):
        line = {"column": f"public.visits.{column}", "kind": kind, "method": "token"}
        lines.append({**line, "joins": True})
    tables = [f"public.{table}.ssn" for table in ("parted", "base", "made", "virtuals")]
    lines.append({"column": tables, "kind": "SSN", "method": "token"})
    for column, kind in _QUASI.items():
        line = {"kind": kind, "level": "quasi", "method": "generalise"}
        tables = ["people", "copies"] if column not in ("seen", "rank") else ["people"]
        lines.append({"column": [f"public.{table}.{column}" for table in tables], **line})
    for table in ("parted", "made", "virtuals"):
        line = {"kind": "DOB", "level": "quasi", "method": "generalise"}
        lines.append({"column": f"public.{table}.born", **line})
    lines.append(
        {
            "column": "public.people.tag",
            "kind": "TAG",
            "level": "quasi",
            "method": "null",
        }
    )
    hidden = _HIDDEN | _GROUPED
    lines += [{"column": f"public.people.{name}", "kind": kind} for name, kind in hidden.items()]
    lines.append({"column": "public.copies.name", "kind": "NAME"})
    lines.append({"column": "public.visits.what", "kind": "NOTES", "method": "null"})
    lines.append({"column": ["public.pairs.two", "public.pairs.list"], "kind": "PAIR"})
    lines.append({"column": "public.*.wild", "kind": "SSN", "method": "token"})
    lines.append({"column": "public.*.*", "kind": "NONE", "level": "public"})
    lines.append({"column": "public.people.id", "kind": "NONE", "level": "public", "patient": True})
    return [{"resource": resource, **line} for resource in COINS for line in lines]


@contextmanager
def running_coins(version: int, packs: Sequence[str] = ("hipaa-baseline",)) -> Iterator[World]:
    """PostgreSQL of ``version`` with the pair, an issuer and a gateway; gone afterwards."""
    memory = Path("/dev/shm")
    place = str(memory) if memory.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="hoopgate-coins-", dir=place) as scratch:
        directory = Path(scratch)
        certificates = Certificates(directory)
        clients = {"agent": client("agent-secret", scopes=["hoopgate:twins"])}
        keys = directory / "tokens.keys"
        write_private(keys, f"1 {secrets.token_hex(32)}\n".encode())
        with (
            Postgres(version, certificates, hba=HBA, settings=SETTINGS) as postgres,
            TestIssuer(clients, {"agent": "agent-secret"}, certificates) as issuer,
        ):
            postgres.create_role("agent", PASSWORD)
            postgres.psql("ALTER ROLE agent SET statement_timeout = '3s'")
            postgres.create_database("coin_template", (HERE / "coins_schema.sql").read_text())
            fill = (HERE / "coins_fill.sql").read_text()
            for side, name in enumerate(COINS, 1):
                kept = name.replace("coin", "mint")
                postgres.psql(f"CREATE DATABASE {kept} TEMPLATE coin_template")
                postgres.psql(f"\\set side {side}\n{fill}", kept)
                postgres.psql(f"CREATE DATABASE {name} TEMPLATE {kept}")
            made = settings(directory, certificates, postgres, issuer, COINS, labels())
            kinds = sorted({*TOKENS.values()} - {*DENIED})
            made["rules"] = [{**made["rules"][0], "tokens": kinds}]
            made["policy"] = {"packs": list(packs), "min_group": 11}
            made["budgets"] = [{"name": "questions", "queries": 1_000_000_000}]
            for resource in made["resources"]:
                resource["tokens"] = {"keys": {"file": str(keys)}}
            with Gateway(directory, made, certificates) as gateway:
                world = World(postgres, gateway, issuer)
                try:
                    yield world
                finally:
                    world.close()


class Purse:
    """What each twin's rows come as, and are."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.tokens: list[dict[bytes, bytes]] = []
        self.values: list[dict[str, str]] = []
        columns = ", ".join(TOKENS)
        for name in COINS:
            gateway, server = world.client(name), world.direct(name)
            found: list[dict[tuple[str, int], bytes | None]] = []
            for session in (gateway, server):
                session.send(query(f"SELECT id, {columns} FROM people ORDER BY id").data)
                found.append(dict(_cells(session.answers(1))))
                session.close()
            came, are = found
            self.tokens.append(
                {
                    stand_in(column, row).encode(): token
                    for (column, row), token in came.items()
                    if token
                }
            )
            self.values.append(
                {
                    f"{{{column}:{row}}}": value.decode()
                    for (column, row), value in are.items()
                    if value
                }
            )


def _cells(messages: list[bytes]) -> Iterator[tuple[tuple[str, int], bytes | None]]:
    for message in messages:
        if message[:1] != b"D":
            continue
        at, fields = 7, []
        for _ in range(int.from_bytes(message[5:7], "big")):
            length = int.from_bytes(message[at : at + 4], "big", signed=True)
            fields.append(None if length < 0 else message[at + 4 : at + 4 + length])
            at += 4 + max(length, 0)
        for column, field in zip(TOKENS, fields[1:], strict=True):
            yield (column, int(fields[0] or b"0")), field


def stand_in(column: str, row: int) -> str:
    """What stands in a script for a twin's token of a row; it is as long."""
    return f"[{TOKENS[column]}:f.{row:020}]"


def coined(text: str) -> str:
    """A script's text with stand-ins for ``{column:row}``."""
    return _ROW.sub(lambda found: stand_in(found[1], int(found[2])), text)


class _Canonical:
    """Tokens by the order in which they first come."""

    def __init__(self) -> None:
        self._seen: dict[bytes, bytes] = {}

    def __call__(self, message: bytes) -> bytes:
        return _TOKEN.sub(self._named, message)

    def _named(self, found: re.Match[bytes]) -> bytes:
        # By value alone: that two kinds' tokens are of one value does not show, so by the whole.
        number = self._seen.setdefault(found[0], b"%020d" % len(self._seen))
        return b"[" + found[1] + b":1." + number + b"]"


class _Spender:
    """A session that sends its twin's own tokens."""

    def __init__(self, client: Client, tokens: dict[bytes, bytes]) -> None:
        self._client = client
        self._tokens = tokens

    def send(self, data: bytes) -> None:
        self._client.send(_STAND_IN.sub(lambda found: self._tokens.get(found[0], found[0]), data))

    @property
    def ended(self) -> bool:
        return self._client.ended

    @ended.setter
    def ended(self, value: bool) -> None:
        self._client.ended = value

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)


class CoinPair(Pair):
    """Sends each twin its own tokens, and shows none as it is."""

    def __init__(self, world: World, purse: Purse) -> None:
        super().__init__(world, COINS)
        tokens = dict(zip(COINS, purse.tokens, strict=True))
        self._open: Any = lambda name: _Spender(world.client(name), tokens[name])

    def run(self, case: Case) -> tuple[list[bytes], list[bytes]]:
        one, two = super().run(case)
        return list(map(_Canonical(), one)), list(map(_Canonical(), two))

    def alone(self, case: Case) -> list[bytes]:
        return list(map(_Canonical(), super().alone(case)))


class CoinJudge(Judge):
    """Judges what uses tokens. What is live is what tells the twins apart on the server itself,
    with values in place of tokens."""

    def __init__(self, world: World) -> None:
        super().__init__(world, COINS)
        self.purse = Purse(world)
        self._gateway = CoinPair(world, self.purse)
        self._server = Pair(world, COINS, direct=True)

    def live(self, case: Case) -> bool:
        known = self._live.get(case.source)
        if known is None:
            texts = [_with_values(case.source, values) for values in self.purse.values]
            found = [
                self._server.run(plain(case.family, text))[twin] for twin, text in enumerate(texts)
            ]
            known = self._live[case.source] = found[0] != found[1]
        return known


def _with_values(text: str, values: dict[str, str]) -> str:
    return _ROW.sub(lambda found: values.get(found[0], "0"), text)


#: Statements with what is bound to them: types (OIDs; 0: the server's choice) and values.
#: Domains' OIDs are asked for by name.
_PID, _SSN, _MRN = (f"SELECT id FROM people WHERE {one} = $1" for one in ("pid", "ssn", "mrn"))
BOUND: tuple[tuple[str, tuple[int | str, ...], tuple[str | None, ...]], ...] = (
    (_SSN, (), ("{ssn:3}",)),
    (_SSN, (25,), ("{ssn:3}",)),
    (_SSN, (1043,), ("{ssn:3}",)),
    (_SSN, (705,), ("{ssn:3}",)),
    (_PID, (), ("{pid:3}",)),
    (_PID, (20,), ("{pid:3}",)),
    (_PID, (21,), ("{pid:3}",)),
    (_PID, ("low",), ("{pid:3}",)),
    (_PID, (26,), ("{pid:3}",)),
    (_PID, (1700,), ("{pid:3}",)),
    (_PID, (701,), ("{pid:3}",)),
    (_SSN, ("short",), ("{ssn:3}",)),
    (_SSN, ("plain",), ("{ssn:3}",)),
    (_SSN, (1042,), ("{ssn:3}",)),
    (_SSN, (18,), ("{ssn:3}",)),
    (_MRN, (19,), ("{mrn:3}",)),
    (_MRN, ("short",), ("{mrn:3}",)),
    (_SSN, (), ("000023757",)),
    (_SSN, (), ("{mrn:3}",)),
    (_SSN, (), ("{pid:3}",)),
    (_SSN, (), ("{ssn:3} ",)),
    (_SSN, (), (None,)),
    ("SELECT id FROM people WHERE big = $1", (20,), ("{big:3}",)),
    ("SELECT id FROM people WHERE big = $1", (23,), ("{big:3}",)),
    ("SELECT id FROM people WHERE big = $1", (21,), ("{big:3}",)),
    ("SELECT id FROM people WHERE uid = $1", (), ("{uid:3}",)),
    ("SELECT id FROM people WHERE code = $1", (25,), ("{code:3}",)),
    ("SELECT id FROM people WHERE code = $1", (1042,), ("{code:3}",)),
    ("SELECT id FROM people WHERE handle = $1", (25,), ("{handle:3}",)),
    ("SELECT id FROM people WHERE handle = $1", (19,), ("{handle:3}",)),
    ("SELECT id FROM people WHERE email = $1", (), ("{email:3}",)),
    ("SELECT id FROM people WHERE pid = $1::int2", (), ("{pid:3}",)),
    ("SELECT id FROM people WHERE pid = $1::low", (), ("{pid:3}",)),
    ("SELECT id FROM people WHERE ssn = $1::short", (), ("{ssn:3}",)),
    ("SELECT id FROM people WHERE ssn = $1::varchar(4)", (), ("{ssn:3}",)),
    ("SELECT id FROM people WHERE ssn = ANY ($1) ORDER BY id", (), ('{"{ssn:3}","{ssn:4}"}',)),
    ("SELECT id FROM people WHERE ssn = ANY ($1) ORDER BY id", (1009,), ("{{ssn:3},NULL}",)),
    ("SELECT id FROM people WHERE ssn = ANY ($1) ORDER BY id", (), ("{{ssn:3},000023757}",)),
    ("SELECT id FROM people WHERE ssn = ANY ($1) ORDER BY id", (), ("{{{ssn:3}}}",)),
    ("SELECT id FROM people WHERE ssn = ANY ($1) ORDER BY id", (), ("[2:2]={{ssn:3}}",)),
    ("SELECT id FROM people WHERE ssn = ANY ($1) ORDER BY id", (), ("{}",)),
    ("SELECT id FROM people WHERE ssn = ALL ($1)", (), ("{{ssn:3}}",)),
    ("SELECT id FROM people WHERE ssn <> ANY ($1)", (), ("{{ssn:3}}",)),
    ("SELECT id FROM people WHERE pid = ANY ($1)", (1005,), ("{{pid:3}}",)),
    ("SELECT id FROM people WHERE pid = ANY ($1)", (1016,), ("{{pid:3}}",)),
    ("SELECT id FROM people WHERE pid = ANY ($1::int2[])", (), ("{{pid:3}}",)),
    ("SELECT id FROM people WHERE ssn = ANY (string_to_array($1, ','))", (), ("{ssn:3}",)),
    ("SELECT id FROM people WHERE ssn IN ($1, $2) ORDER BY id", (), ("{ssn:3}", "{ssn:4}")),
    ("SELECT id FROM people WHERE ssn IN ($1, '{ssn:4}') ORDER BY id", (), ("{ssn:3}",)),
    ("SELECT id FROM people WHERE ssn IN ($1, $2)", (), ("{ssn:3}", "000023757")),
    ("SELECT id FROM people WHERE ssn = '{ssn:3}' AND id = $1", (23,), ("3",)),
    ("SELECT id FROM people WHERE ssn = '{ssn:3}'", ("short",), ()),
    ("SELECT id FROM people WHERE pid = '{pid:3}'", (21,), ()),
    ("SELECT id FROM people WHERE pid = '{pid:3}'", (20,), ()),
    ("SELECT $1", (25,), ("{ssn:3}",)),
    ("SELECT $1::text, ssn FROM people WHERE ssn = $1", (), ("{ssn:3}",)),
    ("SELECT length($1) FROM people WHERE ssn = $1", (), ("{ssn:3}",)),
    ("SELECT id FROM people WHERE ssn = $1 ORDER BY $1 || sex", (), ("{ssn:3}",)),
    ("SELECT id FROM people, mixed WHERE ssn = $1 AND note = $1", (), ("{ssn:3}",)),
    ("SELECT id FROM people WHERE ssn = $1 OR name = $1", (), ("{ssn:3}",)),
    ("SELECT id FROM people WHERE ssn = $1 OR mrn = $1", (), ("{ssn:3}",)),
    ("SELECT id FROM people WHERE ssn LIKE $1", (), ("{ssn:3}",)),
    ("SELECT id FROM people WHERE ssn > $1", (), ("{ssn:3}",)),
    ("SELECT id FROM mixed WHERE note = $1", (), ("{ssn:3}",)),
    ("SELECT t FROM v_mixed WHERE t = $1", (), ("{ssn:3}",)),
    ("INSERT INTO mixed(id, note) VALUES (99, $1) RETURNING note", (), ("{ssn:3}",)),
    ("UPDATE mixed SET note = $1 WHERE id = 1 RETURNING note", (), ("{ssn:3}",)),
    ("UPDATE mixed SET n = 1 FROM people p WHERE p.ssn = $1 AND p.id = mixed.id", (), ("{ssn:3}",)),
    ("UPDATE people SET ssn = $1 WHERE id = 50", (), ("{ssn:3}",)),
    ("DELETE FROM visits WHERE pid = $1", (), ("{pid:3}",)),
    ("SELECT set_config('application_name', $1, false)", (), ("{ssn:3}",)),
    ("SELECT id FROM people LIMIT $1", (), ("{pid:3}",)),
    ("SELECT tag FROM people WHERE tag = $1", (), ("{ssn:3}",)),
    ("SELECT id FROM people WHERE zip = $1 AND ssn = $2", (), ("10303", "{ssn:3}")),
)


def bound_cases(world: World) -> Iterator[Case]:
    """Every one of :data:`BOUND`, with its values in text and, where they are text, in binary."""
    server = world.direct(COINS[0])
    oids: dict[int | str, int] = {}
    for name in ("short", "low", "plain"):
        server.send(query(f"SELECT '{name}'::regtype::oid").data)
        row = next(message for message in server.answers(1) if message[:1] == b"D")
        oids[name] = int(row[11:])
    server.close()
    for text, types, values in BOUND:
        given = [None if value is None else coined(value).encode() for value in values]
        declared = [oids.get(one, one) for one in types]
        for formats in ((), (1,)):
            step = extended(
                coined(text),
                parameters=given,
                parameter_formats=formats if given else (),
                types=[int(one) for one in declared],
                formats=formats,
            )
            source = f"{text}  -- {types} {values}"
            yield Case("bound", source, (step,), "binary" if formats else "text")


def coin_cases() -> list[tuple[str, str]]:
    return from_file(HERE / "tokens_and_groups.sql")


def typed(family: str, source: str) -> Case:
    made = plain(family, coined(source))
    return Case(family, source, made.script)


def otherwise(family: str, source: str) -> list[Case]:
    """The case in every other way to run it."""
    return [Case(family, source, one.script, one.mode) for one in in_modes(family, coined(source))]
