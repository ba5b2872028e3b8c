"""What a session has its driver do, and what was decided about what it asked.

Made for every message: see :mod:`hoopgate.events` on how such classes are written.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import final

from hoopgate.events import Event, Statement, StatementFacts
from hoopgate.plans import MaskPlan
from hoopgate.verdicts import Verdict


@final
@dataclass(slots=True, init=False)
class Decision:
    """What was decided about a request: goes into its leaf and onto the client's screen.

    :ivar text: what is sent to the backend in place of the text: tokens have become values. The
        session takes it out; it is never recorded.
    :ivar values: the same for the parameters of a Bind; of an operation what its tokens stand for,
        in their order.
    :ivar address: of the page where the approval is decided; "" where there is no console.
    """

    request_id: str
    verdict: Verdict
    monitored: tuple[str, ...]
    approval: str
    facts: tuple[StatementFacts, ...]
    text: str | None = field(repr=False)
    values: tuple[bytes | None, ...] | None = field(repr=False)
    address: str

    def __init__(
        self,
        request_id: str,
        verdict: Verdict,
        monitored: tuple[str, ...] = (),
        approval: str = "",
        facts: tuple[StatementFacts, ...] = (),
    ) -> None:
        self.request_id = request_id
        self.verdict = verdict
        self.monitored = monitored
        self.approval = approval
        self.facts = facts
        self.text = None
        self.values = None
        self.address = ""


@final
@dataclass(slots=True, init=False)
class Forward:
    """Send ``data`` to the backend once the leaf of ``received`` and ``decisions`` is durable.

    :ivar data: bytes for the backend; may be empty (a refusal answered by the gateway).
    :ivar received: the bytes as the client sent them; None when they are ``data`` itself.
    :ivar recorded: what the log holds of ``data``, where that carries a credential of the
        gateway's; None: all of it.
    """

    data: bytes = field(repr=False)
    received: bytes | None = field(repr=False)
    decisions: tuple[Decision, ...]
    recorded: bytes | None = field(repr=False)

    def __init__(
        self,
        data: bytes,
        received: bytes | None = None,
        decisions: tuple[Decision, ...] = (),
        recorded: bytes | None = None,
    ) -> None:
        self.data = data
        self.received = received
        self.decisions = decisions
        self.recorded = recorded


@final
@dataclass(slots=True, init=False)
class Reply:
    """Send ``data`` to the client; it is recorded as what the client saw."""

    data: bytes = field(repr=False)

    def __init__(self, data: bytes) -> None:
        self.data = data


@final
@dataclass(slots=True, init=False)
class Ask:
    """Ask for a verdict on ``event``; the session goes on when ``decided(ticket, …)`` is called."""

    ticket: int
    event: Event

    def __init__(self, ticket: int, event: Event) -> None:
        self.ticket = ticket
        self.event = event


@dataclass(frozen=True, slots=True)
class Close:
    """End the session: both connections are closed once everything before it is written.

    :ivar reason: stable word for the log (``client.terminate``, ``protocol.client`` …).
    """

    reason: str


@dataclass(frozen=True, slots=True)
class SchemaChange:
    """What follows may change what names and views mean; ``over``: the transaction it was part of
    has ended, so everybody sees it."""

    over: bool


@dataclass(frozen=True, slots=True)
class WaitAtMost:
    """Wait ``seconds`` more for a person, no longer: the held event is refused for now, and passes
    once when it is sent again after the approval. For protocols that cannot tell a client why its
    answer does not come."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Pause:
    """Read the backend no more (``on``), or again: what it has sent has to be dealt with first."""

    on: bool


@dataclass(frozen=True, slots=True)
class Work:
    """Have ``request`` done by a child process; the session goes on when ``worked(ticket, …)`` is
    called. For what would keep the reactor for long.

    :ivar request: in the words of the protocol's worker.
    """

    ticket: int
    request: bytes = field(repr=False)


@final
@dataclass(slots=True, init=False)
class Vouch:
    """Look whether a statement that the server answers still means what was judged: it has waited,
    or somebody changes the schema. The session goes on when ``vouched(…)`` is called, and takes
    what the server sends meanwhile.

    :ivar event: what was judged.
    :ivar index: of the statement in its text.
    :ivar plan: what was decided about its rows.
    :ivar generation: of rules and schema when that was decided.
    """

    event: Statement
    index: int
    plan: MaskPlan | None
    generation: int

    def __init__(
        self, event: Statement, index: int, plan: MaskPlan | None, generation: int
    ) -> None:
        self.event = event
        self.index = index
        self.plan = plan
        self.generation = generation


Action = Forward | Reply | Ask | Close | SchemaChange | WaitAtMost | Pause | Work | Vouch
