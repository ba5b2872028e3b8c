"""The log on the disk, for the console: read by a few threads, never on the reactor's."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Final, TypeVar

from twisted.internet.defer import Deferred, DeferredSemaphore
from twisted.internet.threads import deferToThreadPool

from hoopgate.errors import Refused
from hoopgate.recorder.cast import cast
from hoopgate.recorder.errors import BadLog, BadNote
from hoopgate.recorder.files import read_whole
from hoopgate.recorder.leaf import decode, encode
from hoopgate.recorder.listing import Listing, find
from hoopgate.recorder.note import Checkpoint, Verifier
from hoopgate.recorder.payload import Kind
from hoopgate.recorder.reading import LogReader
from hoopgate.recorder.render import renderer
from hoopgate.recorder.replay import Moment, Replay, Summary
from hoopgate.recorder.rotation import SIGNER_KEY
from hoopgate.recorder.sealing import REPLAY_KEY, OpenedKey, ReplayKey, unseal
from hoopgate.recorder.searching import holding
from hoopgate.recorder.signer import FileSigner
from hoopgate.recorder.tiles import WIDTH
from hoopgate.recorder.timeline import lines
from hoopgate.recorder.verify import Report, verify_log
from hoopgate.recorder.wraps import wrap_path
from hoopgate.settings.model import Settings

T = TypeVar("T")

#: Reads at the same time.
_AT_ONCE: Final = 2
#: Seconds after which a search says how far it has come: the next one goes on from there.
SEARCH_SECONDS: Final = 0.25


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
    """What a search found, the newest first.

    :ivar older: index of a leaf: what began before it was not looked at; None: all was.
    :ivar since: how far back it looked, µs since the epoch; None: all the way.
    """

    summaries: Sequence[Summary]
    older: int | None = None
    since: int | None = None


@dataclass(slots=True)
class Seen:
    """What is known of one identity by its sessions.

    :ivar last: when the newest of them began, µs since the epoch.
    """

    last: int = 0
    sessions: int = 0
    resources: set[str] = field(default_factory=set)
    verdicts: dict[str, int] = field(default_factory=dict)


#: Sessions that are looked at between two looks at the clock.
_AT_A_TIME: Final = 32


@dataclass(frozen=True, slots=True)
class _Wanted:
    match: Callable[[Summary], bool]
    text: str
    request: str
    before: int | None
    limit: int | None


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
        self._known = Listing()
        self._verifiers: list[Verifier] = []
        self.verification: Verification | None = None

    @property
    def verifying(self) -> bool:
        """The whole log is being checked."""
        return self._verifying

    def search(
        self,
        match: Callable[[Summary], bool] = lambda _: True,
        *,
        text: str = "",
        request: str = "",
        before: int | None = None,
        limit: int | None = None,
    ) -> Deferred[Found]:
        """Sessions for which ``match`` holds. It ends early, see :class:`Found`.

        Fails with :class:`Refused`, ``log.bad`` or ``log.unreadable``; so do the others.

        :param text: has to be in what the client sent, whatever its case; "": anything.
        :param request: id of a request that has to be in it; "": none.
        :param before: ``older`` of what was found before.
        :param limit: how many at most; None: as many as there are.
        """
        wanted = _Wanted(match, text.casefold(), request, before, limit)
        return self._run(lambda: self._search(wanted))

    def seen(self) -> Deferred[tuple[dict[str, Seen], int | None]]:
        """Identities by name; and since when their sessions were looked at, as
        :attr:`Found.since`."""
        return self._run(self._seen)

    def replay(self, session: str, given: OpenedKey | None = None) -> Deferred[Recording]:
        """One session, decrypted and verified.

        :param given: a key that who asks has been given for it.
        """
        return self._run(lambda: self._replay(session, given))

    def unseal(self, session: str, text: str) -> Deferred[OpenedKey]:
        """What somebody hands over for a session: its key, or an auditor's, which is not kept.

        Fails with ``recording.key``: it does not open it.
        """
        return self._run(lambda: self._unseal(session, text))

    def wrap(self, session: str) -> Deferred[bytes]:
        """A session's key as it is sealed."""
        return self._run(lambda: self._wrap(session))

    def summary(self, session: str) -> Deferred[Summary]:
        """What is known of one session without opening it."""
        return self._run(lambda: self._summary(self._reader(), session))

    def cast(self, session: str, given: OpenedKey | None = None) -> Deferred[bytes]:
        """One session as an asciicast."""
        return self._run(lambda: self._cast(session, given))

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

    def _search(self, wanted: _Wanted) -> Found:
        log = self._reader()
        end = time.monotonic() + SEARCH_SECONDS
        with self._lock:
            self._grow(log)
        if wanted.request:
            return self._search_request(log, wanted, end)
        found: list[Summary] = []
        at = log.size if wanted.before is None else wanted.before
        key = self._key() if wanted.text else None
        if wanted.text and key is None:
            raise Refused(
                "recording.sealed",
                "what agents sent is sealed to the auditors' keys, which this node does not have: "
                "search by the other fields",
            )
        while few := self._some(log, at, end):
            matching = [one for one in few if wanted.match(one)]
            if key is not None and matching:
                ids = holding(log, key, matching, wanted.text)
                matching = [one for one in matching if one.id in ids]
            found += matching
            at = few[-1].first
            if wanted.limit is not None and len(found) > wanted.limit:
                found = found[: wanted.limit]
                at = found[-1].first
                break
            if wanted.text and time.monotonic() > end:
                break
        with self._lock:
            older = next(self._known.newest(log, at, lambda: False), None)
            since = self._known.since if older is None else older.start
        return Found(found, None if since is None else at, since)

    def _seen(self) -> tuple[dict[str, Seen], int | None]:
        found = self._search(_Wanted(lambda _: True, "", "", None, None))
        known: dict[str, Seen] = {}
        for summary in found.summaries:
            if summary.subject:
                one = known.setdefault(summary.subject, Seen())
                one.last = max(one.last, summary.start)
                one.sessions += 1
                one.resources.add(summary.resource)
                for name, count in summary.verdicts.items():
                    one.verdicts[name] = one.verdicts.get(name, 0) + count
        return known, found.since

    def _some(self, log: LogReader, before: int | None, end: float) -> list[Summary]:
        with self._lock:
            newest = self._known.newest(log, before, lambda: time.monotonic() < end)
            return list(islice(newest, _AT_A_TIME))

    def _grow(self, log: LogReader) -> None:
        try:
            self._known.grow(log)
        except BadLog:
            self._known = Listing()  # what was wrong has to be read anew
            raise

    def _search_request(self, log: LogReader, wanted: _Wanted, end: float) -> Found:
        stop = log.size if wanted.before is None else min(wanted.before, log.size)
        needle = encode(wanted.request)
        for number in range((stop - 1) // WIDTH, -1, -1):
            if log.tiles.holds(number, needle):
                named = {
                    leaf["session"]
                    for leaf in map(decode, log.proven(number))
                    if any(one[:1] == [wanted.request] for one in leaf.get("decisions", ()))
                }
                if named:
                    found = [find(log, session) for session in sorted(named)]
                    return Found([one for one in found if one and wanted.match(one)])
            if time.monotonic() > end and number:
                since = decode(log.entry(number * WIDTH))["time"]
                return Found([], number * WIDTH, since)
        return Found([])

    def _replay(self, session: str, given: OpenedKey | None) -> Recording:
        log = self._reader()
        return self._replayed(log, self._summary(log, session), given)

    def _unseal(self, session: str, text: str) -> OpenedKey:
        log = self._reader()
        summary = self._summary(log, session)
        wrap = self._wrap(session)
        try:
            if text.lstrip().startswith("-----"):
                key = unseal(session, wrap, ReplayKey.parse(text.strip().encode()))
                given = OpenedKey(session, key)
            else:
                given = OpenedKey.parse(text)
            Replay(log, session, given, first=summary.first, last=summary.last)
        except (BadLog, BadNote) as error:
            what = error.what if isinstance(error, BadLog) else str(error)
            raise Refused("recording.key", what) from None
        return given

    def _wrap(self, session: str) -> bytes:
        self._summary(self._reader(), session)
        try:
            return read_whole(wrap_path(self._directory, session))
        except FileNotFoundError:
            raise BadLog("the recording was shredded: its key is gone", session=session) from None

    def _cast(self, session: str, given: OpenedKey | None) -> bytes:
        log = self._reader()
        replay = self._opened(log, self._summary(log, session), given)
        return "".join(f"{line}\n" for line in cast(replay.summary, replay.moments())).encode()

    def _summary(self, log: LogReader, session: str) -> Summary:
        with self._lock:
            self._grow(log)
            known = self._known.find(session)
        summary = known or find(log, session)
        if summary is None:
            raise Refused("session.unknown", "the log has no such session")
        return summary

    def _key(self) -> ReplayKey | None:
        """The node's own. Where auditors have the keys there is none here, or one of the time
        before they had."""
        place = self._state_dir / REPLAY_KEY
        return None if self._sealed and not place.exists() else ReplayKey.load(place)

    def _opened(self, log: LogReader, summary: Summary, given: OpenedKey | None) -> Replay:
        key = given or self._key()
        if key is not None:
            try:
                return Replay(log, summary.id, key, first=summary.first, last=summary.last)
            except BadLog as error:
                if not self._sealed or "not sealed to" not in str(error):
                    raise
        raise Refused(
            "recording.sealed",
            "it is sealed to the auditors' keys, which this node does not have. Where a key is, "
            f"run: hoopgate replay {summary.id} --key FILE",
        )

    def _replayed(self, log: LogReader, summary: Summary, given: OpenedKey | None) -> Recording:
        replay = self._opened(log, summary, given)
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
