"""What a client sends before its login: encryption requests, cancel, start-up. Sans-I/O.

Manual 55.2.1 and 55.7, ``ProcessStartupPacket`` in ``backend_startup.c``. Rules:

1. Before TLS nothing is held beyond one packet of ``limit`` bytes, and no packet may bring
   anything behind it: bytes after an encryption request would be taken as if they had been inside
   TLS (CVE-2021-23214), a second packet after the start-up as another's identity.
2. SSLRequest and GSSENCRequest are answered once each, and never inside TLS.
3. A first byte 0x16 is a TLS handshake (direct TLS); its ALPN must then be ``postgresql``.
4. Where TLS is required nothing but an encryption request or a cancel is read before it.
5. Start-up parameters are an allow-list.
"""

from __future__ import annotations

import re
from collections.abc import Set
from dataclasses import dataclass, field
from enum import Enum, auto

from hoopgate.errors import LocalProtocolError
from hoopgate.postgres import wire

_SSL_REQUEST = 80877103
_GSSENC_REQUEST = 80877104
_CANCEL_REQUEST = 80877102
_TLS_HANDSHAKE = 0x16
_ALPN = b"postgresql"
_NEWEST_MINOR = 2
_CANCEL_KEY_BYTES = 256

_INTEGER = re.compile(r"-?[0-9]{1,9}")
_DURATION = re.compile(r"[0-9]{1,12} ?(us|ms|s|min|h|d)?")
_PLAIN = re.compile(r"[A-Za-z0-9 ,:+_/<>.-]{1,128}")
#: Session parameters any client may set: lower-case name → (name as the server reports it, value).
_PARAMETERS = {
    "application_name": ("application_name", re.compile(r"[^\x00-\x1f\x7f]{0,256}")),
    "client_encoding": ("client_encoding", re.compile(r"[A-Za-z0-9_' -]{1,64}")),
    "datestyle": ("DateStyle", _PLAIN),
    "intervalstyle": ("IntervalStyle", _PLAIN),
    "timezone": ("TimeZone", _PLAIN),
    "extra_float_digits": ("extra_float_digits", _INTEGER),
    "statement_timeout": ("statement_timeout", _DURATION),
    "lock_timeout": ("lock_timeout", _DURATION),
    "idle_in_transaction_session_timeout": ("idle_in_transaction_session_timeout", _DURATION),
    "standard_conforming_strings": ("standard_conforming_strings", _PLAIN),
}
#: Their names in lower case.
PARAMETERS = frozenset(_PARAMETERS)
_ANY_VALUE = re.compile(r"[^\x00-\x1f\x7f]{0,1024}")


@dataclass(frozen=True, slots=True)
class Answer:
    """Bytes for the client."""

    data: bytes


@dataclass(frozen=True, slots=True)
class StartTLS:
    """Start TLS now, as the server, then call :meth:`ClientStartup.secured`.

    :ivar early: bytes of the handshake read already (direct TLS).
    """

    early: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Cancel:
    """A CancelRequest. It gets no answer; the connection is closed."""

    pid: int
    key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Startup:
    """A StartupMessage that may go on to a login.

    :ivar parameters: ``user``, ``database`` where given, and :attr:`session_parameters`.
    :ivar minor: the minor version spoken from here on: 0 or 2.
    :ivar unknown_options: ``_pq_.`` options that are not known.
    :ivar negotiate: a NegotiateProtocolVersion to send first; empty when nothing changes.
    """

    parameters: dict[str, str] = field(repr=False)
    minor: int = 0
    unknown_options: tuple[str, ...] = ()
    negotiate: bytes = b""

    @property
    def session_parameters(self) -> dict[str, str]:
        """Settings for the session at the server, under the names the server reports."""
        return {k: v for k, v in self.parameters.items() if k not in ("user", "database")}


@dataclass(frozen=True, slots=True)
class Fatal:
    """The connection ends.

    :ivar data: an ErrorResponse for the client; empty where none may be sent.
    """

    sqlstate: str
    message: str
    data: bytes = field(default=b"", repr=False)


StartupEvent = Answer | StartTLS | Cancel | Startup | Fatal


class _State(Enum):
    PACKET = auto()  # a packet is due
    HANDSHAKE = auto()  # TLS is being set up
    DONE = auto()


class _Refusal(Exception):
    def __init__(self, sqlstate: str, why: str, hint: str = "", *, silent: bool = False) -> None:
        super().__init__(why)
        report = wire.error_response("FATAL", sqlstate, f"hoopgate: {why}", hint=hint)
        self.event = Fatal(sqlstate, why, b"" if silent else report)


