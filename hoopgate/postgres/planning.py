"""What an allowed statement does to a session's names, and by which plan its rows are rewritten.

This is where policy is bound to objects: PREPARE and DECLARE carry their plan to every later
EXECUTE and FETCH, whichever of SQL and protocol made the object and whichever runs it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, final

from hoopgate.actions import Decision
from hoopgate.errors import LocalProtocolError
from hoopgate.events import Statement, StatementFacts
from hoopgate.plans import MaskPlan
from hoopgate.postgres.expected import Run
from hoopgate.postgres.names import Change, Names, Portal, Prepared, Space
from hoopgate.verdicts import Allow, Hold, Mask

#: Facts of nothing in particular.
NOTHING: Final = StatementFacts(classes=frozenset())

#: Kinds of statements whose plan is for what they make, not for rows of their own.
MAKES_NAMES: Final = ("prepare", "declare")
#: Kinds of statements whose rows are those of what they name.
RUNS_NAMES: Final = ("execute", "fetch")

#: Reason, message and remedy of refusing to go on with what new rules would hold.
STALE: Final = (
    "portal.stale",
    "By the rules now in force this needs an approval, and it was opened without one.",
    "Run it again from its beginning.",
)

#: The same of going on with what is masked otherwise now: the server has read its names when it was
#: opened, and they may mean something else by now.
MOVED: Final = (
    "portal.stale",
    "What this reads has changed, or is masked in another way, since it was opened.",
    "Run it again from its beginning.",
)

_Made = dict[tuple[Space, bytes], Prepared | Portal | None]


class Missing(Exception):
    """A statement uses a name that the session does not have, or may not use like this.

    :ivar why: reason, message and remedy of the refusal.
    """

    def __init__(
        self,
        reason: str,
        message: str,
        remedy: str = "Prepare or declare it in this session first.",
    ) -> None:
        super().__init__(message)
        self.why = (reason, message, remedy)


@final
class Planned:
    """One statement ready to run.

    :ivar named: what it runs by name: an EXECUTE its statement, a FETCH its cursor's.
    :ivar opened: it goes on with something opened before, so it cannot be held any more.
    """

    __slots__ = ("named", "opened", "run")

    def __init__(self, run: Run, named: Prepared | None = None, *, opened: bool = False) -> None:
        self.run = run
        self.named = named
        self.opened = opened


def alters(facts: StatementFacts) -> bool:
    """True for what may change the schema, and so what other statements mean."""
    return not facts.classes.isdisjoint(_ALTERING)


_ALTERING: Final = frozenset({"ddl", "grant", "do", "call", "unknown"})


def copies_in(facts: StatementFacts) -> bool:
    """True for COPY … FROM STDIN."""
    return "copy.from" in facts.classes


def _own_way(facts: StatementFacts) -> bool:
    """True for what only Execute or Query may run: a COPY, whose rows come another way, and what
    makes, uses or ends a name. The server lets SQL EXECUTE run a DECLARE that Parse prepared; the
    name would have another meaning at the server than here, and another's plan."""
    return bool(facts.kind) or not facts.classes.isdisjoint(_OWN_WAY)


_OWN_WAY: Final = frozenset({"copy.to", "copy.from", "execute"})


def plan_of(decision: Decision, index: int = 0) -> MaskPlan | None:
    """The plan for the rows of statement ``index`` of a decision that is not a Block."""
    verdict = decision.verdict
    if isinstance(verdict, Mask | Hold):
        return verdict.plans[index] if index < len(verdict.plans) else None
    if not isinstance(verdict, Allow):
        raise LocalProtocolError("a refused statement has no plan")
    return None


def loosens(opened: MaskPlan | None, renewed: MaskPlan | None) -> bool:
    """True when a column of what is open would not be masked as it was any more."""
    if opened is None or not opened.masks:
        return False
    if renewed is None or len(opened.columns) != len(renewed.columns):
        return True
    both = zip(opened.columns, renewed.columns, strict=True)
    return any(before is not None and before != now for before, now in both)


def takes_tokens(plan: MaskPlan | None) -> bool:
    """True when values that were bound, or are to be, had to be tokens."""
    return plan is not None and bool(plan.tokens)


