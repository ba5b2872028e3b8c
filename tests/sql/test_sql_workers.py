"""The pool of parser processes: nothing a statement does reaches the gateway."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from testbed.reactor import on_reactor, reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.process import reapAllProcesses
from twisted.internet.task import LoopingCall

from hoopgate.errors import Refused
from hoopgate.gateway.workers import ParserPool
from hoopgate.sql.tokens import lift


@pytest.fixture(scope="module")
def reaper() -> Iterator[None]:
    """The tests' reactor is not on the main thread, so no signal tells it of dead children."""
    loop = LoopingCall(reapAllProcesses)
    on_reactor(lambda: loop.start(0.02) and None)
    yield
    on_reactor(loop.stop)


@pytest.fixture
def pool(reaper: None) -> Iterator[ParserPool]:
    made = on_reactor(lambda: ParserPool(reactor, 1, seconds=10.0, queue=8))
    yield made
    on_reactor(lambda: Deferred.fromCoroutine(made.stop()))
    assert not made._children


def children(pool: ParserPool) -> list[int]:
    return [child.transport.pid for child in pool._children]  # type: ignore[attr-defined]


def ask(pool: ParserPool, text: str) -> Any:
    return on_reactor(pool.analyze, text)


def refused(pool: ParserPool, text: str) -> str:
    with pytest.raises(Refused) as refusal:
        ask(pool, text)
    return refusal.value.code


def pause(pid: int) -> None:
    """Stop a process. One of its threads hears of it first, the others a moment later."""
    os.kill(pid, signal.SIGSTOP)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        states = {
            line.partition(") ")[2][:1]
            for task in Path(f"/proc/{pid}/task").iterdir()
            for line in [(task / "stat").read_text()]
        }
        if states == {"T"}:
            return
        time.sleep(0.01)
    raise AssertionError("it does not stop")


def test_facts_come_back_and_are_remembered(pool: ParserPool) -> None:
    sql = "PREPARE q(int) AS SELECT $1; COPY t(a) TO STDOUT (FORMAT csv)"
    assert pool.cached(sql) is None
    prepare, copy = facts = ask(pool, sql)
    assert (prepare.kind, prepare.inner, prepare.inner_types) == ("prepare", "SELECT $1", ("int",))
    assert (copy.copy_columns, copy.copy_options) == (("a",), {"format": "csv"})
    assert pool.cached(sql) is facts
    assert ask(pool, sql) is facts


def test_a_known_shape_needs_no_child(pool: ParserPool) -> None:
    facts = ask(pool, "SELECT a FROM t WHERE id = 1")
    assert pool.cached("SELECT a FROM t WHERE id = 22222") is facts
    assert pool.cached("SELECT a FROM t WHERE id = 'x'") is None
    assert pool.cached("SELECT b FROM t WHERE id = 1") is None


def test_tokens_of_a_large_text_are_found_in_a_child(pool: ParserPool) -> None:
    token = f"[MRN:1.{'0a' * 10}]"
    filler = ", ".join(f"'[{number}]'" for number in range(1000))
    text = f"SELECT {filler}; SELECT 'é', $1 /* '{token}' */ WHERE mrn = '{token}'"
    found = on_reactor(pool.lift, text)
    assert found == lift(text, lambda content: content == token)
    assert [(one.statement, one.number) for one in found.literals] == [(1, 2)]
    assert on_reactor(pool.lift, filler) is None
    assert on_reactor(pool.lift, f'SELECT "{token}"') is None
    assert on_reactor(lambda: pool.lift(f'SELECT "{token}"', mysql=True)).text == "SELECT  ?1 "
    for bad, code in (
        (f"SELECT {', '.join([repr(token)] * 1001)}", "token.many"),
        (f"SELECT '{token}' '", "parse.syntax"),
        (f"SELECT '{token}' '\ud800'", "parse.syntax"),
        (f"SELECT '{token}' {'+' * 100_000}", "parse.size"),
    ):
        with pytest.raises(Refused) as refusal:
            on_reactor(pool.lift, bad)
        assert refusal.value.code == code


def test_equal_texts_fly_together(pool: ParserPool) -> None:
    found = on_reactor(lambda: gatherResults([pool.analyze("SELECT 99") for _ in range(50)]))
    assert all(one is found[0] for one in found)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("SELEC", "parse.syntax"),
        ("SELECT " + "(" * 3000 + ")" * 3000, "parse.size"),
        ("x" * (2**20 + 1), "parse.size"),
        # PostgreSQL's scanner takes minutes for these, and the server's own would, too.
        ("SELECT 1 " + "+" * 500_000 + "1", "parse.size"),
        ("SELECT 1 " + "+-" * 250_000 + "1", "parse.size"),
        ("SELECT 1 " + "/*" * 250_000 + "*/" * 250_000, "parse.size"),
        ("SELECT 1 " + "/*/*/*/*+ " * 50 + "/*" * 3_000, "parse.size"),
        ("SELECT '\ud800'", "parse.syntax"),
        ("SELECT 1\0", "parse.syntax"),
    ],
)
def test_a_refusal_comes_back(pool: ParserPool, text: str, code: str) -> None:
    assert refused(pool, text) == code
    assert ask(pool, "SELECT 1")


