"""How a client proves who it is: its OIDC token, as a password or by OAUTHBEARER. Sans-I/O.

A listener offers one of them and never both: a client that would fall back from one to the other
must not be steered (PROTOCOLS A12).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from hoopgate.errors import IdentityRefused
from hoopgate.postgres import scram, wire
from hoopgate.postgres.scram_server import ScramServer


@dataclass(frozen=True, slots=True)
class Token:
    """The client's token, not verified yet."""

    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Send:
    """Bytes for the client."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Proven:
    """The client has proven that it knows the password of its session credential."""


class CredentialAuthentication:
    """A client's exchange by SCRAM-SHA-256 with a session credential (PROTOCOLS A11).

    :param server: made with the verifier of the user that the client names.
    """

    def __init__(self, server: ScramServer, limit: int = 8192) -> None:
        self._reader = wire.FrontendReader(limit)
        self._server = server
        self._step = 0

    def start(self) -> bytes:
        """The request for a credential."""
        return wire.authentication_sasl(self._server.mechanisms)

    def received(self, data: bytes) -> list[Token | Send | Proven]:
        """The client's answer, or part of it.

        :raises RemoteProtocolError: anything but the message that is due.
        :raises IdentityRefused: the credential is not in force, or the proof is wrong.
        """
        self._reader.feed(data)
        out: list[Token | Send | Proven] = []
        while (message := self._reader.next()) is not None:
            if not isinstance(message, wire.PasswordMessage) or self._step > 1:
                raise IdentityRefused("identity.protocol", "a password message was due")
            self._step += 1
            if self._step == 1:
                mechanism, first = _initial(message.body)
                out.append(Send(wire.sasl_continue(self._server.first(mechanism, first))))
            else:
                out.append(Send(wire.sasl_final(self._server.final(message.body))))
                out.append(Proven())
        if self._reader.skipping:
            raise IdentityRefused("identity.size", "a message is above the size limit")
        if self._step > 1 and self._reader.buffered:
            raise IdentityRefused("identity.protocol", "data behind the last message")
        return out


def _initial(body: bytes) -> tuple[bytes, bytes]:
    """Mechanism and data of a SASLInitialResponse (manual 55.7)."""
    mechanism, separator, rest = body.partition(b"\0")
    if not separator or int.from_bytes(rest[:4], "big") != len(rest) - 4:
        raise IdentityRefused("identity.protocol", "malformed SASLInitialResponse")
    return mechanism, rest[4:]


class ClientAuthentication:
    """One client's authentication exchange.

    :param method: ``token`` or ``oauthbearer``.
    :param limit: bytes of a message at most.
    :param configuration: URL of the issuer's discovery document, for OAUTHBEARER clients.
    """

    def __init__(self, method: str, limit: int, configuration: str = "", scope: str = "") -> None:
        self._reader = wire.FrontendReader(limit)
        self._oauth = scram.OAuthBearer(configuration, scope) if method == "oauthbearer" else None
        self._started = False
        self._done = False
        self._refusal: IdentityRefused | None = None

    def start(self) -> bytes:
        """The request for a credential."""
        if self._oauth is None:
            return wire.authentication_cleartext()
        return wire.authentication_sasl((b"OAUTHBEARER",))

    def received(self, data: bytes) -> list[Token | Send | Proven]:
        """The client's answer, or part of it.

        :raises RemoteProtocolError: anything but the one message that is due.
        :raises IdentityRefused: a message that holds no token, or too large a one.
        """
        self._reader.feed(data)
        out: list[Token | Send | Proven] = []
        while (message := self._reader.next()) is not None:
            if not isinstance(message, wire.PasswordMessage) or self._done:
                raise IdentityRefused("identity.protocol", "a password message was due")
            out.append(self._answer(message))
        if self._reader.skipping:
            raise IdentityRefused("identity.size", "the token is above the size limit")
        if self._done and self._reader.buffered:
            raise IdentityRefused("identity.protocol", "data behind the password message")
        return out

    def refuse(self, refusal: IdentityRefused) -> bytes:
        """The token was not accepted.

        :return: an OAUTHBEARER failure, which the client answers before it is refused (RFC 7628
            3.2.3): feed the answer to :meth:`received`, which raises ``refusal``. Else empty.
        """
        if self._oauth is None:
            return b""
        self._refusal, self._done = refusal, False
        return wire.sasl_continue(self._oauth.failure(refusal.code))

    def _answer(self, message: wire.PasswordMessage) -> Token | Send:
        if self._oauth is None:
            self._done = True
            return Token(_ascii(wire.cleartext_password(message)))
        if not self._started:
            self._started = True
            outcome = self._oauth.initial(message.body)
        else:
            outcome = self._oauth.response(message.body, self._refusal)
        if isinstance(outcome, str):
            self._done = True
            return Token(outcome)
        return Send(wire.sasl_continue(outcome))


def _ascii(token: bytes) -> str:
    """A JWT is ASCII; whatever else was typed is no token, and is not echoed."""
    if not token:
        raise IdentityRefused("identity.missing", "no token was given as the password")
    try:
        return token.decode("ascii")
    except UnicodeDecodeError:
        raise IdentityRefused("identity.malformed", "the password is not a token") from None
