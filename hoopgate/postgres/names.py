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

from collections import deque
from enum import Enum
from typing import Final, final

from hoopgate.errors import LimitExceeded, LocalProtocolError
from hoopgate.events import Decision, Statement, StatementFacts
from hoopgate.plans import MaskPlan
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
    :ivar holdable: a cursor WITH HOLD: it may outlive its transaction.
    :ivar named: what EXECUTE or FETCH in it named when it was first run: the server has made the
        rows then, whatever the name means later.
    """

    __slots__ = ("formats", "holdable", "named", "prepared", "values")

    def __init__(
        self,
        prepared: Prepared,
        formats: tuple[int, ...] = (),
        values: Values | None = None,
        *,
        holdable: bool = False,
    ) -> None:
        self.prepared = prepared
        self.formats = formats
        self.values = values
        self.holdable = holdable
        self.named: Prepared | None = None


@final
class Change:
    """What a name will mean once the server has confirmed it; ``value`` None removes it.

    :ivar name: None stands for every name in the space.
    """

    __slots__ = ("name", "order", "segment", "size", "space", "value")

    def __init__(self, space: Space, name: bytes | None, value: Prepared | Portal | None) -> None:
        self.space = space
        self.name = name
        self.value = value
        self.size = _size(value, named=bool(name))
        self.segment = 0
        self.order = 0


def _size(value: Prepared | Portal | None, *, named: bool) -> int:
    """Bytes that a name keeps. A named portal may keep the text of a statement that is gone."""
    if value is None:
        return 0
    if isinstance(value, Prepared):
        return len(value.event.text)
    size = len(value.prepared.event.text) if named else 0
    if value.values:
        for _, data in value.values:
            size += 64 if data is None else 64 + len(data)
    return size


@final
class Names:
    """The names of one session."""

    def __init__(self) -> None:
        self._statements: dict[bytes, Change] = {}
        self._portals: dict[bytes, Change] = {}  # those that die with their transaction
        self._holdable: dict[bytes, Change] = {}
        self._pending: dict[tuple[Space, bytes | None], deque[Change]] = {}
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
        key = change.space, change.name
        queue = self._pending.get(key)
        if queue is None:
            self._pending[key] = deque((change,))
        else:
            queue.append(change)

    def settle(self, change: Change) -> None:
        """The server has confirmed ``change``."""
        self._arrived(change)
        name = change.name
        if change.space is Space.STATEMENT:
            self._remove(self._statements, name)
            table = self._statements
        else:
            self._remove(self._portals, name)
            self._remove(self._holdable, name)
            value = change.value
            holdable = isinstance(value, Portal) and value.holdable
            table = self._holdable if holdable else self._portals
        if name is not None and change.value is not None:
            table[name] = change

    def abort(self, change: Change) -> None:
        """The server did not make ``change``."""
        self._arrived(change)
        self._bytes -= change.size

    def transaction_ended(self) -> None:
        """Portals die with their transaction; cursors may be WITH HOLD."""
        if self._portals:
            self._remove(self._portals, None)

    def statement(self, name: bytes, segment: int) -> Prepared | None:
        """The statement that ``name`` will mean when a message of ``segment`` arrives.

        :raises Unsettled: an earlier segment's change of the name is not confirmed yet.
        """
        change = self._latest(Space.STATEMENT, name, segment) or self._statements.get(name)
        value = None if change is None else change.value
        return value if isinstance(value, Prepared) else None

    def portal(self, name: bytes, segment: int) -> Portal | None:
        """Like :meth:`statement`, for a portal or cursor."""
        change = self._latest(Space.PORTAL, name, segment) or self._portals.get(name)
        if change is None:
            change = self._holdable.get(name)
        value = None if change is None else change.value
        return value if isinstance(value, Portal) else None

    def _latest(self, space: Space, name: bytes, segment: int) -> Change | None:
        """The change under way that decides what ``name`` will mean."""
        pending = self._pending
        if not pending:
            return None
        found = None
        queue = pending.get((space, name))
        if queue is not None:
            found = queue[-1]
        queue = pending.get((space, None))
        if queue is not None and (found is None or queue[-1].order > found.order):
            found = queue[-1]
        if found is not None and found.segment != segment:
            raise Unsettled
        return found

    def _arrived(self, change: Change) -> None:
        key = change.space, change.name
        queue = self._pending.get(key)
        # Answers come in order, and an error ends what is under way in order.
        if queue is None or queue[0] is not change:
            raise LocalProtocolError("names are settled out of order")
        queue.popleft()
        if not queue:
            del self._pending[key]
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
