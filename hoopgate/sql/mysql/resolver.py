"""Asking MariaDB or MySQL what a statement reads; the memory of answers.

On a side connection the statement is prepared, which tells the columns it returns, and becomes the
text of a view in a schema of the gateway's own, which tells what its names mean: the server parses
and resolves it as it would to run it, and runs nothing. What is known ends when a relation it rests
on changes: :meth:`Resolver.confirm` compares what SHOW CREATE TABLE says of each.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, Protocol

from hoopgate.errors import UnresolvableStatement
from hoopgate.events import (
    ColumnRef,
    Resolution,
    SessionFacts,
    Statement,
    StatementFacts,
)
from hoopgate.sql.memory import CAPACITY, TTL, Memory
from hoopgate.sql.mysql import catalogue as known_of
from hoopgate.sql.mysql import shown
from hoopgate.sql.mysql.attestation import Attestation, edited
from hoopgate.sql.mysql.catalogue import SYSTEM, Relation, Rows
from hoopgate.sql.mysql.examination import (
    attestation,
    decode_resolution,
    encode_catalogue,
    request,
)
from hoopgate.sql.mysql.lineage import Texts
from hoopgate.sql.mysql.shown import Outputs
from hoopgate.sql.mysql.tokens import quote

#: Relations remembered; each is looked at again when the schema is confirmed.
MOST_RELATIONS: Final = 500
#: Relations one statement may rest on.
_MOST_ROUNDS: Final = 200

Key = tuple[str, str, str, str, str, int]


@dataclass(frozen=True, slots=True)
class Describe:
    """Prepare a statement, and say which columns it returns."""

    text: str


@dataclass(frozen=True, slots=True)
class View:
    """Make a view of a query, and say how the server writes it."""

    text: str


@dataclass(frozen=True, slots=True)
class Ask:
    """Run a query for its rows; ``optional``: an error is no rows at all (None)."""

    text: str
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """Run a query for its rows where the statement would run: EXPLAIN."""

    text: str


Step = Describe | View | Ask | Plan
_NOTHING: Final = Ask("SELECT 1")


class Side(Protocol):
    """A connection beside the sessions. Fails with :class:`UnresolvableStatement`."""

    def run(self, database: str, script: Sequence[Step]) -> Awaitable[Sequence[Any]]: ...


class Parser(Protocol):
    """A parser's child process. Fails with :class:`Refused`."""

    def work(self, request: bytes) -> Awaitable[Any]: ...


@dataclass(frozen=True, slots=True)
class Hidden:
    """What the labels in force say: rows may not come in the order of a secret.

    :ivar generation: of the labels.
    :ivar secret: whether a column is.
    """

    generation: Callable[[], int]
    secret: Callable[[ColumnRef], bool]


