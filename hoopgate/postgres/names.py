"""What a PostgreSQL session has prepared and opened: statements and portals, by name.

One namespace serves the protocol and SQL: ``PREPARE s`` is bound by a protocol Bind of ``s``, a
protocol Parse of ``s`` is run by ``EXECUTE s``; likewise ``DECLARE c`` and portal ``c`` (PROTOCOLS
A14, A15). Policy hangs on these objects, not on the messages that made them.

A name changes its meaning when the server says so. Until then the change is *pending*: messages
behind it in the same pipeline segment already see it, because the server skips them if the change
fails, and :meth:`Names.abort` forgets it. A message of a *later* segment cannot know which meaning
it will meet, so it waits (:class:`Unsettled`).
"""

from __future__ import annotations

from enum import Enum
from typing import Final, final

from hoopgate.actions import Decision
from hoopgate.errors import LimitExceeded, LocalProtocolError
from hoopgate.events import Statement, StatementFacts
from hoopgate.plans import MaskPlan, TokenUse
from hoopgate.verdicts import Hold

#: Statements and portals a session may have, and bytes of their texts and values. PostgreSQL has
#: no bounds of its own.
MOST_NAMES: Final = 20_000
MOST_BYTES: int = 64 * 2**20


class Unsettled(Exception):
    """The name's meaning depends on an answer that the server has not given yet."""


class Space(Enum):
    """The two name spaces."""

    STATEMENT = "statement"
    PORTAL = "portal"


@final
class Prepared:
    """A prepared statement and what was decided about it.

    :ivar event: what was judged; judged again at execution when the rules have changed since.
    :ivar facts: of the statement an execution runs.
    :ivar plan: for its rows.
    :ivar generation: of the rules and the schema it was judged by.
    :ivar held: every execution needs an approval.
    """

    __slots__ = ("decision", "event", "facts", "generation", "held", "plan")

    def __init__(
        self,
        event: Statement,
        facts: StatementFacts,
        decision: Decision,
        plan: MaskPlan | None,
        generation: int,
    ) -> None:
        self.event = event
        self.facts = facts
        self.judged(decision, plan, generation)

    def judged(self, decision: Decision, plan: MaskPlan | None, generation: int) -> None:
        """What is decided about it from now on."""
        self.decision = decision
        self.plan = plan
        self.generation = generation
        self.held = isinstance(decision.verdict, Hold)

    def renewed(
        self, decision: Decision, plan: MaskPlan | None, generation: int
    ) -> Prepared | None:
        """This as a newer decision has it. None when it would be held and what a person has
        approved was not the same."""
        if not isinstance(decision.verdict, Hold):
            return Prepared(self.event, self.facts, decision, plan, generation)
        approved = self.decision
        same = approved.verdict.rule == decision.verdict.rule and plan == self.plan
        if approved.approval and same:
            return Prepared(self.event, self.facts, approved, plan, generation)
        return None


#: Format code and value of each parameter.
Values = tuple[tuple[int, bytes | None], ...]


@final
class Portal:
    """A portal or cursor.

    :ivar prepared: what it runs, and what was decided about this execution of it.
    :ivar formats: result formats, as bound.
    :ivar values: the bound values, where running it has to ask and it was not run yet; else None.
    :ivar by_plan: a cursor that can go back where its plan can.
    :ivar holdable: a cursor WITH HOLD: it may outlive its transaction.
    :ivar bound: what EXECUTE or FETCH in it named when it was bound: the server has prepared for
        the columns of that, and crashes on others.
    :ivar named: what EXECUTE or FETCH in it named when it was first run: the server has made the
        rows then, whatever the name means later.
    :ivar ran: it was executed: what it takes of budgets is counted.
    :ivar tokens: by what its parameters were looked through for tokens when it was bound.
    """

    __slots__ = (
        "bound",
        "by_plan",
        "formats",
        "holdable",
        "named",
        "prepared",
        "ran",
        "tokens",
        "values",
    )

    def __init__(
        self,
        prepared: Prepared,
        formats: tuple[int, ...] = (),
        values: Values | None = None,
        *,
        holdable: bool = False,
        by_plan: bool = False,
    ) -> None:
        self.prepared = prepared
        self.formats = formats
        self.values = values
        self.holdable = holdable
        self.by_plan = by_plan
        self.bound: Prepared | None = None
        self.named: Prepared | None = None
        self.ran = False
        self.tokens: tuple[TokenUse, ...] = ()


