"""The log on the disk, for the console: read by a few threads, never on the reactor's."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from twisted.internet.defer import Deferred, DeferredSemaphore
from twisted.internet.threads import deferToThreadPool

from hoopgate.errors import HoopgateError, Refused
from hoopgate.recorder.cast import cast
from hoopgate.recorder.errors import BadLog, BadNote
from hoopgate.recorder.log import REPLAY_KEY
from hoopgate.recorder.note import Checkpoint, Verifier
from hoopgate.recorder.payload import Kind
from hoopgate.recorder.reading import LogReader
from hoopgate.recorder.render import renderer
from hoopgate.recorder.replay import Moment, Replay, Sessions, Summary
from hoopgate.recorder.rotation import SIGNER_KEY
from hoopgate.recorder.sealing import ReplayKey
from hoopgate.recorder.signer import FileSigner
from hoopgate.recorder.timeline import lines
from hoopgate.recorder.verify import Report, verify_log
from hoopgate.settings.model import Settings

T = TypeVar("T")

#: Reads at the same time, and sessions whose statements one search looks into.
_AT_ONCE: Final = 2
MOST_SEARCHED: Final = 200


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a replay.

    :ivar kind: ``request``, ``response``, ``decision`` or ``note``.
    :ivar time: µs since the epoch; ``leaf``: its index in the log.
    """

    kind: str
    time: int
    leaf: int
    text: str


@dataclass(frozen=True, slots=True)
class Recording:
    """A session's replay. Its chain of leaves was verified up to ``checkpoint``."""

    summary: Summary
    facts: dict[str, Any]
    lines: Sequence[Line]
    checkpoint: Checkpoint


@dataclass(frozen=True, slots=True)
class Verification:
    """The last time that the whole log was checked.

    :ivar problem: what is wrong; "" when all is as it was signed.
    :ivar at: seconds since the epoch.
    """

    at: float
    seconds: float
    leaves: int
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """What a search found.

    :ivar searched: sessions whose statements were read, of ``candidates``; equal when all were.
    """

    summaries: Sequence[Summary]
    searched: int = 0
    candidates: int = 0


