"""Which sessions had to do with a patient, for an accounting of disclosures (45 CFR 164.528).

The index is made of the recordings, which takes an auditor's key, and holds no identifier: only
HMAC-SHA256 of ``resource ‖ 0 ‖ identifier`` under an index key, that is handed over apart from it.
Who has both may ask about a patient whose identifier is known; nobody can list patients.

What identifies a patient says the auditor: names of result columns, for SQL. Of FHIR and other
text, references ``Patient/ID`` are taken. What was redacted cannot be found; a token can, as the
token.
"""

from __future__ import annotations

import hmac
import json
import re
import secrets
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, Protocol

from hoopgate.errors import HoopgateError
from hoopgate.evidence.derived import entries
from hoopgate.evidence.facts import Facts
from hoopgate.evidence.manifest import Manifest
from hoopgate.recorder.errors import BadLog
from hoopgate.recorder.files import create_secret, read_secret, read_whole
from hoopgate.recorder.leaf import decode, encode, hash_of
from hoopgate.recorder.payload import Kind, split_pieces
from hoopgate.recorder.reading import LogReader
from hoopgate.recorder.render import renderer
from hoopgate.recorder.sealing import ReplayKey, SessionKey, unseal
from hoopgate.recorder.segments import Scan, segment_path

FORMAT: Final = "hoopgate-disclosures/1"
NAME: Final = "disclosures.json"
_SQL = frozenset({"postgres", "mysql", "mariadb"})
#: FHIR R4 2.24.0.3: an id has 1-64 of these.
_REFERENCE = re.compile(rb"Patient/([A-Za-z0-9.-]{1,64})(?![A-Za-z0-9.-])")
_REDACTED = re.compile(r"\[[A-Z][A-Z0-9_]*\]")
_TAIL = 80

#: Resource → names of result columns that identify a patient there.
Columns = Mapping[str, frozenset[str]]


class IndexKey:
    """The key of an index: 32 bytes, in a file as hexadecimal digits."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self.id = sha256(b"hoopgate index key v1\n" + key).hexdigest()[:16]

    @classmethod
    def load(cls, path: Path, *, create: bool = False) -> IndexKey:
        """:raises HoopgateError: not such a key. :raises OSError: unreadable, or others may."""
        if create and not path.exists():
            create_secret(path, secrets.token_bytes(32).hex().encode() + b"\n")
        try:
            key = bytes.fromhex(read_secret(path).decode("ascii").strip())
        except ValueError:
            key = b""
        if len(key) != 32:
            raise HoopgateError(f"{path} is no index key: 64 hexadecimal digits")
        return cls(key)

    def hash(self, resource: str, identifier: str) -> str:
        """What stands in an index for an identifier."""
        text = f"{resource}\0{identifier.strip()}"
        return hmac.digest(self._key, text.encode("utf-8", "backslashreplace"), "sha256").hex()


class _Finder(Protocol):
    """Finds identifiers in a session's streams. Chunks come in any size."""

    redacted: int
    unclear: int

    def request(self, data: bytes) -> Iterable[str]: ...

    def response(self, data: bytes) -> Iterable[str]: ...


class _Rows:
    """Identifiers in the columns of results, and where a request compares such a column.

    :ivar unclear: rows that could not be told apart into their values.
    """

    def __init__(self, protocol: str, columns: frozenset[str]) -> None:
        self.redacted = self.unclear = 0
        self._shown = renderer(protocol)
        self._names = columns
        self._places: list[int] = []
        self._width = 0
        named = "|".join(re.escape(name) for name in sorted(columns)) or r"(?!)"
        literal = r"'(?P<text>(?:[^']|'')*)'|(?P<number>-?\d{1,30})\b"
        before = rf'\b(?:{named})"?\s*=\s*'
        self._compared = re.compile(f"{before}(?:{literal})", re.IGNORECASE)
        self._bound = re.compile(rf"{before}\$(\d{{1,5}})", re.IGNORECASE)
        self._prepared: dict[str, list[int]] = {}  # statement → numbers of parameters

    def request(self, data: bytes) -> Iterator[str]:
        for line in self._shown.request(data):
            for match in self._compared.finditer(line):
                yield match["number"] or match["text"].replace("''", "'")
            yield from self._parameters(line)

    def _parameters(self, line: str) -> Iterator[str]:
        """PostgreSQL's extended protocol: values of parameters, where one is compared."""
        if match := re.match(r"parse (.*?): ", line):
            self._prepared[match[1]] = [int(number) for number in self._bound.findall(line)]
        elif (match := re.match(r"bind .*? to (.*?): (.*)", line)) and self._prepared.get(match[1]):
            values = match[2].split(", ")
            for number in self._prepared[match[1]]:
                if 0 < number <= len(values):
                    yield values[number - 1]
                else:
                    self.unclear += 1

    def response(self, data: bytes) -> Iterator[str]:
        for line in self._shown.response(data):
            kind, _, rest = line.partition(": ")
            cells = rest.split(" | ")
            if kind == "columns":
                self._width = len(cells)
                self._places = [n for n, name in enumerate(cells) if name.lower() in self._names]
            elif kind == "row" and self._places:
                if len(cells) != self._width:
                    self.unclear += 1
                    continue
                for place in self._places:
                    value = cells[place]
                    if _REDACTED.fullmatch(value):
                        self.redacted += 1
                    elif value != "NULL":
                        yield value


