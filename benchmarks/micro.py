"""The parts by themselves, without a network: codec, masking, session, guardrails, recorder.

Prints one JSON object. A process of its own: nothing else is on its reactor or in its heap.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from hoopgate.actions import Ask, Decision
from hoopgate.events import (
    ColumnRef,
    Judged,
    OutputColumn,
    Principal,
    Resolution,
    SessionFacts,
    Side,
    Statement,
)
from hoopgate.guardrails.pipeline import make_pipeline
from hoopgate.plans import ColumnMask, MaskPlan, Method
from hoopgate.postgres import wire
from hoopgate.postgres.copy import CopyMasker
from hoopgate.postgres.masking import compile_plan
from hoopgate.postgres.session import PostgresSession
from hoopgate.recorder.log import open_log
from hoopgate.settings.model import Label, LabelClass, Match, Policy, Recording, Resource, Rule
from hoopgate.sql.analysis import analyze
from hoopgate.verdicts import Allow

INT, TEXT = 23, 25
#: Bytes that one read of a socket brings under load.
CHUNK = 65_536
PLAN = MaskPlan(
    (None, None, None, ColumnMask("NOTE", Method.REDACT, TEXT)), ("id", "ward", "value", "note")
)
SESSION = SessionFacts(
    "ses-1",
    Principal("https://id.example.org", "agent-7", frozenset({"db"}), 2e9, frozenset({"analysts"})),
    *("clinic", "postgres", "clinic", "127.0.0.1:50000", "agents"),
)


def cost(work: Callable[[], object], seconds: float, units: int) -> float:
    """Nanoseconds of CPU per unit of ``work``, which does ``units``: the median of many runs."""
    times: list[float] = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(times) < 5:
        began = time.thread_time_ns()
        work()
        times.append((time.thread_time_ns() - began) / units)
    return median(times)


# --- rows ---------------------------------------------------------------------------------------


def _note(i: int) -> bytes:
    return b"Note of patient %d" % i + b"." * (51 - len(b"%d" % i))


def _rows(binary: bool) -> list[bytes]:
    def number(value: int) -> bytes:
        return value.to_bytes(4, "big") if binary else b"%d" % value

    return [
        wire.data_row((number(1000000 + i), number(1000 + i % 100), number(100000 + i), _note(i)))
        for i in range(CHUNK // 107)
    ]


def rows(seconds: float) -> dict[str, float]:
    """ns per row of about 107 bytes, in runs of one read."""
    found: dict[str, float] = {}
    for form in ("text", "binary"):
        made = _rows(form == "binary")
        run = b"".join(made)

        def scan(run: bytes = run) -> None:
            reader = wire.BackendReader(2**26)
            reader.feed(run)
            reader.peek()
            reader.take_run()

        masker = compile_plan(PLAN, (form == "binary",))
        found[f"scan, {form}"] = cost(scan, seconds, len(made))
        found[f"mask, {form}"] = cost(lambda m=masker, r=run: m.rewrite(r), seconds, len(made))
    lines = [
        wire.copy_data(b"%d\t%d\t%d\t%b\n" % (1000000 + i, 1000 + i % 100, 100000 + i, _note(i)))
        for i in range(CHUNK // 107)
    ]
    copied = b"".join(lines)
    copier = CopyMasker(PLAN, "text", {})
    found["mask, COPY text"] = cost(lambda: copier.data(copied), seconds, len(lines))
    return found


# --- statements -----------------------------------------------------------------------------------

_TEXT = "SELECT balance FROM accounts WHERE id = $1"
_FACTS = analyze(_TEXT)
_FIELDS = wire.encode_row_description([wire.Field(b"balance", 16386, 3, TEXT, -1, -1, 0)])
_ANSWER = _FIELDS + wire.data_row((b"0000000000004711",)) + wire.command_complete(b"SELECT 1")
_READY = wire.ready_for_query(b"I")


def _session() -> PostgresSession:
    return PostgresSession(
        phi=True,
        settings={},
        generation=lambda: 0,
        mint=lambda: "req-1",
        message_limit=2**24,
        response_limit=2**26,
    )


def _exchange(session: PostgresSession, request: bytes, answer: bytes) -> None:
    for action in session.received(Side.CLIENT, request):
        if isinstance(action, Ask):
            session.decided(action.ticket, Decision("req-1", Allow("operator/a"), facts=_FACTS))
    session.received(Side.BACKEND, answer)


def statements(seconds: float) -> dict[str, float]:
    """µs per transaction in the session, both directions, and per verdict in the pipeline."""
    session = _session()
    _exchange(
        session,
        wire.parse(b"P0", _TEXT.encode()) + wire.sync(),
        wire.parse_complete() + _READY,
    )
    prepared = (
        wire.bind(b"", b"P0", (), (b"4711",), (0,))
        + wire.describe(b"P", b"")
        + wire.execute(b"")
        + wire.sync()
    )
    bound = wire.bind_complete() + _ANSWER + _READY
    simple = wire.query(_TEXT.replace("$1", "4711").encode())
    thousand = range(1000)

    def transactions(request: bytes, answer: bytes) -> Callable[[], None]:
        def work() -> None:
            for _ in thousand:
                _exchange(session, request, answer)

        return work

    pipeline = _pipeline()
    judged = _judged()

    def judge() -> None:
        for _ in thousand:
            pipeline.judge(judged, SESSION, 1.0)

    return {
        "session, prepared": cost(transactions(prepared, bound), seconds, 1000) / 1000,
        "session, simple": cost(transactions(simple, _ANSWER + _READY), seconds, 1000) / 1000,
        "pipeline, verdict": cost(judge, seconds, 1000) / 1000,
        "parser, facts": cost(lambda: analyze(_TEXT), seconds, 1) / 1000,
    }


def _pipeline() -> Any:
    labels = tuple(
        Label("clinic", f"public.accounts.{column}", "NAME") for column in ("holder", "note")
    )
    rules = (Rule("analysts", "allow", Match(groups=frozenset({"analysts"}))),)
    resource = Resource("clinic", "postgres", "t", "h", "d", "s", "u")
    policy = Policy(rules, ("hipaa-baseline",), labels, "", unlabelled=LabelClass.PUBLIC)
    return make_pipeline(policy, {"clinic": resource})


def _judged() -> Judged:
    balance = ColumnRef("public", "accounts", "balance")
    resolution = Resolution(
        (OutputColumn("balance", TEXT, frozenset({balance}), True),),
        influences=frozenset({ColumnRef("public", "accounts", "id")}),
        relations=frozenset({"public.accounts"}),
        functions=frozenset({"pg_catalog.int4eq"}),
    )
    return Judged(Statement(_TEXT), _FACTS, (resolution,))


# --- recorder -------------------------------------------------------------------------------------


def recorder(directory: Path, sessions: int, seconds: float) -> dict[str, float]:
    """Requests per second that were durable before they went on, from ``sessions`` at once."""
    from twisted.internet import reactor
    from twisted.internet.defer import Deferred, gatherResults

    clock: Any = reactor
    waited: list[float] = []
    request = wire.query(_TEXT.replace("$1", "4711").encode())
    decision = (Decision("req-0123456789ab", Allow("operator/analysts"), facts=_FACTS),)

    async def one(log: Any, number: int) -> None:
        facts = SessionFacts(
            f"ses-{number}", SESSION.principal, *("clinic", "postgres", "clinic", "peer", "agents")
        )
        recording = await log.open_session(facts)
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            began = time.perf_counter()
            await recording.request(request, None, decision)
            waited.append(time.perf_counter() - began)
            recording.response(_ANSWER)
        await recording.close("client.terminate")

    async def all_of_them() -> dict[str, float]:
        settings = Recording(directory / "log", "bench.example/hoopgate")
        log = await open_log(settings, directory / "state", clock)
        began, used = time.perf_counter(), time.process_time()
        await gatherResults([Deferred.fromCoroutine(one(log, n)) for n in range(sessions)])
        took, used = time.perf_counter() - began, time.process_time() - used
        await log.stop()
        waited.sort()
        return {
            "events/s": len(waited) / took,
            "p50 ms": waited[len(waited) // 2] * 1000,
            "p99 ms": waited[len(waited) * 99 // 100] * 1000,
            "CPU µs/event": used * 1e6 / len(waited),
        }

    outcome: list[Any] = []

    def start() -> None:
        running = Deferred.fromCoroutine(all_of_them())
        running.addBoth(outcome.append).addBoth(lambda _: clock.stop())

    clock.callWhenRunning(start)
    clock.run()
    if not isinstance(outcome[0], dict):
        outcome[0].raiseException()
    found: dict[str, float] = outcome[0]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=1.0, help="for each figure")
    parser.add_argument("--sessions", type=int, default=100, help="that record at once")
    parser.add_argument("--directory", type=Path, default=Path("/var/tmp"), help="of the log")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="hoopgate-bench-", dir=options.directory) as scratch:
        (Path(scratch) / "state").mkdir()
        found = {
            "rows, ns": rows(options.seconds),
            "statements, µs": statements(options.seconds),
            "recorder": recorder(Path(scratch), options.sessions, options.seconds * 2),
        }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
