"""Connections of database clients, from the first byte until the relay has them: admission, login,
refusal, leaving.

A protocol adds how it logs a client in, and how it says no.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, TypeVar

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure

from hoopgate.errors import HoopgateError, Refused
from hoopgate.network import hang_up, keep_alive, no_delay
from hoopgate.outgoing import BackendUnavailable, Outgoing

if TYPE_CHECKING:
    from collections.abc import Awaitable, Coroutine

    from twisted.internet.interfaces import IDelayedCall, IReactorTime

    from hoopgate.interfaces import IGateway, IRelay
    from hoopgate.settings.model import Listener, Resource

log = Logger()

_T = TypeVar("_T")


class Busy(Refused):
    """The gateway has as many connections as it may."""

    def __init__(self) -> None:
        super().__init__("login.busy", "too many connections")


class Late(Refused):
    """The client took too long."""

    def __init__(self) -> None:
        super().__init__("login.late", "the login took too long")


class Early(Refused):
    """The client sent more than it may before its login was through."""

    def __init__(self) -> None:
        super().__init__("login.early", "too much was sent before the login was through")


class Gone(Exception):
    """Nobody waits for the outcome of this login."""


class DatabaseServer(Protocol):
    """One client connection. Until its login is through, nothing of the client's reaches anything
    but the login's steps.

    :param node: whose listener the client has reached.
    :param peer: the client's address and port.
    """

    def __init__(self, node: DatabaseFactory, peer: str) -> None:
        self._reactor = node.reactor
        self._gateway = node.gateway
        self._listener = node.listener
        self._peer = peer
        self._receive: Callable[[bytes], None] = self._greeted
        self._relay: IRelay | None = None
        self._backend: Outgoing | None = None
        self._resource_name = ""
        self._credential: Deferred[str] | None = None
        self._admitted = False
        self._steps: Deferred[None] | None = None  # of the login, while it runs
        self._early: list[bytes] = []
        self._early_bytes = 0
        self._timer: IDelayedCall | None = None
        self._ended = False
        self._lost = False

    # --- what a protocol says ---------------------------------------------------------------------

    def _greeted(self, data: bytes) -> None:
        """Bytes from the client before its login begins."""
        raise NotImplementedError

    def _farewell(self, why: BaseException | None) -> bytes:
        """The protocol's words for what ends a login: :class:`Busy`, :class:`Late`,
        :class:`Early`, :class:`BackendUnavailable`, another error of the gateway's, or a bug."""
        raise NotImplementedError

    def _forget(self) -> None:
        """The client has left: nobody can cancel anything of it any more."""
        raise NotImplementedError

    # --- from here to the relay -------------------------------------------------------------------

    def connectionMade(self) -> None:
        assert self.transport is not None
        keep_alive(self.transport)
        no_delay(self.transport)
        if not self._gateway.admit(self._turn_away):
            self._end(self._farewell(Busy()))
            return
        self._admitted = True
        self._timer = self._reactor.callLater(
            self._gateway.limits.login_seconds, lambda: self._end(self._farewell(Late()))
        )

    def dataReceived(self, data: bytes) -> None:
        self._receive(data)

    def _run(self, steps: Coroutine[Deferred[object], object, None]) -> None:
        """Begin the login."""
        self._steps = Deferred.fromCoroutine(steps)
        self._steps.addErrback(self._refused)
        self._steps.addCallback(self._steps_over)

    async def _step(self, step: Awaitable[_T]) -> _T:
        """Wait for a step of the login.

        :raises Gone: the client left meanwhile, or was sent away.
        """
        outcome = await step
        if self._ended:
            raise Gone
        return outcome

    def _has_shown(self, credential: Deferred[str], token: str) -> None:
        """The client has given its token, or has proven its credential (then it is "")."""
        self._receive = self._too_early
        self._gateway.stays(self._turn_away)
        credential.callback(token)

    def _too_early(self, data: bytes) -> None:
        """Bytes while a step of the login waits: kept, but only so many."""
        self._early.append(data)
        self._early_bytes += len(data)
        if self._early_bytes > self._gateway.limits.startup_bytes:
            self._end(self._farewell(Early()))

    def _hand_over(self, relay: IRelay, backend: Outgoing, greeting: bytes) -> None:
        """The login is through: say so, and let both sides' bytes go to the relay."""
        assert self.transport is not None
        self._stop_timer()
        self.transport.write(greeting)
        self._receive = relay.client_data
        backend.hand_over(relay.backend_data, relay.backend_lost)
        early, self._early = self._early, []
        for data in early:
            relay.client_data(data)

    # --- ends -------------------------------------------------------------------------------------

    def _refused(self, failure: Failure) -> None:
        error = failure.value
        known = isinstance(error, HoopgateError)
        if self._ended:
            if not known and failure.check(Gone, CancelledError) is None:
                log.failure("login.bug", failure=failure)
            return
        if isinstance(error, BackendUnavailable):
            cause = type(error.__cause__).__name__ if error.__cause__ is not None else ""
            log.error(
                "backend.unavailable",
                resource=self._resource_name,
                code=error.code,
                error=cause,
                peer=self._peer,
            )
        elif not known:
            log.failure("login.bug", failure=failure)
        self._end(self._farewell(error))

    def _end(self, data: bytes) -> None:
        assert self.transport is not None
        if self._ended:
            return
        self._gone()
        if data:
            self.transport.write(data)
        hang_up(self._reactor, self.transport)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._lost = True
        self._gone()
        self._forget()
        if self._relay is not None:
            self._relay.client_lost()
        self._leave()

    def _gone(self) -> None:
        """The client has left or is sent away: no further step of its login is made."""
        self._ended = True
        self._receive = lambda _: None
        self._early.clear()
        self._stop_timer()
        if self._credential is not None:
            self._credential.cancel()

    def _steps_over(self, _: None) -> None:
        self._steps = None
        if self._ended and self._relay is not None:
            self._relay.client_lost()
        elif self._relay is None and self._backend is not None:
            self._backend.abandon()
        self._leave()

    def _leave(self) -> None:
        """Make room for another login: once this one is through, or its client and its last step
        are gone."""
        if self._steps is None and (self._lost or self._relay is not None):
            self._make_room()

    def _make_room(self) -> None:
        if self._admitted:
            self._admitted = False
            self._gateway.left(self._turn_away)

    def _turn_away(self) -> None:
        """It has shown nothing yet, and others wait: no ceremony."""
        self._gone()
        self._make_room()
        assert self.transport is not None
        self.transport.abortConnection()  # type: ignore[attr-defined]

    def _stop_timer(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()


class DatabaseFactory(Factory):
    """Makes a :attr:`server` per client of one listener.

    :param resources: what clients may name as database here.
    """

    noisy = False
    #: Made with this factory and the client's address.
    server: ClassVar[type[DatabaseServer]]

    def __init__(
        self,
        reactor: IReactorTime,
        gateway: IGateway,
        listener: Listener,
        resources: dict[str, Resource],
    ) -> None:
        self.reactor = reactor
        self.gateway = gateway
        self.listener = listener
        self.resources = resources

    def buildProtocol(self, addr: IAddress | None) -> Protocol:
        host = getattr(addr, "host", None)
        return self.server(self, f"{host}:{addr.port}" if host else "unix")  # type: ignore[union-attr]
