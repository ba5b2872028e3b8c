"""Holds, releases and shreds recordings of a running log, and records who looks at them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, DeferredLock, fail
from twisted.internet.threads import deferToThreadPool

from hoopgate.errors import Refused
from hoopgate.recorder.files import sync_directory
from hoopgate.recorder.gate import Log
from hoopgate.recorder.leaf import SESSION_ID
from hoopgate.recorder.retention import HOLD, REFERENCE, RELEASE, Keeper, look
from hoopgate.recorder.wraps import wrap_path


class Keeping:
    """Holds, releases and shreds recordings of a running log, one at a time.

    :param now: wall clock, seconds since the epoch.
    """

    def __init__(
        self, log: Log, directory: Path, reactor: Any, now: Callable[[], float] | None = None
    ) -> None:
        self._log = log
        self._directory = directory
        self._reactor = reactor
        self._now = now or (lambda: log.clock.wall() / 1e9)
        self._one = DeferredLock()

    def hold(self, session: str, reference: str, by: Mapping[str, object]) -> Deferred[int]:
        """Forbid the destruction of a recording, also after its retention.

        Fires with the leaf's index when it is signed. Fails with :class:`Refused`:
        ``recording.unknown``, ``recording.shredded``, ``hold.exists``.
        """
        return self._run(self._hold(session, reference, by))

    def release(self, session: str, reference: str, by: Mapping[str, object]) -> Deferred[int]:
        """Take a hold back. Fails with ``hold.unknown`` and as :meth:`hold` does."""
        return self._run(self._release(session, reference, by))

    def shred(self, session: str, reference: str, by: Mapping[str, object]) -> Deferred[int]:
        """Destroy a recording for good: first the leaf, then the session's sealed key.

        Fails with ``recording.open``, ``recording.kept``, ``recording.held``,
        ``recording.unknown``. A shredding that was interrupted is completed.
        """
        return self._run(self._shred(session, reference, by))

    def view(self, session: str, by: Mapping[str, object]) -> Deferred[int]:
        """Record that somebody looks at a recording, before it is shown.

        Fires when the leaf is durable. Fails with ``recording.unknown``.
        """
        if SESSION_ID.match(session) is None or not wrap_path(self._directory, session).exists():
            return fail(Refused("recording.unknown", "there is no such recording"))
        return self._log.append("replay.view", {"session": session, **by})

    def _run(self, steps: Any) -> Deferred[int]:
        running: Deferred[int] = self._one.run(Deferred.fromCoroutine, steps)
        return running

    async def _hold(self, session: str, reference: str, by: Mapping[str, object]) -> int:
        keeper = await self._look(session, reference)
        if session in keeper.purged:
            raise Refused("recording.shredded", "the recording was destroyed already")
        if reference in keeper.holds.get(session, ()):
            raise Refused("hold.exists", "there is a hold of that reference on it already")
        return await self._signed("admin", HOLD, session, reference, by)

    async def _release(self, session: str, reference: str, by: Mapping[str, object]) -> int:
        keeper = await self._look(session, reference)
        if reference not in keeper.holds.get(session, ()):
            raise Refused("hold.unknown", "there is no hold of that reference on it")
        return await self._signed("admin", RELEASE, session, reference, by)

    async def _shred(self, session: str, reference: str, by: Mapping[str, object]) -> int:
        keeper = await self._look(session, reference)
        index = -1
        if session not in keeper.purged:
            if session not in keeper.until:
                raise Refused("recording.open", "the session has not ended")
            until = keeper.until[session]
            if self._now() * 1_000_000 < until:
                raise Refused("recording.kept", f"it is kept until {_day(until)}")
            if holds := keeper.holds.get(session):
                named = ", ".join(sorted(holds))
                raise Refused("recording.held", f"it is under a legal hold: {named}")
            index = await self._signed("purge", "shred", session, reference, by)
        wrap_path(self._directory, session).unlink(missing_ok=True)
        sync_directory(self._directory / "wraps")
        return index

    async def _look(self, session: str, reference: str) -> Keeper:
        """What the signed log says of a session. Reads all of it: these steps are rare."""
        _checked(session)
        if REFERENCE.match(reference) is None:
            raise Refused(
                "recording.reference",
                "a reference has 1-64 letters, digits, spaces and . _ / # : -",
            )
        keeper, known = await deferToThreadPool(
            self._reactor, self._reactor.getThreadPool(), look, self._directory, session
        )
        if not known:
            raise Refused("recording.unknown", "the signed log has no such session")
        return keeper

    async def _signed(
        self, kind: str, action: str, session: str, reference: str, by: Mapping[str, object]
    ) -> int:
        detail = {"action": action, "session": session, "reference": reference, **by}
        index = await self._log.append(kind, detail)
        while self._log.checkpoint_size <= index and not self._log.failed():
            pause: Deferred[None] = Deferred()
            self._reactor.callLater(0.02, pause.callback, None)
            await pause
        if self._log.failed():
            raise self._log.failure()
        return index


def _checked(session: str) -> None:
    if SESSION_ID.match(session) is None:
        raise Refused("recording.unknown", "that is no session's id")


def _day(microseconds: int) -> str:
    try:
        return datetime.fromtimestamp(microseconds / 1e6, UTC).strftime("%Y-%m-%d %H:%M UTC")
    except (ValueError, OverflowError, OSError):
        return "the end of time"