@pytest.mark.parametrize(
    "banner",
    [
        "/*" + "*" * 10_000 + "*/ SELECT 1",
        "-" * 10_000 + "\nSELECT 1",
        "/*\n" + "+----------------+------+----------+\n" * 2_000 + "*/ SELECT 1",
        "SELECT '" + "=" * 10_000 + "', '" + "+" * 1_000 + "'",
    ],
    ids=["stars", "dashes", "table", "strings"],
)
def test_banners_are_no_operators(pool: ParserPool, banner: str) -> None:
    assert len(ask(pool, banner)) == 1


@pytest.mark.parametrize(
    "text",
    [
        "SELECT " + "NOT " * 150_000 + "true",
        "SELECT " + "- " * 150_000 + "1",
        "SELECT " + "1+" * 90_000 + "1",
        "SELECT 1" + " UNION SELECT 1" * 50_000,
        "SELECT " + "CASE WHEN true THEN " * 40_000 + "1" + " END" * 40_000,
        "SELECT a" + ".b" * 90_000,
        "SELECT 1::" + "int[]::" * 30_000 + "int",
        "SELECT * FROM a" + " JOIN b ON true" * 30_000,
    ],
    ids=["not", "minus", "plus", "union", "case", "dots", "casts", "joins"],
)
def test_a_text_that_is_too_much_harms_nobody(pool: ParserPool, text: str) -> None:
    ask(pool, "SELECT 0")
    started = time.monotonic()
    try:
        ask(pool, text)
    except Refused as refusal:
        assert refusal.code.startswith("parse.")
    assert time.monotonic() - started < 60
    assert ask(pool, "SELECT 1")


def test_a_child_that_dies_is_replaced(pool: ParserPool) -> None:
    ask(pool, "SELECT 1")
    (first,) = children(pool)
    pause(first)
    waiting: list[Any] = []
    on_reactor(lambda: pool.analyze("SELECT 'two'").addBoth(waiting.append) and None)
    os.kill(first, signal.SIGKILL)
    deadline = time.monotonic() + 60
    while not waiting and time.monotonic() < deadline:
        time.sleep(0.01)
    assert waiting[0].value.code == "parse.crash"
    assert ask(pool, "SELECT 'two'")
    assert children(pool) != [first]


def test_a_child_that_hangs_is_killed(reaper: None) -> None:
    pool = on_reactor(lambda: ParserPool(reactor, 1, seconds=3.0, queue=2))
    try:
        ask(pool, "SELECT 1")
        pause(children(pool)[0])
        assert refused(pool, "SELECT 'slow'") == "parse.timeout"
        assert ask(pool, "SELECT 'slow'")
    finally:
        on_reactor(lambda: Deferred.fromCoroutine(pool.stop()))


def test_a_child_that_starts_slowly_has_its_time(
    reaper: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As on a machine that is busy: its first statement is not refused for that."""
    slow = tmp_path / "python"
    slow.write_text(f'#!/bin/sh\nsleep 1\nexec {sys.executable} "$@"\n')
    slow.chmod(0o755)
    monkeypatch.setattr("hoopgate.gateway.workers.sys.executable", str(slow))
    pool = on_reactor(lambda: ParserPool(reactor, 1, seconds=0.5))
    try:
        assert ask(pool, "SELECT 1")
    finally:
        on_reactor(lambda: Deferred.fromCoroutine(pool.stop()))


def test_what_waits_is_bounded(pool: ParserPool) -> None:
    ask(pool, "SELECT 1")
    pause(children(pool)[0])
    outcomes: list[Any] = []

    def many() -> None:
        for number in range(20):
            pool.analyze(f"SELECT 'n{number}', {number}").addBoth(outcomes.append)

    on_reactor(many)
    assert [one.value.code for one in outcomes] == ["parse.timeout"] * 11
    os.kill(children(pool)[0], signal.SIGCONT)
    deadline = time.monotonic() + 60
    while len(outcomes) < 20 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert len(outcomes) == 20


def test_memory_is_bounded(reaper: None) -> None:
    pool = on_reactor(lambda: ParserPool(reactor, 1, memory=256 * 1024))
    try:
        for number in range(400):
            ask(pool, f"SELECT {number} AS c{number}; SELECT 1")
        assert pool._held <= 256 * 1024
        assert len(pool._known) < 300
        ask(pool, "SELECT '" + "x" * 10_000 + "'; SELECT 1")
        assert pool._held <= 256 * 1024
    finally:
        on_reactor(lambda: Deferred.fromCoroutine(pool.stop()))


def test_after_the_end_everything_is_refused(reaper: None) -> None:
    pool = on_reactor(lambda: ParserPool(reactor))
    on_reactor(lambda: Deferred.fromCoroutine(pool.stop()))
    assert refused(pool, "SELECT 1") == "parse.crash"


def test_a_parser_that_cannot_be_started_refuses_and_is_tried_again(
    pool: ParserPool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As in the middle of an upgrade of the interpreter's package."""
    assert ask(pool, "SELECT 1")
    monkeypatch.setattr("hoopgate.gateway.workers.sys.executable", str(tmp_path / "python"))
    for pid in children(pool):
        os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 60
    while pool._children and time.monotonic() < deadline:
        time.sleep(0.01)
    assert refused(pool, "SELECT a, b FROM t") == "parse.crash"
    while not on_reactor(pool.failing) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert on_reactor(pool.failing)
    monkeypatch.undo()
    deadline = time.monotonic() + 60
    while not pool._children and time.monotonic() < deadline:
        time.sleep(0.05)
    assert ask(pool, "SELECT a, b FROM t")
    assert not on_reactor(pool.failing)
