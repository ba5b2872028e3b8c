"""Every contract of hoopgate on one page. Rooms meet through these; read this file first.

A guard of one's own provides :class:`IGuardrail` and is named in the settings as
``package.module:factory``; ``docs/extending.md`` has one, and a session.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from zope.interface import Attribute, Interface

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred
    from twisted.internet.interfaces import (
        IOpenSSLClientConnectionCreator,
        IOpenSSLServerConnectionCreator,
        ITransport,
    )

    from hoopgate.actions import Action, Decision
    from hoopgate.events import (
        Command,
        Judged,
        Operation,
        Principal,
        Resolution,
        SessionFacts,
        Side,
        Statement,
        StatementFacts,
    )
    from hoopgate.settings.model import Listener, Resource
    from hoopgate.verdicts import Hold, Verdict

#: Makes a session of four sources: the present generation of rules and schema, whether that is
#: known to be the present one, new request ids, and stamps (:meth:`IStatementResolver.stamp`).
MakeSession = Callable[
    [Callable[[], int], Callable[[], bool], Callable[[], str], Callable[[], float]], Any
]


class IProtocolSession(Interface):
    """One client connection after login, sans-I/O: bytes in, actions out."""

    buffered = Attribute("bytes held; never above the limit")
    read_ahead = Attribute("bytes of the client's that wait for a verdict or for the backend")

    def received(side: Side, data: bytes) -> list[Action]:
        """Bytes arrived from ``side``.

        :raises RemoteProtocolError: the peer broke its protocol; the caller closes the session.
        """

    def decided(ticket: int, decision: Decision) -> list[Action]:
        """The answer to an ``Ask``."""

    def held(ticket: int, request_id: str, hold: Hold) -> list[Action]:
        """The event of ``ticket`` waits for a person: tell the client where the protocol can."""

    def lost(side: Side) -> list[Action]:
        """``side`` closed its connection."""

    def expire(reason: str, message: str) -> list[Action]:
        """The identity ended (or the node drains): tell the client in its protocol, then close."""

    def idle() -> bool:
        """True when nothing is being run or answered."""


class IDelegatingSession(IProtocolSession):
    """A session that gives out work."""

    def worked(ticket: int, answer: bytes | None) -> list[Action]:
        """The answer to a ``Work``; None: there is none."""


class IDoubtingSession(IProtocolSession):
    """A session that has answers vouched for."""

    def vouched() -> list[Action]:
        """The answer to a ``Vouch``: what was decided holds. Where not, the session ends."""


class IGuardrail(Interface):
    """Judges one event. Pure and synchronous: no I/O, no clock of its own, no state that waits."""

    name = Attribute("short name for rules and logs")

    def judge(judged: Judged, session: SessionFacts, now: float) -> Verdict | None:
        """:return: a verdict, or None for no opinion. An exception counts as a Block."""


class IIdentityVerifier(Interface):
    def verify(token: str, resource: Resource) -> Deferred[Principal]:
        """Verify an OIDC token for ``resource``, then ask the directory for its groups.

        Fails with :class:`IdentityRefused` or :class:`DirectoryUnavailable`; nothing else.
        """

    def recheck(principal: Principal, resource: Resource) -> Deferred[Principal]:
        """Look the groups up again for a running session; fails as :meth:`verify` does."""


class IGroupDirectory(Interface):
    def groups(principal: Principal) -> Deferred[frozenset[str]]:
        """Names of all groups (nested ones too) of an identity.

        Fails with :class:`DirectoryUnavailable` (outage, timeout, size limit) or
        :class:`IdentityRefused` (unknown or disabled account).
        """


class IStatementAnalyzer(Interface):
    """Parses SQL off the reactor thread."""

    def analyze(text: str) -> Deferred[tuple[StatementFacts, ...]]:
        """Facts of each statement in ``text``.

        Fails with :class:`Refused`: ``parse.syntax``, ``parse.size``, ``parse.crash``,
        ``parse.timeout``.
        """

    def cached(text: str) -> tuple[StatementFacts, ...] | None:
        """What is known of ``text`` without waiting; None when it must be parsed. Texts that differ
        in nothing but literals that have no bearing share one object."""

    def lift(text: str) -> Deferred[Any]:
        """``text`` with parameters for the tokens in it, a :class:`hoopgate.sql.tokens.Lifted`;
        None when there is none that counts.

        Fails with :class:`Refused`: as :meth:`analyze`, and ``token.many``.
        """


class ICommandExaminer(Interface):
    def examine(command: Command) -> Deferred[Operation]:
        """What a command means on its machine: parsed, its paths resolved by the server.

        Never fails: what cannot be understood is an operation with a ``problem``.
        """


class ISideConnection(Interface):
    """A pooled connection to the backend beside the sessions, for questions about statements."""

    creates = Attribute(
        "Whether procedures can be created: not on a standby, and not by every account. Until there"
        " was a connection it is taken for granted."
    )

    def run(
        script: Sequence[str | tuple[str, ...]],
    ) -> Deferred[list[list[tuple[str | None, ...]]]]:
        """Run the statements one after the other in one transaction that is rolled back.

        :param script: statements; one that comes again and again is a tuple of its text and the
            values of its parameters, and is kept prepared.
        :return: rows (text format) per statement.
        Fails with :class:`UnresolvableStatement` on a server error; its message quotes no data.
        """

    def tree(
        script: Sequence[str | tuple[str, ...]], text: str, types: Sequence[int]
    ) -> Deferred[str]:
        """PostgreSQL: have ``text`` parsed, and not run, behind ``script``.

        :param types: OIDs of its parameters' types.
        :return: its analysed tree, as ``prosqlbody`` of a procedure would hold it.
        Fails with :class:`UnresolvableStatement`.
        """


class IStatementResolver(Interface):
    def resolve(
        statement: Statement, facts: StatementFacts, session: SessionFacts
    ) -> Deferred[Resolution]:
        """Ask the server what a statement reads and returns; cached.

        Fails with :class:`UnresolvableStatement`.
        """

    def estimate(
        statement: Statement, facts: StatementFacts, resolution: Resolution
    ) -> Deferred[int | None]:
        """Rows that the backend's planner expects; None where it cannot be asked without running
        anything. For reviewers only. Never fails."""

    def prepare() -> None:
        """A session begins: connect now rather than when its first statement waits for it."""

    generation = Attribute("counts changes of the schema: what rests on another one is void")

    def stamp() -> float:
        """Seconds; negative while somebody is changing the schema through the gateway, and far
        ahead of those before a change. Two that are close say that there was none in between."""

    def look() -> Deferred[None]:
        """Look at the schema, from now on. Fails as :meth:`confirm` does."""

    def changes(by: object, *, over: bool) -> None:
        """``by`` is about to change the schema, through the gateway; ``over``: it has, or not."""

    def confirmed() -> bool:
        """True when the schema was seen to be the same a moment ago: what is known holds."""

    def confirm() -> Deferred[None]:
        """See to it that what is known holds: look at the schema unless that was just done.

        Fails with :class:`UnresolvableStatement` when the backend cannot be asked.
        """

    def expire() -> None:
        """What is known has to be confirmed again before it is used: the schema was probably
        changed, or much rests on it."""


class IApprovals(Interface):
    def request(digest: str, judged: Judged, session: SessionFacts, hold: Hold) -> Deferred[str]:
        """File a request for a person; fires with its id once it is durable."""

    def passes(digest: str, session: SessionFacts) -> Deferred[str | None]:
        """Use up an approval of this digest by this identity, once; its id, or None."""

    def wait(request_id: str) -> Deferred[bool]:
        """Fires with True when approved (and used up), False when denied or expired."""

    def detach(request_id: str) -> Deferred[None]:
        """The client was told to come back: the request stays, for any session of its identity."""

    def abandon(request_id: str) -> Deferred[None]:
        """The client left: the request is closed and can no longer be approved."""


class ISessionRecording(Interface):
    """The recording of one session. Entries keep their order."""

    unreleased = Attribute("response bytes accepted and not yet durable")

    def full() -> bool:
        """True while the log's disk has no room for new requests: only refusals are recorded."""

    def request(
        data: bytes, forwarded: bytes | None, decisions: Sequence[Decision]
    ) -> Deferred[int]:
        """Record what the client sent (and, where it differs, what the backend is sent).

        Fires with the leaf's index when durable; fails with :class:`RecorderFailed` or
        :class:`RecorderFull`. Response bytes given before it are durable with it.
        """

    def request_for(
        waiter: Any, data: bytes, forwarded: bytes | None, decisions: Sequence[Decision]
    ) -> object:
        """As :meth:`request`, for who does so for every statement.

        ``waiter.recorded(entry, error)`` is called with what is returned here, once, never before
        this returns; ``error`` is None when it is durable.

        :raises RecorderFailed: the log takes nothing more.
        """

    def response(data: bytes) -> None:
        """Record what the client is sent. Durable within the window's time or size."""

    def flushed(behind: int = 0) -> Deferred[None]:
        """Fires when all response bytes accepted so far are durable, but the last ``behind``."""

    def note(type: str, detail: Mapping[str, object]) -> Deferred[int]:
        """Record a leaf without payload: ``approval``, ``admin`` …"""

    def close(reason: str) -> Deferred[int]:
        """Record session.close. Nothing may follow."""


