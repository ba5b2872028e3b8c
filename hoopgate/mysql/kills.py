"""Connection ids that clients are told, and what KILL with one of them does (PROTOCOLS B15)."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from hoopgate.events import Principal
from hoopgate.interfaces import IGateway, IRelay

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

_MOST: Final = 2**31 - 1


@dataclass(slots=True)
class _Killable:
    """A session that somebody may kill.

    :ivar interrupt: asks the backend to stop what the session runs; never fails.
    """

    identity: tuple[str, str]
    resource: str
    relay: IRelay
    interrupt: Callable[[], object]


class Kills:
    """The connections of a listener's clients by the ids that they were greeted with.

    The ids are the gateway's own, never a backend's. A session may be killed by sessions of the
    same identity on the same resource, nobody else's exists for it.

    :param per_second: attempts of one identity.
    """

    def __init__(self, reactor: IReactorTime, gateway: IGateway, per_second: float) -> None:
        self._reactor = reactor
        self._gateway = gateway
        self._per_second = max(1.0, per_second)
        self._taken: set[int] = set()
        self._sessions: dict[int, _Killable] = {}
        self._allowances: dict[tuple[str, str], tuple[float, float]] = {}

    def mint(self) -> int:
        """An id for a new connection."""
        while (thread := secrets.randbelow(_MOST) + 1) in self._taken:
            pass
        self._taken.add(thread)
        return thread

    def open(
        self,
        thread: int,
        principal: Principal,
        resource: str,
        relay: IRelay,
        interrupt: Callable[[], object],
    ) -> None:
        """The connection with that id has a session now."""
        identity = principal.issuer, principal.subject
        self._sessions[thread] = _Killable(identity, resource, relay, interrupt)

    def remove(self, thread: int) -> None:
        """The connection is gone."""
        self._taken.discard(thread)
        entry = self._sessions.pop(thread, None)
        if entry is not None and not any(
            other.identity == entry.identity for other in self._sessions.values()
        ):
            self._allowances.pop(entry.identity, None)

    def killer(self, principal: Principal, resource: str) -> Callable[[int, bool], bool]:
        """What a session of ``principal`` kills with: connection id, whether only its statement.

        It says whether there is such a session.
        """
        identity = principal.issuer, principal.subject

        def kill(thread: int, statement_only: bool) -> bool:
            entry = self._sessions.get(thread)
            if entry is None or (entry.identity, entry.resource) != (identity, resource):
                return False
            if not self._may_try(identity):
                return True  # as if it had come too late
            self._gateway.canceled()
            busy = entry.relay.busy()
            entry.relay.cancel()
            if not statement_only:
                del self._sessions[thread]
                # In a turn of its own: it may be the session that asks.
                self._reactor.callLater(
                    0, entry.relay.end, "client.killed", "the session was killed"
                )
            elif busy:
                entry.interrupt()
            return True

        return kill

    def _may_try(self, identity: tuple[str, str]) -> bool:
        now = self._reactor.seconds()
        left, counted = self._allowances.get(identity, (self._per_second, now))
        left = min(self._per_second, left + max(0.0, now - counted) * self._per_second)
        may = left >= 1
        self._allowances[identity] = (left - 1 if may else left, now)
        return may
