"""Session credentials: good for minutes and one resource, given for a verified token.

As a user name and password they are for clients that must have a password no longer than a line,
and for those that refuse to send any secret in the clear even inside TLS
(``require_auth=scram-sha-256``, PROTOCOLS A11); a JWT or an OpenSSH certificate may stand for one,
too. The gateway keeps verifiers only (RFC 5802 section 3).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from hoopgate.errors import IdentityRefused, Refused
from hoopgate.events import Principal

#: What PostgreSQL itself uses. The passwords are random, so no number of iterations adds to them.
ITERATIONS = 4096

#: Seconds a credential is good for at most; it never outlives its token.
LIFETIME = 900.0

#: Credentials in force: of one identity, and of all.
MOST_PER_IDENTITY = 100
MOST = 10_000

_NAME = re.compile(r"hg-[a-z2-9]{12}")

_ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"


@dataclass(frozen=True, slots=True)
class ScramVerifier:
    """What a SCRAM-SHA-256 server keeps of a password (RFC 5802 section 3, RFC 7677)."""

    salt: bytes
    iterations: int
    stored_key: bytes = field(repr=False)
    server_key: bytes = field(repr=False)

    def proves(self, password: str) -> bool:
        """Whether that is the password, where a protocol sends it whole."""
        found = ScramVerifier.of(password, self.salt, self.iterations)
        return hmac.compare_digest(found.stored_key, self.stored_key)

    @classmethod
    def of(cls, password: str, salt: bytes, iterations: int = ITERATIONS) -> ScramVerifier:
        """The verifier of an ASCII password."""
        salted = hashlib.pbkdf2_hmac("sha256", password.encode("ascii"), salt, iterations)
        client_key = hmac.digest(salted, b"Client Key", "sha256")
        return cls(
            salt,
            iterations,
            hashlib.sha256(client_key).digest(),
            hmac.digest(salted, b"Server Key", "sha256"),
        )


@dataclass(frozen=True, slots=True)
class Verifiers:
    """What servers of MySQL's protocol keep of a password, one for each way to prove it.

    Fast hashes do here: these passwords are random, nobody can go through them.

    :ivar native: SHA-1 of SHA-1, for ``mysql_native_password``.
    :ivar sha2: SHA-256 of SHA-256, for the fast way of ``caching_sha2_password``.
    :ivar ed25519: the public key whose seed the password is (RFC 8032), for ``client_ed25519``.
    """

    native: bytes = field(repr=False)
    sha2: bytes = field(repr=False)
    ed25519: bytes = field(repr=False)

    @classmethod
    def of(cls, password: str) -> Verifiers:
        """The verifiers of an ASCII password of 32 characters."""
        seed = password.encode("ascii")
        once = hashlib.sha1(seed, usedforsecurity=False).digest()
        return cls(
            hashlib.sha1(once, usedforsecurity=False).digest(),
            hashlib.sha256(hashlib.sha256(seed).digest()).digest(),
            Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw(),
        )


@dataclass(frozen=True, slots=True)
class Credential:
    """A session credential in force.

    :ivar user: its name, and the ``token_id`` of its principal: sessions are found by it.
    :ivar principal: whom it stands for; its ``expires_at`` is the credential's own end.
    :ivar resource: the one resource it opens.
    :ivar form: what was given out: ``password``, ``jwt`` or ``ssh-certificate``.
    :ivar issued_at: seconds since the epoch.
    """

    user: str
    principal: Principal
    resource: str
    verifier: ScramVerifier = field(repr=False)
    verifiers: Verifiers = field(repr=False)
    form: str = "password"
    issued_at: float = 0.0

    def dump(self) -> str:
        """For the node's state; no secret is in it, and none can be found by it."""
        who = asdict(self.principal)
        for name in ("scopes", "groups"):
            who[name] = sorted(who[name])
        scram = self.verifier
        kept = [scram.salt, scram.stored_key, scram.server_key]
        kept += [self.verifiers.native, self.verifiers.sha2, self.verifiers.ed25519]
        return json.dumps(
            {
                "principal": who,
                "resource": self.resource,
                "iterations": scram.iterations,
                "verifiers": [base64.b64encode(one).decode() for one in kept],
                "form": self.form,
                "issued_at": self.issued_at,
            }
        )

    @classmethod
    def load(cls, user: str, dumped: str) -> Credential:
        """What :meth:`dump` gave.

        :raises ValueError: it is damaged.
        """
        try:
            found = json.loads(dumped)
            who = found["principal"]
            sets = {name: frozenset(who[name]) for name in ("scopes", "groups")}
            salt, stored, server, native, sha2, ed25519 = (
                base64.b64decode(one, validate=True) for one in found["verifiers"]
            )
            return cls(
                user,
                Principal(**{**who, **sets, "actors": tuple(who["actors"])}),
                str(found["resource"]),
                ScramVerifier(salt, int(found["iterations"]), stored, server),
                Verifiers(native, sha2, ed25519),
                str(found["form"]),
                float(found["issued_at"]),
            )
        except (ValueError, KeyError, TypeError, RecursionError):
            raise ValueError("a damaged credential") from None


