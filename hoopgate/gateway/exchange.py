"""From a verified token to a credential of minutes: issued, kept, listed, revoked, all recorded.

Token exchange (RFC 8693): the credential is for one resource, with the scopes that were asked for,
and never outlives what it was given for. With an actor's token it is the actor's to use in the
subject's name: the chain of actors grows by one.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from twisted.internet.defer import Deferred
from twisted.logger import Logger, LogLevel

from hoopgate.errors import IdentityRefused, Refused
from hoopgate.events import Principal
from hoopgate.gateway.logging import log_event
from hoopgate.identity.credentials import LIFETIME, Credential, Credentials
from hoopgate.identity.oidc import MAXIMUM_ACTORS
from hoopgate.identity.own_tokens import OwnTokens
from hoopgate.identity.verifier import IdentityVerifier
from hoopgate.interfaces import IRecorder, IStateStore

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hoopgate.settings.model import Resource

log = Logger()

PASSWORD: Final = "password"
JWT: Final = "jwt"
CERTIFICATE: Final = "ssh-certificate"


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody wants.

    :ivar actor_token: of who will use it in the subject's name; "" for the subject itself.
    :ivar scopes: empty: all that the subject's token has.
    :ivar form: :data:`PASSWORD`, :data:`JWT` or :data:`CERTIFICATE`.
    :ivar public_key: to be certified.
    """

    subject_token: str = field(repr=False)
    resource: str
    form: str = PASSWORD
    lifetime: float = LIFETIME
    actor_token: str = field(default="", repr=False)
    scopes: frozenset[str] = frozenset()
    public_key: str = ""


