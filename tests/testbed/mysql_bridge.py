"""A session of MySQL's protocol between a real client and a real server, with verdicts of a test's
own: the sans-I/O machines of the gateway on threads and sockets, one thread per client."""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from hoopgate.actions import Action, Ask, Close, Decision, Forward, Reply, SchemaChange
from hoopgate.events import Side, Statement, StatementFacts
from hoopgate.mysql import capabilities, login, startup
from hoopgate.mysql.session import MysqlSession
from hoopgate.mysql.wire_results import Ok
from hoopgate.verdicts import Allow, Verdict
from testbed.certificates import Certificates
from testbed.mariadb import MariaDB

Decide = Callable[[Statement], Verdict]


@dataclass
class Seen:
    """What passed through a bridge."""

    events: list[Statement] = field(default_factory=list)
    forwards: list[Forward] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    hellos: list[startup.Hello] = field(default_factory=list)
    closes: list[str] = field(default_factory=list)
    schema_changes: list[bool] = field(default_factory=list)
    errors: list[BaseException] = field(default_factory=list)


class _Client:
    """The client's socket, with TLS over memory so that early bytes can be fed to it."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self._tls: ssl.SSLObject | None = None
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()

    def start_tls(self, context: ssl.SSLContext, early: bytes) -> None:
        self._in.write(early)
        self._tls = context.wrap_bio(self._in, self._out, server_side=True)
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                self._flush()
                data = self.socket.recv(65536)
                if not data:
                    raise ConnectionError("gone in the handshake") from None
                self._in.write(data)
                continue
            self._flush()
            return

    def _flush(self) -> None:
        if data := self._out.read():
            self.socket.sendall(data)

    def pending(self) -> bytes:
        """What TLS has read already."""
        assert self._tls is not None
        out = b""
        with contextlib.suppress(ssl.SSLWantReadError, ssl.SSLZeroReturnError):
            while piece := self._tls.read(65536):
                out += piece
        return out

    def receive(self) -> bytes:
        """Bytes; empty when the client is gone."""
        data = self.socket.recv(65536)
        if self._tls is None or not data:
            return data
        self._in.write(data)
        return self.pending()

    def send(self, data: bytes) -> None:
        if self._tls is None:
            self.socket.sendall(data)
            return
        self._tls.write(data)
        self._flush()


class Bridge:
    """Listens while it is entered.

    :param decide: the verdict on each statement.
    :param user: the backend account, with ``password``.
    :param rewrite: what the server is sent for a statement.
    """

    def __init__(
        self,
        server: MariaDB,
        certificates: Certificates,
        decide: Decide = lambda _: Allow("test"),
        *,
        database: str,
        user: str = "root",
        password: str = MariaDB.password,
        phi: bool = True,
        rewrite: Callable[[str], str | None] = lambda _: None,
        message_limit: int = 64 * 2**20,
        response_limit: int = 64 * 2**20,
    ) -> None:
        self.server = server
        self.decide = decide
        self.seen = Seen()
        self.facts: Callable[[str], tuple[StatementFacts, ...]] = lambda _: ()
        self.phi = phi
        self.generation = 0
        self._database = database
        self._account = user, password
        self._rewrite = rewrite
        self._message_limit = message_limit
        self._response_limit = response_limit
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificates.server.certificate, certificates.server.key)
        self._ids = 0
        self._threads: list[threading.Thread] = []
        self._sockets: list[socket.socket] = []

    def __enter__(self) -> Bridge:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for one in self._sockets:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(60)
        for one in self._sockets:
            one.close()

    def _start(self, call: Callable[..., None], *arguments: Any) -> None:
        thread = threading.Thread(target=call, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._sockets.append(connection)
            self._start(self._guarded, connection)

    def _guarded(self, connection: socket.socket) -> None:
        try:
            self._serve(_Client(connection))
        except (OSError, ssl.SSLError):
            pass
        except BaseException as error:  # noqa: BLE001 - the test looks at them
            self.seen.errors.append(error)
        finally:
            connection.close()

    def _serve(self, client: _Client) -> None:
        machine = startup.ClientLogin(
            self.server.protocol,
            4711,
            tls=True,
            startup_limit=10_000,
            token_limit=65_536,
            verifiers=None,
        )
        client.send(machine.start())
        hello: startup.Hello | None = None
        token: str | None = None
        events: list[startup.LoginEvent] = []
        while token is None:
            if not events:
                events = machine.received(client.receive())
                continue
            event = events.pop(0)
            if isinstance(event, startup.Send):
                client.send(event.data)
            elif isinstance(event, startup.StartTLS):
                client.start_tls(self._context, event.early)
                machine.secured()
                if early := client.pending():
                    events += machine.received(early)
            elif isinstance(event, startup.Hello):
                hello = event
                events += machine.proceed()
            elif isinstance(event, startup.Fatal):
                client.send(event.data)
                return
            elif isinstance(event, startup.Token):
                token = event.token
        assert hello is not None
        self.seen.tokens.append(token)
        self.seen.hellos.append(hello)
        backend, ready = self._connect(hello.capabilities)
        with backend:
            client.send(machine.ok(Ok(0, 0, 2, 0).encode()))
            self._relay(client, backend, self._session(hello, ready))

    def _connect(self, agreed: int) -> tuple[socket.socket, login.Ready]:
        user, password = self._account
        backend = socket.socket(socket.AF_UNIX)
        backend.connect(str(self.server.socket))
        machine = login.BackendLogin(
            protocol=self.server.protocol,
            user=user,
            database=self._database,
            password=password,
            capabilities=capabilities.wanted(agreed, self.server.protocol, phi=self.phi),
            tls=False,
            private=True,
            attributes={},
        )
        while True:
            for action in machine.received(backend.recv(65536)):
                if isinstance(action, login.Send):
                    backend.sendall(action.data)
                elif isinstance(action, login.Ready):
                    return backend, action
                else:
                    raise AssertionError(action)

    def _session(self, hello: startup.Hello, ready: login.Ready) -> MysqlSession:
        return MysqlSession(
            protocol=self.server.protocol,
            phi=self.phi,
            settings=ready.settings,
            capabilities=hello.capabilities,
            resource="resource",
            kill=lambda thread, _: thread == 4711,
            generation=lambda: self.generation,
            mint=self._mint,
            message_limit=self._message_limit,
            response_limit=self._response_limit,
        )

    def _mint(self) -> str:
        self._ids += 1
        return f"req-{self._ids}"

    def _relay(self, client: _Client, backend: socket.socket, session: MysqlSession) -> None:
        while True:
            readable, _, _ = select.select([client.socket, backend], [], [])
            if client.socket in readable:
                raw = client.socket.recv(65536, socket.MSG_PEEK)
                data = client.receive() if raw else b""
                actions = session.received(Side.CLIENT, data) if raw else session.lost(Side.CLIENT)
                if self._perform(actions, client, backend, session):
                    return
            if backend in readable:
                data = backend.recv(65536)
                try:
                    actions = (
                        session.received(Side.BACKEND, data) if data else session.lost(Side.BACKEND)
                    )
                except Exception as error:  # noqa: BLE001 - the test looks at them
                    self.seen.errors.append(error)
                    actions = session.expire("protocol.backend", str(error))
                if self._perform(actions, client, backend, session):
                    return

    def _perform(
        self, actions: list[Action], client: _Client, backend: socket.socket, session: MysqlSession
    ) -> bool:
        work = list(actions)
        while work:
            action = work.pop(0)
            if isinstance(action, Reply):
                client.send(action.data)
            elif isinstance(action, Forward):
                self.seen.forwards.append(action)
                backend.sendall(action.data)
            elif isinstance(action, Ask):
                assert isinstance(action.event, Statement)
                self.seen.events.append(action.event)
                facts = self.facts(action.event.text)
                decision = Decision(self._mint(), self.decide(action.event), facts=facts)
                text = self._rewrite(action.event.text)
                if text is not None:
                    decision.text = text
                work = [*session.decided(action.ticket, decision), *work]
            elif isinstance(action, SchemaChange):
                self.seen.schema_changes.append(action.over)
            elif isinstance(action, Close):
                self.seen.closes.append(action.reason)
                return True
        return False
