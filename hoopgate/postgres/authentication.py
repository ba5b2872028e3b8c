"""How a client proves who it is: its OIDC token, as a password or by OAUTHBEARER. Sans-I/O.

A listener offers one of them and never both: a client that would fall back from one to the other
must not be steered (PROTOCOLS A12).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from hoopgate.errors import IdentityRefused
from hoopgate.postgres import scram, wire


@dataclass(frozen=True, slots=True)
class Token:
    """The client's token, not verified yet."""

    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Send:
    """Bytes for the client."""

    data: bytes


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

    def start(self) -> bytes:
        """The request for a credential."""
        if self._oauth is None:
            return wire.authentication_cleartext()
        return wire.authentication_sasl((b"OAUTHBEARER",))

    def received(self, data: bytes) -> list[Token | Send]:
        """The client's answer, or part of it.

        :raises RemoteProtocolError: anything but the one message that is due.
        :raises IdentityRefused: a message that holds no token, or too large a one.
        """
        self._reader.feed(data)
        out: list[Token | Send] = []
        while (message := self._reader.next()) is not None:
            if not isinstance(message, wire.PasswordMessage) or self._done:
                raise IdentityRefused("identity.protocol", "a password message was due")
            out.append(self._answer(message))
        if self._reader.skipping:
            raise IdentityRefused("identity.size", "the token is above the size limit")
        return out

    def _answer(self, message: wire.PasswordMessage) -> Token | Send:
        if self._oauth is None:
            self._done = True
            return Token(_ascii(wire.cleartext_password(message)))
        if not self._started:
            self._started = True
            outcome = self._oauth.initial(message.body)
        else:
            outcome = self._oauth.response(message.body)
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
