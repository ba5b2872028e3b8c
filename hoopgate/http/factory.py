"""Twisted's side of HTTP: listener, identity, upstream, and the hand-over to the relay.

The token of every request is looked at. The first of a connection is verified, and begins a session
with an upstream connection of its own; those behind it with the same token and resource belong to
it. Another token or resource on the same connection ends it and begins the next.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.interfaces import IAddress, IHandshakeListener, ITLSTransport
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from hoopgate.errors import HoopgateError
from hoopgate.events import Principal, SessionFacts
from hoopgate.http import upstream
from hoopgate.http.cors import Origins
from hoopgate.http.ends import ClientEnd
from hoopgate.http.forwarding import Credential, Fixed
from hoopgate.http.gate import Gate, Metadata, Opening, Refusal, metadata, not_opened
from hoopgate.http.h2_server import HTTP2Server
from hoopgate.http.oauth import TokenSource
from hoopgate.http.problems import Problem, named, remedy_of
from hoopgate.http.session import HTTPSession
from hoopgate.http.wire import Malformed, RequestHead, RequestReader
from hoopgate.identity.certificates import require_same
from hoopgate.interfaces import IGateway, IProtocolSession, IRelay
from hoopgate.network import hang_up, keep_alive, no_delay, queued, write

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall, IReactorTime

    from hoopgate.settings.model import Listener, Resource

log = Logger()

#: Bytes read ahead while a session is being opened.
_EARLY_BYTES = 256 * 1024
#: Bytes of refusals before any session that a client may leave unread.
_UNREAD_BYTES = 256 * 1024


@implementer(IHandshakeListener)
class HTTPServer(Protocol):
    """One client connection.

    :param beneath: the client's transport, where this is a lane of HTTP/2 on it.
    """

    def __init__(self, factory: HTTPFactory, peer: str, beneath: Any = None) -> None:
        self._node = factory
        self._beneath = beneath
        self._h2: HTTP2Server | None = None
        self._gateway = factory.gateway
        self._peer = peer
        self._reader = RequestReader()
        self._session: HTTPSession | None = None
        self._relay: IRelay | None = None
        self._steps: Deferred[None] | None = None  # while a session is being opened
        self._backend: upstream.UpstreamConnection | None = None
        self._opening: Opening | None = None
        self._admitted = False
        self._paused = False
        self._again: RequestHead | None = None  # a request that a session has sent before
        self._between = False  # a session has ended, and the connection has not gone on yet
        self._timer: IDelayedCall | None = None
        self._ended = False
        self._lost = False
        self._secured = factory.listener.tls is None or beneath is not None

    def connectionMade(self) -> None:
        assert self.transport is not None
        keep_alive(self.transport)
        no_delay(self.transport)
        if self._wait() and not self._secured:
            ITLSTransport(self.transport).startTLS(self._gateway.tls.server(self._node.listener))

    def handshakeCompleted(self) -> None:
        """The client's TLS is up, and the version agreed on (RFC 9113 3.2)."""
        self._secured = True
        transport = self.transport
        spoken = self._gateway.tls.facts(transport).get("alpn")
        if spoken == "h2" and not self._ended:
            self._h2 = HTTP2Server(
                self._node.reactor,
                lambda: HTTPServer(self._node, self._peer, transport),
                self._gateway.limits.idle_seconds,
                self._stop_waiting,
            )
            self._h2.makeConnection(transport)  # type: ignore[no-untyped-call]

    def _wait(self) -> bool:
        """A connection without a session counts as one before login; False: there are too many."""
        if not self._gateway.admit(self._turn_away):
            if self._secured:
                busy = Problem(503, "gateway.busy", "There are too many connections.")
                self._end(busy.encode(close=True))
            else:
                self._end(b"")
            return False
        self._admitted = True
        self._timer = self._node.reactor.callLater(
            self._gateway.limits.login_seconds, self._too_late
        )
        return True

    def dataReceived(self, data: bytes) -> None:
        if self._h2 is not None:
            self._h2.dataReceived(data)
            return
        if self._ended:
            return
        if self._relay is not None and self._session is not None and not self._session.over:
            self._relay.client_data(data)
            return
        # The relay of a session that is over would drop it.
        self._reader.feed(data)
        if self._steps is None and self._relay is None and not self._between:
            self._read()
        elif self._reader.buffered > _EARLY_BYTES and not self._paused:
            assert self.transport is not None
            self._paused = True
            self.transport.pauseProducing()  # type: ignore[attr-defined]

    # --- before a session -------------------------------------------------------------------------

    def _read(self) -> None:
        """Look for the head of the next request."""
        try:
            while not self._ended and self._steps is None and self._relay is None:
                event = self._reader.next_event()
                if event is None:
                    return
                if isinstance(event, RequestHead):
                    self._on_head(event)
        except Malformed as error:
            problem = Problem(error.status, error.code, str(error), remedy_of(error.code))
            self._end(self._logged(problem).encode(close=True))

    def _on_head(self, head: RequestHead) -> None:
        preflight = self._node.origins.preflight(head)
        if preflight is not None:
            self._finish(preflight, close=head.close)
            return
        try:
            found = self._node.gate.read(head)
        except Refusal as refusal:
            self._answer(head, refusal.problem)
            return
        if isinstance(found, Metadata):
            self._tell(head, found)
            return
        self._opening = found
        self._steps = Deferred.fromCoroutine(self._open(head, found))
        self._steps.addErrback(self._refused, head)
        self._steps.addCallback(self._steps_over)

    def _answer(self, head: RequestHead, problem: Problem) -> None:
        """Refuse a request that no session was made for; the connection stays, if it can."""
        assert self.transport is not None
        close = head.close or head.length != 0
        data = self._logged(problem).encode(
            head_only=head.method == "HEAD", close=close, more=self._node.origins.headers(head)
        )
        self._finish(data, close=close)

    def _logged(self, problem: Problem) -> Problem:
        """With an id to quote, which the log has."""
        problem = named(problem)
        log.info("http.refused", code=problem.code, peer=self._peer, request_id=problem.request_id)
        return problem

    def _tell(self, head: RequestHead, question: Metadata) -> None:
        close = head.close or head.length != 0
        data = metadata(
            question,
            self._node.issuers,
            head_only=head.method == "HEAD",
            close=close,
            more=self._node.origins.headers(head),
        )
        self._finish(data, close=close)

    def _finish(self, data: bytes, *, close: bool) -> None:
        assert self.transport is not None
        if close:
            self._end(data)
            return
        write(self.transport, data)
        if queued(self.transport) > _UNREAD_BYTES:
            self._end(b"")  # it asks and asks, and reads no answer
            return
        assert self._reader.next_event() is not None  # its end: it has no body
        self._reader.next_request()

    async def _open(self, head: RequestHead, opening: Opening) -> None:
        resource = opening.resource
        principal = await self._gateway.verify(opening.token, resource)
        self._stays()
        if self._node.listener.clients is not None:
            require_same(self._gateway.tls.certificate(self._beneath or self.transport), principal)
        credential = await self._credential(opening, principal)
        self._still_there()
        self._backend = backend = await upstream.connect(
            self._node.reactor, resource, self._gateway.tls
        )
        self._still_there()
        assert self.transport is not None and backend.transport is not None
        session: list[HTTPSession] = []

        def make(
            generation: Callable[[], int],
            confirmed: Callable[[], bool],
            mint: Callable[[], str],
            stamp: Callable[[], float],
        ) -> IProtocolSession:
            session.append(self._make(head, opening, credential, mint))
            made: IProtocolSession = session[0]
            return made

        end = ClientEnd(self.transport, lambda: self._session_over(session[0]))
        try:
            relay = await self._gateway.serve(
                self._facts(head, principal, resource),
                make,
                end,
                backend.transport,
                lambda: succeed(None),  # to hang up is all that can be done
            )
        except Exception as error:
            backend.require_alive(error)
            raise
        self._relay = relay
        self._session = session[0]
        self._stop_waiting()
        backend.hand_over(relay.backend_data, relay.backend_lost)

    def _make(
        self,
        head: RequestHead,
        opening: Opening,
        credential: Credential,
        mint: Callable[[], str],
    ) -> HTTPSession:
        host, hosts = upstream.host_header(opening.resource, opening.http)
        return HTTPSession(
            gate=self._node.gate,
            reader=self._reader,
            head=head,
            opening=opening,
            credential=credential,
            upstream=host,
            hosts=hosts,
            peer=self._peer,
            secure=self._node.listener.tls is not None,
            mint=mint,
            tokens=self._gateway.tokeniser(opening.resource),
            again=self._again,
            origins=self._node.origins,
        )

    async def _credential(self, opening: Opening, principal: Principal) -> Credential:
        resource, http = opening.resource, opening.http
        if http.credential == "none":
            return Fixed()
        password = await self._gateway.secrets.password(resource, principal)
        if http.credential == "oauth":
            return await self._node.tokens(resource, http).credential(password)
        return upstream.fixed_credential(resource, http, password)

    def _facts(self, head: RequestHead, principal: Principal, resource: Resource) -> SessionFacts:
        agent = (head.get(b"user-agent") or b"").decode("ascii")
        return SessionFacts(
            id="ses-" + secrets.token_hex(10),
            principal=principal,
            resource=resource.name,
            protocol="http",
            database=resource.database,
            peer=self._peer,
            listener=self._node.listener.name,
            tls=self._gateway.tls.facts(self._beneath or self.transport),
            application=agent[:200],
        )

    def _still_there(self) -> None:
        if self._ended:
            raise _Gone

    # --- ends -------------------------------------------------------------------------------------

    def _refused(self, failure: Failure, head: RequestHead) -> None:
        opening = self._opening
        if self._ended or opening is None:
            if failure.check(_Gone, CancelledError, HoopgateError) is None:
                log.failure("login.bug", failure=failure)
            return
        resource, error = opening.resource, failure.value
        if isinstance(error, upstream.UpstreamUnavailable):
            cause = type(error.__cause__).__name__ if error.__cause__ is not None else ""
            log.error(
                "backend.unavailable",
                resource=resource.name,
                code=error.code,
                error=cause,
                peer=self._peer,
            )
        problem = not_opened(error, resource, opening.public)
        if problem.code == "internal":
            log.failure("login.bug", failure=failure)
        self._answer(head, problem)

    def _steps_over(self, _: None) -> None:
        self._steps = None
        relay = self._relay
        if relay is None:
            if self._backend is not None:
                self._backend.abandon()
                self._backend = None
            self._resume()
            if not self._ended:
                self._read()
            return
        if self._ended:
            relay.client_lost()
            return
        self._resume()
        relay.client_data(b"")  # the head that it was opened with, and what came behind it

    def _resume(self) -> None:
        if self._paused and not self._lost:
            assert self.transport is not None
            self._paused = False
            self.transport.resumeProducing()  # type: ignore[attr-defined]

    def _session_over(self, session: HTTPSession) -> bool:
        """The relay has closed a session: the connection stays when the session says so."""
        self._relay = self._session = self._backend = None
        if self._lost or self._ended:
            return False
        if not session.keeps_client:
            self._ended = True
            self._stop_timer()
            assert self.transport is not None
            hang_up(self._node.reactor, self.transport)
            return False
        self._between = True
        self._again = session.next_head if session.begins_again else None
        # In a turn of its own: the relay is not through with its end yet.
        self._node.reactor.callLater(0, self._go_on, session.next_head)
        return True

    def _go_on(self, head: RequestHead | None) -> None:
        self._between = False
        if self._lost or self._ended or not self._wait():
            return
        if head is not None:
            self._on_head(head)
        if self._steps is None:
            self._read()

    def _end(self, data: bytes) -> None:
        assert self.transport is not None
        if self._ended:
            return
        self._ended = True
        self._stop_waiting()
        if data:
            write(self.transport, data)
        hang_up(self._node.reactor, self.transport)

    def _too_late(self) -> None:
        if self._h2 is not None:
            self._stop_waiting()
            self._h2.end()
        elif self._secured and not self._reader.between:
            late = Problem(408, "http.timeout", "The request took too long.")
            self._end(late.encode(close=True))
        else:
            self._end(b"")

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._lost = self._ended = True
        self._stop_waiting()
        if self._h2 is not None:
            self._h2.connectionLost(reason)
        if self._relay is not None and self._steps is None:
            self._relay.client_lost()

    def _stays(self) -> None:
        self._still_there()
        self._gateway.stays(self._turn_away)

    def _stop_waiting(self) -> None:
        self._stop_timer()
        if self._admitted:
            self._admitted = False
            self._gateway.left(self._turn_away)

    def _turn_away(self) -> None:
        """It has shown nothing yet, and others wait: no ceremony."""
        self._ended = True
        self._stop_waiting()
        assert self.transport is not None
        self.transport.abortConnection()  # type: ignore[attr-defined]

    def _stop_timer(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()


class _Gone(Exception):
    """Nobody waits for the outcome of this step."""


class HTTPFactory(Factory):
    """Makes an :class:`HTTPServer` per client of one listener.

    :param resources: what clients may ask for here.
    :param issuers: URLs of those who issue tokens.
    """

    noisy = False

    def __init__(
        self,
        reactor: IReactorTime,
        gateway: IGateway,
        listener: Listener,
        resources: dict[str, Resource],
        issuers: Sequence[str],
    ) -> None:
        self.reactor = reactor
        self.gateway = gateway
        self.listener = listener
        self.issuers = tuple(issuers)
        self.origins = Origins(listener.origins)
        self.gate = Gate(
            resources,
            secure=listener.tls is not None,
            token_bytes=gateway.limits.token_bytes,
        )
        self._tokens: dict[str, TokenSource] = {}

    def tokens(self, resource: Resource, http: Any) -> TokenSource:
        """The tokens that the gateway gets for a resource."""
        if resource.name not in self._tokens:
            self._tokens[resource.name] = TokenSource(self.reactor, resource, http)
        return self._tokens[resource.name]

    def buildProtocol(self, addr: IAddress | None) -> Protocol:
        host = getattr(addr, "host", None)
        return HTTPServer(self, f"{host}:{addr.port}" if host else "unix")  # type: ignore[union-attr]
