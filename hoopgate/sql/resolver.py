"""Asking the server what a statement reads: the questions, in order, and the memory of answers.

On a side connection, in a transaction that is rolled back, the statement becomes the body of a
temporary procedure. The server parses and analyses it as it would to run it, plans and runs
nothing, and hands out the analysed tree. See :mod:`hoopgate.sql.lineage` for what is read from it.

Nothing in here waits by itself: :meth:`Resolver.ask` awaits the connection it is given.
"""

# ruff: noqa: S608 - what is put into SQL is numbers, our own names and quoted literals
from __future__ import annotations

import re
import secrets
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from hoopgate.errors import UnresolvableStatement
from hoopgate.events import Resolution, SessionFacts, Statement, StatementFacts
from hoopgate.sql import lineage, nodetree
from hoopgate.sql.catalogue import Catalogue, Rows, Wanted, wanted
from hoopgate.sql.nodetree import NodeTreeError, Value

#: Classes of statements that read or write rows, or may.
_RESOLVED: Final = frozenset(
    {"read", "insert", "update", "delete", "merge", "copy.to", "copy.from", "call", "do", "explain"}
)
#: Kinds whose plan belongs to a name the session keeps.
_NAMED: Final = frozenset({"execute", "fetch", "close", "deallocate", "discard"})
#: Characters of a tree that are read in-process; above, the statement is refused.
MAX_TREE: Final = 2 * 2**20
#: Rounds of catalogue questions: views upon views. Each round is one round trip.
_MOST_ROUNDS: Final = 40

Key = tuple[str, str, str, str, tuple[int, ...], tuple[str, ...]]


class Side(Protocol):
    """What is needed of :class:`hoopgate.interfaces.ISideConnection`."""

    def run(self, script: Sequence[str]) -> Awaitable[Sequence[Rows]]: ...


def needs_resolution(facts: StatementFacts) -> bool:
    """Whether the server has to be asked before the statement can be judged on a PHI resource."""
    if facts.kind in _NAMED:
        return False
    return bool(facts.classes & _RESOLVED) or facts.inner is not None


@dataclass(slots=True)
class _Database:
    """What is known of one database of one resource."""

    catalogue: Catalogue = field(default_factory=Catalogue)
    learned_at: float = 0.0


