"""The log by itself: gated events per second, what they wait, what a large log costs, verification.

Sessions in a closed loop, as clients are: each sends a request when the one before it was durable,
and records the answer to it. Nothing is on the network. Run it compiled: ``make bench-log``.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from hoopgate.actions import Decision
from hoopgate.events import Principal, SessionFacts
from hoopgate.recorder.log import open_log, open_log_blocking
from hoopgate.recorder.note import Verifier
from hoopgate.recorder.verify import verify_log
from hoopgate.settings.model import Recording
from hoopgate.verdicts import Allow

WHO = Principal(
    "https://id.example.org", "agent-7", frozenset({"db"}), 2e9, frozenset({"analysts"})
)
REQUEST = b"Q\0\0\0\x34SELECT balance FROM accounts WHERE id = 4711\0"
ANSWER = b"T" + bytes(50) + b"D" + b"0000000000004711" + b"C\0\0\0\rSELECT 1\0Z\0\0\0\5I"
DECISIONS = (Decision("req-0123456789ab", Allow("operator/analysts")),)


def facts(number: int) -> SessionFacts:
    return SessionFacts(
        f"ses-{number:016d}", WHO, *("clinic", "postgres", "clinic", "127.0.0.1:5", "agents")
    )


class Client:
    """One session: the next request goes out when the one before it was recorded."""

    def __init__(self, recording: Any, end: float, waited: list[float], ended: Any) -> None:
        self._recording = recording
        self._end = end
        self._waited = waited
        self._ended = ended
        self._began = 0.0

    def send(self) -> None:
        """The next request."""
        self._began = time.perf_counter()
        self._recording.request_for(self, REQUEST, None, DECISIONS)

    def recorded(self, entry: object, error: Exception | None) -> None:
        """It is durable."""
        if error is not None:
            raise error
        now = time.perf_counter()
        self._waited.append(now - self._began)
        self._recording.response(ANSWER)
        if now < self._end:
            self.send()
        else:
            self._ended()


class _Paced:
    """A request that was to go out at a time, whenever it did."""

    __slots__ = ("_at", "_waited")

    def __init__(self, at: float, waited: list[float]) -> None:
        self._at = at
        self._waited = waited

    def recorded(self, entry: object, error: Exception | None) -> None:
        """It is durable."""
        if error is not None:
            raise error
        self._waited.append(time.perf_counter() - self._at)


def gated(directory: Path, sessions: int, seconds: float, rate: float = 0.0) -> dict[str, float]:
    """Requests per second that were durable before they went on, by the gateway's own loop.

    :param rate: of all sessions together, whatever is still waited for; 0: as fast as it goes,
        each session waiting for its own request.
    """
    from twisted.internet import reactor
    from twisted.internet.defer import Deferred
    from twisted.internet.task import deferLater

    from hoopgate.gateway.reactor import make_lean

    loop: Any = reactor
    make_lean(loop)
    waited: list[float] = []
    outcome: dict[str, float] = {}

    async def pace(recordings: list[Any], began: float) -> None:
        """Send what is due, as clients on a network would: a few in each turn."""
        wanted = int(rate * seconds)
        sent = 0
        while sent < wanted:
            due = min(wanted, int((time.perf_counter() - began) * rate) + 1)
            while sent < due:
                recording = recordings[sent % sessions]
                recording.response(ANSWER)
                waiter = _Paced(began + sent / rate, waited)
                recording.request_for(waiter, REQUEST, None, DECISIONS)
                sent += 1
            await deferLater(loop, 0.0002, lambda: None)
        while len(waited) < wanted:
            await deferLater(loop, 0.001, lambda: None)

    async def all_of_them() -> None:
        settings = Recording(directory / "log", "bench.example/hoopgate")
        log = await open_log(settings, directory / "state", loop)
        recordings = [await log.open_session(facts(n)) for n in range(sessions)]
        gc.collect()
        gc.freeze()  # as the service does once it has started
        running = sessions
        done: Any = Deferred()

        def ended() -> None:
            nonlocal running
            running -= 1
            if not running:
                done.callback(None)

        began, used = time.perf_counter(), time.process_time()
        if rate:
            await pace(recordings, began)
        else:
            for recording in recordings:
                Client(recording, began + seconds, waited, ended).send()
            await done
        took, used = time.perf_counter() - began, time.process_time() - used
        await log.stop()
        waited.sort()
        outcome.update(
            {
                "events/s": len(waited) / took,
                "p50 ms": waited[len(waited) // 2] * 1000,
                "p99 ms": waited[len(waited) * 99 // 100] * 1000,
                "CPU µs/event": used * 1e6 / len(waited),
            }
        )

    def start() -> None:
        running = Deferred.fromCoroutine(all_of_them())
        running.addErrback(lambda failure: failure.printTraceback())
        running.addBoth(lambda _: loop.stop())

    loop.callWhenRunning(start)
    loop.run()
    return outcome


class _Loop:
    """A reactor for a log that is filled by one thread: nothing runs by time."""

    def __init__(self) -> None:
        from queue import SimpleQueue

        self._calls: Any = SimpleQueue()

    def callFromThread(self, call: Any, *args: object) -> None:
        self._calls.put((call, args))

    def callLater(self, delay: float, call: Any, *args: object) -> Any:
        class Never:
            def cancel(self) -> None:
                """Nothing runs by time here."""

        return Never()

    def until(self, deferred: Any) -> Any:
        results: list[Any] = []
        deferred.addBoth(results.append)
        while not results:
            call, args = self._calls.get()
            call(*args)
        return results[0]

    def turn(self) -> None:
        call, args = self._calls.get()
        call(*args)


def memory_mib() -> float:
    """Resident memory of this process now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def grow(directory: Path, sizes: list[int], batch: int = 400) -> list[dict[str, float]]:
    """A log filled to ``sizes`` leaves: CPU per leaf on the way, memory, checkpoint and proof."""
    loop = _Loop()
    settings = Recording(directory / "log", "bench.example/hoopgate", reserve_bytes=0)
    log = open_log_blocking(settings, directory / "state", loop)
    recordings = [loop.until(log.open_session(facts(n))) for n in range(100)]
    found = []
    pending = 0

    class Counter:
        def recorded(self, entry: object, error: Exception | None) -> None:
            nonlocal pending
            assert error is None
            pending -= 1

    counter = Counter()
    for size in sizes:
        before, leaves, wall = time.process_time(), log.size, time.perf_counter()
        while log.size < size:
            count = min(batch, size - log.size)
            for number in range(count):
                recordings[number % 100].request_for(counter, REQUEST, None, DECISIONS)
                pending += 1
            while pending:
                loop.turn()
        while log.checkpoint_size < log.size:
            time.sleep(0.01)
        grown = log.size - leaves
        found.append(
            {
                "leaves": log.size,
                "CPU µs/leaf": (time.process_time() - before) * 1e6 / grown,
                "leaves/s": grown / (time.perf_counter() - wall),
                "memory MiB": memory_mib(),
                **_one_checkpoint(log, recordings[0], loop),
            }
        )
        print(json.dumps(found[-1]), file=sys.stderr, flush=True)
    loop.until(log.stop())
    return found


