"""The gateway's own connections to a MySQL or MariaDB server: login done, credentials injected."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from twisted.internet.defer import Deferred, TimeoutError

from hoopgate.interfaces import ITLS
from hoopgate.mysql import login
from hoopgate.mysql.capabilities import wanted
from hoopgate.mysql.wire import packets
from hoopgate.mysql.wire_commands import query
from hoopgate.outgoing import BackendUnavailable, DatabaseConnection, log_in
from hoopgate.settings.model import TLSMode

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

    from hoopgate.settings.model import Resource

#: Seconds a KILL may take from connect to its answer.
KILL_SECONDS: Final = 5.0


class BackendConnection(DatabaseConnection[login.Ready]):
    """A connection to a MySQL or MariaDB server."""

    def __init__(self, machine: login.BackendLogin, resource: Resource, tls: ITLS) -> None:
        super().__init__(resource, tls)
        self._machine = machine

    def take(self, data: bytes) -> None:
        """See :class:`DatabaseConnection`."""
        for action in self._machine.received(data):
            self._perform(action)

    def _perform(self, action: login.LoginAction) -> None:
        assert self.transport is not None
        if isinstance(action, login.Send):
            self.transport.write(action.data)
        elif isinstance(action, login.StartTLS):
            self.start_tls()
        elif isinstance(action, login.Ready):
            self.begin(action, self._machine.drain())
        else:
            self.fail(BackendUnavailable(action.code, action.message))

    def handshakeCompleted(self) -> None:
        """The server's certificate is verified: it may have the credentials."""
        super().handshakeCompleted()
        assert self.transport is not None
        self.transport.write(self._machine.secured())


async def connect(
    reactor: IReactorTime,
    resource: Resource,
    tls: ITLS,
    password: str | None,
    capabilities: int = 0,
    attributes: Mapping[str, str] | None = None,
) -> BackendConnection:
    """Connect and log in to ``resource`` with the gateway's own credentials.

    :param capabilities: agreed with the client.
    :param attributes: connection attributes besides the gateway's own.
    :raises BackendUnavailable: with a stable code; its message quotes nothing the server said.
    """
    secured = resource.tls.mode is not TLSMode.DISABLE
    machine = login.BackendLogin(
        protocol=resource.protocol,
        user=resource.user,
        database=resource.database,
        password=password,
        capabilities=wanted(capabilities, resource.protocol, phi=resource.phi),
        tls=secured,
        private=resource.target.startswith("unix:"),
        attributes={"_client_name": "hoopgate", "program_name": "hoopgate", **(attributes or {})},
    )
    connection = BackendConnection(machine, resource, tls)
    await log_in(reactor, resource, connection)
    return connection


async def kill(
    reactor: IReactorTime, resource: Resource, tls: ITLS, password: str | None, thread: int
) -> None:
    """Ask the server to stop what its connection ``thread`` runs. Never fails: a KILL that does not
    arrive is no error to anybody, the statement just goes on."""
    try:
        connection = await connect(reactor, resource, tls, password)
    except BackendUnavailable:
        return
    assert connection.transport is not None
    answered: Deferred[None] = Deferred()

    def settle(_: bytes = b"") -> None:
        if not answered.called:
            answered.callback(None)

    connection.hand_over(settle, settle)
    answered.addTimeout(KILL_SECONDS, reactor)
    connection.transport.write(packets(query(b"KILL QUERY %d" % thread), 0))
    with suppress(TimeoutError):
        await answered
    connection.abandon()
