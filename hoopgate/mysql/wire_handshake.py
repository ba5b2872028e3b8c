"""Greeting, handshake response and authentication packets, both ways. Sans-I/O.

MySQL Internals "Connection Phase Packets"; MariaDB knowledge base "Connection" for the second four
bytes of capabilities that a server without ``CLIENT_MYSQL`` has.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from hoopgate.errors import RemoteProtocolError
from hoopgate.mysql.wire import EOF, ERR, OK, Reader, lenenc, string

SCRAMBLE_BYTES: Final = 20
UTF8MB4_GENERAL_CI: Final = 45


class Capability:
    """Capability flags. Those above 32 bits are MariaDB's."""

    MYSQL = 1 << 0  #: LONG_PASSWORD of old; MariaDB leaves it out
    FOUND_ROWS = 1 << 1
    LONG_FLAG = 1 << 2
    CONNECT_WITH_DB = 1 << 3
    NO_SCHEMA = 1 << 4
    COMPRESS = 1 << 5
    ODBC = 1 << 6
    LOCAL_FILES = 1 << 7
    IGNORE_SPACE = 1 << 8
    PROTOCOL_41 = 1 << 9
    INTERACTIVE = 1 << 10
    SSL = 1 << 11
    IGNORE_SIGPIPE = 1 << 12
    TRANSACTIONS = 1 << 13
    RESERVED = 1 << 14
    SECURE_CONNECTION = 1 << 15
    MULTI_STATEMENTS = 1 << 16
    MULTI_RESULTS = 1 << 17
    PS_MULTI_RESULTS = 1 << 18
    PLUGIN_AUTH = 1 << 19
    CONNECT_ATTRS = 1 << 20
    LENENC_AUTH_DATA = 1 << 21
    EXPIRED_PASSWORDS = 1 << 22
    SESSION_TRACK = 1 << 23
    DEPRECATE_EOF = 1 << 24
    OPTIONAL_METADATA = 1 << 25
    ZSTD = 1 << 26
    QUERY_ATTRIBUTES = 1 << 27
    MULTI_FACTOR = 1 << 28
    PROGRESS = 1 << 32
    COM_MULTI = 1 << 33
    BULK_OPERATIONS = 1 << 34
    EXTENDED_TYPES = 1 << 35
    CACHE_METADATA = 1 << 36
    BULK_UNIT_RESULTS = 1 << 37


#: Authentication plugins by their names on the wire.
NATIVE: Final = b"mysql_native_password"
CACHING_SHA2: Final = b"caching_sha2_password"
CLEAR: Final = b"mysql_clear_password"
ED25519: Final = b"client_ed25519"
OPENID: Final = b"authentication_openid_connect_client"

#: First byte behind the 0x01 of an AuthMoreData of caching_sha2_password.
FAST_AUTH_OK, FULL_AUTH = 3, 4


@dataclass(frozen=True, slots=True)
class Greeting:
    """``HandshakeV10``.

    :ivar scramble: 20 bytes (client_ed25519: none; it comes by an AuthSwitch).
    :ivar mariadb: the server is MariaDB (bit ``CLIENT_MYSQL`` clear).
    """

    version: bytes
    thread: int
    scramble: bytes = field(repr=False)
    capabilities: int
    charset: int = UTF8MB4_GENERAL_CI
    status: int = 2
    plugin: bytes = NATIVE

    @property
    def mariadb(self) -> bool:
        """True for MariaDB (its extended capabilities count)."""
        return not self.capabilities & Capability.MYSQL

    def encode(self) -> bytes:
        """The payload."""
        flags = self.capabilities
        extended = (flags >> 32).to_bytes(4, "little") if self.mariadb else bytes(4)
        return b"".join(
            (
                b"\x0a" + self.version + b"\0",
                self.thread.to_bytes(4, "little"),
                self.scramble[:8] + b"\0",
                (flags & 0xFFFF).to_bytes(2, "little"),
                bytes((self.charset & 0xFF,)),
                self.status.to_bytes(2, "little"),
                (flags >> 16 & 0xFFFF).to_bytes(2, "little"),
                bytes((SCRAMBLE_BYTES + 1,)),
                bytes(6) + extended,
                self.scramble[8:] + b"\0",
                self.plugin + b"\0",
            )
        )


def greeting(payload: bytes) -> Greeting:
    """Decode a server's greeting.

    :raises RemoteProtocolError: it is malformed, or of another protocol than version 10 with the
        4.1 login.
    """
    reader = Reader(payload)
    if reader.integer(1) != 10:
        raise RemoteProtocolError("the server does not speak protocol version 10")
    version = reader.until_nul()
    thread = reader.integer(4)
    scramble = reader.take(8)
    reader.take(1)
    flags = reader.integer(2)
    charset = reader.integer(1)
    status = reader.integer(2)
    flags |= reader.integer(2) << 16
    size = reader.integer(1)
    reader.take(6)
    extended = reader.integer(4)
    if not flags & Capability.MYSQL:
        flags |= extended << 32
    needed = Capability.PROTOCOL_41 | Capability.SECURE_CONNECTION | Capability.PLUGIN_AUTH
    if flags & needed != needed:
        raise RemoteProtocolError("the server is too old")
    scramble += reader.take(max(13, size - 8))[: SCRAMBLE_BYTES - 8]
    # Some servers close the last string with a NUL and some do not.
    plugin = reader.rest().partition(b"\0")[0]
    return Greeting(version, thread, scramble, flags, charset, status, plugin)


