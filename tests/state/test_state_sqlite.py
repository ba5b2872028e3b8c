"""The SQLite store: durable, ordered, private, and clear about what it refuses."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import traceback
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from testbed.loop import Loop
from twisted.python.failure import Failure

from hoopgate.state.schema import STEPS
from hoopgate.state.sqlite import SQLiteStore, StateError

STEPS_OF_TEST = (("CREATE TABLE t (k INTEGER PRIMARY KEY, v ANY) STRICT",),)


@pytest.fixture
def loop() -> Loop:
    return Loop()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "state.sqlite3"


@pytest.fixture
def store(loop: Loop, path: Path) -> Iterator[SQLiteStore]:
    store = SQLiteStore(path, loop, steps=STEPS_OF_TEST)
    store.open()
    yield store
    loop.wait(store.close())


def test_private_files_full_sync_and_wal(loop: Loop, path: Path, store: SQLiteStore) -> None:
    loop.wait(store.execute("INSERT INTO t VALUES (1, 'x')"))
    assert path.parent.stat().st_mode & 0o777 == 0o700
    for file in path.parent.iterdir():
        assert file.stat().st_mode & 0o777 == 0o600, file
    assert loop.wait(store.execute("PRAGMA journal_mode")) == [("wal",)]
    assert loop.wait(store.execute("PRAGMA synchronous")) == [(2,)]


@settings(max_examples=30, deadline=None)
@given(
    values=st.lists(
        st.one_of(
            st.none(),
            st.integers(-(2**63), 2**63 - 1),
            st.text(st.characters(exclude_categories=["Cs"])),
            st.binary(),
        )
    )
)
def test_values_survive_a_restart_in_order(
    tmp_path_factory: pytest.TempPathFactory, values: list[object]
) -> None:
    loop, path = Loop(), tmp_path_factory.mktemp("store") / "s" / "state.sqlite3"
    store = SQLiteStore(path, loop, steps=STEPS_OF_TEST)
    store.open()
    written = [store.execute("INSERT INTO t VALUES (?, ?)", item) for item in enumerate(values)]
    loop.wait(store.close())  # finishes what is queued
    assert all(deferred.called for deferred in written)
    again = SQLiteStore(path, loop, steps=STEPS_OF_TEST)
    again.open()
    rows = loop.wait(again.execute("SELECT k, v FROM t ORDER BY k"))
    loop.wait(again.close())
    assert rows == list(enumerate(values))


def test_each_statement_is_durable_when_it_answers(tmp_path: Path) -> None:
    """A process killed right after the answer has lost nothing it was told was written."""
    path = tmp_path / "s" / "state.sqlite3"
    script = """
import os, signal, sys
sys.path[:0] = sys.argv[2:]
from pathlib import Path
from testbed.loop import Loop
from test_state_sqlite import STEPS_OF_TEST
from hoopgate.state.sqlite import SQLiteStore
loop = Loop()
store = SQLiteStore(Path(sys.argv[1]), loop, steps=STEPS_OF_TEST)
store.open()
for k in range(50):
    loop.wait(store.execute("INSERT INTO t VALUES (?, ?)", (k, b"x" * 1000)))
