"""The client's side of a login: greeting, TLS, user, and the token or a proof. Sans-I/O.

Rules (PROTOCOLS B1 to B6):

1. The greeting names ``caching_sha2_password``: with ``mysql_clear_password`` in it some clients
   would send their password before TLS.
2. A client that does not begin TLS is refused at the header of its answer, ERR 3159, and nothing
   more of it is read. What user and database it named before TLS counts for nothing.
3. Bytes behind the SSLRequest in the same segment belong to TLS.
4. A token comes by ``caching_sha2_password`` full authentication, by ``mysql_clear_password`` or by
   ``authentication_openid_connect_client``, whichever the client is set to; always inside TLS.
5. A session credential is proven, never sent: by SHA-2, native or Ed25519 scrambles.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final

from hoopgate.errors import IdentityRefused, LocalProtocolError, RemoteProtocolError
from hoopgate.identity.credentials import Verifiers
from hoopgate.mysql import scrambles
from hoopgate.mysql.capabilities import OFFERED, agreed
from hoopgate.mysql.refusals import error
from hoopgate.mysql.wire import HEADER, Oversized, PacketReader, packets
from hoopgate.mysql.wire_handshake import (
    CACHING_SHA2,
    CLEAR,
    ED25519,
    FAST_AUTH_OK,
    FULL_AUTH,
    NATIVE,
    OPENID,
    SCRAMBLE_BYTES,
    SSL_REQUEST_BYTES,
    Capability,
    Greeting,
    HandshakeResponse,
    auth_more,
    auth_switch,
    handshake_response,
    openid_token,
)

#: What clients are told that they are connected to; ``5.5.5-`` is how MariaDB says it is newer.
VERSIONS: Final = {"mariadb": b"5.5.5-10.11.0-MariaDB-hoopgate", "mysql": b"8.4.0-hoopgate"}
_ED25519_SCRAMBLE: Final = 32

#: Collations whose character set has ASCII as it is; the session is utf8mb4 whatever is asked for.
#: Refused are ucs2, utf16, utf32, sjis, gbk, big5 and others that use ASCII bytes otherwise.
_WIDE: Final = frozenset(
    (1, 13, 28, 35, 54, 55, 56, 60, 61, 62, 84, 87, 88, 90, 95, 96, *range(97, 99))
) | frozenset((*range(101, 125), *range(128, 152), *range(159, 184), *range(248, 251)))


@dataclass(frozen=True, slots=True)
class Send:
    """Bytes for the client."""

    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class StartTLS:
    """Start TLS as the server; ``early`` belongs to it. Then call :meth:`ClientLogin.secured`."""

    early: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Hello:
    """The client has said who it is and where it wants to go: :meth:`ClientLogin.proceed`, or not.

    :ivar capabilities: agreed on.
    :ivar program: its connection attribute ``program_name``, for people to read.
    """

    user: str
    database: str
    capabilities: int
    program: str


@dataclass(frozen=True, slots=True)
class Token:
    """The client's token, not verified yet."""

    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Proven:
    """The client knows the password of its session credential."""


@dataclass(frozen=True, slots=True)
class Fatal:
    """The login ends.

    :ivar data: an ERR packet.
    """

    reason: str
    data: bytes = field(repr=False)


LoginEvent = Send | StartTLS | Hello | Token | Proven | Fatal


class _State(Enum):
    FIRST = auto()  # an SSLRequest is due, or a response where there is no TLS
    HANDSHAKE = auto()
    RESPONSE = auto()  # the response inside TLS is due
    GREETED = auto()  # the response was read; what comes next depends on who reads it
    SWITCHED = auto()  # the answer to an AuthSwitch is due
    CLEAR = auto()  # the token is due
    DONE = auto()


class _Refusal(Exception):
    def __init__(self, code: int, state: str, why: str) -> None:
        super().__init__(why)
        self.code = code
        self.state = state


