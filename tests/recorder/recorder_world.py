"""A log in a test: its settings, a reactor without sockets, sessions, what was replayed."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from hoopgate.actions import Decision
from hoopgate.events import Principal, SessionFacts
from hoopgate.recorder.commit import Clock
from hoopgate.recorder.gate import Log
from hoopgate.recorder.log import open_log_blocking
from hoopgate.recorder.note import Verifier
from hoopgate.recorder.reading import LogReader
from hoopgate.recorder.replay import Moment, Replay
from hoopgate.recorder.sealing import REPLAY_KEY, ReplayKey
from hoopgate.recorder.verify import Report, verify_log
from hoopgate.settings.model import Recording
from hoopgate.verdicts import Allow

ORIGIN = "gw-1.example.org/hoopgate"
ALLOWED = (Decision("req-1", Allow("operator/readers")),)


class _Call:
    def __init__(self, at: float, call: Callable[[], object]) -> None:
        self.at = at
        self.call = call
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class Pump:
    """Runs in the test's thread what the log hands to its reactor."""

    def __init__(self) -> None:
        self._calls: SimpleQueue[Callable[[], object]] = SimpleQueue()
        self._later: list[_Call] = []

    def callFromThread(self, callable: Callable[..., object], *args: object) -> None:
        self._calls.put(lambda: callable(*args))

    def callLater(self, delay: float, callable: Callable[..., object], *args: object) -> _Call:
        call = _Call(time.monotonic() + delay, lambda: callable(*args))
        self._later.append(call)
        return call

    def turn(self, timeout: float = 0.005) -> None:
        try:
            self._calls.get(timeout=timeout)()
        except Empty:
            pass
        now = time.monotonic()
        due = [call for call in self._later if call.at <= now and not call.cancelled]
        self._later = [c for c in self._later if c.at > now and not c.cancelled]
        for call in due:
            call.call()

    def wait(self, deferred: Deferred[Any], timeout: float = 60.0) -> Any:
        """The deferred's result; its failure is raised."""
        results: list[Any] = []
        deferred.addBoth(results.append)
        end = time.monotonic() + timeout
        while not results:
            assert time.monotonic() < end, "the log did not answer"
            self.turn()
        if isinstance(results[0], Failure):
            results[0].raiseException()
        return results[0]

    def until(self, condition: Callable[[], bool], timeout: float = 60.0) -> None:
        end = time.monotonic() + timeout
        while not condition():
            assert time.monotonic() < end, "it did not happen"
            self.turn()


def facts(session: str, **more: Any) -> SessionFacts:
    principal = more.pop("principal", None) or Principal(
        "https://id.example.org", "agent-7", frozenset({"db"}), 2e9, frozenset({"readers"})
    )
    given = {
        "resource": "clinic",
        "protocol": "postgres",
        "database": "clinic",
        "peer": "127.0.0.1:50000",
        "listener": "agents",
        "tls": {"version": "TLSv1.3"},
        "rules_digest": "ab" * 32,
        **more,
    }
    return SessionFacts(session, principal, **given)


class World:
    """One node's directory and, while it is open, its log."""

    def __init__(self, base: Path, **recording: Any) -> None:
        self.state = base / "state"
        self.directory = base / "log"
        given = {
            "reserve_bytes": 0,
            "retention_seconds": 0.0,
            "checkpoint_ms": 20,
            "window_ms": 10,
            **recording,
        }
        self.recording = Recording(self.directory, ORIGIN, **given)
        self.pump = Pump()
        self.log: Log

    def open(self, clock: Clock | None = None) -> World:
        self.log = open_log_blocking(self.recording, self.state, self.pump, clock)
        return self

    def wait(self, deferred: Deferred[Any]) -> Any:
        return self.pump.wait(deferred)

    def session(self, name: str, **more: Any) -> Any:
        return self.wait(self.log.open_session(facts(name, **more)))

    def stop(self) -> None:
        self.wait(self.log.stop())

    def vkey(self) -> Verifier:
        return Verifier.parse((self.directory / "vkey").read_text(errors="replace"))

    def verify(self) -> Report:
        return verify_log(self.directory, [self.vkey()])

    def reader(self) -> LogReader:
        return LogReader(self.directory, [self.vkey()])

    def leaves(self) -> list[dict[str, Any]]:
        return [leaf for leaf, _ in self.reader().leaves()]

    def replay(self, session: str) -> list[Moment]:
        key = ReplayKey.load(self.state / REPLAY_KEY)
        return list(Replay(self.reader(), session, key).moments())

    def stream(self, session: str, *kinds: int) -> list[bytes]:
        return [moment.data for moment in self.replay(session) if moment.kind in kinds]
