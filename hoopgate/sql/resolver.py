"""Asking the server what a statement reads: the questions, in order, and the memory of answers.

On a side connection, in a transaction that is rolled back, the statement becomes the body of a
temporary procedure. The server parses and analyses it as it would to run it, plans and runs
nothing, and hands out the analysed tree. Where nothing can be created it prints the same tree of a
statement that is only parsed (:mod:`hoopgate.sql.printed`). See :mod:`hoopgate.sql.lineage` for
what is read from it.

What is known ends when the schema changes (:mod:`hoopgate.sql.versions`): :meth:`Resolver.confirm`
asks whether it has. Nothing in here waits by itself: connections and workers given are awaited.
"""

# ruff: noqa: S608 - what is put into SQL is numbers, our own names and quoted literals
from __future__ import annotations

import re
import secrets
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Protocol

from hoopgate.errors import UnresolvableStatement
from hoopgate.events import Resolution, SessionFacts, Statement, StatementFacts
from hoopgate.sql import versions
from hoopgate.sql.catalogue import Catalogue, Overrun, Rows, TreeReader, Wanted
from hoopgate.sql.examination import INLINE_STEPS, Task, examine
from hoopgate.sql.flows import MOST_STEPS
from hoopgate.sql.memory import CAPACITY, TTL, Memory
from hoopgate.sql.nodetree import NodeTreeError
from hoopgate.sql.questions import array

#: Classes of statements that read or write rows, or may.
_RESOLVED: Final = frozenset(
    {"read", "insert", "update", "delete", "merge", "copy.to", "copy.from", "call", "do", "explain"}
)
#: Kinds whose plan belongs to a name the session keeps.
_NAMED: Final = frozenset({"execute", "fetch", "close", "deallocate", "discard"})
#: What a standby says to who creates something.
_READ_ONLY: Final = "resolve.25006"
#: Characters of a statement's tree; above, it is refused.
MAX_TREE: Final = 2 * 2**20
#: Characters of trees read on the spot, about a millisecond; above, a child process does it.
INLINE_TREES: Final = 8_192
#: Characters of trees remembered here; as objects they take some twenty times that.
_REMEMBERED_TREES: Final = 2**20
#: Rounds of catalogue questions: views upon views. Each round is one round trip.
_MOST_ROUNDS: Final = 40

Key = tuple[str, str, str, str, tuple[int, ...], tuple[str, ...]]


class Side(Protocol):
    """What is needed of :class:`hoopgate.interfaces.ISideConnection`."""

    @property
    def creates(self) -> bool: ...

    def run(self, script: Sequence[str | tuple[str, ...]]) -> Awaitable[Sequence[Rows]]: ...

    def tree(
        self, script: Sequence[str | tuple[str, ...]], text: str, types: Sequence[int]
    ) -> Awaitable[str]: ...


class Examiner(Protocol):
    """Examines what is too large to be examined on the spot."""

    def examine(
        self, task: Task, catalogue: Catalogue, known: Wanted
    ) -> Awaitable[Resolution | Wanted]: ...


def needs_resolution(facts: StatementFacts) -> bool:
    """Whether the server has to be asked before the statement can be judged on a PHI resource."""
    if facts.kind in _NAMED:
        return False
    return bool(facts.classes & _RESOLVED) or facts.inner is not None


