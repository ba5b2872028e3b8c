"""Trees that are too large for the reactor's thread are read by a parser's process."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from conftest import Twins
from evasions import evasions
from side_psycopg import SESSION, PsycopgSide, finished
from testbed.reactor import on_reactor, reactor
from twisted.internet.defer import Deferred
from twisted.internet.process import reapAllProcesses
from twisted.internet.task import LoopingCall

from hoopgate.errors import Refused
from hoopgate.events import Resolution, Statement
from hoopgate.gateway.workers import ParserPool
from hoopgate.sql.analysis import analyze
from hoopgate.sql.catalogue import Catalogue, TreeReader, Wanted
from hoopgate.sql.examination import Task, answer, decode_answer, encode_task
from hoopgate.sql.resolver import INLINE_TREES, Resolver, needs_resolution
from hoopgate.sql.worker import TREES


class Elsewhere:
    """What a child process does, in this one."""

    def __init__(self) -> None:
        self.reader = TreeReader(TREES)
        self.rounds = 0
        self.requests = 0

    async def examine(self, task: Task, catalogue: Catalogue, known: Wanted) -> Resolution | Wanted:
        self.rounds += 1
        request = encode_task(task, catalogue, known)
        self.requests = max(self.requests, len(request))
        return decode_answer(answer(request, self.reader))


def resolve(resolver: Resolver, side: PsycopgSide, sql: str) -> Resolution | str:
    (facts,) = analyze(sql)
    try:
        found: Resolution = finished(resolver.ask(side, Statement(sql), facts, SESSION))
    except Refused as refused:
        return refused.code
    return found


def test_both_ways_find_the_same(twins: Twins) -> None:
    side = PsycopgSide(twins.one)
    here = Resolver(lambda: 0.0)
    elsewhere = Elsewhere()
    there = Resolver(lambda: 0.0, examiner=elsewhere)
    there._reader = TreeReader(1, 0)  # nothing is small enough
    compared = 0
    for sql in evasions():
        try:
            facts = analyze(sql)
        except Refused:
            continue
        if len(facts) == 1 and needs_resolution(facts[0]):
            one, other = resolve(here, side, sql), resolve(there, side, sql)
            assert one == other, sql
            compared += isinstance(one, Resolution)
    assert compared > 100
    assert elsewhere.rounds > compared


@pytest.fixture(scope="module")
def pool() -> Iterator[ParserPool]:
    loop = LoopingCall(reapAllProcesses)
    on_reactor(lambda: loop.start(0.02) and None)
    made = on_reactor(lambda: ParserPool(reactor, 1, seconds=10.0))
    yield made
    on_reactor(lambda: Deferred.fromCoroutine(made.stop()))
    on_reactor(loop.stop)


LARGE = "SELECT ssn FROM patients WHERE id IN (SELECT p.id FROM patients p, encounters e WHERE {})"


def conditions(count: int) -> str:
    return " OR ".join(f"p.weight + {n} < e.id * {n} + {n}" for n in range(count))


def test_a_large_statement_is_read_by_the_pool_and_the_reactor_goes_on(
    twins: Twins, pool: ParserPool
) -> None:
    """The side connection blocks in this test, so that only the rest is looked at."""
    sql = LARGE.format(conditions(400))
    (facts,) = analyze(sql)
    side = PsycopgSide(twins.one)
    resolver = Resolver(lambda: 0.0, examiner=pool)
    spent: list[float] = []
    last = [0.0]

    def tick() -> None:
        now = time.thread_time()  # what other processes take on a busy machine is not ours
        spent.append(now - last[0])
        last[0] = now

    task = finished(resolver._attest(side, Statement(sql), facts, ""))
    assert len(task.tree) > 20 * INLINE_TREES
    ticking = LoopingCall(tick)

    async def examine() -> Any:
        try:
            await resolver._examine(side, task)  # asks for the catalogue
            last[0] = time.thread_time()
            ticking.start(0.001, now=False)
            return await resolver._examine(side, task)
        finally:
            if ticking.running:
                ticking.stop()

    found = on_reactor(lambda: Deferred.fromCoroutine(examine()))
    assert [str(ref) for column in found.columns for ref in column.sources] == [
        "public.patients.ssn"
    ]
    assert "public.encounters.id" in map(str, found.influences)
    assert len(spent) > 2  # the child takes its time meanwhile
    assert max(spent) < 0.01


def test_a_tree_that_is_too_much_is_refused_by_the_pool(twins: Twins, pool: ParserPool) -> None:
    """2^n paths through n subqueries that each name the one before twice."""
    sql = "SELECT 1 AS a"
    for _ in range(28):
        sql = f"SELECT x.a + y.a AS a FROM ({sql}) x, (SELECT 1 AS a) y"
    wide = "WITH q0 AS (SELECT id AS a FROM patients)"
    for n in range(1, 60):
        wide += f", q{n} AS (SELECT CASE WHEN l.a > 1 THEN l.a ELSE r.a END AS a"
        wide += f" FROM q{n - 1} l, q{n - 1} r)"
    for statement in (sql, f"{wide} SELECT a FROM q59"):
        (facts,) = analyze(statement)
        side = PsycopgSide(twins.one)
        resolver = Resolver(lambda: 0.0, examiner=pool)

        asking = resolver.ask(side, Statement(statement), facts, SESSION)
        started = time.monotonic()
        try:
            on_reactor(Deferred.fromCoroutine, asking)
        except Refused as refused:
            assert refused.code in ("resolve.size", "parse.timeout")
        assert time.monotonic() - started < 90


def test_a_pool_that_is_stopped_refuses(twins: Twins) -> None:
    pool = on_reactor(lambda: ParserPool(reactor, 1))
    on_reactor(lambda: Deferred.fromCoroutine(pool.stop()))
    with pytest.raises(Refused) as refused:
        on_reactor(pool.examine, Task("(x)"), Catalogue(), Wanted())
    assert refused.value.code == "parse.crash"


def test_what_waits_when_the_pool_stops_is_refused(pool: ParserPool) -> None:
    small = on_reactor(lambda: ParserPool(reactor, 1, queue=2))
    outcomes: list[Any] = []

    def crowd() -> None:
        for _ in range(4):
            small.examine(Task("(x)"), Catalogue(), Wanted()).addBoth(outcomes.append)

    on_reactor(crowd)
    on_reactor(lambda: Deferred.fromCoroutine(small.stop()))
    codes = [outcome.value.code for outcome in outcomes]
    assert sorted(codes) == ["parse.crash"] * 3 + ["parse.timeout"]
