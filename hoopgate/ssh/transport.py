"""A hardened Conch: SSH's transport layer for both legs (RFC 4253).

Twisted Conch parses the negotiation and holds the keys; what it lacks or does loosely is here:

1. Weak algorithms are not there at all: AES-GCM, or AES-CTR with encrypt-then-MAC; mlkem768x25519
   and curve25519; ed25519, ECDSA and RSA with SHA-2. No compression.
2. Strict key exchange on both legs (OpenSSH PROTOCOL 1.10, against CVE-2023-48795): nothing but the
   exchange's own messages until the first NEWKEYS, sequence numbers start anew at each.
3. Every message is allowed by the phase of the exchange, or ends the connection.
4. New keys after so many bytes or seconds; a peer that does not answer with its part is left.
5. Each direction changes its keys with its own NEWKEYS.
6. No byte of a peer's is ever logged.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, cast

from cryptography.exceptions import UnsupportedAlgorithm
from twisted.conch.ssh import transport as conch
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure

from hoopgate.errors import LimitExceeded, RemoteProtocolError
from hoopgate.network import hang_up, write
from hoopgate.ssh.packets import CIPHERS, MACS, Plain, Seal, derive, make_seal
from hoopgate.ssh.wire import Reader, string

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall, IReactorTime

#: Clients that know SFTP tell by the name whose order of the paths of SYMLINK is meant.
VERSION: Final = b"SSH-2.0-Hoopgate (SFTP as of OpenSSH)"

HYBRID: Final = b"mlkem768x25519-sha256"
CURVES: Final = (b"curve25519-sha256", b"curve25519-sha256@libssh.org")
STRICT_CLIENT: Final = b"kex-strict-c-v00@openssh.com"
STRICT_SERVER: Final = b"kex-strict-s-v00@openssh.com"

DISCONNECT: Final = 1
IGNORE: Final = 2
UNIMPLEMENTED: Final = 3
DEBUG: Final = 4
SERVICE_REQUEST: Final = 5
SERVICE_ACCEPT: Final = 6
EXT_INFO: Final = 7
KEXINIT: Final = 20
NEWKEYS: Final = 21
KEX_INIT: Final = 30
KEX_REPLY: Final = 31

PROTOCOL_ERROR: Final = 2
KEY_EXCHANGE_FAILED: Final = 3
BY_APPLICATION: Final = 11
NO_MORE_METHODS: Final = 14

#: New keys after so much in either direction, or so long (RFC 4253 section 9).
REKEY_BYTES: Final = 2**30
REKEY_PACKETS: Final = 2**28
REKEY_SECONDS: Final = 3600.0
#: Seconds that a peer has for its part of an exchange.
EXCHANGE_SECONDS: Final = 30.0

#: Bytes of the peer's version line (RFC 4253 section 4.2), and of lines a server may send before.
_VERSION_BYTES: Final = 255
_BANNER_BYTES: Final = 8192
#: Messages that wait: for new keys, or because the peer reads nothing. None of them has data in it.
_MOST_LATE: Final = 10_000


class _Silent:
    """In the place of Conch's logger, which writes what peers send."""

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *_args, **_values: None


def _of_exchange(number: int) -> bool:
    """What may be sent while keys are exchanged (RFC 4253 section 7.1)."""
    return number in (DISCONNECT, IGNORE, UNIMPLEMENTED, DEBUG, NEWKEYS) or 30 <= number <= 49