class ClientStartup:
    """One connection from its first byte to its StartupMessage.

    :param limit: bytes of a packet at most.
    :param tls_required: no StartupMessage is read outside TLS.
    :param tls_available: the listener has a certificate.
    :param parameters: session parameters a client may set besides the built-in list.
    """

    def __init__(
        self,
        limit: int = 10_000,
        *,
        tls_required: bool,
        tls_available: bool = True,
        parameters: Set[str] = frozenset(),
    ) -> None:
        self._limit = limit
        self._tls_required = tls_required
        self._tls_available = tls_available
        self._parameters = {name.lower(): name for name in parameters}
        self._state = _State.PACKET
        self._buffer = bytearray()
        self._secured = False
        self._direct = False
        self._asked: set[int] = set()

    @property
    def buffered(self) -> int:
        """Bytes held: one packet and one read at most."""
        return len(self._buffer)

    def received(self, data: bytes) -> list[StartupEvent]:
        """Bytes arrived; inside TLS once :meth:`secured` was called.

        :raises LocalProtocolError: bytes between StartTLS and :meth:`secured`: they belong to TLS.
        """
        if self._state is _State.HANDSHAKE:
            raise LocalProtocolError("these bytes belong to the TLS handshake")
        if self._state is _State.DONE or not data:
            return []
        self._buffer += data
        try:
            return self._packet()
        except _Refusal as refusal:
            self._finish()
            return [refusal.event]

    def secured(self, alpn: bytes | None) -> list[StartupEvent]:
        """The TLS handshake is through.

        :param alpn: the protocol chosen by ALPN, None when the client offered none.
        :return: a Fatal when it is the wrong one, else nothing.
        :raises LocalProtocolError: no handshake was due.
        """
        if self._state is not _State.HANDSHAKE:
            raise LocalProtocolError("no TLS handshake was due")
        self._secured = True
        self._state = _State.PACKET
        # Direct TLS without ALPN is how another protocol's client could be steered here (ALPACA).
        if alpn != _ALPN and (self._direct or alpn is not None):
            self._finish()
            return [_Refusal("08P01", "the ALPN protocol must be postgresql").event]
        return []

    def _finish(self) -> None:
        self._state = _State.DONE
        self._buffer.clear()

    def _packet(self) -> list[StartupEvent]:
        buffer = self._buffer
        if buffer[0] == _TLS_HANDSHAKE and not self._secured and not self._asked:
            return [self._start_direct_tls()]
        if len(buffer) < 4:
            return []
        length = int.from_bytes(buffer[:4], "big")
        if not 8 <= length <= self._limit:
            raise _Refusal("08P01", "invalid length of startup packet")
        if len(buffer) < 8:
            return []
        code = int.from_bytes(buffer[4:8], "big")
        # Rule 4: what is not allowed is refused at its header, before it is collected.
        self._check_code(code, length)
        if len(buffer) < length:
            return []
        if len(buffer) > length:
            raise _Refusal("08P01", "data behind the startup packet")
        body = bytes(buffer[8:])
        buffer.clear()
        if code in (_SSL_REQUEST, _GSSENC_REQUEST):
            return self._encryption(code)
        self._finish()
        if code == _CANCEL_REQUEST:
            return [Cancel(int.from_bytes(body[:4], "big"), body[4:])]
        return [self._startup(code & 0xFFFF, body)]

    def _start_direct_tls(self) -> StartupEvent:
        if not self._tls_available:
            raise _Refusal("08P01", "this listener has no TLS")
        self._direct = True
        self._state = _State.HANDSHAKE
        early = bytes(self._buffer)
        self._buffer.clear()
        return StartTLS(early)

    def _check_code(self, code: int, length: int) -> None:
        if code in (_SSL_REQUEST, _GSSENC_REQUEST):
            if length != 8:
                raise _Refusal("08P01", "invalid length of encryption request")
            if self._secured or code in self._asked:
                raise _Refusal("08P01", "repeated encryption request")
        elif code == _CANCEL_REQUEST:
            if not 13 <= length <= 12 + _CANCEL_KEY_BYTES:
                raise _Refusal("08P01", "invalid length of cancel request", silent=True)
        elif code >> 16 != 3:
            raise _Refusal(
                "0A000",
                f"unsupported protocol version {code >> 16}.{code & 0xFFFF}",
                "Use a client of protocol 3.0 or 3.2.",
            )
        elif self._tls_required and not self._secured:
            raise _Refusal("28000", "TLS is required", "Connect with sslmode=verify-full.")

    def _encryption(self, code: int) -> list[StartupEvent]:
        self._asked.add(code)
        if code == _GSSENC_REQUEST or not self._tls_available:
            return [Answer(b"N")]
        self._state = _State.HANDSHAKE
        return [Answer(b"S"), StartTLS()]

    # --- the StartupMessage --------------------------------------------------------------------

    def _startup(self, minor: int, body: bytes) -> Startup:
        raw = _pairs(body)
        options = tuple(name for name in raw if name.startswith("_pq_."))
        parameters: dict[str, str] = {}
        for name, value in raw.items():
            if name.startswith("_pq_."):
                continue
            accepted, value = self._accept(name, value)
            if accepted in parameters:
                raise _Refusal("08P01", "a startup parameter is given twice")
            if accepted:
                parameters[accepted] = value
        if not parameters.get("user"):
            raise _Refusal("28000", "no user name in the startup packet")
        # 3.1 was never published: what asks for it gets 3.0 (manual 55.1.1).
        spoken = _NEWEST_MINOR if minor >= _NEWEST_MINOR else 0
        negotiate = b""
        if spoken != minor or options:
            unknown = [option.encode() for option in options]
            negotiate = wire.negotiate_protocol_version(spoken, unknown)
        return Startup(parameters, spoken, options, negotiate)

    def _accept(self, name: str, value: str) -> tuple[str, str]:
        """A parameter's canonical name (empty: nothing to do) and value."""
        if name in ("user", "database"):
            return name, value
        lower = name.lower()
        if lower == "options" and not value.strip():
            return "", ""
        if lower in _PARAMETERS:
            canonical, pattern = _PARAMETERS[lower]
        elif lower in self._parameters and lower not in _NEVER:
            canonical, pattern = self._parameters[lower], _ANY_VALUE
        else:
            raise _Refusal(
                "28000",
                f"the startup parameter {_quoted(name)} is not allowed",
                "Leave it out, or have it added to the resource's parameters.",
            )
        if pattern.fullmatch(value) is None:
            raise _Refusal("22023", f"invalid value for the startup parameter {canonical}")
        if lower == "client_encoding":
            return canonical, _utf8(value)
        if lower == "standard_conforming_strings":
            if value.lower() not in ("on", "true", "yes", "1"):
                raise _Refusal("22023", "standard_conforming_strings must be on")
            return canonical, "on"
        if lower == "extra_float_digits":
            return canonical, str(max(int(value), 1))  # never rounded: see FIXED_SETTINGS
        return canonical, value