class _Nobody:
    def recorded(self, entry: object, error: Exception | None) -> None:
        assert error is None


def _one_checkpoint(log: Any, recording: Any, loop: _Loop) -> dict[str, float]:
    """CPU of one leaf more with all that follows it: tiles, reading them again, signing."""
    times = []
    for _ in range(9):
        before = time.process_time()
        size = log.size
        recording.request_for(_Nobody(), REQUEST, None, DECISIONS)
        while log.size == size:
            loop.turn()
        while log.checkpoint_size < log.size:
            time.sleep(0.005)
        times.append(time.process_time() - before)
    return {"CPU ms/checkpoint": sorted(times)[4] * 1000}


def verify(directory: Path, processes: int) -> dict[str, float]:
    """Seconds of a whole verification, and the memory that it takes."""
    vkey = Verifier.parse((directory / "log/vkey").read_text())
    began, used = time.perf_counter(), time.process_time()
    report = verify_log(directory / "log", [vkey], processes=processes)
    took = time.perf_counter() - began
    used = time.process_time() - used
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "leaves": report.checkpoint.size,
        "seconds": took,
        "CPU seconds": used + children.ru_utime + children.ru_stime,
        "peak MiB": max(peak, children.ru_maxrss) / 1024,
    }


def part(name: str, options: argparse.Namespace, *more: str) -> Any:
    """A part in a process of its own: its memory, its reactor."""
    command = [sys.executable, __file__, "--part", name, "--directory", str(options.directory)]
    command += ["--seconds", str(options.seconds), "--sessions", str(options.sessions), *more]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
    return json.loads(done.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0, help="of gated events, a round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sessions", type=int, default=100)
    parser.add_argument("--rate", type=float, default=25_000.0, help="of the paced run")
    parser.add_argument("--sizes", default="1000,10000,100000,1000000", help="leaves")
    parser.add_argument("--directory", type=Path, default=Path("/var/tmp"), help="of the log")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument(
        "--part", choices=("gated", "paced", "grow", "verify"), help=argparse.SUPPRESS
    )
    options = parser.parse_args()
    sizes = [int(size) for size in options.sizes.split(",")]
    if options.part == "gated":
        print(json.dumps(gated(options.directory, options.sessions, options.seconds)))
        return
    if options.part == "paced":
        found = gated(options.directory, options.sessions, options.seconds, options.rate)
        print(json.dumps(found))
        return
    if options.part == "grow":
        print(json.dumps(grow(options.directory, sizes)))
        return
    if options.part == "verify":
        print(json.dumps(verify(options.directory, options.processes)))
        return
    report: dict[str, Any] = {"gated": [], "paced": [], "load": os.getloadavg()}
    with tempfile.TemporaryDirectory(prefix="hoopgate-bench-", dir=options.directory) as scratch:
        base = Path(scratch)
        for number in range(options.rounds):
            for name in ("gated", "paced"):
                options.directory = base / f"{name}-{number}"
                (options.directory / "state").mkdir(parents=True)
                report[name].append(part(name, options, "--rate", str(options.rate)))
                print(name, json.dumps(report[name][-1]), file=sys.stderr, flush=True)
        options.directory = base / "grown"
        (options.directory / "state").mkdir(parents=True)
        report["grow"] = part("grow", options, "--sizes", ",".join(map(str, sizes)))
        report["verify"] = [
            part("verify", options, "--processes", str(count)) for count in {1, options.processes}
        ]
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
