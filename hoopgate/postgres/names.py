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

from hoopgate.errors import LimitExceeded
from hoopgate.events import Decision, Statement, StatementFacts
from hoopgate.plans import MaskPlan
from hoopgate.postgres.wire import Bind
from hoopgate.verdicts import Hold

#: Named statements and portals a session may have. PostgreSQL has no bound of its own.
MOST_NAMES: Final = 20_000


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
        self.decision = decision
        self.plan = plan
        self.generation = generation
        self.held = isinstance(decision.verdict, Hold)


@final
class Portal:
    """A portal or cursor.

    :ivar bind: the message that made it; None for a cursor.
    :ivar declared: made by SQL DECLARE, so it may outlive its transaction.
    :ivar cleared: this execution was judged by the rules in force, and approved where needed.
    """

    __slots__ = ("bind", "cleared", "declared", "formats", "plan", "prepared")

    def __init__(
        self,
        prepared: Prepared,
        plan: MaskPlan | None,
        formats: tuple[int, ...] = (),
        bind: Bind | None = None,
        *,
        declared: bool = False,
        cleared: bool = False,
    ) -> None:
        self.prepared = prepared
        self.plan = plan
        self.formats = formats
        self.bind = bind
        self.declared = declared
        self.cleared = cleared

    @property
    def parameters(self) -> tuple[tuple[int, bytes | None], ...]:
        """The bound values, each after its format code."""
        bind = self.bind
        if bind is None:
            return ()
        formats = bind.formats or (0,)
        if len(formats) == 1:
            formats *= len(bind.parameters)
        return tuple(zip(formats, bind.parameters, strict=True))


@final
class Change:
    """What a name will mean once the server has confirmed it; ``value`` None removes it.

    :ivar name: None stands for every name in the space.
    """

    __slots__ = ("name", "space", "value")

    def __init__(self, space: Space, name: bytes | None, value: Prepared | Portal | None) -> None:
        self.space = space
        self.name = name
        self.value = value


@final
class Names:
    """The names of one session."""

    def __init__(self) -> None:
        self._statements: dict[bytes, Prepared | Portal] = {}
        self._portals: dict[bytes, Prepared | Portal] = {}
        self._pending: list[tuple[int, Change]] = []

    def _table(self, space: Space) -> dict[bytes, Prepared | Portal]:
        return self._portals if space is Space.PORTAL else self._statements

    def propose(self, segment: int, change: Change) -> None:
        """A message that will make ``change`` is on its way to the server.

        :raises LimitExceeded: the session has too many names.
        """
        if len(self._table(change.space)) + len(self._pending) >= MOST_NAMES:
            raise LimitExceeded("too many prepared statements or portals")
        self._pending.append((segment, change))

    def settle(self, change: Change) -> None:
        """The server has confirmed ``change``."""
        pending = self._pending
        for index in range(len(pending)):
            if pending[index][1] is change:
                pending.pop(index)
                break
        table = self._table(change.space)
        if change.name is None:
            table.clear()
        elif change.value is None:
            table.pop(change.name, None)
        else:
            table[change.name] = change.value

    def abort(self, change: Change) -> None:
        """The server did not make ``change``."""
        self._pending = [entry for entry in self._pending if entry[1] is not change]

    def transaction_ended(self) -> None:
        """Portals of the protocol die with their transaction; cursors may be WITH HOLD."""
        table = self._portals
        if table:
            self._portals = {
                name: value
                for name, value in table.items()
                if isinstance(value, Portal) and value.declared
            }

    def statement(self, name: bytes, segment: int) -> Prepared | None:
        """The statement that ``name`` will mean when a message of ``segment`` arrives.

        :raises Unsettled: an earlier segment's change of the name is not confirmed yet.
        """
        value = self._lookup(Space.STATEMENT, name, segment)
        return value if isinstance(value, Prepared) else None

    def portal(self, name: bytes, segment: int) -> Portal | None:
        """Like :meth:`statement`, for a portal or cursor."""
        value = self._lookup(Space.PORTAL, name, segment)
        return value if isinstance(value, Portal) else None

    def _lookup(self, space: Space, name: bytes, segment: int) -> Prepared | Portal | None:
        pending = self._pending
        at = len(pending)
        while at:
            at -= 1
            proposed_in, change = pending[at]
            if change.space is space and (change.name is None or change.name == name):
                if proposed_in != segment:
                    raise Unsettled
                return change.value
        return self._table(space).get(name)