class _References:
    """``Patient/ID`` in text of any kind."""

    redacted = unclear = 0

    def __init__(self) -> None:
        self._tails = {"request": b"", "response": b""}

    def request(self, data: bytes) -> Iterator[str]:
        return self._find("request", data)

    def response(self, data: bytes) -> Iterator[str]:
        return self._find("response", data)

    def _find(self, which: str, data: bytes) -> Iterator[str]:
        held = self._tails[which] + data
        for match in _REFERENCE.finditer(held):
            yield match[1].decode("ascii")
        self._tails[which] = held[-_TAIL:]  # found twice where it is whole in the tail: no matter


@dataclass(slots=True)
class _Session:
    key: SessionKey
    resource: str
    finder: _Finder
    whole: bool
    found: dict[tuple[str, str], int] = field(default_factory=dict)


def make_index(
    log: LogReader,
    manifest: Manifest,
    facts: Facts,
    columns: Columns,
    replay: ReplayKey,
    index: IndexKey,
) -> bytes:
    """The index of a bundle's recordings.

    :param log: the bundle's own log.
    :raises BadLog: a record is not what was signed, or its session was not sealed to this key.
    """
    chosen = manifest.selection
    sessions = {
        session.id: _open(log, manifest, session.id, session.fields, columns, replay)
        for session in facts.sessions.values()
        if session.id not in chosen.purged
    }
    _read(log, manifest, sessions)
    patients: dict[str, list[list[object]]] = {}
    for id, one in sessions.items():
        for (how, identifier), count in one.found.items():
            key = index.hash(one.resource, identifier)
            patients.setdefault(key, []).append([id, how, count])
    about = {
        id: {"redacted": one.finder.redacted, "unclear": one.finder.unclear, "whole": one.whole}
        for id, one in sessions.items()
    }
    return (
        encode(
            {
                "format": FORMAT,
                "key": index.id,
                "columns": {name: sorted(found) for name, found in columns.items()},
                "patients": {name: sorted(found, key=str) for name, found in patients.items()},
                "sessions": about,
                "shredded": sorted(set(facts.sessions) & set(chosen.purged)),
            }
        )
        + b"\n"
    )


def _open(
    log: LogReader,
    manifest: Manifest,
    id: str,
    fields: Mapping[str, Any],
    columns: Columns,
    replay: ReplayKey,
) -> _Session:
    wrap = read_whole(log.directory / f"wraps/{id}.json")
    key = SessionKey(id, unseal(id, wrap, replay))
    if hash_of(dict(fields), "commitment") != key.commitment:
        raise BadLog("the unsealed key is not the one the session began with", session=id)
    resource, protocol = str(fields.get("resource", "")), str(fields.get("protocol", ""))
    finder: _Finder = _References()
    if protocol in _SQL:
        finder = _Rows(protocol, columns.get(resource, frozenset()))
    return _Session(key, resource, finder, id not in manifest.selection.opened)


def _read(log: LogReader, manifest: Manifest, sessions: dict[str, _Session]) -> None:
    chosen = manifest.selection
    scan: Iterator[tuple[int, bytes, bytes]] = iter(())
    current = -1
    for _, entry in entries(log, chosen.first, chosen.last):
        leaf = decode(entry)
        if leaf["segment"] != current:
            current = leaf["segment"]
            if not segment_path(log.directory, current).exists():
                raise HoopgateError("the bundle holds no recordings to make an index of")
            scan = iter(Scan(log.directory, current))
        record = next(scan, None)
        if record is None or record[1] != entry:
            raise BadLog("its record is missing or damaged", index=leaf["index"])
        session = sessions.get(leaf["session"])
        if session is None or not record[2]:
            continue
        for kind, _, data in split_pieces(session.key.decrypt(leaf["seq"], record[2])):
            named = ""
            found: Iterable[str] = ()
            if kind == Kind.REQUEST:
                named, found = "named", session.finder.request(data)
            elif kind == Kind.RESPONSE:
                named, found = "shown", session.finder.response(data)
            for identifier in found:
                place = (named, identifier)
                session.found[place] = session.found.get(place, 0) + 1


@dataclass(frozen=True, slots=True)
class Disclosure:
    """A session that had to do with a patient.

    :ivar how: ``shown`` to the client, or ``named`` in a request.
    """

    session: str
    how: str
    count: int


class Index:
    """An index, for questions.

    :raises HoopgateError: malformed, or made with another key.
    """

    def __init__(self, data: bytes, key: IndexKey) -> None:
        try:
            given = json.loads(data)
            if given["format"] != FORMAT:
                raise ValueError
            self._patients: dict[str, list[tuple[str, str, int]]] = {
                str(name): [(str(id), str(how), _count(count)) for id, how, count in found]
                for name, found in given["patients"].items()
            }
            self.columns: Columns = {
                str(name): frozenset(map(str, found)) for name, found in given["columns"].items()
            }
            made = str(given["key"])
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise HoopgateError(f"{NAME} is malformed") from None
        if made != key.id:
            raise HoopgateError(f"{NAME} was made with another index key ({made})")
        self._key = key

    def of(self, resource: str, identifier: str) -> list[Disclosure]:
        """The sessions that showed or named a patient."""
        found = self._patients.get(self._key.hash(resource, identifier), [])
        return [Disclosure(*one) for one in found]


def _count(value: object) -> int:
    if type(value) is not int:
        raise ValueError
    return value


def parse_columns(given: Iterable[str]) -> Columns:
    """``RESOURCE=COLUMN,COLUMN`` …

    :raises HoopgateError: malformed.
    """
    columns: dict[str, frozenset[str]] = {}
    for one in given:
        resource, equals, names = one.partition("=")
        found = frozenset(name.strip().lower() for name in names.split(",") if name.strip())
        if not equals or not resource or not found:
            raise HoopgateError(f"{one!r}: write RESOURCE=COLUMN,COLUMN")
        columns[resource] = columns.get(resource, frozenset()) | found
    return columns
