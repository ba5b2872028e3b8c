"""Who is logged in: sessions of browsers, in memory, so that a restart logs everybody out.

The browser holds a random value, the node its hash only. A session is made at the log-in and never
before it, so none can be fixed.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final

from hoopgate.events import Principal
from hoopgate.recorder.sealing import OpenedKey

#: The prefix makes browsers hold it to this host, to https and to the path / (RFC 6265bis 4.1.3).
COOKIE: Final = "__Host-hoopgate"
STATE_COOKIE: Final = "__Host-hoopgate-login"
STATE_SECONDS: Final = 600.0

_MOST_SESSIONS: Final = 2000
_MOST_OF_ONE: Final = 8
_MOST_STATES: Final = 2000


@dataclass(slots=True, eq=False)
class Login:
    """One browser's session.

    :ivar principal: with ``expires_at`` the end of the session; groups as last looked up.
    :ivar csrf: what each form must hold.
    :ivar opened: keys of sealed recordings that it was given, by session.
    """

    principal: Principal
    csrf: str = field(repr=False)
    began: float
    used: float
    streams: int = 0
    ended: bool = False
    opened: dict[str, OpenedKey] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Pending:
    """A log-in that has begun: the browser is at the issuer.

    :ivar verifier: PKCE's (RFC 7636).
    :ivar target: path to go to after it.
    """

    verifier: str = field(repr=False)
    nonce: str = field(repr=False)
    browser: bytes = field(repr=False)
    target: str
    expires_at: float


class Logins:
    """Sessions and log-ins under way.

    :param now: seconds since the epoch.
    """

    def __init__(
        self, session_seconds: float, idle_seconds: float, now: Callable[[], float]
    ) -> None:
        self._session_seconds = session_seconds
        self._idle_seconds = idle_seconds
        self._now = now
        self._sessions: OrderedDict[bytes, Login] = OrderedDict()
        self._states: OrderedDict[str, Pending] = OrderedDict()

    # --- log-ins under way --------------------------------------------------------------------

    def begin(self, target: str) -> tuple[str, str, Pending]:
        """A new log-in: its ``state``, the value of its cookie, and what is kept of it."""
        state, browser = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
        pending = Pending(
            secrets.token_urlsafe(48),
            secrets.token_urlsafe(24),
            _hash(browser),
            target,
            self._now() + STATE_SECONDS,
        )
        self._states[state] = pending
        while len(self._states) > _MOST_STATES:
            self._states.popitem(last=False)
        return state, browser, pending

    def take(self, state: str, browser: str) -> Pending | None:
        """The log-in of this state, once, for the browser that began it."""
        pending = self._states.pop(state, None)
        if pending is None or pending.expires_at <= self._now():
            return None
        return pending if hmac.compare_digest(pending.browser, _hash(browser)) else None

    # --- sessions -----------------------------------------------------------------------------

    def open(self, principal: Principal) -> str:
        """A session for who has just logged in; the value of its cookie."""
        now = self._now()
        value = secrets.token_urlsafe(32)
        lasting = replace(principal, expires_at=now + self._session_seconds)
        self._sessions[_hash(value)] = Login(lasting, secrets.token_urlsafe(32), now, now)
        of_one = [
            key
            for key, login in self._sessions.items()
            if _same(login.principal, principal) or self._over(login)
        ]
        for key in of_one[:-_MOST_OF_ONE]:
            self._end(key)
        while len(self._sessions) > _MOST_SESSIONS:
            self._end(next(iter(self._sessions)))
        return value

    def find(self, value: str, *, active: bool = True) -> Login | None:
        """The session of a cookie.

        :param active: a person did something; a page that renews itself is nobody's doing.
        """
        login = self._sessions.get(_hash(value))
        if login is None:
            return None
        if self._over(login):
            self._end(_hash(value))
            return None
        if active:
            login.used = self._now()
        return login

    def close(self, value: str) -> None:
        """Log out."""
        self._end(_hash(value))

    def alive(self, login: Login) -> bool:
        """Whether the session still is one."""
        return not login.ended and not self._over(login)

    def _end(self, key: bytes) -> None:
        login = self._sessions.pop(key, None)
        if login is not None:
            login.ended = True

    def _over(self, login: Login) -> bool:
        now = self._now()
        return login.principal.expires_at <= now or login.used + self._idle_seconds <= now


def _same(one: Principal, other: Principal) -> bool:
    return (one.issuer, one.subject) == (other.issuer, other.subject)


def _hash(value: str) -> bytes:
    return hashlib.sha256(value.encode("utf-8", "surrogateescape")).digest()