class Resolver:
    """Resolves statements; remembers resolutions and the catalogue for ``ttl`` seconds.

    :param clock: seconds; must not go back.
    :param capacity: resolutions remembered.
    """

    def __init__(
        self, clock: Callable[[], float], *, ttl: float = 60.0, capacity: int = 4096
    ) -> None:
        self._clock = clock
        self._ttl = ttl
        self._capacity = capacity
        self._known: OrderedDict[Key, tuple[float, Resolution]] = OrderedDict()
        self._databases: dict[tuple[str, str], _Database] = {}
        self._generation = 0

    @staticmethod
    def key(statement: Statement, facts: StatementFacts, session: SessionFacts) -> Key:
        """What a resolution depends on, the schema aside."""
        return (
            session.resource,
            session.database,
            facts.fingerprint,
            statement.settings.get("search_path", ""),
            statement.parameter_types,
            facts.inner_types,
        )

    def cached(self, key: Key) -> Resolution | None:
        """A resolution that is known and fresh."""
        found = self._known.get(key)
        if found is None:
            return None
        if self._clock() - found[0] > self._ttl:
            del self._known[key]
            return None
        self._known.move_to_end(key)
        return found[1]

    def invalidate(self, resource: str) -> None:
        """The schema of ``resource`` may have changed: forget what is known of it."""
        self._generation += 1
        for key in [key for key in self._known if key[0] == resource]:
            del self._known[key]
        for name in [name for name in self._databases if name[0] == resource]:
            del self._databases[name]

    async def ask(
        self, side: Side, statement: Statement, facts: StatementFacts, session: SessionFacts
    ) -> Resolution:
        """Ask the server over ``side``, and remember the answer.

        :raises UnresolvableStatement: ``resolve.class`` for a statement that cannot be resolved in
            principle, ``resolve.failed`` when the server refused it (it quotes nothing),
            ``resolve.unknown``, ``resolve.size``.
        """
        generation = self._generation
        started = self._clock()
        database = self._database(session)
        path = statement.settings.get("search_path", "")
        copies = facts.classes & {"copy.to", "copy.from"}
        if copies and facts.inner is None:
            resolution = await self._copy(side, database, facts, path)
        else:
            resolution = await self._query(side, database, statement, facts, path)
        if generation == self._generation:
            self._known[self.key(statement, facts, session)] = (started, resolution)
            if len(self._known) > self._capacity:
                self._known.popitem(last=False)
        return resolution

    # --- parts --------------------------------------------------------------------------------

    def _database(self, session: SessionFacts) -> _Database:
        name = (session.resource, session.database)
        found = self._databases.get(name)
        if found is None or self._clock() - found.learned_at > self._ttl:
            found = self._databases[name] = _Database(learned_at=self._clock())
        return found

    async def _query(
        self,
        side: Side,
        database: _Database,
        statement: Statement,
        facts: StatementFacts,
        path: str,
    ) -> Resolution:
        text = facts.inner if facts.inner is not None else facts.text or statement.text
        if facts.inner is None and (
            not facts.classes & {"read", "insert", "update", "delete", "merge"}
            or facts.classes & {"ddl", "call", "do"}
        ):
            raise UnresolvableStatement(
                "resolve.class", "What this statement reads cannot be known beforehand."
            )
        text = _single(text)
        types: tuple[int, ...] = ()
        if "parameters" in facts.flags:
            types = await self._parameters(side, database, text, statement, facts, path)
        names = await self._type_names(side, database, types)
        procedure = "hg_" + secrets.token_hex(12)
        rows = await side.run(
            [
                *_path(path),
                f"CREATE PROCEDURE pg_temp.{procedure}({', '.join(names)})"
                f" BEGIN ATOMIC {text}\n; END",
                "SELECT p.prosqlbody::pg_catalog.text FROM pg_catalog.pg_proc p"
                " WHERE p.pronamespace OPERATOR(pg_catalog.=) pg_catalog.pg_my_temp_schema()"
                f" AND p.proname OPERATOR(pg_catalog.=) '{procedure}'",
            ]
        )
        body = rows[-1][0][0] if len(rows[-1]) == 1 else None
        tree = _read(body)
        await self._learn(side, database.catalogue, tree)
        return lineage.resolve(tree, database.catalogue, types)

    async def _parameters(
        self,
        side: Side,
        database: _Database,
        text: str,
        statement: Statement,
        facts: StatementFacts,
        path: str,
    ) -> tuple[int, ...]:
        """Types of ``$1`` …: as declared, the rest as the server infers them."""
        declared: list[str]
        if facts.kind == "prepare":
            declared = await self._declared(side, facts.inner_types, path)
        else:
            given = statement.parameter_types
            known = await self._type_names(side, database, tuple(t for t in given if t))
            names = iter(known)
            declared = [next(names) if t else "unknown" for t in given]
        name = "hg_" + secrets.token_hex(12)
        types = f"({', '.join(declared)})" if declared else ""
        rows = await side.run(
            [
                *_path(path),
                f"PREPARE {name}{types} AS {text}",
                "SELECT pg_catalog.array_to_string(s.parameter_types::pg_catalog.oid[], ' ')"
                f" FROM pg_catalog.pg_prepared_statements s"
                f" WHERE s.name OPERATOR(pg_catalog.=) '{name}'",
                f"DEALLOCATE {name}",
            ]
        )
        found = rows[-2][0][0] if rows[-2] else None
        if found is None:
            raise UnresolvableStatement("resolve.failed", "The parameters' types are not known.")
        return tuple(int(oid) for oid in found.split())

    async def _declared(self, side: Side, types: Sequence[str], path: str) -> list[str]:
        """The types that PREPARE names, as the server knows them, quoted for use again."""
        if not types:
            return []
        questions = [
            "SELECT pg_catalog.quote_ident(n.nspname), pg_catalog.quote_ident(t.typname)"
            " FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n"
            " ON n.oid OPERATOR(pg_catalog.=) t.typnamespace"
            f" WHERE t.oid OPERATOR(pg_catalog.=) pg_catalog.to_regtype({_quote(name)})"
            for name in types
        ]
        rows = (await side.run([*_path(path), *questions]))[-len(types) :]
        if any(len(found) != 1 for found in rows):
            raise UnresolvableStatement("resolve.failed", "A parameter's type is not known.")
        return [f"{found[0][0]}.{found[0][1]}" for found in rows]

    async def _type_names(self, side: Side, database: _Database, types: Sequence[int]) -> list[str]:
        catalogue = database.catalogue
        missing = catalogue.missing(Wanted(types=set(types)))
        if missing:
            await self._load(side, catalogue, missing)
        return [catalogue.types[oid].sql for oid in types]

    async def _copy(
        self, side: Side, database: _Database, facts: StatementFacts, path: str
    ) -> Resolution:
        """COPY of a table: its columns are the catalogue's, or those named."""
        if facts.classes & {"copy.file", "copy.program"} or len(facts.relations) != 1:
            raise UnresolvableStatement("resolve.class", "COPY of a file cannot be judged.")
        name = ".".join(_identifier(part) for part in _parts(facts.relations[0]))
        rows = await side.run(
            [*_path(path), f"SELECT pg_catalog.to_regclass({_quote(name)})::pg_catalog.oid"]
        )
        found = rows[-1][0][0] if rows[-1] else None
        if not found:
            raise UnresolvableStatement("resolve.failed", "The table is not known.")
        oid = int(found)
        await self._load(side, database.catalogue, Wanted(relations={oid}))
        relation = database.catalogue.relations[oid]
        if facts.copy_columns:
            numbers = {name: number for number, name in relation.columns.items()}
            if not numbers.keys() >= set(facts.copy_columns):
                raise UnresolvableStatement("resolve.failed", "A column is not known.")
            chosen = [numbers[name] for name in facts.copy_columns]
        else:
            chosen = sorted(relation.columns.keys() - relation.generated.keys())
        out = "copy.to" in facts.classes
        if not out and "read" in facts.classes:
            raise UnresolvableStatement("resolve.class", "COPY FROM with WHERE cannot be judged.")
        return lineage.copied(oid, database.catalogue, chosen, out=out)

    async def _learn(self, side: Side, catalogue: Catalogue, tree: Value) -> None:
        missing = catalogue.missing(wanted(tree))
        if missing:
            await self._load(side, catalogue, missing)

    async def _load(self, side: Side, catalogue: Catalogue, names: Wanted) -> None:
        """Ask for ``names`` and for all that they name in turn."""
        missing = catalogue.missing(names)
        for _ in range(_MOST_ROUNDS):
            if not missing:
                return
            try:
                answers = await side.run(catalogue.questions(missing))
                missing = catalogue.learn(missing, answers)
            except NodeTreeError:
                catalogue.clear()
                raise UnresolvableStatement(
                    "resolve.unknown", "The catalogue could not be read."
                ) from None
        raise UnresolvableStatement("resolve.size", "The views are nested too deeply.")