@final
class Planner:
    """Plans for one session.

    :param settings: what decides the meaning of names at the server.
    :param generation: the present generation of rules and schema.
    :param phi: the resource holds PHI.
    :param confirmed: whether that is known to be the present one: the schema can change unseen.
    """

    def __init__(
        self,
        names: Names,
        settings: dict[str, str],
        generation: Callable[[], int],
        confirmed: Callable[[], bool],
        *,
        phi: bool,
    ) -> None:
        self._names = names
        self._phi = phi
        self._settings = settings
        self.generation = generation
        self._confirmed = confirmed

    def runs(self, decision: Decision, generation: int, segment: int) -> list[Planned]:
        """What each statement of an allowed text does to the session, and by which plan.

        :param generation: of the rules and the schema that ``decision`` rests on.
        :raises Unsettled: it uses a name whose meaning is in flight.
        :raises Missing: it uses a name that is not there.
        """
        planned: list[Planned] = []
        made: _Made = {}
        for index, facts in enumerate(decision.facts):
            entry = self.planned(decision, generation, index, facts, segment, made)
            if entry.run.change is not None and entry.run.change.name is not None:
                made[entry.run.change.space, entry.run.change.name] = entry.run.change.value
            planned.append(entry)
        return planned

    def planned(
        self,
        decision: Decision,
        generation: int,
        index: int,
        facts: StatementFacts,
        segment: int,
        made: _Made,
    ) -> Planned:
        """One statement; raises as :meth:`runs` does.

        :param made: what the statements before it in the same text have made.
        """
        plan = plan_of(decision, index)
        if not facts.kind:
            if "execute" in facts.classes:  # EXPLAIN ANALYZE EXECUTE, CREATE TABLE AS EXECUTE
                raise Missing(
                    "statement.indirect",
                    "EXECUTE cannot be part of another statement.",
                    "Write the prepared query itself in its place.",
                )
            return Planned(Run(plan, copy_options=facts.copy_options, alters=alters(facts)))
        name = facts.name.encode()
        if facts.kind == "execute":
            found = made.get((Space.STATEMENT, name)) or self._names.statement(name, segment)
            if not isinstance(found, Prepared):
                raise Missing(
                    "statement.not_prepared", "There is no prepared statement of that name."
                )
            if _own_way(found.facts):
                raise Missing(
                    "statement.indirect",
                    "EXECUTE cannot run this statement.",
                    "Send the statement itself.",
                )
            return Planned(Run(found.plan, alters=alters(found.facts)), found)
        if facts.kind == "fetch":
            cursor = made.get((Space.PORTAL, name)) or self._names.portal(name, segment)
            if not isinstance(cursor, Portal):
                raise Missing("portal.unknown", "There is no cursor of that name.")
            # FETCH runs a portal that Bind made as Execute would, so it must not get around what
            # Execute asks for, nor around a name that the portal's own statement uses.
            prepared = cursor.prepared
            if self._phi and cursor.by_plan and "backward" in facts.flags:
                raise Missing(
                    "cursor.scroll",
                    "Whether this cursor can go back depends on the plan, and that on the rows.",
                    "Declare it SCROLL.",
                )
            if _own_way(prepared.facts) or prepared.held:
                raise Missing(
                    "portal.indirect", "FETCH cannot run this portal.", "Run it by Execute."
                )
            run = Run(prepared.plan)
            run.goes_on = True
            return Planned(run, prepared, opened=True)
        return Planned(
            Run(
                plan if facts.kind not in MAKES_NAMES else None,
                change=self._change(decision, generation, facts, plan),
                copy_options=facts.copy_options,
                alters=alters(facts),
            )
        )

    def named(self, facts: StatementFacts, segment: int) -> Prepared | None:
        """What EXECUTE or FETCH names now.

        :raises Unsettled: that is in flight.
        """
        name = facts.name.encode()
        if facts.kind == "execute":
            return self._names.statement(name, segment)
        if facts.kind == "fetch":
            cursor = self._names.portal(name, segment)
            return cursor.prepared if cursor is not None else None
        return None

    def current(self, prepared: Prepared) -> bool:
        """True when what was decided of a statement lets it run now."""
        return not prepared.held and prepared.generation == self.generation() and self._confirmed()

    def _change(
        self, decision: Decision, generation: int, facts: StatementFacts, plan: MaskPlan | None
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
            generation,
        )
        if facts.kind == "prepare":
            return Change(Space.STATEMENT, name, prepared)
        portal = Portal(
            prepared,
            holdable="with_hold" in facts.flags,
            by_plan="scrolls_by_plan" in facts.flags,
        )
        return Change(Space.PORTAL, name, portal)
