"""Cancel keys of running sessions, and what a CancelRequest with one of them does."""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred, succeed

from hoopgate.interfaces import IGateway, IRelay
from hoopgate.postgres import upstream

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

    from hoopgate.settings.model import Resource


@dataclass(slots=True)
class _Cancelable:
    """What a cancel key opens.

    :ivar allowance: attempts left; :attr:`counted` is when it was worked out.
    """

    key: bytes
    resource: Resource
    backend: tuple[int, bytes]
    relay: IRelay
    allowance: float
    counted: float


class Cancels:
    """Cancel keys of running sessions: ours, never the backend's (PROTOCOLS A5, A6).

    :param per_second: attempts on one session, with the right key or a wrong one: a flood for one
        session takes nothing from another.
    """

    def __init__(self, reactor: IReactorTime, gateway: IGateway, per_second: float) -> None:
        self._reactor = reactor
        self._gateway = gateway
        self._per_second = per_second
        self._sessions: dict[int, _Cancelable] = {}

    def open(
        self, minor: int, resource: Resource, backend: tuple[int, bytes], relay: IRelay
    ) -> tuple[int, bytes]:
        """A process id and key for a client that speaks protocol 3.``minor``."""
        while (pid := secrets.randbelow(2**31 - 1) + 1) in self._sessions:
            pass
        key = secrets.token_bytes(32 if minor >= 2 else 4)
        allowance, now = max(1.0, self._per_second), self._reactor.seconds()
        self._sessions[pid] = _Cancelable(key, resource, backend, relay, allowance, now)
        return pid, key

    def remove(self, pid: int) -> None:
        """The session is over."""
        self._sessions.pop(pid, None)

    def cancel(self, pid: int, key: bytes) -> Deferred[None]:
        """Carry a CancelRequest out, if its key is right and there is something to cancel.

        Fires when the backend has taken it: what the client sends after that is not hit by it.
        """
        entry = self._sessions.get(pid)
        # The comparison takes the same time whether or not the process exists.
        right = hmac.compare_digest(key, entry.key if entry is not None else bytes(len(key)))
        if entry is None or not self._may_try(entry) or not right or not entry.relay.busy():
            return succeed(None)
        entry.relay.cancel()
        self._gateway.canceled()
        return upstream.cancel(self._reactor, entry.resource, self._gateway.tls, *entry.backend)

    def _may_try(self, entry: _Cancelable) -> bool:
        now = self._reactor.seconds()
        passed = max(0.0, now - entry.counted)  # the clock may have been set back
        refilled = entry.allowance + passed * self._per_second
        entry.allowance, entry.counted = min(max(1.0, self._per_second), refilled), now
        if entry.allowance < 1:
            return False
        entry.allowance -= 1
        return True