def _read(body: str | None) -> Value:
    if not body:
        raise UnresolvableStatement("resolve.failed", "The server gave no query tree.")
    if len(body) > MAX_TREE:
        raise UnresolvableStatement("resolve.size", "The query is too large to judge.")
    try:
        return nodetree.parse(body)
    except NodeTreeError:
        raise UnresolvableStatement("resolve.unknown", "The query tree cannot be read.") from None


def _single(text: str) -> str:
    """``text`` without the semicolons at its end. What is left must be one statement: the analyser
    has seen to that, for both the text of a request and what is inside PREPARE and the like."""
    text = text.strip().rstrip(";").rstrip()
    if not text or "\0" in text:
        raise UnresolvableStatement("resolve.class", "There is no statement to resolve.")
    return text


def _path(path: str) -> list[str]:
    if not path:
        return []
    return [f"SELECT pg_catalog.set_config('search_path', {_quote(path)}, true)"]


def _quote(text: str) -> str:
    """A string literal, safe whatever standard_conforming_strings says."""
    if "\0" in text:
        raise UnresolvableStatement("resolve.class", "A name holds a NUL character.")
    doubled = text.replace("'", "''")
    if "\\" in doubled:
        return "E'" + doubled.replace("\\", "\\\\") + "'"
    return f"'{doubled}'"


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


_PART: Final = re.compile(r'"((?:[^"]|"")*)"(?:\.|\Z)|([^".]+)(?:\.|\Z)')


def _parts(name: str) -> list[str]:
    """The parts of a dotted name as the analyser writes it."""
    found = []
    position = 0
    while position < len(name):
        match = _PART.match(name, position)
        if match is None:
            raise UnresolvableStatement("resolve.failed", "The table's name cannot be read.")
        quoted, plain = match.groups()
        found.append(plain if plain is not None else quoted.replace('""', '"'))
        position = match.end()
    return found[-2:] if len(found) > 2 else found
