"""SSH's binary packets: sealed and opened, one object per direction and key; sans-I/O.

Only authenticated encryption is offered: AES-GCM (RFC 5647 as OpenSSH speaks it) and AES-CTR with
encrypt-then-MAC (OpenSSH PROTOCOL section 1.5). Their packet length is authenticated, or bound by
the limit, before anything of the packet is decrypted.
"""

from __future__ import annotations

import hmac
import os
import struct
from typing import Any, Final, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from hoopgate.errors import LimitExceeded, RemoteProtocolError

#: Bytes of a packet at most: OpenSSH's own limit (PACKET_MAX_SIZE).
PACKET_BYTES: Final = 256 * 1024

GCM: Final = {b"aes256-gcm@openssh.com": 32, b"aes128-gcm@openssh.com": 16}
CTR: Final = {b"aes256-ctr": 32, b"aes192-ctr": 24, b"aes128-ctr": 16}
ETM: Final = {
    b"hmac-sha2-512-etm@openssh.com": ("sha512", 64),
    b"hmac-sha2-256-etm@openssh.com": ("sha256", 32),
}
CIPHERS: Final = [*GCM, *CTR]
MACS: Final = list(ETM)

_NOISE_BYTES: Final = 4096

_HEAD: Final = struct.Struct(">I")


class Seal(Protocol):
    """Protects packets of one direction."""

    def seal(self, sequence: int, *payload: bytes) -> bytes:
        """The packet for ``payload``, which may come in parts."""

    def open(self, sequence: int, buffer: bytearray) -> bytes | None:
        """Take a packet off ``buffer``: its payload, or None when it is not whole yet.

        :raises LimitExceeded: it is too long.
        :raises RemoteProtocolError: it was tampered with, or is malformed.
        """


class _Noise:
    """Random bytes, fetched many at a time: asking the system takes longer than to seal."""

    def __init__(self) -> None:
        self._bytes = b""
        self._at = 0

    def take(self, size: int) -> bytes:
        at = self._at
        if at + size > len(self._bytes):
            self._bytes, at = os.urandom(_NOISE_BYTES), 0
        self._at = at + size
        return self._bytes[at : at + size]


_NOISE: Final = _Noise()


def _padded(payload: tuple[bytes, ...], block: int, counted: int) -> bytes:
    """padding length, payload, padding; ``counted`` bytes before it belong to the blocks, too."""
    padding = block - (counted + 1 + sum(map(len, payload))) % block
    if padding < 4:
        padding += block
    return b"".join((bytes((padding,)), *payload, _NOISE.take(padding)))


def _payload(packet: bytes) -> bytes:
    padding = packet[0]
    if padding < 4 or padding + 1 >= len(packet):
        raise RemoteProtocolError("a packet's padding is wrong")
    return packet[1:-padding]


def _length(buffer: bytearray, block: int, counted: int) -> int | None:
    if len(buffer) < 4:
        return None
    (length,) = _HEAD.unpack_from(buffer)
    if length > PACKET_BYTES:
        raise LimitExceeded("a packet is too long")
    if length < 6 or (length + counted) % block:
        raise RemoteProtocolError("a packet's length is wrong")
    return int(length)


class Plain:
    """Before the first keys (RFC 4253 section 6)."""

    def seal(self, sequence: int, *payload: bytes) -> bytes:
        """See :class:`Seal`."""
        packet = _padded(payload, 8, 4)
        return _HEAD.pack(len(packet)) + packet

    def open(self, sequence: int, buffer: bytearray) -> bytes | None:
        """See :class:`Seal`."""
        length = _length(buffer, 8, 4)
        if length is None or len(buffer) < 4 + length:
            return None
        packet = bytes(buffer[4 : 4 + length])
        del buffer[: 4 + length]
        return _payload(packet)


class GCMSeal:
    """AES-GCM: the length is additional data, the nonce counts packets (RFC 5647 section 7)."""

    def __init__(self, key: bytes, iv: bytes) -> None:
        self._aead = AESGCM(key)
        self._fixed = iv[:4]
        self._counter = int.from_bytes(iv[4:12], "big")

    def _nonce(self) -> bytes:
        nonce = self._fixed + self._counter.to_bytes(8, "big")
        self._counter = (self._counter + 1) % 2**64
        return nonce

    def seal(self, sequence: int, *payload: bytes) -> bytes:
        """See :class:`Seal`."""
        packet = _padded(payload, 16, 0)
        head = _HEAD.pack(len(packet))
        return head + self._aead.encrypt(self._nonce(), packet, head)

    def open(self, sequence: int, buffer: bytearray) -> bytes | None:
        """See :class:`Seal`."""
        length = _length(buffer, 16, 0)
        if length is None or len(buffer) < 4 + length + 16:
            return None
        try:
            with memoryview(buffer) as view, view[4 : 20 + length] as sealed:
                packet = self._aead.decrypt(self._nonce(), sealed, bytes(view[:4]))
        except InvalidTag:
            raise RemoteProtocolError("a packet is not authentic") from None
        del buffer[: 20 + length]
        return _payload(packet)


class CTRSeal:
    """AES-CTR with encrypt-then-MAC: the length is in the clear, and under the MAC."""

    def __init__(self, key: bytes, iv: bytes, mac: bytes, mac_key: bytes, *, sealing: bool) -> None:
        cipher = Cipher(algorithms.AES(key), modes.CTR(iv[:16]))
        context: Any = cipher.encryptor() if sealing else cipher.decryptor()
        self._update = context.update
        self._digest, self._size = ETM[mac]
        self._mac_key = mac_key[: self._size]

    def _mac(self, sequence: int, data: bytes) -> bytes:
        return hmac.digest(self._mac_key, _HEAD.pack(sequence) + data, self._digest)

    def seal(self, sequence: int, *payload: bytes) -> bytes:
        """See :class:`Seal`."""
        packet = _padded(payload, 16, 0)
        data: bytes = _HEAD.pack(len(packet)) + self._update(packet)
        return data + self._mac(sequence, data)

    def open(self, sequence: int, buffer: bytearray) -> bytes | None:
        """See :class:`Seal`."""
        length = _length(buffer, 16, 0)
        end = 4 + (length or 0) + self._size
        if length is None or len(buffer) < end:
            return None
        with memoryview(buffer) as view:
            data, mac = bytes(view[: 4 + length]), bytes(view[4 + length : end])
        del buffer[:end]
        if not hmac.compare_digest(self._mac(sequence, data), mac):
            raise RemoteProtocolError("a packet is not authentic")
        return _payload(bytes(self._update(data[4:])))


def make_seal(
    cipher: bytes, mac: bytes, *, iv: bytes, key: bytes, mac_key: bytes, sealing: bool
) -> Seal:
    """What the negotiated names mean; ``iv``, ``key`` and ``mac_key`` may be longer than needed."""
    if cipher in GCM:
        return GCMSeal(key[: GCM[cipher]], iv)
    return CTRSeal(key[: CTR[cipher]], iv, mac, mac_key, sealing=sealing)


def derive(
    digest: Any, secret: bytes, exchange_hash: bytes, letter: bytes, session_id: bytes
) -> bytes:
    """64 bytes and more of a key (RFC 4253 section 7.2).

    :param secret: K as an mpint or string, encoded.
    """
    known = digest(secret + exchange_hash + letter + session_id).digest()
    while len(known) < 64:
        known += digest(secret + exchange_hash + known).digest()
    return bytes(known)
