"""From an event to what guards judge: parse it, and ask the server what it means.

The schema is another client's to change too, so on a resource that holds PHI nothing that was
found holds for longer than the resolver vouches for it (``IStatementResolver.confirmed``). A
session that changes the schema itself sees its own change before anybody else does: until its
transaction ends, what it asks cannot be resolved.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from hoopgate.errors import Refused
from hoopgate.events import (
    Command,
    Judged,
    Operation,
    Resolution,
    SessionFacts,
    Statement,
    StatementFacts,
)
from hoopgate.gateway.substitution import compared, holds_token, kinds, lifted
from hoopgate.sql.mysql.attestation import edited
from hoopgate.sql.resolver import needs_resolution

if TYPE_CHECKING:
    from hoopgate.interfaces import ICommandExaminer, IStatementAnalyzer, IStatementResolver
    from hoopgate.sql.tokens import Lifted

#: What can be looked at, which an effect cannot: it was done by what was looked at.
Asked = Statement | Operation | Command

#: Times a statement is resolved again because the schema changed meanwhile.
_MOST_LOOKS = 3

#: Characters of a text in which tokens are looked for at once: a millisecond's worth of words.
_LIFTED_HERE = 4096


def _unresolved(event: Statement, facts: tuple[StatementFacts, ...], code: str) -> Judged:
    """No statement that has to be resolved could be."""
    wanting = {index: code for index, one in enumerate(facts) if needs_resolution(one)}
    return Judged(event, facts, (None,) * len(facts), wanting)


class Examination:
    """What one session asks, looked at.

    :param phi: the resource holds PHI, so the server is asked.
    :param limit: characters of a statement at most.
    :param tokens: literals may be tokens, which stand for values.
    :ivar steered: what is to be run in place of the text that was looked at last.
    :ivar generation: of the schema, as this session sees it.
    """

    def __init__(
        self,
        phi: bool,
        analyzer: IStatementAnalyzer,
        resolver: IStatementResolver,
        limit: int,
        examiner: ICommandExaminer | None,
        *,
        tokens: bool,
    ) -> None:
        self.steered: str | None = None
        self._phi = phi
        self._analyzer = analyzer
        self._resolver = resolver
        self._limit = limit
        self._examiner = examiner
        self._tokens = tokens
        self._changing = False
        self._changes = 0
        if phi:
            resolver.prepare()

    @property
    def generation(self) -> int:
        return self._changes + self._resolver.generation if self._phi else self._changes

    def confirmed(self) -> bool:
        """Whether that is known to be the present one: the schema can change unseen."""
        return not self._phi or self._resolver.confirmed()

    def schema_changes(self, *, over: bool) -> None:
        """The session sends a statement that changes the schema; ``over``: its transaction ended,
        so everybody sees the change."""
        self._changing = not over
        if self._phi:
            self._changes += 1
            self._resolver.changes(self, over=over)

    def end(self) -> None:
        """The session is over, and what it had changed either holds or never was."""
        if self._changing:
            self.schema_changes(over=True)

    def stamp(self) -> float:
        """See :class:`hoopgate.interfaces.IStatementResolver`."""
        return self._resolver.stamp() if self._phi else 0.0

    async def look_now(self) -> bool:
        """Whether the schema could be looked at, from now on."""
        try:
            await self._resolver.look()
        except Refused:
            return False
        return True

    def expire(self) -> None:
        """What is known of the schema has to be confirmed before it is used again."""
        self._resolver.expire()

    async def confirm(self) -> bool:
        """Whether the resolver vouches for the schema, after it has looked if it had to."""
        if not self._phi:
            return True
        try:
            await self._resolver.confirm()
        except Refused:
            return False
        return True

    async def look(self, event: Asked, session: SessionFacts, *, before: bool = False) -> Judged:
        """Parse, and on a resource that holds PHI ask the server what each statement means.

        :param before: it was sent before whatever this session changes now.
        """
        if isinstance(event, Command):
            if self._examiner is None:
                return Judged(Operation(event.text, None), None, parse_error="parse.crash")
            event = await self._examiner.examine(event)
        if isinstance(event, Operation):
            unresolved = (None,) * len(event.facts or ())
            held = compared(event) if self._tokens else ()
            return Judged(event, event.facts, unresolved, parse_error=event.problem, tokens=held)
        if len(event.text) > self._limit:
            return Judged(event, None, parse_error="parse.size")
        tokens: tuple[Mapping[int, str], ...] = ()
        asked = event
        try:
            mysql = "dialect" in event.settings
            found = await self.lift(event.text, mysql=mysql) if self._tokens else None
            facts = None
            if found is not None:
                facts = await self._lifted(found)
            if found is None or facts is None:
                facts = await self._analyzer.analyze(event.text)
            else:
                tokens = kinds(found, len(facts))
                asked = replace(event, text=found.text)
        except Refused as refused:
            return Judged(event, None, parse_error=refused.code)
        if not self._phi or not any(map(needs_resolution, facts)):
            return Judged(event, facts, (None,) * len(facts))
        for _ in range(_MOST_LOOKS):
            if self._changing and not before:
                return _unresolved(event, facts, "resolve.changing")
            try:
                await self._resolver.confirm()
            except Refused as refused:
                return _unresolved(event, facts, refused.code)
            generation = self.generation
            judged = await self._resolve(event, session, asked, facts, tokens)
            if generation == self.generation and self.confirmed():
                return judged
        return _unresolved(event, facts, "resolve.unsettled")

    async def lift(self, text: str, *, mysql: bool) -> Lifted | None:
        """``text`` with parameters for its tokens; None when there is none that counts.

        :raises Refused: ``token.many``; ``parse.crash``, ``parse.timeout``: it cannot be said now.
        """
        if len(text) <= _LIFTED_HERE:
            return lifted(text, mysql=mysql)
        if not holds_token(text):
            return None
        try:
            found: Lifted | None = await self._analyzer.lift(text)
        except Refused as refused:
            if refused.code in ("parse.syntax", "parse.size"):
                return None  # the parser will say so
            raise
        return found

    async def _lifted(self, found: Lifted) -> tuple[StatementFacts, ...] | None:
        """Facts of a text with parameters for its tokens; None when it is no SQL like that."""
        try:
            facts = await self._analyzer.analyze(found.text)
        except Refused:
            return None
        if any("argument_expression" in one.flags for one in facts):
            return None  # of EXECUTE or CALL: what they are given is not looked at
        return facts if all(one.statement < len(facts) for one in found.literals) else None

    async def _resolve(
        self,
        event: Statement,
        session: SessionFacts,
        asked: Statement,
        facts: tuple[StatementFacts, ...],
        tokens: tuple[Mapping[int, str], ...],
    ) -> Judged:
        resolutions: list[Resolution | None] = []
        unresolved: dict[int, str] = {}
        for index, one in enumerate(facts):
            resolution = None
            if needs_resolution(one):
                single = asked if len(facts) == 1 else replace(asked, text=one.text or "")
                try:
                    resolution = await self._resolver.resolve(single, one, session)
                except Refused as refused:
                    unresolved[index] = refused.code
            resolutions.append(resolution)
            if resolution is not None and resolution.edits:
                self.steered = edited(event.text, resolution.edits)
        return Judged(event, facts, tuple(resolutions), unresolved, tokens=tokens)

    async def estimated(self, judged: Judged) -> Judged:
        """With the rows that the planner expects of a single statement, for the reviewer."""
        statement, facts = judged.statement, judged.facts or ()
        resolution = judged.resolutions[0] if len(judged.resolutions) == 1 else None
        if resolution is None or len(facts) != 1 or not isinstance(statement, Statement):
            return judged
        rows = await self._resolver.estimate(statement, facts[0], resolution)
        return replace(judged, estimated=rows)
