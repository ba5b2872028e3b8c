"""The gateway's login at a PostgreSQL server, sans-I/O (manual 55.2.1).

Rules:

1. Where TLS is required, nothing but SSLRequest is sent before it, the answer is exactly ``S``, and
   a byte behind that answer is fatal (CVE-2021-23222).
2. The server proves that it knows the password (SCRAM), or is trusted by its certificate. A server
   that asks for nothing although there is a password is refused: it is not the one we know.
3. Every authentication message once, in order; nothing else before AuthenticationOk.
4. What the server says in words is not passed on: of an error its SQLSTATE.
5. The session's encoding is UTF8 and its strings are standard, or there is none.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto

from hoopgate.errors import LimitExceeded, LocalProtocolError, RemoteProtocolError
from hoopgate.postgres import wire
from hoopgate.postgres.errors import known_sqlstate
from hoopgate.postgres.scram import ScramClient, server_end_point

SSL_REQUEST = b"\0\0\0\x08" + (80877103).to_bytes(4, "big")

#: Bytes of one message, and messages altogether, before the first ReadyForQuery.
_MESSAGE_LIMIT = 65_536
_MESSAGES = 1000

_RESERVED = frozenset({"user", "database", "options", "replication"})

_OK, _CLEARTEXT, _MD5, _SASL, _SASL_CONTINUE, _SASL_FINAL = 0, 3, 5, 10, 11, 12


@dataclass(frozen=True, slots=True)
class Send:
    """Bytes for the server. They may hold a password."""

    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class StartTLS:
    """Start TLS now, as the client, then call :meth:`BackendLogin.secured`."""


@dataclass(frozen=True, slots=True)
class Ready:
    """The session is open.

    :ivar parameters: what the server reported, by its names.
    :ivar key: the server's cancel key; empty when it gave none.
    :ivar status: transaction status, ``b"I"``.
    :ivar rest: bytes behind ReadyForQuery in the same read.
    """

    parameters: dict[str, str] = field(repr=False)
    pid: int
    key: bytes = field(repr=False)
    status: bytes
    rest: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Failed:
    """There will be no session; close the connection.

    :ivar code: ``tls``, ``downgrade``, ``authentication``, ``protocol``, ``refused`` or
        ``encoding``.
    :ivar message: for the operator; quotes nothing the server said.
    :ivar sqlstate: of the server's ErrorResponse, where that was the reason.
    """

    code: str
    message: str
    sqlstate: str = ""


LoginAction = Send | StartTLS | Ready | Failed


class _State(Enum):
    NEW = auto()
    SSL_ANSWER = auto()
    HANDSHAKE = auto()
    AUTHENTICATION = auto()
    SASL = auto()  # AuthenticationSASLContinue is due
    SASL_FINAL = auto()
    OK = auto()  # AuthenticationOk is due, the server is proven or trusted
    SETTLING = auto()  # parameters, up to ReadyForQuery
    DONE = auto()


class _Failure(Exception):
    def __init__(self, code: str, message: str, sqlstate: str = "") -> None:
        super().__init__(message)
        self.action = Failed(code, message, sqlstate)


class BackendLogin:
    """One login. The deadline is the caller's.

    :param password: None where client certificate or peer authentication logs in.
    :param parameters: session parameters to start with.
    :param tls_mode: ``required``, or ``disable`` on loopback and unix sockets.
    :param allow_cleartext: answer a request for the bare password, inside verified TLS only.
    :param certificate_login: the TLS client certificate is the credential.
    :param minor: the minor protocol version to ask for, 0 or 2.
    :raises LocalProtocolError: a parameter or mode that cannot be.
    """

    def __init__(
        self,
        user: str,
        database: str,
        password: str | None,
        parameters: Mapping[str, str],
        tls_mode: str,
        *,
        allow_cleartext: bool = False,
        certificate_login: bool = False,
        minor: int = 0,
        maximum_iterations: int = 100_000,
    ) -> None:
        if tls_mode not in ("required", "disable") or minor not in (0, 2):
            raise LocalProtocolError("unknown TLS mode or protocol version")
        if _RESERVED.intersection(name.lower() for name in parameters):
            raise LocalProtocolError("a session parameter may not change who logs in")
        #: tls-server-end-point data for SCRAM-SHA-256-PLUS; set by :meth:`secured`.
        self.channel_binding: bytes | None = None
        self._user = user
        self._database = database
        self._password = password
        self._parameters = parameters
        self._tls = tls_mode == "required"
        self._secured = False
        self._allow_cleartext = allow_cleartext
        self._certificate_login = certificate_login
        self._minor = minor
        self._maximum_iterations = maximum_iterations
        self._reader = wire.BackendReader(_MESSAGE_LIMIT)
        self._messages = 0
        self._scram: ScramClient | None = None
        self._reported: dict[str, str] = {}
        self._pid = 0
        self._key = b""
        self._negotiated = False
        self._state = _State.NEW

    def start(self) -> bytes:
        """The first bytes for the server."""
        if self._state is not _State.NEW:
            raise LocalProtocolError("a login is started once")
        if self._tls:
            self._state = _State.SSL_ANSWER
            return SSL_REQUEST
        return self._startup()

    def secured(self, certificate: bytes | None) -> bytes:
        """The TLS handshake is through and the certificate verified; the next bytes to send.

        :param certificate: the server's, DER; None where channel binding is not to be used.
        """
        if self._state is not _State.HANDSHAKE:
            raise LocalProtocolError("no TLS handshake was due")
        self._secured = True
        self.channel_binding = server_end_point(certificate) if certificate else None
        return self._startup()

    def received(self, data: bytes) -> list[LoginAction]:
        """Bytes of the server arrived. After Ready or Failed nothing more comes of it.

        :raises LocalProtocolError: bytes before :meth:`start`, or of the TLS handshake.
        """
        if self._state in (_State.NEW, _State.HANDSHAKE):
            raise LocalProtocolError("these bytes are not for the login")
        if self._state is _State.DONE or not data:
            return []
        actions: list[LoginAction] = []
        try:
            if self._state is _State.SSL_ANSWER:
                return [self._ssl_answer(data)]
            self._reader.feed(data)
            while self._reader.peek() is not None:
                self._messages += 1
                if self._messages > _MESSAGES:
                    raise _Failure("protocol", "the server sent too many messages at login")
                action = self._message(self._reader.take())
                if action is not None:
                    actions.append(action)
                if isinstance(action, Ready):
                    break
        except _Failure as failure:
            actions.append(failure.action)
        except LimitExceeded as error:
            actions.append(Failed("protocol", str(error)))
        except RemoteProtocolError as error:
            scram = self._state in (_State.SASL, _State.SASL_FINAL)
            actions.append(Failed("authentication" if scram else "protocol", str(error)))
        if actions and isinstance(actions[-1], Failed | Ready):
            self._state = _State.DONE
            self._password = None
        return actions

    def _startup(self) -> bytes:
        self._state = _State.AUTHENTICATION
        parameters = {
            **self._parameters,
            "client_encoding": "UTF8",
            # Else a scan of a large table begins on the page where the last one was: which rows
            # are there first is decided by the lengths of all rows, secrets among them.
            "synchronize_seqscans": "off",
            "user": self._user,
            "database": self._database,
        }
        strings = [text.encode() for pair in parameters.items() for text in pair]
        if any(0 in text for text in strings):
            raise LocalProtocolError("a startup parameter holds a NUL")
        body = (3 << 16 | self._minor).to_bytes(4, "big") + b"\0".join(strings) + b"\0\0"
        return (len(body) + 4).to_bytes(4, "big") + body

    def _ssl_answer(self, data: bytes) -> LoginAction:
        if data[:1] != b"S":
            self._state = _State.DONE
            return Failed("tls", "the server has no TLS")
        if len(data) > 1:
            self._state = _State.DONE
            return Failed("protocol", "the server sent data before TLS")
        self._state = _State.HANDSHAKE
        return StartTLS()

    # --- messages ------------------------------------------------------------------------------

    def _message(self, message: bytes) -> LoginAction | None:
        type_ = message[:1]
        if type_ == b"E":
            fields = wire.error_fields(message)
            code = known_sqlstate(fields.get(b"C", b""))
            raise _Failure("refused", f"the server refused the login (SQLSTATE {code})", code)
        if type_ == b"N":
            wire.error_fields(message)
            return None
        if type_ == b"R":
            code_, rest = wire.authentication(message)
            handler = self._AUTHENTICATION.get(code_)
            if handler is None:
                raise _Failure(
                    "authentication", f"the server asks for unsupported authentication {code_}"
                )
            return handler(self, rest)
        if type_ == b"v":
            self._negotiate(message)
            return None
        if self._state is not _State.SETTLING:
            raise RemoteProtocolError("the server skipped authentication")
        if type_ == b"S":
            name, value = wire.parameter_status_fields(message)
            self._reported[name.decode("utf-8", "replace")] = value.decode("utf-8", "replace")
        elif type_ == b"K":
            self._cancel_key(message)
        elif type_ == b"Z":
            return self._ready(message)
        else:
            raise RemoteProtocolError("the server sent an unexpected message at login")
        return None

    def _negotiate(self, message: bytes) -> None:
        """NegotiateProtocolVersion: once, first of all, and only downwards from what was asked."""
        minor, options = wire.negotiated_version(message)
        due = self._state is _State.AUTHENTICATION and not self._negotiated
        if not due or options or minor >= self._minor:
            raise RemoteProtocolError("the server negotiates what was not asked for")
        self._negotiated = True
        self._minor = 0

    def _cancel_key(self, message: bytes) -> None:
        pid, key = wire.backend_key_fields(message)
        if self._key or (self._minor == 0 and len(key) != 4):
            raise RemoteProtocolError("malformed BackendKeyData")
        self._pid, self._key = pid, key

    def _ready(self, message: bytes) -> LoginAction:
        status = wire.transaction_status(message)
        if status != b"I":
            raise RemoteProtocolError("the server starts inside a transaction")
        for name, value in (
            ("server_encoding", "UTF8"),
            ("client_encoding", "UTF8"),
            ("standard_conforming_strings", "on"),
        ):
            if self._reported.get(name) != value:
                raise _Failure("encoding", f"the server's {name} is not {value}")
        return Ready(self._reported, self._pid, self._key, status, self._reader.drain())

    # --- authentication ------------------------------------------------------------------------

    def _on_ok(self, rest: bytes) -> LoginAction | None:
        if self._state is _State.AUTHENTICATION:
            if self._password is not None and not self._certificate_login:
                raise _Failure("downgrade", "the server let the gateway in without its password")
        elif self._state is not _State.OK:
            raise RemoteProtocolError("the server skipped authentication")
        self._require(not rest)
        self._state = _State.SETTLING
        return None

    def _on_cleartext(self, rest: bytes) -> LoginAction:
        password = self._challenged()
        self._require(not rest)
        if not (self._allow_cleartext and self._secured):
            raise _Failure("downgrade", "the server asks for the bare password")
        self._state = _State.OK
        return Send(wire.password(password.encode() + b"\0"))

    def _on_md5(self, salt: bytes) -> LoginAction:
        password = self._challenged()
        self._require(len(salt) == 4)
        inner = _md5(password.encode() + self._user.encode())
        self._state = _State.OK
        return Send(wire.password(b"md5" + _md5(inner + salt) + b"\0"))

    def _on_sasl(self, rest: bytes) -> LoginAction:
        password = self._challenged()
        self._scram = ScramClient(
            password,
            wire.sasl_mechanisms(rest),
            self.channel_binding,
            maximum_iterations=self._maximum_iterations,
        )
        first = self._scram.first()
        self._state = _State.SASL
        body = self._scram.mechanism + b"\0" + len(first).to_bytes(4, "big") + first
        return Send(wire.password(body))

    def _on_sasl_continue(self, data: bytes) -> LoginAction:
        self._require(self._state is _State.SASL)
        assert self._scram is not None
        final = self._scram.final(data)
        self._state = _State.SASL_FINAL
        return Send(wire.password(final))

    def _on_sasl_final(self, data: bytes) -> LoginAction | None:
        self._require(self._state is _State.SASL_FINAL)
        assert self._scram is not None
        self._scram.verify(data)
        self._state = _State.OK
        return None

    def _challenged(self) -> str:
        """The password, now that the server asks for it: once."""
        self._require(self._state is _State.AUTHENTICATION)
        if self._password is None:
            raise _Failure("authentication", "the server asks for a password and there is none")
        password, self._password = self._password, None
        return password

    @staticmethod
    def _require(condition: bool) -> None:
        if not condition:
            raise RemoteProtocolError("authentication messages out of order or malformed")

    _AUTHENTICATION: Mapping[int, Callable[[BackendLogin, bytes], LoginAction | None]] = {
        _OK: _on_ok,
        _CLEARTEXT: _on_cleartext,
        _MD5: _on_md5,
        _SASL: _on_sasl,
        _SASL_CONTINUE: _on_sasl_continue,
        _SASL_FINAL: _on_sasl_final,
    }


def cancel_request(pid: int, key: bytes) -> bytes:
    """A CancelRequest, for a connection of its own."""
    body = (80877102).to_bytes(4, "big") + pid.to_bytes(4, "big") + key
    return (len(body) + 4).to_bytes(4, "big") + body


def _md5(data: bytes) -> bytes:
    return hashlib.md5(data, usedforsecurity=False).hexdigest().encode()