class ClientLogin:
    """One connection from the greeting to a token or a proof.

    :param protocol: ``mysql`` or ``mariadb``.
    :param thread: the connection id that the client is told.
    :param tls: whether the listener has TLS; if so it is required.
    :param startup_limit: bytes of a packet at most, a token aside.
    :param token_limit: bytes of a token at most.
    :param verifiers: what is kept of a session credential's password, by user; None: tokens.
    """

    def __init__(
        self,
        protocol: str,
        thread: int,
        *,
        tls: bool,
        startup_limit: int,
        token_limit: int,
        verifiers: Callable[[str], Verifiers] | None,
    ) -> None:
        self._protocol = protocol
        self._tls = tls
        self._startup_limit = startup_limit
        self._token_limit = token_limit
        self._verifiers = verifiers
        self._thread = thread
        self._scramble = _scramble(SCRAMBLE_BYTES)
        self._reader = PacketReader(startup_limit + token_limit)
        self._state = _State.FIRST
        self._sequence = 0  # of the packet that we send next
        self._plugin = b""
        self._user = ""
        self._hello: HandshakeResponse | None = None

    @property
    def buffered(self) -> int:
        """Bytes held."""
        return self._reader.buffered

    def start(self) -> bytes:
        """The greeting."""
        flags = OFFERED[self._protocol] | (Capability.SSL if self._tls else 0)
        greeting = Greeting(
            VERSIONS[self._protocol], self._thread, self._scramble, flags, plugin=CACHING_SHA2
        )
        return self._packet(greeting.encode())

    def received(self, data: bytes) -> list[LoginEvent]:
        """The client's bytes arrived, inside TLS once :meth:`secured` was called.

        :raises LocalProtocolError: bytes between StartTLS and :meth:`secured`: they are TLS's.
        """
        if self._state is _State.HANDSHAKE:
            raise LocalProtocolError("these bytes belong to the TLS handshake")
        if self._state is _State.DONE:
            return []
        self._reader.feed(data)
        if self._state is _State.FIRST and self._tls:
            return self._guarded(self._ssl_request)
        return self._guarded(self._payloads)

    def secured(self) -> None:
        """The TLS handshake is through."""
        if self._state is not _State.HANDSHAKE:
            raise LocalProtocolError("no TLS handshake was due")
        self._state = _State.RESPONSE

    def proceed(self) -> list[LoginEvent]:
        """The client may go where it wants to: ask it who it is, after :class:`Hello`."""
        if self._state is _State.DONE:
            return []  # what came behind it has ended the login
        response, self._hello = self._hello, None
        if response is None or self._state is not _State.GREETED:
            raise LocalProtocolError("nobody has said hello")

        def first(out: list[LoginEvent]) -> None:
            if self._verifiers is None:
                self._first_of_token(response, out)
            else:
                self._first_of_credential(response, out)

        return self._guarded(first)

    def _guarded(self, step: Callable[[list[LoginEvent]], None]) -> list[LoginEvent]:
        out: list[LoginEvent] = []
        try:
            step(out)
        except _Refusal as refusal:
            out.append(self._fatal(refusal.code, refusal.state, str(refusal)))
        except IdentityRefused as refused:
            out.append(self._fatal(1045, "28000", f"{refused} ({refused.code})"))
        except RemoteProtocolError as wrong:
            out.append(self._fatal(1043, "08S01", f"bad handshake: {wrong}"))
        return out

    def ok(self, payload: bytes) -> bytes:
        """``payload`` as the packet that ends the login."""
        return self._packet(payload)

    def error(self, code: int, state: str, message: str) -> bytes:
        """An ERR packet in place of whatever is due."""
        return self._packet(error(code, state, message))

    # --- parts -----------------------------------------------------------------------------------

    def _fatal(self, code: int, state: str, message: str) -> Fatal:
        self._state = _State.DONE
        self._reader = PacketReader(1)
        return Fatal(message, self.error(code, state, message))

    def _packet(self, payload: bytes) -> bytes:
        data = packets(payload, self._sequence)
        self._sequence += 1
        return data

    def _ssl_request(self, out: list[LoginEvent]) -> None:
        head = self._reader.peek(HEADER + SSL_REQUEST_BYTES)
        if len(head) < HEADER + 4:
            return
        size = int.from_bytes(head[:3], "little")
        self._sequence = head[3] + 1
        if head[3] != 1 or size < SSL_REQUEST_BYTES:
            raise RemoteProtocolError("packets out of order")
        if not int.from_bytes(head[4:8], "little") & Capability.SSL:
            raise _Refusal(
                3159, "HY000", "Connections using insecure transport are prohibited: use TLS."
            )
        if size != SSL_REQUEST_BYTES:
            raise RemoteProtocolError("not a request for TLS")
        if len(head) < HEADER + SSL_REQUEST_BYTES:
            return
        self._reader.next()
        self._state = _State.HANDSHAKE
        out.append(StartTLS(self._reader.drain()))

    def _payloads(self, out: list[LoginEvent]) -> None:
        while self._state is not _State.DONE and (found := self._reader.next()) is not None:
            if found.sequence != self._sequence & 0xFF:
                raise RemoteProtocolError("packets out of order")
            self._sequence = found.after
            if isinstance(found, Oversized):
                raise IdentityRefused("identity.size", "the token is above the size limit")
            if self._state in (_State.FIRST, _State.RESPONSE):
                self._on_response(handshake_response(found.data, mariadb=self._mariadb), out)
            elif self._state is _State.SWITCHED:
                self._authenticate(found.data, out)
            elif self._state is _State.CLEAR:
                self._take_token(found.data, out)
            else:
                raise RemoteProtocolError("packets out of order")
        if self._reader.buffered and self._state is _State.DONE:
            raise RemoteProtocolError("data behind the last packet of the login")

    @property
    def _mariadb(self) -> bool:
        return self._protocol == "mariadb"

    def _on_response(self, response: HandshakeResponse, out: list[LoginEvent]) -> None:
        if len(response.attributes) > 64 or len(response.user) > 256:
            raise RemoteProtocolError("too many connection attributes, or too long a user name")
        if not response.user:
            raise _Refusal(1045, "28000", "no user name was given")
        if response.charset in _WIDE:
            raise _Refusal(1115, "42000", "the character set must be utf8mb4")
        try:
            self._user = response.user.decode()
            database = response.database.decode()
        except UnicodeDecodeError:
            raise RemoteProtocolError("a name is not UTF-8") from None
        program = response.attributes.get(b"program_name", b"")[:256].decode("utf-8", "replace")
        flags = agreed(response.capabilities, self._protocol)
        if not flags & Capability.SECURE_CONNECTION:
            raise RemoteProtocolError("the client is too old")
        out.append(Hello(self._user, database, flags, program))
        self._plugin = response.plugin or NATIVE
        self._hello = response
        self._state = _State.GREETED

    def _switch(self, plugin: bytes, out: list[LoginEvent]) -> None:
        self._plugin = plugin
        self._state = _State.SWITCHED
        data = b""
        if plugin in (NATIVE, CACHING_SHA2):
            self._scramble = _scramble(SCRAMBLE_BYTES)
            data = self._scramble + b"\0"
        elif plugin == ED25519:
            data = self._scramble = _scramble(_ED25519_SCRAMBLE)
        out.append(Send(self._packet(auth_switch(plugin, data))))

    # --- a token ---------------------------------------------------------------------------------

    def _first_of_token(self, response: HandshakeResponse, out: list[LoginEvent]) -> None:
        if self._plugin in (CLEAR, OPENID) and response.response:
            self._authenticate(response.response, out)
        elif self._plugin in (CLEAR, OPENID):
            self._switch(self._plugin, out)
        elif self._plugin == CACHING_SHA2 and not _needs_switch(response):
            self._authenticate(response.response, out)
        else:
            self._switch(CACHING_SHA2, out)

    def _authenticate(self, answer: bytes, out: list[LoginEvent]) -> None:
        if self._verifiers is not None:
            self._prove(answer, out)
        elif self._plugin == CLEAR:
            self._take_token(answer, out)
        elif self._plugin == OPENID:
            self._take_token(openid_token(answer), out)
        elif answer in (b"", b"\0"):
            raise IdentityRefused("identity.missing", "no token was given as the password")
        else:
            self._state = _State.CLEAR
            out.append(Send(self._packet(auth_more(bytes((FULL_AUTH,))))))

    def _take_token(self, answer: bytes, out: list[LoginEvent]) -> None:
        """Whatever is no token is not echoed: it may be somebody's password."""
        token = answer.removesuffix(b"\0")
        if not token:
            raise IdentityRefused("identity.missing", "no token was given as the password")
        if len(token) > self._token_limit:
            raise IdentityRefused("identity.size", "the token is above the size limit")
        self._state = _State.DONE
        try:
            out.append(Token(token.decode("ascii")))
        except UnicodeDecodeError:
            raise IdentityRefused("identity.malformed", "the password is not a token") from None

    # --- a session credential --------------------------------------------------------------------

    def _first_of_credential(self, response: HandshakeResponse, out: list[LoginEvent]) -> None:
        if self._plugin == CACHING_SHA2:
            self._prove(response.response, out)
        elif self._plugin in (NATIVE, ED25519):
            # What it has sent already may be made of another scramble than it was given.
            self._switch(self._plugin, out)
        else:
            self._switch(CACHING_SHA2, out)

    def _prove(self, answer: bytes, out: list[LoginEvent]) -> None:
        assert self._verifiers is not None
        kept = self._verifiers(self._user)
        if self._plugin == CACHING_SHA2:
            known = scrambles.sha2_matches(answer, self._scramble, kept.sha2)
        elif self._plugin == NATIVE:
            known = scrambles.native_matches(answer, self._scramble, kept.native)
        else:
            known = scrambles.ed25519_matches(answer, self._scramble, kept.ed25519)
        if not known:
            raise IdentityRefused("identity.credential", "the session credential is not in force")
        if self._plugin == CACHING_SHA2:
            out.append(Send(self._packet(auth_more(bytes((FAST_AUTH_OK,))))))
        self._state = _State.DONE
        out.append(Proven())


def _needs_switch(response: HandshakeResponse) -> bool:
    """MariaDB's client for Node answers ``01 04`` only after an AuthSwitch (PROTOCOLS B4)."""
    return response.attributes.get(b"_client_name", b"").lower().startswith(b"node-mariadb")


def _scramble(size: int) -> bytes:
    """Random bytes without NUL: some clients read a scramble as a string."""
    return bytes(secrets.randbelow(255) + 1 for _ in range(size))