os.kill(os.getpid(), signal.SIGKILL)
"""
    here = Path(__file__).parent
    command = [sys.executable, "-c", script, path, here, here.parent]
    done = subprocess.run(command, timeout=60, check=False)
    assert done.returncode == -9
    with closing(sqlite3.connect(path)) as connection, connection:
        assert connection.execute("SELECT count(*) FROM t").fetchone() == (50,)
    connection.close()


def test_returning_makes_compare_and_swap(loop: Loop, store: SQLiteStore) -> None:
    loop.wait(store.execute("INSERT INTO t VALUES (1, 'pending')"))
    swap = "UPDATE t SET v = ? WHERE k = 1 AND v = 'pending' RETURNING k"
    both = [store.execute(swap, (value,)) for value in ("approved", "denied")]
    assert [loop.wait(deferred) for deferred in both] == [[(1,)], []]
    assert loop.wait(store.execute("SELECT v FROM t")) == [("approved",)]


def test_an_error_quotes_no_value_and_carries_no_frame(loop: Loop, store: SQLiteStore) -> None:
    canary = "219-09-9999"
    loop.wait(store.execute("INSERT INTO t VALUES (1, ?)", (canary,)))
    for sql, values in (
        ("INSERT INTO t VALUES (1, ?)", (canary,)),
        (f"SELECT nothing FROM '{canary}'", ()),
        ("INSERT INTO t VALUES (2, ?)", (2**70,)),
    ):
        deferred = store.execute(sql, values)
        failures: list[Failure] = []
        deferred.addErrback(failures.append)
        loop.wait(deferred)
        (failure,) = failures
        assert failure.check(StateError)
        everything = failure.getTraceback(detail="verbose") + repr(failure.value)
        everything += "".join(traceback.format_exception(failure.value))
        assert canary not in everything


def test_a_bug_ends_one_statement_and_not_the_thread(loop: Loop, store: SQLiteStore) -> None:
    class Odd:
        def __conform__(self, protocol: object) -> object:
            raise RuntimeError("123-45-6789")

    with pytest.raises(StateError) as caught:
        loop.wait(store.execute("SELECT ?", (Odd(),)))
    assert str(caught.value) == "state database: RuntimeError"
    assert loop.wait(store.execute("SELECT 1")) == [(1,)]


def test_a_full_queue_refuses_at_once(loop: Loop, path: Path) -> None:
    store = SQLiteStore(path, loop, pending=2, steps=STEPS_OF_TEST, busy_seconds=5)
    store.open()
    with closing(sqlite3.connect(path, isolation_level=None)) as other, other:
        other.execute("BEGIN IMMEDIATE")  # the store's thread now waits
        deferreds = [store.execute("INSERT INTO t VALUES (?, 1)", (k,)) for k in range(10)]
        refused = [deferred for deferred in deferreds if deferred.called]
        assert len(refused) >= 7
        other.execute("COMMIT")
    other.close()
    for deferred in refused:
        with pytest.raises(StateError, match="overloaded"):
            loop.wait(deferred)
    loop.wait(store.close())


def test_after_close_nothing_is_taken(loop: Loop, path: Path) -> None:
    store = SQLiteStore(path, loop, steps=STEPS_OF_TEST)
    with pytest.raises(StateError, match="not open"):
        loop.wait(store.execute("SELECT 1"))
    store.open()
    closing = [store.close(), store.close()]
    with pytest.raises(StateError, match="not open"):
        loop.wait(store.execute("SELECT 1"))
    for deferred in closing:
        assert loop.wait(deferred) is None


def test_two_processes_wait_for_each_other(loop: Loop, path: Path, store: SQLiteStore) -> None:
    other = SQLiteStore(path, loop, steps=STEPS_OF_TEST)
    other.open()
    writes = [
        (store, other)[k % 2].execute("INSERT INTO t VALUES (?, 1)", (k,)) for k in range(100)
    ]
    for write in writes:
        loop.wait(write)
    assert loop.wait(other.execute("SELECT count(*) FROM t")) == [(100,)]
    loop.wait(other.close())


class TestRefusedAtStart:
    """What open() refuses, and that its message says what to do."""

    def refused(self, path: Path, match: str, steps: object = STEPS_OF_TEST) -> None:
        with pytest.raises(StateError, match=match) as caught:
            SQLiteStore(path, Loop(), steps=steps, busy_seconds=0.2).open()
        assert str(path.parent) in str(caught.value)

    def made(self, path: Path) -> None:
        loop = Loop()
        store = SQLiteStore(path, loop, steps=STEPS_OF_TEST)
        store.open()
        loop.wait(store.execute("INSERT INTO t VALUES (1, ?)", (b"x" * 100_000,)))
        loop.wait(store.close())

    def test_readable_by_others(self, path: Path) -> None:
        self.made(path)
        path.chmod(0o640)
        self.refused(path, "chmod 600")

    def test_directory_writable_by_others(self, path: Path) -> None:
        self.made(path)
        path.parent.chmod(0o770)
        self.refused(path, "chmod go-w")

    def test_symbolic_link(self, path: Path) -> None:
        self.made(path)
        link = path.with_name("link.sqlite3")
        link.symlink_to(path)
        self.refused(link, "symbolic link")

    def test_not_a_database(self, path: Path) -> None:
        path.parent.mkdir(mode=0o700)
        path.write_bytes(b"not a database at all " * 1000)
        path.chmod(0o600)
        self.refused(path, "not a SQLite database")

    def test_damaged(self, path: Path) -> None:
        self.made(path)
        with path.open("r+b") as file:
            file.seek(2 * 4096)
            file.write(os.urandom(8 * 4096))
        self.refused(path, "damaged")

    def test_of_another_program(self, path: Path) -> None:
        path.parent.mkdir(mode=0o700)
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("CREATE TABLE songs (title TEXT)")
        connection.close()
        path.chmod(0o600)
        self.refused(path, "another program")

    def test_of_a_newer_version(self, path: Path) -> None:
        self.made(path)
        self.refused(path, "newer hoopgate", steps=())

    def test_locked(self, path: Path) -> None:
        self.made(path)
        with closing(sqlite3.connect(path, isolation_level=None)) as other, other:
            other.execute("BEGIN IMMEDIATE")
            self.refused(path, "locked by another process")
        other.close()


class TestMigration:
    def test_steps_are_taken_once_and_in_order(self, loop: Loop, path: Path) -> None:
        steps = (("CREATE TABLE a (x)",), ("ALTER TABLE a ADD y", "INSERT INTO a VALUES (1, 2)"))
        for taken in (1, 2, 2):
            store = SQLiteStore(path, loop, steps=steps[:taken])
            store.open()
            assert loop.wait(store.execute("PRAGMA user_version")) == [(taken,)]
            loop.wait(store.close())
        store = SQLiteStore(path, loop, steps=steps)
        store.open()
        assert loop.wait(store.execute("SELECT * FROM a")) == [(1, 2)]
        loop.wait(store.close())

    def test_a_step_that_fails_leaves_nothing_behind(self, loop: Loop, path: Path) -> None:
        good = (("CREATE TABLE a (x)",),)
        with pytest.raises(StateError):
            SQLiteStore(path, loop, steps=(*good, ("CREATE TABLE b (x)", "NONSENSE"))).open()
        store = SQLiteStore(path, loop, steps=good)
        store.open()
        names = loop.wait(store.execute("SELECT name FROM sqlite_schema"))
        loop.wait(store.close())
        assert names == [("a",)]

    def test_the_schema_of_this_version(self, loop: Loop, path: Path) -> None:
        store = SQLiteStore(path, loop)
        store.open()
        assert loop.wait(store.execute("PRAGMA user_version")) == [(len(STEPS),)]
        loop.wait(store.close())


def test_a_failing_disk_stops_the_store(loop: Loop, path: Path, store: SQLiteStore) -> None:
    """After a damaged page is met, nothing more is taken until a restart."""
    loop.wait(store.execute("INSERT INTO t VALUES (1, ?)", (b"x" * 200_000,)))
    loop.wait(store.execute("PRAGMA wal_checkpoint(TRUNCATE)"))
    loop.wait(store.execute("PRAGMA shrink_memory"))  # so that the page is read again
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * 100_000)
    with pytest.raises(StateError, match="damaged"):
        loop.wait(store.execute("SELECT sum(length(v)) FROM t"))
    assert store.failed()
    with pytest.raises(StateError, match="restart"):
        loop.wait(store.execute("SELECT 1"))