@dataclass(frozen=True, slots=True)
class HandshakeResponse:
    """``HandshakeResponse41``; as an SSLRequest it stops in front of the user."""

    capabilities: int
    charset: int = UTF8MB4_GENERAL_CI
    user: bytes = b""
    response: bytes = field(default=b"", repr=False)
    database: bytes = b""
    plugin: bytes = b""
    attributes: Mapping[bytes, bytes] = field(default_factory=dict)
    most_packet: int = 2**24

    def head(self) -> bytes:
        """The first 32 bytes, which alone are an SSLRequest."""
        flags = self.capabilities
        return b"".join(
            (
                (flags & 0xFFFFFFFF).to_bytes(4, "little"),
                self.most_packet.to_bytes(4, "little"),
                bytes((self.charset & 0xFF,)),
                bytes(19),
                (flags >> 32).to_bytes(4, "little"),
            )
        )

    def encode(self) -> bytes:
        """The whole payload."""
        flags = self.capabilities
        out = [self.head(), self.user + b"\0"]
        if flags & Capability.LENENC_AUTH_DATA:
            out.append(string(self.response))
        elif flags & Capability.SECURE_CONNECTION:
            out.append(bytes((len(self.response),)) + self.response)
        else:
            out.append(self.response + b"\0")
        if flags & Capability.CONNECT_WITH_DB:
            out.append(self.database + b"\0")
        if flags & Capability.PLUGIN_AUTH:
            out.append(self.plugin + b"\0")
        if flags & Capability.CONNECT_ATTRS:
            pairs = b"".join(string(k) + string(v) for k, v in self.attributes.items())
            out.append(string(pairs))
        return b"".join(out)


#: Bytes of an SSLRequest.
SSL_REQUEST_BYTES: Final = 32


def handshake_response(payload: bytes, *, mariadb: bool) -> HandshakeResponse:
    """Decode a client's answer to the greeting; an SSLRequest has only capabilities and charset.

    :param mariadb: the greeting was MariaDB's, so the last four filler bytes may be capabilities.
    :raises RemoteProtocolError: it is malformed, or of a client before 4.1.
    """
    reader = Reader(payload)
    flags = reader.integer(4)
    if not flags & Capability.PROTOCOL_41:
        raise RemoteProtocolError("the client is older than protocol 4.1")
    most_packet = reader.integer(4)
    charset = reader.integer(1)
    reader.take(19)
    extended = reader.integer(4)
    if mariadb and not flags & Capability.MYSQL:
        flags |= extended << 32
    if not reader.left:
        return HandshakeResponse(flags, charset, most_packet=most_packet)
    user = reader.until_nul()
    if flags & Capability.LENENC_AUTH_DATA:
        response = reader.string()
    elif flags & Capability.SECURE_CONNECTION:
        response = reader.take(reader.integer(1))
    else:
        response = reader.until_nul()
    database = plugin = b""
    attributes: dict[bytes, bytes] = {}
    if flags & Capability.CONNECT_WITH_DB and reader.left:
        database = reader.until_nul()
    if flags & Capability.PLUGIN_AUTH and reader.left:
        # mysql-connector-python and others leave the last NUL out.
        plugin = reader.until_nul() if 0 in payload[reader.at :] else reader.rest()
    if flags & Capability.CONNECT_ATTRS and reader.left:
        attributes = _attributes(reader.string())
    return HandshakeResponse(
        flags, charset, user, response, database, plugin, attributes, most_packet
    )


def _attributes(data: bytes) -> dict[bytes, bytes]:
    reader = Reader(data)
    found: dict[bytes, bytes] = {}
    while reader.left:
        key = reader.string()
        found[key] = reader.string()
    return found


# --- authentication ------------------------------------------------------------------------------


def auth_switch(plugin: bytes, data: bytes) -> bytes:
    """``AuthSwitchRequest``. Scrambles of 20 bytes end with a NUL, the longer ones do not."""
    return b"\xfe" + plugin + b"\0" + data


def auth_more(data: bytes) -> bytes:
    """``AuthMoreData``."""
    return b"\x01" + data


@dataclass(frozen=True, slots=True)
class AuthSwitch:
    """What a server asks to switch to."""

    plugin: bytes
    data: bytes = field(repr=False)


def server_auth(payload: bytes) -> AuthSwitch | bytes | None:
    """An authentication packet of a server: a switch, more data, or None for OK and ERR.

    :raises RemoteProtocolError: it is none of them.
    """
    if not payload:
        raise RemoteProtocolError("an empty packet at login")
    kind = payload[0]
    if kind in (OK, ERR):
        return None
    if kind == 1:
        return payload[1:]
    if kind == EOF and len(payload) > 1:
        reader = Reader(payload, 1)
        return AuthSwitch(reader.until_nul(), reader.rest())
    raise RemoteProtocolError("an unexpected packet at login")


def openid_token(data: bytes) -> bytes:
    """The token in an answer of ``authentication_openid_connect_client``.

    :raises RemoteProtocolError: it is malformed.
    """
    reader = Reader(data)
    if reader.integer(1) != 1:
        raise RemoteProtocolError("malformed OpenID Connect answer")
    token = reader.string()
    reader.end()
    return token


def openid_answer(token: bytes) -> bytes:
    """What ``authentication_openid_connect_client`` sends."""
    return b"\x01" + lenenc(len(token)) + token