class Credentials:
    """The session credentials of a node.

    :param clock: seconds since the epoch.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._known: dict[str, Credential] = {}
        self._decoy = secrets.token_bytes(32)
        self._nobody = Verifiers.of(_word(32))

    def issue(
        self,
        principal: Principal,
        resource: str,
        lifetime: float = LIFETIME,
        form: str = "password",
    ) -> tuple[Credential, str]:
        """A new credential and its password, which is nowhere kept.

        :raises Refused: ``credential.too_many``.
        """
        now = self._clock()
        self._known = {
            user: one for user, one in self._known.items() if one.principal.expires_at > now
        }
        identity = (principal.issuer, principal.subject)
        mine = sum(
            (one.principal.issuer, one.principal.subject) == identity
            for one in self._known.values()
        )
        if mine >= MOST_PER_IDENTITY or len(self._known) >= MOST:
            raise Refused("credential.too_many", "too many session credentials are in force")
        user = "hg-" + _word(12)
        password = _word(32)
        expires = min(principal.expires_at, now + max(1.0, min(lifetime, LIFETIME)))
        credential = Credential(
            user,
            replace(principal, expires_at=expires, token_id=user),
            resource,
            ScramVerifier.of(password, secrets.token_bytes(16)),
            Verifiers.of(password),
            form,
            now,
        )
        self._known[user] = credential
        return credential, password

    def restore(self, credential: Credential) -> None:
        """Put one into force that was issued before a restart."""
        self._known[credential.user] = credential

    def listed(self) -> list[Credential]:
        """All that are in force, the oldest first."""
        now = self._clock()
        return [one for one in self._known.values() if one.principal.expires_at > now]

    def check(self, principal: Principal) -> None:
        """Whether the credential that ``principal`` came by, if it did by one, is still in force.

        :raises IdentityRefused: ``identity.credential``.
        """
        if _NAME.fullmatch(principal.token_id) and self.find(principal.token_id) is None:
            raise _not_in_force()

    def find(self, user: str) -> Credential | None:
        """The credential of ``user``, if it is in force."""
        found = self._known.get(user)
        if found is None or found.principal.expires_at <= self._clock():
            return None
        return found

    def verifier(self, user: str) -> ScramVerifier:
        """The verifier of ``user``; for one that is not there one that nothing satisfies, always
        with the same salt, so that an exchange does not tell which users exist."""
        found = self.find(user)
        if found is not None:
            return found.verifier
        salt = hmac.digest(self._decoy, user.encode(), "sha256")[:16]
        return ScramVerifier(salt, ITERATIONS, secrets.token_bytes(32), secrets.token_bytes(32))

    def verifiers(self, user: str) -> Verifiers:
        """As :meth:`verifier`, for MySQL's protocol."""
        found = self.find(user)
        return self._nobody if found is None else found.verifiers

    def principal(self, user: str, resource: str) -> Principal:
        """Whom ``user`` stands for, once its password was proven.

        :raises IdentityRefused: it has ended, or is for another resource.
        """
        found = self.find(user)
        if found is None:
            raise _not_in_force()
        if found.resource != resource:
            raise IdentityRefused("identity.credential", "the credential is for another resource")
        return found.principal

    def revoke(self, user: str) -> bool:
        """End a credential now; True when there was one."""
        return self._known.pop(user, None) is not None


def _not_in_force() -> IdentityRefused:
    return IdentityRefused("identity.credential", "the session credential is not in force")


def _word(length: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))