class Resolver(Memory[Key]):
    """Resolves the statements of one database.

    :param clock: seconds; must not go back.
    :param scratch: the schema views are made in.
    :param mysql: the server is Oracle's.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        parser: Parser,
        hidden: Hidden,
        *,
        scratch: str,
        mysql: bool = False,
        ttl: float = TTL,
        capacity: int = CAPACITY,
    ) -> None:
        super().__init__(clock, ttl, capacity)
        self._parser = parser
        self._hidden = hidden
        self._scratch = scratch
        self.mysql = mysql
        self._relations: dict[tuple[str, str], Relation] = {}
        self._digests: dict[tuple[str, str], tuple[str, ...]] = {}
        self._effects: set[tuple[str, str]] = set()

    def key(self, statement: Statement, facts: StatementFacts, session: SessionFacts) -> Key:
        """What a resolution depends on, the schema aside."""
        settings = statement.settings
        return (
            session.resource,
            settings.get("database", session.database),
            facts.fingerprint or "=" + statement.text,
            settings.get("sql_mode", ""),
            "explain" if "explain" in facts.classes else "",
            self._hidden.generation(),
        )

    def invalidate(self) -> None:
        """The schema has changed: forget what is known of it."""
        self._forget()
        self._relations = {}
        self._digests = {}
        self._effects = set()

    async def warm(self, side: Side) -> None:
        """Let a connection be made before the first statement waits for it.

        :raises UnresolvableStatement: the server could not be asked.
        """
        await side.run("", [_NOTHING])

    async def confirm(self, side: Side) -> None:
        """Ask whether the relations known are still the same; forget all when one is not.

        :raises UnresolvableStatement: the server could not be asked.
        """
        asked_at = self._clock()
        generation = self.generation
        places = list(self._digests.items())
        if len(places) > MOST_RELATIONS:
            self.invalidate()
            places = []
            generation = self.generation
        script: list[Step] = [_NOTHING]
        for place, _ in places:
            script += self._look_at(place)
        answers = list(await side.run("", script))[1:]
        same = True
        for _, digests in places:
            own, answers = answers[: len(digests)], answers[len(digests) :]
            same = same and tuple(map(_digest, own)) == digests
        if generation == self.generation and not same:
            self.invalidate()
        self.confirmed_at = max(self.confirmed_at, asked_at)

    def _look_at(self, place: tuple[str, str]) -> list[Step]:
        questions = known_of.questions(*place)[:1]
        if place in self._effects:
            questions += known_of.effect_questions(*place, mysql=self.mysql)
        return [Ask(question, optional=True) for question in questions]

    async def ask(
        self, side: Side, statement: Statement, facts: StatementFacts, session: SessionFacts
    ) -> Resolution:
        """What the statement reads and returns.

        :raises Refused: it cannot be resolved.
        """
        database = statement.settings.get("database", session.database)
        if facts.name == "create":
            return await self._created(
                side, self._place(tuple(facts.relations[0].split(".")), database)
            )
        if "show" in facts.classes:
            if facts.name == "warnings":
                return shown.warnings(statement.text)
            (outputs,) = await side.run(database, [Describe(statement.text)])
            return shown.shown(outputs)
        if facts.classes & {"unknown", "call", "do", "copy.file", "copy.program"}:
            raise UnresolvableStatement(
                "resolve.class", "What this statement reads cannot be known beforehand."
            )
        started, generation = self._clock(), self.generation
        key = self.key(statement, facts, session)
        text = facts.inner if facts.inner is not None else statement.text
        content = await self._parser.work(request("attest", text=text))
        asked = attestation(content)
        found = await self._resolved(side, database, text, asked, content)
        if facts.inner is not None:
            found = replace(found, edits=())  # what it explains is not run
        if generation == self.generation:
            self._remember(key, started, found)
        return found

    # --- parts --------------------------------------------------------------------------------

    async def _created(self, side: Side, place: tuple[str, str]) -> Resolution:
        """Of SHOW CREATE TABLE and VIEW: columns about whose values the text may say something
        decide whether there is an answer."""
        if place[0].lower() in SYSTEM or place[0].lower() == self._scratch.lower():
            raise UnresolvableStatement("resolve.catalogue", "This table is the server's own.")
        relation = await self._relation(side, place)
        if not relation.definition:
            (rows,) = await side.run("", [Ask(known_of.questions(*place)[0])])
            return shown.of_table(relation, rows)
        if not shown.holds_literals(relation.definition):
            return shown.of_view(relation, None)
        text = f"SELECT * FROM {'.'.join(map(quote, place))}"  # noqa: S608
        content = await self._parser.work(request("attest", text=text))
        read = await self._resolved(side, place[0], text, attestation(content), content)
        return shown.of_view(relation, read)

    async def _resolved(
        self, side: Side, database: str, text: str, asked: Attestation, content: dict[str, Any]
    ) -> Resolution:
        queries = {
            name: query
            for name in ("query", "effect", "returning")
            # Without a table there is nothing to resolve but functions: some may be of users.
            if (query := getattr(asked, name)) and (asked.kind != "constant" or "(" in query)
        }
        script: list[Step] = [Describe(asked.text), *map(View, queries.values())]
        if asked.returning:
            # The server does not say beforehand what RETURNING returns.
            script.append(Describe(asked.returning))
        answers = await side.run(database, script)
        outputs: Outputs = answers[-1] if asked.returning else answers[0]
        texts = Texts(**dict(zip(queries, answers[1:], strict=False)))
        if asked.kind not in ("read", "constant"):
            await self._learn_effects(side, database, asked, texts)
        found = await self._lineage(side, asked, content, texts, outputs)
        edits = await self._steered(database, text, asked, content, found)
        if not edits:
            return found
        (again,) = await side.run(database, [Describe(edited(asked.text, edits))])
        if again != answers[0] and again and outputs:
            # A column without an alias is named by its text, which is another now.
            edits = sorted(edits + _renamed(asked, outputs, again), key=lambda edit: edit[:2])
            (again,) = await side.run(database, [Describe(edited(asked.text, edits))])
        if again != answers[0]:
            raise UnresolvableStatement(
                "resolve.order", "Its rows could come in the order of a secret."
            )
        return replace(found, edits=tuple(edits))

    async def _lineage(
        self,
        side: Side,
        asked: Attestation,
        content: dict[str, Any],
        texts: Texts,
        outputs: Outputs,
    ) -> Resolution:
        wanted: dict[tuple[str, str], Relation] = {}
        for place in [self._place(name, "") for name in _named(asked)]:
            if place in self._relations:
                wanted[place] = self._relations[place]
        for _ in range(_MOST_ROUNDS):
            answer = await self._parser.work(
                request(
                    "resolve",
                    asked=content,
                    texts=asdict(texts),
                    outputs=outputs,
                    catalogue=encode_catalogue(wanted),
                    scratch=self._scratch,
                    mysql=self.mysql,
                )
            )
            found = decode_resolution(answer)
            if isinstance(found, Resolution):
                return found
            wanted[found] = await self._relation(side, found)
        raise UnresolvableStatement("resolve.size", "It reads too many relations.")

    async def _relation(self, side: Side, place: tuple[str, str]) -> Relation:
        found = self._relations.get(place)
        if found is None:
            catalogue, digests = self._relations, self._digests
            questions = [Ask(question) for question in known_of.questions(*place)]
            answers: Sequence[Rows] = await side.run("", questions)
            found, _ = known_of.learn(*place, answers)
            catalogue[place] = found
            digests[place] = (_digest(answers[0]),)
        return found

    async def _learn_effects(
        self, side: Side, database: str, asked: Attestation, texts: Texts
    ) -> None:
        """Of the table modified, and those a view of that name is over."""
        todo = [self._place(asked.target, database)]
        while todo:
            place = todo.pop()
            if place[0].lower() in SYSTEM:
                raise UnresolvableStatement("resolve.catalogue", "This table is the server's own.")
            relation = await self._relation(side, place)
            if relation.definition:
                todo += await self._underneath(relation)
            elif place not in self._effects:
                effects, digests = self._effects, self._digests
                questions = known_of.effect_questions(*place, mysql=self.mysql)
                answers = await side.run("", [Ask(question) for question in questions])
                known_of.learn_effects(relation, answers)
                digests[place] = digests[place][:1] + tuple(map(_digest, answers))
                effects.add(place)

    async def _underneath(self, view: Relation) -> list[tuple[str, str]]:
        content = await self._parser.work(request("attest", text=view.definition))
        return [self._place(place.name, view.schema) for place in attestation(content).places]

    def _place(self, name: tuple[str, ...], database: str) -> tuple[str, str]:
        return (name[0], name[1]) if len(name) == 2 else (database, name[0])

    async def _steered(
        self,
        database: str,
        text: str,
        asked: Attestation,
        content: dict[str, Any],
        found: Resolution,
    ) -> list[tuple[int, int, str]]:
        """Edits by which no index with a secret in it is read."""
        ignored: list[tuple[str, str, list[str]]] = []
        read = {
            place: relation
            for place, relation in self._relations.items()
            if relation.qualified in found.relations
        }
        for place, relation in read.items():
            indexes = [
                index
                for index, columns in relation.indexes.items()
                if index != "PRIMARY" and any(map(self._hidden.secret, map(relation.ref, columns)))
            ]
            if indexes:
                ignored.append((*place, indexes))
        if not ignored or not asked.places:
            return []
        answer = await self._parser.work(
            request(
                "steer",
                text=text,
                asked=content,
                database=database,
                catalogue=encode_catalogue(read),
                ignored=ignored,
            )
        )
        return [(start, end, text) for start, end, text in answer]


def _renamed(
    asked: Attestation, before: list[tuple[str, int]], now: list[tuple[str, int]]
) -> list[tuple[int, int, str]]:
    """Edits that give columns the names they had."""
    if len(before) != len(now):
        return []
    return [
        (token, token, f"AS {quote(before[column][0])}")
        for column, token in asked.unnamed
        if before[column] != now[column]
    ]


def _named(asked: Attestation) -> list[tuple[str, ...]]:
    return [place.name for place in asked.places]


def _digest(rows: Rows | None) -> str:
    """What tells whether an answer is the same again."""
    if rows is None:
        return "?"
    return known_of.digest(repr([tuple(map(str, row)) for row in rows]))
