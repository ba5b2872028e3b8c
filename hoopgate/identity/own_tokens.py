"""Session credentials as JWTs of the gateway's own (RFC 9068), for clients that send tokens.

The JWT carries the credential's name; whom that stands for, and whether it still does, the gateway
knows. So a JWT ends with its credential, and says nothing that the gateway takes on trust.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from hoopgate.errors import IdentityRefused
from hoopgate.events import Principal
from hoopgate.identity.credentials import Credential, Credentials
from hoopgate.identity.issuer_keys import ALGORITHM, SigningKeys
from hoopgate.identity.jose import UnverifiedToken, parse_key_set
from hoopgate.identity.oidc import verify_token
from hoopgate.settings.model import Issuer


class OwnTokens:
    """Signs and verifies them.

    :param url: of the endpoint that gives them out: ``iss`` and ``aud``.
    :param now: seconds since the epoch.
    """

    def __init__(
        self, url: str, keys: SigningKeys, credentials: Credentials, now: Callable[[], float]
    ) -> None:
        self.url = url
        self._keys = keys
        self._credentials = credentials
        self._now = now
        self._issuer = Issuer("gateway", url, (url,), (ALGORITHM,), maximum_lifetime=900)

    def sign(self, credential: Credential) -> str:
        """The JWT that stands for ``credential``."""
        who = credential.principal
        claims: dict[str, Any] = {
            "iss": self.url,
            "sub": who.subject,
            "sub_iss": who.issuer,
            "aud": self.url,
            "iat": int(credential.issued_at),
            "exp": int(who.expires_at),
            "jti": credential.user,
            "client_id": who.client_id or who.subject,
            "scope": " ".join(sorted(who.scopes)),
            "resource": credential.resource,
        }
        if who.actors:
            claims["act"] = _chain(who.actors)
        return self._keys.sign(claims, "at+jwt")

    def public_set(self) -> Mapping[str, Any]:
        """The JWK Set to publish."""
        return self._keys.public_set(self._now())

    def principal(self, token: UnverifiedToken, resource: str | None) -> Principal:
        """Whom a JWT of ours stands for.

        :param resource: that it has to be for; None: any.

        :raises IdentityRefused: it is not valid, its credential is not in force, or is for another
            resource.
        """
        keys = parse_key_set(json.dumps(self.public_set()).encode(), [ALGORITHM])
        claimed = verify_token(token, self._issuer, keys, self._now())
        found = self._credentials.find(claimed.token_id)
        if found is None or found.form != "jwt":
            raise IdentityRefused("identity.credential", "the session credential is not in force")
        return self._credentials.principal(claimed.token_id, resource or found.resource)


def _chain(actors: tuple[str, ...]) -> dict[str, Any]:
    """RFC 8693 4.1: the current actor outermost, the one before it inside."""
    first, *rest = actors
    return {"sub": first, "act": _chain(tuple(rest))} if rest else {"sub": first}
