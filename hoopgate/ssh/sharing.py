"""The connection to the backend that the channels of one client share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred, succeed
from twisted.python.failure import Failure

from hoopgate.ssh.backend import BackendTransport, connect

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

    from hoopgate.events import Principal
    from hoopgate.interfaces import ISecretSource
    from hoopgate.settings.model import Resource


class SharedBackend:
    """Made when it is first needed, and anew when it was lost."""

    def __init__(self, reactor: IReactorTime, secrets: ISecretSource) -> None:
        self._reactor = reactor
        self._secrets = secrets
        self._backend: BackendTransport | None = None
        self._waiting: list[Deferred[BackendTransport]] | None = None
        self._ended = False

    def connected(self, principal: Principal, resource: Resource) -> Deferred[BackendTransport]:
        """The connection; fails with :class:`BackendUnavailable` or :class:`Refused`."""
        if self._backend is not None:
            return succeed(self._backend)
        waiting: Deferred[BackendTransport] = Deferred()
        if self._waiting is not None:
            self._waiting.append(waiting)
            return waiting
        self._waiting = [waiting]
        connecting = Deferred.fromCoroutine(self._connect(principal, resource))
        connecting.addBoth(self._have)
        return waiting

    def end(self) -> None:
        """Nobody needs it any more."""
        self._ended = True
        if self._backend is not None:
            self._backend.loseConnection()

    async def _connect(self, principal: Principal, resource: Resource) -> BackendTransport:
        password = None
        if resource.password is not None:
            password = await self._secrets.password(resource, principal)
        return await connect(self._reactor, resource, password)

    def _have(self, outcome: BackendTransport | Failure) -> None:
        waiting, self._waiting = self._waiting or [], None
        if isinstance(outcome, Failure):
            for one in waiting:
                one.errback(outcome)
            return
        self._backend = outcome
        outcome.on_end = self._gone
        if self._ended:
            outcome.loseConnection()
        for one in waiting:
            one.callback(outcome)

    def _gone(self) -> None:
        self._backend = None
