"""Application data of an established TLS connection, without Twisted's detours.

Twisted asks OpenSSL for more until it says that there is none, after every read and every write,
and each such answer is an exception that costs as much as the record did. Here the records that
have come are counted instead: their heads are not encrypted (RFC 8446, section 5.1). Whatever is
not plain application data, from a handshake message to an alert, takes Twisted's own way.

Transports are ``Any``: see :mod:`hoopgate.network`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, final

from OpenSSL.SSL import Error, WantReadError
from twisted.protocols.tls import BufferingTLSTransport, TLSMemoryBIOProtocol

#: What is read from a socket at once, as Twisted does.
READ_BYTES: Final = 65_536
_HEAD_BYTES: Final = 5
_APPLICATION_DATA: Final = 23
#: Plaintext and expansion of a record at most (RFC 5246, section 6.2.3, allows more than RFC 8446).
_RECORD_BYTES: Final = 2**14 + 2048
#: What is encrypted here in one go, and what its records add to it at most.
_WRITE_BYTES: Final = 65_536
_EXPANSION: Final = 1024


@final
class RecordCounter:
    """Counts the records that end in a stream of TLS records.

    :ivar lost: something else than application data came; nothing is counted any more.
    """

    def __init__(self) -> None:
        self.lost = False
        self._missing = 0  # bytes of a record that has begun

    def count(self, data: bytes) -> int:
        """How many records end in ``data``, which follows what was given before."""
        size = len(data)
        at = self._missing
        ended = 1 if 0 < at <= size else 0
        while at + _HEAD_BYTES <= size:
            length = data[at + 3] << 8 | data[at + 4]
            if (
                data[at] != _APPLICATION_DATA
                or data[at + 1] != 3
                or data[at + 2] != 3
                or length > _RECORD_BYTES
            ):
                self.lost = True
                return 0
            at += _HEAD_BYTES + length
            if at <= size:
                ended += 1
        if at < size:  # a head that is cut in two: rare enough to give up
            self.lost = True
            return 0
        self._missing = at - size
        return ended


def opening(connection: Any, deliver: Callable[[bytes], None]) -> Callable[[bytes], None] | None:
    """What gives the application data in the bytes that ``connection`` has read to ``deliver``;
    None where that is not possible.

    The protocol's ``dataReceived`` must do the same: it is called for what is not opened here.
    """
    tls: Any = connection.protocol
    if not isinstance(tls, BufferingTLSTransport):
        return None
    secure = tls._tlsConnection
    records = RecordCounter()

    def opened(data: bytes) -> None:
        ended = records.count(data)
        if records.lost:
            del vars(connection)["doRead"]
        if (
            records.lost
            or not tls._handshakeDone
            or tls._appSendBuffer
            or tls._aborted
            or tls._lostTLSConnection
        ):
            tls.dataReceived(data)
            return
        secure.bio_write(data)
        parts: list[bytes] = []
        whole = True
        try:
            while len(parts) < ended:
                parts.append(secure.recv(READ_BYTES))
        except Error:
            whole = False
        if len(parts) == 1:
            deliver(parts[0])
        elif parts:
            deliver(b"".join(parts))
        if not whole and not tls._lostTLSConnection:
            tls._flushReceiveBIO()  # a message of TLS itself, its end, or damage

    return opened


def encrypt(tls: Any, data: bytes) -> bytes | None:
    """The records of ``data``, to be sent; None: it has been given to Twisted's way."""
    tls._aggregator.flush()  # what was written before in the stock way goes first
    if (
        len(data) > _WRITE_BYTES
        or not tls._handshakeDone
        or tls._appSendBuffer
        or tls._lostTLSConnection
        or tls.disconnecting
    ):
        TLSMemoryBIOProtocol.write(tls, data)
        return None
    secure = tls._tlsConnection
    sent = 0
    try:
        while sent < len(data):
            sent += int(secure.send(data[sent:] if sent else data))
    except Error:
        TLSMemoryBIOProtocol.write(tls, data[sent:])
        return None
    try:
        records: bytes = secure.bio_read(len(data) + _EXPANSION)
    except WantReadError:
        return b""
    return records