class IRecorder(Interface):
    def open_session(session: SessionFacts) -> Deferred[ISessionRecording]:
        """Record session.open; fires when it is durable."""

    def append(type: str, detail: Mapping[str, object]) -> Deferred[int]:
        """Record a leaf that belongs to no session (``admin``, ``heartbeat`` …)."""

    def failed() -> bool:
        """True once the log can take nothing more."""


class ISecretSource(Interface):
    def password(resource: Resource, principal: Principal) -> Deferred[str]:
        """The backend's password for this resource. Never logged, never kept longer than needed."""


class IStateStore(Interface):
    """Small durable state: approvals, revocations, log heads. Runs on a thread of its own."""

    def execute(sql: str, parameters: Sequence[object] = ()) -> Deferred[list[tuple[object, ...]]]:
        """Run one statement in its own durable transaction; fires with its rows."""

    def close() -> Deferred[None]:
        """Finish what is queued and close."""


class ITLS(Interface):
    """TLS on both legs, for protocols that start it in the middle of a connection."""

    def server(listener: Listener) -> IOpenSSLServerConnectionCreator:
        """The context factory for a client of ``listener``; certificates reload on SIGHUP."""

    def client(resource: Resource) -> IOpenSSLClientConnectionCreator:
        """The context factory towards ``resource``: chain and host name are verified."""

    def certificate(transport: object) -> bytes | None:
        """The peer's certificate, DER, once the handshake is done."""

    def own_certificate(transport: object) -> bytes | None:
        """The certificate that we have shown the peer, DER; None without TLS."""

    def facts(transport: object) -> dict[str, str]:
        """``version``, ``cipher`` and ``alpn`` of a connection; empty for plaintext."""