class Resolver(Memory[Key]):
    """Resolves the statements of one database; remembers resolutions and the catalogue.

    :param clock: seconds; must not go back.
    :param examiner: for what is too large; None examines everything on the spot.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        *,
        ttl: float = TTL,
        capacity: int = CAPACITY,
        examiner: Examiner | None = None,
    ) -> None:
        super().__init__(clock, ttl, capacity)
        self._examiner = examiner
        self._steps = INLINE_STEPS if examiner else MOST_STEPS
        self._reader = TreeReader(_REMEMBERED_TREES, INLINE_TREES if examiner else None)
        self._catalogue = Catalogue()
        self._learned_at = clock()
        self._snapshot = ""
        self._names = ""
        self._relations = 0

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

    def invalidate(self) -> None:
        """The schema has changed: forget what is known of it."""
        self._forget()
        self._catalogue = Catalogue()
        self._relations = 0
        self._learned_at = self._clock()

    async def warm(self, side: Side) -> None:
        """Let a connection be made, and plan the questions, before the first statement waits.

        :raises UnresolvableStatement: the server could not be asked.
        """
        await side.run(Catalogue().questions(Wanted()))

    async def confirm(self, side: Side) -> None:
        """Ask whether the schema is still the same; forget what is known when it is not.

        :raises UnresolvableStatement: the server could not be asked.
        """
        asked_at = self._clock()
        if asked_at - self._learned_at > self._ttl:
            self.invalidate()
        generation, relations = self.generation, self._relations
        watched = array([oid for oid in self._catalogue.rows if oid >= versions.FIRST_OF_USERS])
        (row,) = (await side.run([(versions.QUESTION, self._snapshot, watched)]))[0]
        snapshot, names, found = row
        if generation != self.generation:
            return  # forgotten while we asked: what was compared is no longer what is known
        if names is not None:
            same = names == self._names and int(found or 0) == relations
            first, self._names = not self._names, names
            if not same and not first:
                self.invalidate()
            # What was learned while we asked may be older than the snapshot: look again next time.
            self._snapshot = (snapshot or "") if relations == self._relations or not same else ""
        self.confirmed_at = max(self.confirmed_at, asked_at)

    async def ask(
        self, side: Side, statement: Statement, facts: StatementFacts, session: SessionFacts
    ) -> Resolution:
        """Ask the server over ``side``, and remember the answer.

        :raises UnresolvableStatement: ``resolve.class`` for a statement that cannot be resolved in
            principle, ``resolve.failed`` when the server refused it (it quotes nothing),
            ``resolve.unknown``, ``resolve.size``.
        """
        generation = self.generation
        started = self._clock()
        path = statement.settings.get("search_path", "")
        copies = facts.classes & {"copy.to", "copy.from"}
        if copies and facts.inner is None:
            task = await self._copy(side, facts, path)
        else:
            task = await self._attest(side, statement, facts, path)
        resolution = await self._examine(side, task)
        if generation == self.generation:
            self._remember(self.key(statement, facts, session), started, resolution)
        return resolution

    # --- parts --------------------------------------------------------------------------------

    async def _attest(
        self, side: Side, statement: Statement, facts: StatementFacts, path: str
    ) -> Task:
        """The server's own tree of the statement."""
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
        names: list[str] = []
        if "parameters" in facts.flags:
            types, names = await self._parameters(side, text, statement, facts, path)
        body = None
        if side.creates and len(types) <= _MOST_ARGUMENTS:
            try:
                body = await self._held(side, text, names, path)
            except UnresolvableStatement as error:
                if side.creates and error.code != _READ_ONLY:
                    raise
                body = await side.tree(_path(path), text, types)
        else:
            body = await side.tree(_path(path), text, types)
        if body is None or len(body) > MAX_TREE:
            raise UnresolvableStatement("resolve.size", "The query is too large to judge.")
        return Task(body, types)

    async def _held(self, side: Side, text: str, names: Sequence[str], path: str) -> str | None:
        """The tree that a procedure of this body holds; None above the limit."""
        procedure = "hg_" + secrets.token_hex(12)
        rows = await side.run(
            [
                *_path(path),
                f"CREATE PROCEDURE pg_temp.{procedure}({', '.join(names)})"
                f" BEGIN ATOMIC {text}\n; END",
                (_TREE, procedure, str(MAX_TREE)),
            ]
        )
        return rows[-1][0][0] if len(rows[-1]) == 1 else None

    async def _parameters(
        self, side: Side, text: str, statement: Statement, facts: StatementFacts, path: str
    ) -> tuple[tuple[int, ...], list[str]]:
        """Types of ``$1`` …, and their names: as declared, the rest as the server infers them."""
        declared: list[str]
        if facts.kind == "prepare":
            declared = await self._declared(side, facts.inner_types, path)
        else:
            given = statement.parameter_types
            known = await self._type_names(side, given)
            if given and not {0, _UNKNOWN} & set(given) and _highest(text) <= len(given):
                return given, known
            declared = [name or "unknown" for name in known]
        name = "hg_" + secrets.token_hex(12)
        types = f"({', '.join(declared)})" if declared else ""
        rows = await side.run(
            [
                *_path(path),
                f"PREPARE {name}{types} AS {text}",
                (_PARAMETERS, name),
                f"DEALLOCATE {name}",
            ]
        )
        found = [(int(oid or 0), sql or "") for oid, sql in rows[-2]]
        return tuple(oid for oid, _ in found), [sql for _, sql in found]

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

    async def _type_names(self, side: Side, types: Sequence[int]) -> list[str]:
        """Names of types for use in a statement; empty where the type is not declared."""
        catalogue = self._catalogue
        missing = catalogue.missing(Wanted(types={oid for oid in types if oid}))
        if missing:
            await self._load(side, catalogue, missing)
        return [catalogue.types[oid].sql if oid else "" for oid in types]

    async def _copy(self, side: Side, facts: StatementFacts, path: str) -> Task:
        """COPY of a table: its columns are the catalogue's, or those named."""
        if facts.classes & {"copy.file", "copy.program"} or len(facts.relations) != 1:
            raise UnresolvableStatement("resolve.class", "COPY of a file cannot be judged.")
        out = "copy.to" in facts.classes
        if not out and "read" in facts.classes:
            raise UnresolvableStatement("resolve.class", "COPY FROM with WHERE cannot be judged.")
        name = ".".join(_identifier(part) for part in _parts(facts.relations[0]))
        rows = await side.run(
            [*_path(path), f"SELECT pg_catalog.to_regclass({_quote(name)})::pg_catalog.oid"]
        )
        found = rows[-1][0][0] if rows[-1] else None
        if not found:
            raise UnresolvableStatement("resolve.failed", "The table is not known.")
        return Task(table=int(found), columns=facts.copy_columns, out=out)

    async def _examine(self, side: Side, task: Task) -> Resolution:
        """Read the tree, and ask for what it names and for what that names in turn."""
        catalogue = self._catalogue
        known = Wanted()
        here = True
        for _ in range(_MOST_ROUNDS):
            found: Resolution | Wanted
            try:
                if here:
                    found = examine(task, catalogue, self._reader, self._steps)
                else:
                    assert self._examiner is not None
                    found = await self._examiner.examine(task, catalogue, known)
            except Overrun:
                if self._examiner is None:
                    raise UnresolvableStatement(
                        "resolve.size", "The query is too large to judge."
                    ) from None
                here = False
                continue
            if isinstance(found, Resolution):
                return found
            known.add(found)
            missing = catalogue.missing(found)
            if missing:
                await self._load(side, catalogue, missing)
        raise UnresolvableStatement("resolve.size", "The views are nested too deeply.")

    async def _load(self, side: Side, catalogue: Catalogue, missing: Wanted) -> None:
        answers = await side.run(catalogue.questions(missing))
        try:
            learned = catalogue.learn(missing, answers)
        except NodeTreeError:
            raise UnresolvableStatement(
                "resolve.unknown", "The catalogue could not be read."
            ) from None
        if learned and catalogue is self._catalogue:
            for oid, version in learned.items():
                if oid >= versions.FIRST_OF_USERS:
                    self._relations ^= version
            self._snapshot = ""