@final
class Change:
    """What a name will mean once the server has confirmed it; ``value`` None removes it.

    :ivar name: None stands for every name in the space; the unnamed statement has none, and
        outlives DEALLOCATE ALL.
    :ivar size: bytes that it keeps. A named portal may keep the text of a statement that is gone.
    """

    __slots__ = ("name", "order", "segment", "size", "space", "value")

    def __init__(self, space: Space, name: bytes | None, value: Prepared | Portal | None) -> None:
        self.space = space
        self.name = name
        self.value = value
        self.segment = 0
        self.order = 0
        self.size = 0
        if isinstance(value, Portal):
            if name:
                self.size = len(value.prepared.event.text)
            if value.values is not None:
                for _, data in value.values:
                    self.size += 64 if data is None else 64 + len(data)
        elif value is not None:
            self.size = len(value.event.text)


#: Changes under way by the name they are of, each list in the order of the answers.
_Pending = dict[bytes | None, list[Change]]


@final
class Names:
    """The names of one session."""

    def __init__(self) -> None:
        self._statements: dict[bytes, Change] = {}
        self._portals: dict[bytes, Change] = {}  # those that die with their transaction
        self._holdable: dict[bytes, Change] = {}
        self._pending_statements: _Pending = {}
        self._pending_portals: _Pending = {}
        self._under_way = 0
        self._proposed = 0
        self._bytes = 0

    def propose(self, segment: int, change: Change) -> None:
        """A message that will make ``change`` is on its way to the server.

        :raises LimitExceeded: the session has too many names, or they keep too much.
        """
        names = len(self._statements) + len(self._portals) + len(self._holdable) + self._under_way
        if names >= MOST_NAMES or self._bytes + change.size > MOST_BYTES:
            raise LimitExceeded("too many prepared statements or portals")
        self._bytes += change.size
        self._under_way += 1
        self._proposed += 1
        change.segment = segment
        change.order = self._proposed
        portal = change.space is Space.PORTAL
        pending = self._pending_portals if portal else self._pending_statements
        queue = pending.get(change.name)
        if queue is None:
            pending[change.name] = [change]
        else:
            queue.append(change)

    def settle(self, change: Change) -> None:
        """The server has confirmed ``change``."""
        name, value = change.name, change.value
        if change.space is Space.STATEMENT:
            self._arrived(change, self._pending_statements)
            unnamed = self._statements.pop(b"", None) if name is None else None
            self._remove(self._statements, name)
            if unnamed is not None:
                self._statements[b""] = unnamed
            if name is not None and value is not None:
                self._statements[name] = change
            return
        self._arrived(change, self._pending_portals)
        self._remove(self._portals, name)
        if self._holdable:
            self._remove(self._holdable, name)
        if name is not None and isinstance(value, Portal):
            (self._holdable if value.holdable else self._portals)[name] = change

    def abort(self, change: Change) -> None:
        """The server did not make ``change``."""
        portal = change.space is Space.PORTAL
        self._arrived(change, self._pending_portals if portal else self._pending_statements)
        self._bytes -= change.size

    def transaction_ended(self) -> None:
        """Portals die with their transaction; cursors may be WITH HOLD."""
        if self._portals:
            self._remove(self._portals, None)

    def statement(self, name: bytes, segment: int) -> Prepared | None:
        """The statement that ``name`` will mean when a message of ``segment`` arrives.

        :raises Unsettled: an earlier segment's change of the name is not confirmed yet.
        """
        change: Change | None = None
        if self._pending_statements:
            change = _latest(self._pending_statements, name, segment, all_names=bool(name))
        if change is None:
            change = self._statements.get(name)
        value = None if change is None else change.value
        return value if isinstance(value, Prepared) else None

    def portal(self, name: bytes, segment: int) -> Portal | None:
        """Like :meth:`statement`, for a portal or cursor."""
        change: Change | None = None
        if self._pending_portals:
            change = _latest(self._pending_portals, name, segment, all_names=True)
        if change is None:
            change = self._portals.get(name) or self._holdable.get(name)
        value = None if change is None else change.value
        return value if isinstance(value, Portal) else None

    def _arrived(self, change: Change, pending: _Pending) -> None:
        queue = pending.get(change.name)
        # Answers come in order, and an error ends what is under way in order.
        if queue is None or queue[0] is not change:
            raise LocalProtocolError("names are settled out of order")
        if len(queue) == 1:
            del pending[change.name]
        else:
            del queue[0]
        self._under_way -= 1

    def _remove(self, table: dict[bytes, Change], name: bytes | None) -> None:
        if name is not None:
            old = table.pop(name, None)
            if old is not None:
                self._bytes -= old.size
            return
        for change in table.values():
            self._bytes -= change.size
        table.clear()


def _latest(pending: _Pending, name: bytes, segment: int, *, all_names: bool) -> Change | None:
    """The change under way that decides what ``name`` will mean.

    :param all_names: one of every name in the space is of ``name``, too.
    """
    found = None
    queue = pending.get(name)
    if queue is not None:
        found = queue[-1]
    queue = pending.get(None) if all_names else None
    if queue is not None and (found is None or queue[-1].order > found.order):
        found = queue[-1]
    if found is not None and found.segment != segment:
        raise Unsettled
    return found