class IRelay(Interface):
    """A running session, as the protocol that opened it drives it."""

    def client_data(data: bytes) -> None:
        """The client sent bytes."""

    def backend_data(data: bytes) -> None:
        """The backend sent bytes."""

    def client_lost() -> None:
        """The client's connection is gone."""

    def backend_lost() -> None:
        """The backend's connection is gone."""

    def cancel() -> None:
        """The client cancelled: refuse what is being judged, or waits for a person."""

    def busy() -> bool:
        """True when something runs that a cancel request could stop."""

    def end(reason: str, message: str) -> None:
        """End the session now, and stop what it runs at the backend.

        :param reason: stable word for the log.
        """


class IGateway(Interface):
    """What a protocol folder needs of the node it runs in."""

    limits = Attribute("settings.model.Limits")
    tls = Attribute("ITLS")
    secrets = Attribute("ISecretSource")
    credentials = Attribute("identity.credentials.Credentials: session credentials in force")

    def admit(turn_away: Callable[[], None]) -> bool:
        """A connection was accepted; False when there are too many before login or in all.

        :param turn_away: ends it. Called when there are too many and others come: the one that has
            been silent for longest goes first, so that silent ones do not keep everybody out.
        """

    def stays(turn_away: Callable[[], None]) -> None:
        """An admitted connection has given a credential: it is not turned away any more."""

    def left(turn_away: Callable[[], None]) -> None:
        """The login of an admitted connection is over, whichever way."""

    def canceled() -> None:
        """A client's cancel request was passed on to its backend: to be counted."""

    def meter(session_id: str) -> Any:
        """Counts what a session that begins spends (:class:`guardrails.budgets.Meter`); None where
        there are no budgets."""

    def tokeniser(resource: Resource) -> Callable[[str, bytes], str] | None:
        """Makes the tokens of a resource of kind and value; None where there are no keys."""

    def verify(token: str, resource: Resource) -> Deferred[Principal]:
        """See :class:`IIdentityVerifier`; failures are counted."""

    def confirm(principal: Principal, resource: Resource) -> Deferred[Principal]:
        """Look the groups of a verified identity up again, for a login without its token."""

    def serve(
        facts: SessionFacts,
        make: MakeSession,
        client: ITransport,
        backend: ITransport,
        interrupt: Callable[[], Deferred[None]],
    ) -> Deferred[IRelay]:
        """Record session.open, then relay. ``interrupt`` asks the backend to stop what the session
        runs: called when the session is ended meanwhile; never fails. Fails with
        :class:`RecorderFailed` or :class:`RecorderFull`."""
