"""The gateway's login to a MySQL or MariaDB server, and the settings its sessions start from.
Sans-I/O.

Rules:

1. Where TLS is due nothing but the SSLRequest is sent before it, and nothing may be received
   between the greeting and it.
2. A password is given in the clear only inside verified TLS or on a unix socket, and only when
   ``caching_sha2_password`` asks for it; whatever else asks for it in the clear is refused.
3. The server must be what the settings say it is (``mysql`` or ``mariadb``) and have every
   capability that was agreed with the client.
4. What decides how text is read is set, then looked at: see :data:`SQL_MODES`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final

from hoopgate.errors import LocalProtocolError, RemoteProtocolError
from hoopgate.mysql import scrambles, wire_commands
from hoopgate.mysql.wire import ERR, NULL, OK, Oversized, PacketReader, Reader, packets
from hoopgate.mysql.wire_handshake import (
    CACHING_SHA2,
    CLEAR,
    ED25519,
    FAST_AUTH_OK,
    FULL_AUTH,
    NATIVE,
    OPENID,
    SCRAMBLE_BYTES,
    AuthSwitch,
    Capability,
    HandshakeResponse,
    greeting,
    server_auth,
)
from hoopgate.mysql.wire_results import err_packet, ok_packet

#: The modes that sessions begin with: the servers' own defaults. None changes how text is read.
SQL_MODES: Final = {
    "mariadb": (
        "STRICT_TRANS_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_AUTO_CREATE_USER,NO_ENGINE_SUBSTITUTION"
    ),
    "mysql": (
        "ONLY_FULL_GROUP_BY,STRICT_TRANS_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,"
        "ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION"
    ),
}
#: Variables whose changes the server reports to the gateway.
TRACKED: Final = "sql_mode,character_set_client,character_set_connection,character_set_results"
#: What is looked at after that, in this order.
_READ: Final = {
    "sql_mode": "@@sql_mode",
    "character_set": "@@character_set_client",
    "character_set_results": "@@character_set_results",
    "collation": "@@collation_connection",
    "lower_case_table_names": "@@lower_case_table_names",
    "version": "VERSION()",
    "database": "DATABASE()",
}
_MOST_SWITCHES: Final = 2
_LOGIN_LIMIT: Final = 2**16


def settle(protocol: str) -> bytes:
    """The payload of the COM_QUERY that a session begins with, and begins anew with."""
    # One statement: a connection has MULTI_STATEMENTS never.
    text = (
        f"SET NAMES utf8mb4, SESSION sql_mode = '{SQL_MODES[protocol]}',"
        f" SESSION session_track_system_variables = '{TRACKED}',"
        " SESSION session_track_schema = ON, SESSION session_track_state_change = OFF"
    )
    return wire_commands.query(text.encode())


@dataclass(frozen=True, slots=True)
class Send:
    """Bytes for the server."""

    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class StartTLS:
    """Start TLS as the client, then call :meth:`BackendLogin.secured`."""


@dataclass(frozen=True, slots=True)
class Ready:
    """The session may begin.

    :ivar thread: the server's id of this connection.
    :ivar settings: what decides the meaning of statements: ``sql_mode``, ``database`` …
    :ivar status: status flags.
    """

    thread: int
    settings: Mapping[str, str]
    status: int


@dataclass(frozen=True, slots=True)
class Failed:
    """The login failed; ``message`` quotes nothing that the server said."""

    code: str
    message: str


LoginAction = Send | StartTLS | Ready | Failed


class _State(Enum):
    GREETING = auto()
    TLS = auto()
    AUTHENTICATION = auto()
    SETTING = auto()
    READING = auto()
    DONE = auto()


class _Failure(Exception):
    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class BackendLogin:
    """One login.

    :param protocol: ``mysql`` or ``mariadb``.
    :param password: None: by client certificate, or an account without a password.
    :param capabilities: what the server must have, see :func:`capabilities.wanted`.
    :param tls: whether TLS is due.
    :param private: nobody can listen even without TLS: a unix socket.
    """

    def __init__(
        self,
        *,
        protocol: str,
        user: str,
        database: str,
        password: str | None,
        capabilities: int,
        tls: bool,
        private: bool,
        attributes: Mapping[str, str],
    ) -> None:
        self._protocol = protocol
        self._user = user
        self._database = database
        self._password = b"" if password is None else password.encode()
        self._capabilities = capabilities | (Capability.SSL if tls else 0)
        self._tls = tls
        self._private = private
        self._attributes = attributes
        self._reader = PacketReader(_LOGIN_LIMIT)
        self._state = _State.GREETING
        self._sequence = 0
        self._switches = 0
        self._plugin = b""
        self._scramble = b""
        self._thread = 0
        self._rows: list[bytes] = []
        self._status = 0

    def received(self, data: bytes) -> list[LoginAction]:
        """The server's bytes arrived.

        :raises RemoteProtocolError: the server broke the protocol.
        """
        if self._state is _State.TLS:
            raise RemoteProtocolError("the server sent data before TLS")
        self._reader.feed(data)
        out: list[LoginAction] = []
        try:
            while self._state is not _State.DONE and (found := self._reader.next()) is not None:
                if isinstance(found, Oversized):
                    raise RemoteProtocolError("a packet of the login is too large")
                if found.sequence != self._sequence & 0xFF:
                    raise RemoteProtocolError("packets out of order")
                self._sequence = found.after
                out += self._payload(found.data)
        except _Failure as failure:
            self._state = _State.DONE
            out.append(Failed(failure.code, str(failure)))
        if self._state is _State.TLS and self._reader.buffered:
            raise RemoteProtocolError("the server sent data before TLS")
        return out

    def secured(self) -> bytes:
        """The TLS handshake is through and the server's certificate verified; what to send now."""
        if self._state is not _State.TLS:
            raise LocalProtocolError("no TLS handshake was due")
        return self._response()

    def drain(self) -> bytes:
        """Bytes behind the login: nothing was asked, so there may be none, but what there is
        belongs to the session, which finds it."""
        return self._reader.drain()

    def _packet(self, payload: bytes) -> bytes:
        data = packets(payload, self._sequence)
        self._sequence += 1
        return data

    def _command(self, payload: bytes) -> Send:
        self._sequence = 0
        return Send(self._packet(payload))

    def _payload(self, payload: bytes) -> list[LoginAction]:
        if self._state is _State.GREETING:
            return self._greeted(payload)
        if self._state is _State.AUTHENTICATION:
            return self._authenticate(payload)
        if self._state is _State.SETTING:
            if payload[:1] != bytes((OK,)):
                raise _Failure("settings", "the database refused the settings of a session")
            self._state = _State.READING
            names = ", ".join(_READ.values())
            return [self._command(wire_commands.query(f"SELECT {names}".encode()))]
        return self._read(payload)

    # --- the greeting ----------------------------------------------------------------------------

    def _greeted(self, payload: bytes) -> list[LoginAction]:
        if payload[:1] == bytes((ERR,)):
            raise _Failure("refused", "the database refused the connection")
        found = greeting(payload)
        if found.mariadb != (self._protocol == "mariadb"):
            raise _Failure("protocol", f"the database is not {self._protocol}")
        missing = self._capabilities & ~found.capabilities
        if missing & Capability.SSL:
            raise _Failure("tls", "the database has no TLS")
        if missing & ~Capability.SSL:
            raise _Failure("capabilities", "the database lacks what the client needs of it")
        self._thread = found.thread
        self._plugin, self._scramble = found.plugin, found.scramble
        if not self._tls:
            return [Send(self._response())]
        self._state = _State.TLS
        return [Send(self._packet(HandshakeResponse(self._capabilities).head())), StartTLS()]

    def _response(self) -> bytes:
        if self._plugin not in (NATIVE, CACHING_SHA2):
            # Whatever it is, its data is not in the greeting; the server will switch to it.
            self._plugin = NATIVE
        self._state = _State.AUTHENTICATION
        return self._packet(
            HandshakeResponse(
                self._capabilities,
                user=self._user.encode(),
                response=self._proof(),
                database=self._database.encode(),
                plugin=self._plugin,
                attributes={k.encode(): v.encode() for k, v in self._attributes.items()},
            ).encode()
        )

    # --- authentication --------------------------------------------------------------------------

    def _proof(self) -> bytes:
        if len(self._scramble) < SCRAMBLE_BYTES:
            raise RemoteProtocolError("the server's scramble is too short")
        if self._plugin == NATIVE:
            return scrambles.native(self._password, self._scramble[:SCRAMBLE_BYTES])
        if self._plugin == CACHING_SHA2:
            return scrambles.sha2(self._password, self._scramble[:SCRAMBLE_BYTES])
        return scrambles.ed25519(self._password, self._scramble)

    def _authenticate(self, payload: bytes) -> list[LoginAction]:
        asked = server_auth(payload)
        if asked is None:
            if payload[0] == ERR:
                err_packet(payload)
                raise _Failure("refused", "the database did not accept the gateway's credentials")
            ok_packet(payload, tracking=True)
            self._state = _State.SETTING
            return [self._command(settle(self._protocol))]
        if isinstance(asked, AuthSwitch):
            return [Send(self._switched(asked))]
        if self._plugin != CACHING_SHA2 or len(asked) != 1:
            raise RemoteProtocolError("the server asks for more than its plugin does")
        if asked[0] == FAST_AUTH_OK:
            return []
        if asked[0] != FULL_AUTH:
            raise RemoteProtocolError("the server asks for more than its plugin does")
        if not (self._tls or self._private):
            raise _Failure("cleartext", "the database asks for the bare password without TLS")
        return [Send(self._packet(self._password + b"\0"))]

    def _switched(self, asked: AuthSwitch) -> bytes:
        self._switches += 1
        if self._switches > _MOST_SWITCHES:
            raise RemoteProtocolError("the server switches its plugins too often")
        if asked.plugin in (CLEAR, OPENID, b"dialog"):
            raise _Failure("downgrade", "the database asks for the bare password")
        if asked.plugin not in (NATIVE, CACHING_SHA2, ED25519):
            raise _Failure("plugin", "the account's authentication plugin is not supported")
        self._plugin = asked.plugin
        self._scramble = asked.data
        if asked.plugin != ED25519:
            self._scramble = asked.data[:SCRAMBLE_BYTES]
        return self._packet(self._proof())

    # --- the session's settings ------------------------------------------------------------------

    def _read(self, payload: bytes) -> list[LoginAction]:
        """The one row of :data:`_READ`: count, definitions, (EOF,) row, end."""
        if payload[:1] == bytes((ERR,)):
            raise _Failure("settings", "the database did not tell its settings")
        self._rows.append(payload)
        markers = 1 if self._capabilities & Capability.DEPRECATE_EOF else 2
        if len(self._rows) < 1 + len(_READ) + markers + 1:
            return []
        if self._rows[0] != bytes((len(_READ),)):
            raise RemoteProtocolError("the server answered something that was not asked")
        reader = Reader(self._rows[len(_READ) + markers])
        values: dict[str, str] = {}
        for name in _READ:
            if reader.data[reader.at : reader.at + 1] == bytes((NULL,)):
                raise _Failure("settings", "the database did not tell its settings")
            values[name] = reader.string().decode("utf-8", "replace")
        reader.end()
        if not payload.startswith(b"\xfe"):
            raise RemoteProtocolError("the server answered something that was not asked")
        self._check(values)
        self._state = _State.DONE
        return [Ready(self._thread, {"dialect": self._protocol, **values}, 2)]

    def _check(self, values: Mapping[str, str]) -> None:
        wrong = [
            name
            for name, value in (
                ("character_set", "utf8mb4"),
                ("character_set_results", "utf8mb4"),
                ("database", self._database),
            )
            if values[name] != value
        ]
        modes = set(SQL_MODES[self._protocol].split(","))
        if wrong or set(values["sql_mode"].split(",")) != modes:
            raise _Failure("settings", "the session does not have the settings it was given")