class Archive:
    """One node's log."""

    def __init__(self, settings: Settings, reactor: Any) -> None:
        self._directory = settings.recording.directory
        self._state_dir = settings.node.state_dir
        self._sealed = bool(settings.recording.auditors)
        self._reactor = reactor
        self._slots = DeferredSemaphore(_AT_ONCE)
        self._verifying = False
        self._lock = threading.Lock()
        self._known = Sessions()
        self._verifiers: list[Verifier] = []
        self.verification: Verification | None = None

    @property
    def verifying(self) -> bool:
        """The whole log is being checked."""
        return self._verifying

    def sessions(self) -> Deferred[list[Summary]]:
        """All sessions under the present checkpoint, the newest first.

        Fails with :class:`Refused`, ``log.bad`` or ``log.unreadable``; so do the others.
        """
        return self._run(self._sessions)

    def search(self, match: Callable[[Summary], bool], text: str, request: str) -> Deferred[Found]:
        """Sessions for which ``match`` holds.

        :param text: has to be in what the client sent, whatever its case; "": anything.
        :param request: id of a request that has to be in it; "": none.
        """
        return self._run(lambda: self._search(match, text.casefold(), request))

    def replay(self, session: str) -> Deferred[Recording]:
        """One session, decrypted and verified."""
        return self._run(lambda: self._replay(session))

    def summary(self, session: str) -> Deferred[Summary]:
        """What is known of one session without opening it."""
        return self._run(lambda: self._summary(session))

    def cast(self, session: str) -> Deferred[bytes]:
        """One session as an asciicast."""
        return self._run(lambda: self._cast(session))

    def checkpoint(self) -> Deferred[tuple[Checkpoint, float, str]]:
        """The signed checkpoint, when it was written (seconds since the epoch), the log's key."""
        return self._run(self._checkpoint)

    def verify(self) -> Deferred[Verification]:
        """Check every byte of the log; kept in ``verification``."""
        if self._verifying:
            raise Refused("log.busy", "the log is being verified already")
        self._verifying = True

        def done(result: Any) -> Any:
            self._verifying = False
            return result

        return self._run(self._verify).addBoth(done)

    def not_verified(self, failure: Any) -> None:
        """It could not even be read: that is what is known of it now."""
        refused = failure.trap(Refused)
        assert refused is not None
        self.verification = Verification(time.time(), 0.0, 0, str(failure.value))

    # --- on threads -----------------------------------------------------------------------------

    def _run(self, work: Callable[[], T]) -> Deferred[T]:
        def guarded() -> T:
            try:
                return work()
            except (BadLog, BadNote) as error:
                raise Refused("log.bad", str(error)) from None
            except OSError as error:
                name = Path(str(error.filename or "the log")).name
                raise Refused("log.unreadable", f"{name}: {error.strerror}") from None

        pool = self._reactor.getThreadPool()
        running: Deferred[T] = self._slots.run(deferToThreadPool, self._reactor, pool, guarded)
        return running

    def _reader(self) -> LogReader:
        if not self._verifiers:
            self._verifiers = [FileSigner.load(self._state_dir / SIGNER_KEY).verifier]
        return LogReader(self._directory, self._verifiers)

    def _sessions(self) -> list[Summary]:
        with self._lock:
            known, self._known = self._known, Sessions()
            found = known.update(self._reader())[::-1]
            self._known = known  # it holds: what was wrong would have to be read anew
            return found

    def _search(self, match: Callable[[Summary], bool], text: str, request: str) -> Found:
        found = [one for one in self._sessions() if match(one)]
        if request:
            log = self._reader()
            ids = {
                leaf["session"]
                for leaf, _ in log.leaves(f'"{request}"'.encode())
                if any(one[:1] == [request] for one in leaf.get("decisions", ()))
            }
            found = [one for one in found if one.id in ids]
        if not text:
            return Found(found)
        holding = [one for one in found[:MOST_SEARCHED] if self._holds(one, text)]
        return Found(holding, min(len(found), MOST_SEARCHED), len(found))

    def _holds(self, summary: Summary, text: str) -> bool:
        try:
            recording = self._replayed(summary.id, summary.first, summary.last)
        except HoopgateError:
            return False  # shredded: there is nothing to be found in it any more
        return any(one.kind == "request" and text in one.text.casefold() for one in recording.lines)

    def _replay(self, session: str) -> Recording:
        summary = self._summary(session)
        return self._replayed(session, summary.first, summary.last)

    def _cast(self, session: str) -> bytes:
        summary = self._summary(session)
        _, replay = self._opened(session, summary.first, summary.last)
        return "".join(f"{line}\n" for line in cast(replay.summary, replay.moments())).encode()

    def _summary(self, session: str) -> Summary:
        for summary in self._sessions():
            if summary.id == session:
                return summary
        raise Refused("session.unknown", "the log has no such session")

    def _opened(self, session: str, first: int, last: int) -> tuple[LogReader, Replay]:
        log = self._reader()
        place = self._state_dir / REPLAY_KEY
        # Where auditors have the keys there is none here, or one of the time before they had.
        if not self._sealed or place.exists():
            try:
                key = ReplayKey.load(place)
                return log, Replay(log, session, key, first=first, last=last)
            except BadLog as error:
                if not self._sealed or "not sealed to" not in str(error):
                    raise
        raise Refused(
            "recording.sealed",
            "it is sealed to the auditors' keys, which this node does not have. Where a key is, "
            f"run: hoopgate replay {session} --key FILE",
        )

    def _replayed(self, session: str, first: int, last: int) -> Recording:
        log, replay = self._opened(session, first, last)
        shown = renderer(replay.summary.protocol)
        facts: dict[str, Any] = {}
        found: list[Line] = []
        for moment in replay.moments():
            if moment.kind == Kind.FACTS:
                facts = _facts(moment)
                continue
            kind = _KINDS.get(moment.kind, "note")
            found += (
                Line(kind, moment.time, moment.leaf["index"], line) for line in lines(moment, shown)
            )
        return Recording(replay.summary, facts, found, log.checkpoint)

    def _checkpoint(self) -> tuple[Checkpoint, float, str]:
        log = self._reader()
        written = (self._directory / "checkpoint").stat().st_mtime
        return log.checkpoint, written, str(self._verifiers[0])

    def _verify(self) -> Verification:
        self._reader()
        began = time.monotonic()
        leaves, problem = 0, ""
        try:
            report: Report = verify_log(self._directory, self._verifiers, lambda done, total: None)
            leaves = report.checkpoint.size
        except (BadLog, BadNote) as error:
            problem = str(error)
        found = Verification(time.time(), time.monotonic() - began, leaves, problem)
        self.verification = found
        return found


_KINDS: Final[dict[int | None, str]] = {
    Kind.REQUEST: "request",
    Kind.RESPONSE: "response",
    Kind.DECISIONS: "decision",
    Kind.FORWARDED: "note",
}


def _facts(moment: Moment) -> dict[str, Any]:
    found = json.loads(moment.data)
    return found if isinstance(found, dict) else {}