class Exchange:
    """The session credentials of a node: who gets one, who ends one.

    :param certify: a public key of OpenSSH's for a credential; None: nothing speaks SSH.
    :param delegation: see :class:`hoopgate.settings.model.Exchange`.
    :ivar own: signs JWTs; None: none are given out.
    :ivar revoked: ends the sessions of a credential; how many there were.
    """

    def __init__(
        self,
        resources: Mapping[str, Resource],
        verifier: IdentityVerifier,
        credentials: Credentials,
        recorder: IRecorder,
        store: IStateStore,
        certify: Callable[[str, Credential], str] | None = None,
        *,
        delegation: str = "may_act",
        lifetime: float = LIFETIME,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._resources = resources
        self._verifier = verifier
        self.credentials = credentials
        self._recorder = recorder
        self._store = store
        self._certify = certify
        self._delegation = delegation
        self._lifetime = lifetime
        self._now = now
        self.own: OwnTokens | None = None
        self.revoked: Callable[[str], int] = lambda name: 0

    async def start(self) -> None:
        """Put into force what was issued before a restart.

        :raises HoopgateError: the state cannot be read.
        """
        now = self._now()
        await self._store.execute("DELETE FROM credentials WHERE expires <= ?", (now,))
        for name, facts in await self._store.execute("SELECT name, facts FROM credentials"):
            try:
                self.credentials.restore(Credential.load(str(name), str(facts)))
            except ValueError:
                log_event(log, "credential.damaged", LogLevel.error, jti=str(name))

    def issue(self, token: str, resource: str, lifetime: float) -> Deferred[tuple[Credential, str]]:
        """A user name and password for the holder of ``token``. Fails with :class:`Refused`."""
        asked = Asked(token, resource, lifetime=lifetime)
        return Deferred.fromCoroutine(self.exchange(asked))

    async def exchange(self, asked: Asked) -> tuple[Credential, str]:
        """A credential, and what is given out for it: password, JWT or certificate, this once.

        :raises Refused: ``resource.unknown``, ``scope.missing``, ``identity.…``, ``directory.…``,
            ``credential.too_many``, ``certificate.…``.
        :raises HoopgateError: it cannot be recorded or kept, so it is not given out.
        """
        resource = self._resources.get(asked.resource)
        if resource is None:
            raise Refused("resource.unknown", "there is no resource of that name")
        principal, source = await self._principal(asked, resource)
        credential, secret = self.credentials.issue(
            principal, resource.name, min(asked.lifetime, self._lifetime), asked.form
        )
        try:
            if asked.form == CERTIFICATE:
                if self._certify is None:
                    raise Refused("certificate.resource", "the resource does not speak SSH")
                secret = self._certify(asked.public_key, credential)
            elif asked.form == JWT:
                if self.own is None:
                    raise Refused("credential.form", "this node signs no tokens")
                secret = self.own.sign(credential)
            await self._keep(credential)
            await self._recorder.append("admin", _issued(credential, source))
        except BaseException:
            await self._forget(credential.user)
            raise
        return credential, secret

    async def _principal(self, asked: Asked, resource: Resource) -> tuple[Principal, str]:
        """Whom the credential stands for, and the id of the token it is given for."""
        verify = self._verifier.verify_for_exchange
        principal, issuer, subject = await verify(asked.subject_token, resource)
        self._check_first(principal)
        expires = principal.expires_at
        if not asked.scopes <= principal.scopes:
            raise Refused("scope.missing", "the token lacks a scope that was asked for")
        scopes = asked.scopes or principal.scopes
        if resource.scope not in scopes:
            raise Refused("scope.missing", f"the scope {resource.scope} was not asked for")
        actors = principal.actors
        if asked.actor_token:
            actor = await self._verifier.verify(asked.actor_token, resource)
            self._check_first(actor)
            self._check_actor(actor, issuer, subject)
            # The one that acts now, then those before it (RFC 8693 4.1): who holds the actor's
            # token by a delegation of its own comes first.
            actors = (*actor.actors, actor.subject, *actors)
            expires = min(expires, actor.expires_at)
            if len(actors) > MAXIMUM_ACTORS:
                raise IdentityRefused("identity.actor", "the chain of actors is too long")
        source = principal.token_id
        return replace(principal, scopes=scopes, actors=actors, expires_at=expires), source

    def _check_first(self, principal: Principal) -> None:
        """What was given here is not given for more: ending it would not end that."""
        if self.credentials.find(principal.token_id) is not None:
            raise IdentityRefused(
                "identity.credential", "a session credential cannot be exchanged again"
            )

    def _check_actor(self, actor: Principal, issuer: str, subject: str) -> None:
        if self._delegation == "none":
            raise IdentityRefused("identity.actor", "nobody may act for others here")
        if subject:
            if actor.subject != subject or (issuer and actor.issuer != issuer):
                raise IdentityRefused(
                    "identity.actor", "the token lets somebody else act (may_act)"
                )
        elif self._delegation == "may_act":
            raise IdentityRefused("identity.actor", "the token lets nobody act for it (may_act)")

    async def revoke(self, name: str, by: Principal | None) -> int:
        """End a credential, and the sessions it began; how many of these there were.

        :param by: who ends it; None: who holds it.
        :raises Refused: ``credential.unknown``.
        :raises HoopgateError: it has ended, and that cannot be recorded.
        """
        found = self.credentials.find(name)
        if found is None:
            raise Refused("credential.unknown", "there is no such credential in force")
        # First what protects, then what records it: a log that is full must not keep it open.
        await self._forget(name)
        sessions = self.revoked(name)
        log_event(log, "credential.revoked", jti=name)
        who = found.principal if by is None else by
        await self._recorder.append(
            "admin",
            {
                "action": "credential.revoke",
                "user": name,
                "issuer": who.issuer[:200],
                "subject": who.subject[:200],
                "resource": found.resource,
                "sessions": sessions,
            },
        )
        return sessions

    async def _keep(self, credential: Credential) -> None:
        await self._store.execute(
            "INSERT INTO credentials (name, expires, facts) VALUES (?, ?, ?)",
            (credential.user, credential.principal.expires_at, credential.dump()),
        )
        await self._store.execute("DELETE FROM credentials WHERE expires <= ?", (self._now(),))

    async def _forget(self, name: str) -> None:
        self.credentials.revoke(name)
        await self._store.execute("DELETE FROM credentials WHERE name = ?", (name,))


def _issued(credential: Credential, source: str) -> dict[str, object]:
    who = credential.principal
    return {
        "action": "credential.issue",
        "user": credential.user,
        "form": credential.form,
        "issuer": who.issuer,
        "subject": who.subject,
        "actors": list(who.actors),
        "scopes": sorted(who.scopes),
        "token": source,
        "resource": credential.resource,
        "expires": int(who.expires_at),
    }
