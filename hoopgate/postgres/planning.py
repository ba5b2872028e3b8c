"""What an allowed statement does to a session's names, and by which plan its rows are rewritten.

This is where policy is bound to objects: PREPARE and DECLARE carry their plan to every later
EXECUTE and FETCH, whichever of SQL and protocol made the object and whichever runs it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, final

from hoopgate.errors import LocalProtocolError
from hoopgate.events import Decision, Statement, StatementFacts
from hoopgate.plans import MaskPlan
from hoopgate.postgres.answers import Run
from hoopgate.postgres.names import Change, Names, Portal, Prepared, Space
from hoopgate.verdicts import Allow, Hold, Mask

#: Facts of nothing in particular.
NOTHING: Final = StatementFacts(classes=frozenset())

#: Kinds of statements whose plan is for what they make, not for rows of their own.
MAKES_NAMES: Final = ("prepare", "declare")

_Made = dict[tuple[Space, bytes], Prepared | Portal | None]


class Missing(Exception):
    """A statement uses a name that the session does not have, or may not use like this.

    :ivar why: reason, message and remedy of the refusal.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.why = (reason, message, "Prepare or declare it in this session first.")


@final
class Planned:
    """One statement ready to run.

    :ivar ask: the prepared statement it runs, when that must be judged again first.
    """

    __slots__ = ("ask", "run")

    def __init__(self, run: Run, ask: Prepared | None = None) -> None:
        self.run = run
        self.ask = ask


def copies_in(facts: StatementFacts) -> bool:
    """True for COPY … FROM STDIN."""
    return "copy.from" in facts.classes


def _own_way(facts: StatementFacts) -> bool:
    """True for what only Execute or Query may run: a COPY, whose rows come another way, and a
    statement that itself names another, whose plan is that one's."""
    return facts.kind in ("execute", "fetch") or not facts.classes.isdisjoint(_COPIES)


_COPIES: Final = frozenset({"copy.to", "copy.from"})


def plan_of(decision: Decision, index: int = 0) -> MaskPlan | None:
    """The plan for the rows of statement ``index`` of a decision that is not a Block."""
    verdict = decision.verdict
    if isinstance(verdict, Mask | Hold):
        return verdict.plans[index] if index < len(verdict.plans) else None
    if not isinstance(verdict, Allow):
        raise LocalProtocolError("a refused statement has no plan")
    return None


@final
class Planner:
    """Plans for one session.

    :param settings: what decides the meaning of names at the server.
    :param generation: the present generation of rules and schema.
    """

    def __init__(
        self, names: Names, settings: dict[str, str], generation: Callable[[], int]
    ) -> None:
        self._names = names
        self._settings = settings
        self.generation = generation

    def runs(self, decision: Decision, segment: int) -> list[Planned]:
        """What each statement of an allowed text does to the session, and by which plan.

        :raises Unsettled: it uses a name whose meaning is in flight.
        :raises Missing: it uses a name that is not there.
        """
        planned: list[Planned] = []
        made: _Made = {}
        for index, facts in enumerate(decision.facts):
            entry = self.planned(decision, index, facts, segment, made)
            if entry.run.change is not None and entry.run.change.name is not None:
                made[entry.run.change.space, entry.run.change.name] = entry.run.change.value
            planned.append(entry)
        return planned

    def planned(
        self,
        decision: Decision,
        index: int,
        facts: StatementFacts,
        segment: int,
        made: _Made,
    ) -> Planned:
        plan = plan_of(decision, index)
        if not facts.kind:
            return Planned(Run(plan, copy_options=facts.copy_options))
        name = facts.name.encode()
        if facts.kind == "execute":
            found = made.get((Space.STATEMENT, name)) or self._names.statement(name, segment)
            if not isinstance(found, Prepared):
                raise Missing("statement.unknown", "There is no prepared statement of that name.")
            if _own_way(found.facts):
                raise Missing("statement.indirect", "EXECUTE cannot run this statement.")
            return Planned(Run(found.plan), None if self.current(found) else found)
        if facts.kind == "fetch":
            cursor = made.get((Space.PORTAL, name)) or self._names.portal(name, segment)
            if not isinstance(cursor, Portal):
                raise Missing("portal.unknown", "There is no cursor of that name.")
            self._fetchable(cursor)
            return Planned(Run(cursor.plan))
        return Planned(
            Run(
                plan if facts.kind not in MAKES_NAMES else None,
                change=self._change(decision, facts, plan),
                copy_options=facts.copy_options,
            )
        )

    def _fetchable(self, cursor: Portal) -> None:
        """FETCH runs a portal that Bind made as Execute would, so it must not get around what
        Execute asks for, nor around a name that the portal's own statement uses."""
        if _own_way(cursor.prepared.facts) or not (cursor.cleared or self.current(cursor.prepared)):
            raise Missing("portal.indirect", "FETCH cannot run this portal.")

    def current(self, prepared: Prepared) -> bool:
        """True when what was decided of a statement at Parse lets it run now."""
        return not prepared.held and prepared.generation == self.generation()

    def _change(
        self, decision: Decision, facts: StatementFacts, plan: MaskPlan | None
    ) -> Change | None:
        name = facts.name.encode() or None
        if facts.kind == "deallocate":
            return Change(Space.STATEMENT, name, None)
        if facts.kind == "close":
            return Change(Space.PORTAL, name, None)
        if facts.kind == "discard":
            return Change(Space.STATEMENT, None, None)
        if facts.kind not in MAKES_NAMES:
            return None
        prepared = Prepared(
            Statement(facts.inner or "", settings=self._settings),
            NOTHING,
            decision,
            plan,
            self.generation(),
        )
        if facts.kind == "prepare":
            return Change(Space.STATEMENT, name, prepared)
        return Change(Space.PORTAL, name, Portal(prepared, plan, declared=True, cleared=True))