#: A procedure has no more (FUNC_MAX_ARGS); a statement may have 65,535 parameters.
_MOST_ARGUMENTS: Final = 100
#: The pseudo-type of a literal that has no type yet: the server chooses another.
_UNKNOWN: Final = 705
_TREE: Final = (
    "SELECT CASE WHEN pg_catalog.length(b) OPERATOR(pg_catalog.<=) $2::pg_catalog.int4 THEN b END"
    " FROM (SELECT p.prosqlbody::pg_catalog.text FROM pg_catalog.pg_proc p"
    " WHERE p.pronamespace OPERATOR(pg_catalog.=) pg_catalog.pg_my_temp_schema()"
    " AND p.proname OPERATOR(pg_catalog.=) $1::pg_catalog.name OFFSET 0) p(b)"
)
_PARAMETERS: Final = (
    "SELECT t.oid, pg_catalog.quote_ident(n.nspname) OPERATOR(pg_catalog.||) '.'"
    " OPERATOR(pg_catalog.||) pg_catalog.quote_ident(t.typname)"
    " FROM pg_catalog.pg_prepared_statements s"
    " CROSS JOIN LATERAL pg_catalog.unnest(s.parameter_types::pg_catalog.oid[])"
    " WITH ORDINALITY u(oid, place)"
    " JOIN pg_catalog.pg_type t ON t.oid OPERATOR(pg_catalog.=) u.oid"
    " JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) t.typnamespace"
    " WHERE s.name OPERATOR(pg_catalog.=) $1 ORDER BY u.place"
)


def _single(text: str) -> str:
    """``text`` without the semicolons at its end. What is left must be one statement: the analyser
    has seen to that, for both the text of a request and what is inside PREPARE and the like."""
    text = text.strip().rstrip(";").rstrip()
    if not text or "\0" in text:
        raise UnresolvableStatement("resolve.class", "There is no statement to resolve.")
    return text


def _highest(text: str) -> int:
    """No parameter of ``text`` has a higher number; what looks like one in a literal counts."""
    return max((int(number) for number in re.findall(r"\$(\d{1,6})", text)), default=0)


def _path(path: str) -> list[tuple[str, ...]]:
    if not path:
        return []
    return [("SELECT pg_catalog.set_config('search_path', $1, true)", path)]


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