#: Parameters that no settings can allow: they change who runs, or the protocol itself.
_NEVER = frozenset({"options", "replication", "role", "session_authorization", "user", "database"})


def _pairs(body: bytes) -> dict[str, str]:
    """Names and values of a StartupMessage: strings in pairs, then one empty string, the end."""
    if body[-1:] != b"\0":
        raise _Refusal("08P01", "invalid startup packet layout")
    strings = body[:-1].split(b"\0")
    # n pairs closed by NULs leave an empty last string.
    if strings.pop() or len(strings) % 2:
        raise _Refusal("08P01", "invalid startup packet layout")
    pairs: dict[str, str] = {}
    for i in range(0, len(strings), 2):
        try:
            name, value = strings[i].decode(), strings[i + 1].decode()
        except UnicodeDecodeError:
            raise _Refusal("08P01", "a startup parameter is not UTF-8") from None
        if not name:
            raise _Refusal("08P01", "invalid startup packet layout")
        if name in pairs:
            raise _Refusal("08P01", "a startup parameter is given twice")
        pairs[name] = value
    return pairs


def _utf8(value: str) -> str:
    """UTF8, however a client spells it (``'utf-8'``, ``unicode``); see ``pg_char_to_encoding``.

    SQL_ASCII asks for the server's bytes unconverted, which are UTF-8 too.
    """
    spelled = "".join(c for c in value.lower() if c.isalnum())
    if spelled not in ("utf8", "unicode", "sqlascii"):
        raise _Refusal("22023", "client_encoding must be UTF8", "Set PGCLIENTENCODING=UTF8.")
    return "UTF8"


def _quoted(name: str) -> str:
    """A name fit for a message: cut, and nothing but printable ASCII."""
    return '"' + "".join(c if c.isascii() and c.isprintable() else "?" for c in name[:63]) + '"'
