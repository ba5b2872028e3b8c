"""A client's login (RFC 4252), sans-I/O: messages in, messages and questions out.

Rules:

1. User name and service are those of the first request; another one ends the connection.
2. A public key that is only offered proves nothing; the key that signs is the one that counts, with
   the algorithm it was announced with, over this connection's session id.
3. One question is open at a time, and only its own answer decides.
4. Tries and offers are counted; too many end the connection.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from hoopgate.errors import IdentityRefused, LimitExceeded, RemoteProtocolError
from hoopgate.ssh.certificates import UserCertificate, is_certificate
from hoopgate.ssh.wire import Reader, string, uint32

REQUEST: Final = 50
FAILURE: Final = 51
SUCCESS: Final = 52
BANNER: Final = 53
PK_OK: Final = 60
INFO_REQUEST: Final = 60
INFO_RESPONSE: Final = 61

MOST_TRIES: Final = 6
#: An agent with many keys offers them all.
MOST_OFFERS: Final = 24

_METHODS: Final = b"publickey,password,keyboard-interactive"
_NAME_BYTES: Final = 512


@dataclass(frozen=True, slots=True)
class Send:
    """A message for the client: its number and body."""

    number: int
    body: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class CheckSecret:
    """Is this the secret (a token, or a session credential's password) of the user?"""

    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class CheckCertificate:
    """Is this certificate in order? Answer with :meth:`Login.certificate`."""

    blob: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Proven:
    """The client has shown that it holds the certificate's key."""

    certificate: UserCertificate


@dataclass(frozen=True, slots=True)
class BeginDevice:
    """What shall a person do in a browser? Answer with :meth:`Login.device` or :meth:`prompt`."""


@dataclass(frozen=True, slots=True)
class AwaitDevice:
    """The person says that it is done: has the issuer been told so?"""


Step = Send | CheckSecret | CheckCertificate | Proven | BeginDevice | AwaitDevice


class Login:
    """One client's login.

    :param session_id: of the first key exchange.
    :param secret_limit: bytes of a password at most.
    :param device: a person may log in by a device flow, once in a connection.
    :ivar user: the name of the first request, before it is split.
    """

    def __init__(self, session_id: bytes, *, secret_limit: int, device: bool = False) -> None:
        self.user: str | None = None
        self._session_id = session_id
        self._secret_limit = secret_limit
        self._waiting = False
        self._prompted = False
        self._may_device = device
        self._device = False  # a person was told what to do
        self._tries = 0
        self._offers = 0
        self._key: tuple[bytes, bytes, bytes | None] | None = None
        self._signed = b""

    def received(self, number: int, payload: bytes) -> list[Step]:
        """A message of the client's.

        :raises RemoteProtocolError: it has no place here; the connection ends.
        """
        if self._waiting:
            raise RemoteProtocolError("a second login request before the first was answered")
        if number == INFO_RESPONSE and self._prompted:
            return self._response(payload)
        if number != REQUEST:
            raise RemoteProtocolError("a message that has no place in a login")
        self._prompted = self._device = False
        reader = Reader(payload)
        user, service = reader.string(), reader.string()
        method = reader.string()
        self._name(user, service)
        if method == b"password":
            return self._password(reader)
        if method == b"publickey":
            return self._publickey(reader, payload)
        if method == b"keyboard-interactive":
            return self._keyboard(reader)
        if method == b"none":
            return [self._failure()]
        return self.refused()

    def _name(self, user: bytes, service: bytes) -> None:
        if service != b"ssh-connection":
            raise RemoteProtocolError("there is no such service")
        if len(user) > _NAME_BYTES:
            raise LimitExceeded("the user name is too long")
        name = Reader(string(user)).text()
        if self.user is None:
            self.user = name
        elif self.user != name:
            raise RemoteProtocolError("the user name may not change during a login")

    def _failure(self) -> Send:
        return Send(FAILURE, string(_METHODS) + b"\0")

    def refused(self, why: IdentityRefused | None = None) -> list[Step]:
        """The last question's answer is no.

        :raises LimitExceeded: there were too many tries.
        """
        self._waiting = False
        offered, self._key = self._key is not None and self._key[2] is None, None
        if not offered:  # offers have a count of their own
            self._tries += 1
        if self._tries >= MOST_TRIES:
            raise LimitExceeded("too many login attempts")
        steps: list[Step] = []
        if why is not None:
            text = f"hoopgate: {why} ({why.code})\r\n"
            steps.append(Send(BANNER, string(text.encode()) + string(b"")))
        return [*steps, self._failure()]

    def accepted(self) -> list[Step]:
        """The last question's answer is yes: the login is through."""
        self._waiting = False
        return [Send(SUCCESS)]

    # --- methods --------------------------------------------------------------------------------

    def _password(self, reader: Reader) -> list[Step]:
        change = reader.boolean()
        secret = reader.string()
        if change:
            return self.refused()
        reader.end()
        return self._secret(secret)

    def _secret(self, secret: bytes) -> list[Step]:
        if not 0 < len(secret) <= self._secret_limit:
            return self.refused()
        try:
            text = secret.decode("ascii")
        except UnicodeDecodeError:
            return self.refused()
        self._waiting = True
        return [CheckSecret(text)]

    def _keyboard(self, reader: Reader) -> list[Step]:
        """RFC 4256: by an issuer where there is one, or a prompt."""
        reader.string()
        reader.string()
        if self._may_device:
            self._may_device = False
            self._waiting = True
            return [BeginDevice()]
        return self.prompt()

    def prompt(self) -> list[Step]:
        """Ask for a secret, of clients that know this method only."""
        return self._ask("", "Token or session credential: ")

    def device(self, instruction: str) -> list[Step]:
        """Tell a person what to do. Who has a secret may still give it.

        :param instruction: lines of printable ASCII.
        """
        self._device = True
        return self._ask(instruction, "Enter when it is done (or a token, or a credential): ")

    def _ask(self, instruction: str, prompt: str) -> list[Step]:
        self._waiting = False
        self._prompted = True
        texts = ("hoopgate", instruction, "")
        body = b"".join(string(one.encode("ascii", "replace")) for one in texts)
        return [Send(INFO_REQUEST, body + uint32(1) + string(prompt.encode()) + b"\0")]

    def _response(self, payload: bytes) -> list[Step]:
        self._prompted = False
        reader = Reader(payload)
        if reader.uint32() != 1:
            raise RemoteProtocolError("another number of answers than questions")
        secret = reader.string()
        reader.end()
        device, self._device = self._device, False
        if device and not secret:
            self._waiting = True
            return [AwaitDevice()]
        return self._secret(secret)

    def _publickey(self, reader: Reader, payload: bytes) -> list[Step]:
        has_signature = reader.boolean()
        algorithm, blob = reader.string(), reader.string()
        signature = reader.string() if has_signature else None
        reader.end()
        if not has_signature:
            self._offers += 1
            if self._offers > MOST_OFFERS:
                raise LimitExceeded("too many keys were offered")
        if not is_certificate(algorithm) or not _same_kind(algorithm, blob):
            return [self._failure()] if not has_signature else self.refused()
        self._key = algorithm, blob, signature
        if signature is not None:
            before = payload[: len(payload) - len(string(signature))]
            self._signed = string(self._session_id) + bytes((REQUEST,)) + before
        self._waiting = True
        return [CheckCertificate(blob)]

    def certificate(self, found: UserCertificate) -> list[Step]:
        """The certificate is in order: the client may prove that it is its own, or has done so."""
        assert self._key is not None
        algorithm, blob, signature = self._key
        self._key = None
        if signature is None:
            self._waiting = False
            return [Send(PK_OK, string(algorithm) + string(blob))]
        if not found.proves(algorithm, signature, self._signed):
            return self.refused()
        return [Proven(found)]


def _same_kind(algorithm: bytes, blob: bytes) -> bool:
    """The key is of the kind that was announced; RSA keys sign with several algorithms."""
    kind = Reader(blob).string()
    if algorithm.startswith(b"rsa-sha2-"):
        return kind == b"ssh-rsa-cert-v01@openssh.com"
    return kind == algorithm


def split_user(user: str, separator: str) -> tuple[str, str]:
    """``agent%resource`` → the two names; the second is empty when there is none.

    A percent sign may be doubled: OpenSSH 10 expands ``%`` in ``User`` of its settings, 10.0 on
    the command line, too, where ``%%`` stands for one, and where older ones send both.

    :raises IdentityRefused: ``user.ambiguous``: the separator is in it more than once.
    """
    name, _, resource = user.partition(separator)
    if separator == "%":
        resource = resource.removeprefix(separator)
    if separator in resource or not name:
        raise IdentityRefused(
            "user.ambiguous",
            f"write the user name as name{separator}resource, with one {separator}",
        )
    return name, resource