class SSHTransport(conch.SSHTransportBase):
    """What both legs share.

    :ivar strict: both sides do strict key exchange.
    :ivar packet_limit: bytes of a payload accepted now; raised after the login.
    :ivar full: the connection takes nothing more now.
    :ivar algorithms: what was negotiated, for the session's facts.
    """

    _log = cast(Any, _Silent())
    ourVersionString = VERSION
    supportedCiphers = CIPHERS
    supportedMACs = MACS
    supportedCompressions = [b"none"]  # noqa: RUF012
    supportedVersions = (b"2.0", b"1.99")

    transport: Any
    reactor: IReactorTime
    packet_limit = 2**18
    strict = False
    full = False
    _blockedByKeyExchange: Any
    otherVersionString = b""
    rekey_bytes = REKEY_BYTES
    rekey_seconds = REKEY_SECONDS
    _may_rekey = False

    def __init__(self, reactor: IReactorTime) -> None:
        self.reactor = reactor
        self.algorithms: dict[str, str] = {}
        self._incoming = bytearray()
        self._opener: Seal = Plain()
        self._sealer: Seal = Plain()
        self._next: Seal | None = None
        self._phase = "version"
        self._first = True  # the first exchange
        self._ignore_guess = False
        self._seen = 0  # bytes and packets under the present keys
        self._packets = 0
        self._timers: dict[str, IDelayedCall] = {}
        self._ended = False
        self._dispatching = False
        self._late = 0

    # --- to be said by the two legs -------------------------------------------------------------

    def secured(self) -> None:
        """The first keys are in use."""
        raise NotImplementedError

    def unblocked(self) -> None:
        """New keys are in use: what waited may go on."""

    def received(self, number: int, payload: bytes) -> None:
        """A message from number 50 on, or about a service."""
        raise NotImplementedError

    def ended(self, reason: str) -> None:
        """The connection is gone, or will be; called once."""
        raise NotImplementedError

    # --- bytes ----------------------------------------------------------------------------------

    def connectionMade(self) -> None:
        self.transport.write(self.ourVersionString + b"\r\n")
        self._kexinit_out()

    def _kexinit_out(self) -> None:
        self.sendKexInit()  # type: ignore[no-untyped-call]

    def dataReceived(self, data: bytes) -> None:
        if self._ended:
            return
        self._incoming += data
        if self._dispatching:
            return
        self._dispatching = True
        try:
            if self._phase == "version" and not self._read_version():
                return
            while not self._ended:
                payload = self._opener.open(self.incomingPacketSequence, self._incoming)
                if payload is None:
                    break
                if len(payload) > self.packet_limit:
                    raise LimitExceeded("a message is too long")
                self.incomingPacketSequence = (self.incomingPacketSequence + 1) & 0xFFFFFFFF
                self._count(len(payload))
                self.dispatchMessage(payload[0], payload[1:])
        except RemoteProtocolError as error:
            self.fail(PROTOCOL_ERROR, str(error))
        except (struct.error, ValueError, IndexError, UnsupportedAlgorithm):
            # Out of Conch's parsers: what they were given is wrong.
            self.fail(PROTOCOL_ERROR, "a message is malformed")
        finally:
            self._dispatching = False

    def _read_version(self) -> bool:
        """RFC 4253 section 4.2: a client begins with its version, a server may say more first."""
        while True:
            end = self._incoming.find(b"\n")
            limit = _BANNER_BYTES if self.isClient else _VERSION_BYTES
            if end < 0:
                if len(self._incoming) > limit:
                    raise LimitExceeded("the version line is too long")
                return False
            line = bytes(self._incoming[:end]).rstrip(b"\r")
            if line.startswith(b"SSH-"):
                break
            if not self.isClient:
                raise RemoteProtocolError("the client does not speak SSH")
            self._seen += end + 1
            if self._seen > _BANNER_BYTES:
                raise LimitExceeded("too much before the version line")
            del self._incoming[: end + 1]
        if len(line) > _VERSION_BYTES or line.split(b"-")[1] not in self.supportedVersions:
            raise RemoteProtocolError("another version of SSH")
        del self._incoming[: end + 1]
        self._seen = 0
        self.otherVersionString = line
        self.gotVersion = True
        self._phase = "kexinit"
        return True

    def sendPacket(self, messageType: int, payload: bytes, *more: bytes) -> None:
        """Send a message, which may come in parts; one that no exchange knows waits until it is
        over."""
        if self._ended:
            return
        self._late = self._late + 1 if self.full or self.blocked else 0
        if self._late > _MOST_LATE:
            self._late = 0
            self.full = False
            self.fail(BY_APPLICATION, "too many answers wait for their reader")
            return
        if self.blocked and not _of_exchange(messageType):
            self._blockedByKeyExchange.append((messageType, b"".join((payload, *more))))
            return
        number = bytes((messageType,))
        data = self._sealer.seal(self.outgoingPacketSequence, number, payload, *more)
        self.outgoingPacketSequence = (self.outgoingPacketSequence + 1) & 0xFFFFFFFF
        write(self.transport, data)
        self._count(len(payload) + sum(map(len, more)))

    @property
    def over(self) -> bool:
        """The connection is gone, or will be."""
        return self._ended

    @property
    def blocked(self) -> bool:
        """An exchange is under way: messages wait."""
        return bool(self._keyExchangeState != self._KEY_EXCHANGE_NONE)

    def isEncrypted(self, direction: str = "out") -> bool:
        """Whether the first exchange is through."""
        return not self._first

    # --- messages -------------------------------------------------------------------------------

    def dispatchMessage(self, messageNum: int, payload: bytes) -> None:
        """One message; what the phase does not allow ends the connection."""
        number, phase = messageNum, self._phase
        if number == DISCONNECT:
            self._over("disconnect")
            self.transport.loseConnection()
        elif number in (IGNORE, UNIMPLEMENTED, DEBUG):
            if self._first and (self.strict or phase != "kexinit"):
                raise RemoteProtocolError("a message that has no place in a key exchange")
        elif number == KEXINIT:
            self._kexinit(payload)
        elif KEX_INIT <= number <= 49 and phase == "exchange":
            if self._ignore_guess:
                self._ignore_guess = False
            else:
                self.exchange(number, payload)
        elif number == NEWKEYS and phase == "newkeys":
            self._new_keys(payload)
        elif phase != "open" or number == NEWKEYS or KEX_INIT <= number <= 49:
            raise RemoteProtocolError("a message that has no place in a key exchange")
        elif number == EXT_INFO:
            self.ssh_EXT_INFO(payload)
        elif number in (SERVICE_REQUEST, SERVICE_ACCEPT) or number >= 50:
            self.received(number, payload)
        else:
            self.unimplemented()

    def unimplemented(self) -> None:
        """Say that the last message means nothing here."""
        last = (self.incomingPacketSequence - 1) & 0xFFFFFFFF
        self.sendPacket(UNIMPLEMENTED, struct.pack(">I", last))

    def ssh_EXT_INFO(self, packet: bytes) -> None:
        """RFC 8308 section 2.3."""
        reader = Reader(packet)
        found = {}
        for _ in range(min(reader.uint32(), 64)):
            name = reader.string()
            found[name] = reader.string()
        self.peerExtensions = found

    # --- key exchange ---------------------------------------------------------------------------

    def rekey(self) -> None:
        """Begin an exchange, unless one is under way or it is too early."""
        if self._may_rekey and not self._ended and not self.blocked and self._phase == "open":
            self._seen = self._packets = 0  # KEXINIT is counted itself
            self._kexinit_out()
            self.after("exchange", EXCHANGE_SECONDS, self._too_slow)

    def _count(self, size: int) -> None:
        self._seen += size
        self._packets += 1
        if self._seen > self.rekey_bytes or self._packets > REKEY_PACKETS:
            self.rekey()

    def _too_slow(self) -> None:
        self.fail(KEY_EXCHANGE_FAILED, "the key exchange took too long")

    def _kexinit(self, payload: bytes) -> None:
        if self._phase not in ("kexinit", "open") or (
            self._phase == "open" and not self._may_rekey
        ):
            raise RemoteProtocolError("a key exchange out of turn")
        self._phase = "exchange"
        negotiated = conch.SSHTransportBase.ssh_KEXINIT(self, payload)
        if negotiated is None:  # told and closed
            return
        offered, key_algorithms, rest = negotiated
        if self._first:
            marker = STRICT_SERVER if self.isClient else STRICT_CLIENT
            self.strict = marker in offered
            if self.strict and self.incomingPacketSequence != 1:
                raise RemoteProtocolError("something came before the key exchange")
        if self.kexAlg not in (HYBRID, *CURVES):
            raise RemoteProtocolError("no key exchange in common")
        own = self.supportedKeyExchanges[0], self.supportedPublicKeys[0]
        self._ignore_guess = rest[:1] != b"\0" and (offered[0], key_algorithms[0]) != own
        self.after("exchange", EXCHANGE_SECONDS, self._too_slow)
        self.begin_exchange()

    def begin_exchange(self) -> None:
        """Both KEXINITs are there."""

    def exchange(self, number: int, payload: bytes) -> None:
        """A message of the exchange.

        :raises RemoteProtocolError: it is not the one that is due.
        """
        raise NotImplementedError

    def agree(self, secret: bytes, *parts: bytes) -> bytes:
        """The exchange hash (RFC 5656 section 4, draft-ietf-sshm-mlkem-hybrid-kex section 2.3)."""
        versions = (self.ourVersionString, self.otherVersionString)
        inits = (self.ourKexInitPayload, self.otherKexInitPayload)
        if not self.isClient:
            versions, inits = versions[::-1], inits[::-1]
        fields = b"".join(map(string, (*versions, *inits, *parts)))
        return hashlib.sha256(fields + secret).digest()

    def set_keys(self, secret: bytes, exchange_hash: bytes) -> None:
        """Send NEWKEYS and use the new keys behind it; those of the peer come with its own."""
        if self.sessionID is None:
            self.sessionID = exchange_hash
        names = self.nextEncryptions
        out, into = (b"ACE", b"BDF") if self.isClient else (b"BDF", b"ACE")

        def make(letters: bytes, cipher: bytes, mac: bytes, *, sealing: bool) -> Seal:
            assert self.sessionID is not None
            iv, key, mac_key = (
                derive(hashlib.sha256, secret, exchange_hash, bytes((one,)), self.sessionID)
                for one in letters
            )
            return make_seal(cipher, mac, iv=iv, key=key, mac_key=mac_key, sealing=sealing)

        self._next = make(into, names.inCipType, names.inMACType, sealing=False)
        sealer = make(out, names.outCipType, names.outMACType, sealing=True)
        self.sendPacket(NEWKEYS, b"")
        self._sealer = sealer
        if self.strict:
            self.outgoingPacketSequence = 0
        self._phase = "newkeys"

    def _new_keys(self, payload: bytes) -> None:
        if payload or self._next is None:
            raise RemoteProtocolError("NEWKEYS out of turn")
        self._opener, self._next = self._next, None
        if self.strict:
            self.incomingPacketSequence = 0
        first, self._first = self._first, False
        self._phase = "open"
        self._seen = self._packets = 0
        self._stop("exchange")
        self.after("rekey", self.rekey_seconds, self.rekey)
        names = self.nextEncryptions
        self.algorithms = {
            "version": "SSH-2.0",
            "kex": self.kexAlg.decode(),
            "cipher": names.outCipType.decode(),
            "strict": "yes" if self.strict else "no",
        }
        self._keyExchangeState = self._KEY_EXCHANGE_NONE
        waiting, self._blockedByKeyExchange = self._blockedByKeyExchange, None
        if first:
            self.secured()
        for number, body in waiting or ():
            self.sendPacket(number, body)
        if not first:
            self.unblocked()

    # --- ends -----------------------------------------------------------------------------------

    def fail(self, code: int, message: str) -> None:
        """Tell the peer why, and hang up."""
        if self._ended:
            return
        body = struct.pack(">I", code) + string(message.encode()) + string(b"")
        self._keyExchangeState = self._KEY_EXCHANGE_NONE
        self.sendPacket(DISCONNECT, body)
        self._over("protocol" if code == PROTOCOL_ERROR else "closed")
        hang_up(self.reactor, self.transport)

    def sendDisconnect(self, reason: int, desc: bytes | str) -> None:
        """Conch gives up."""
        text = desc.decode("ascii", "replace") if isinstance(desc, bytes) else desc
        self.fail(reason, text)

    def loseConnection(self) -> None:
        """Hang up as one who is done."""
        self.fail(BY_APPLICATION, "closed")

    def connectionLost(self, reason: Failure | None = connectionDone) -> None:
        self._over("lost")

    def _over(self, reason: str) -> None:
        if self._ended:
            return
        self._ended = True
        for name in list(self._timers):
            self._stop(name)
        self.ended(reason)

    def after(self, name: str, seconds: float, call: Callable[[], None]) -> None:
        self._stop(name)
        if not self._ended:
            self._timers[name] = self.reactor.callLater(seconds, call)

    def _stop(self, name: str) -> None:
        timer = self._timers.pop(name, None)
        if timer is not None and timer.active():
            timer.cancel()
