"""Nothing goes to a backend before its leaf is durable: on the wire, by system calls, after a kill,
on a full disk."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from testbed.certificates import Certificates
from testbed.clinic import Clinic, running_clinic
from testbed.gateway import Gateway
from testbed.node import changed, metrics, sessions, until, verified
from testbed.parts import MissingPart, debian
from testbed.postgres import Postgres
from testbed.tap import Segments, Tap, Tapped

from hoopgate.postgres import wire


@pytest.fixture(scope="module")
def tap(postgres15: Postgres) -> Iterator[Tap]:
    with Tap(postgres15.port) as tap:
        yield tap


@pytest.fixture(scope="module")
def clinic(
    tmp_path_factory: pytest.TempPathFactory,
    certificates: Certificates,
    postgres15: Postgres,
    tap: Tap,
) -> Iterator[Clinic]:
    """A clinic whose backend is reached in plaintext, through the tap."""

    def adjust(settings: dict[str, Any]) -> None:
        resource = settings["resources"][0]
        resource["target"] = f"{tap.host}:{tap.port}"
        resource["tls"] = {"mode": "disable"}

    directory = tmp_path_factory.mktemp("gate")
    with running_clinic(
        directory, certificates, postgres15, database="gate", adjust=adjust
    ) as running:
        yield running


@pytest.fixture(autouse=True)
def untapped(tap: Tap) -> Iterator[None]:
    """What the tap found is the test's own failure."""
    tap.failures.clear()
    yield
    tap.look_at = lambda connection: None
    for failure in tap.failures:
        raise failure


def work(clinic: Clinic, application: str) -> None:
    """A session with everything in it: simple and extended, masked, refused, errors, COPY."""
    dsn = clinic.dsn(application_name=application)
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("SELECT id, ssn FROM patients ORDER BY id LIMIT 3")
        for n in range(7):
            connection.execute("SELECT name FROM patients WHERE id = %s", [n], prepare=True)
        for statement in ("DROP TABLE codes", "SELECT nothing FROM nowhere", "SELEC 1"):
            with contextlib.suppress(psycopg.Error):
                connection.execute(statement.encode())
        with contextlib.suppress(psycopg.Error):
            connection.execute("SELECT 1 / (id - id) FROM codes, generate_series(1, 1) AS id")
        with connection.pipeline() as pipeline:
            for n in range(20):
                connection.execute("INSERT INTO codes VALUES (%s, 'wire')", [f"W{n}"])
                if n % 6 == 0:
                    pipeline.sync()
        with contextlib.suppress(psycopg.Error), connection.pipeline():
            connection.execute("INSERT INTO codes VALUES ('WX', 'wire')")
            connection.execute("TRUNCATE codes")
            connection.execute("INSERT INTO codes VALUES ('WY', 'wire')")
        with connection.cursor().copy("COPY codes FROM STDIN") as copy:
            for n in range(3000):  # more than one record holds
                copy.write_row((f"C{n:05}", "wire" * 10))
        with connection.transaction(), connection.cursor("named") as cursor:
            cursor.itersize = 50
            assert len(cursor.execute("SELECT dx FROM codes").fetchall()) > 3000
        connection.execute("SELECT '" + "x" * 200_000 + "'")
        connection.execute("DELETE FROM codes WHERE description LIKE 'wire%'")


def _statement(text: bytes) -> bytes:
    return wire.parse(b"", text, ()) + wire.bind(b"", b"", (), (), ()) + wire.execute(b"", 0)


#: Part of the gateway's login, before there is a session: nothing of the client's is in it.
LOGIN = (
    _statement(b"BEGIN") + _statement(b"SHOW search_path") + wire.sync() + wire.query(b"ROLLBACK")
)


def test_every_byte_at_the_backend_has_an_earlier_leaf(clinic: Clinic, tap: Tap) -> None:
    """At the moment that the backend is sent a byte, the segment file already holds it."""
    looks = 0

    def look(connection: Tapped) -> None:
        nonlocal looks
        if connection.application != "wired" or LOGIN.startswith(connection.received):
            return
        looks += 1
        recorded = Segments(clinic.gateway.state_dir)
        forwarded = recorded.forwarded[recorded.of("wired")]
        received = connection.received.removeprefix(LOGIN)
        assert forwarded.startswith(received), len(received)

    tap.look_at = look
    work(clinic, "wired")
    assert looks > 30
    until(lambda: Segments(clinic.gateway.state_dir).ended, "the session's end is recorded")
    recorded = Segments(clinic.gateway.state_dir)
    session = recorded.of("wired")
    forwarded = recorded.forwarded[session]
    # The session may have ended in the log before its last bytes have come through the tap.
    until(lambda: len(tap.of("wired").received) >= len(LOGIN + forwarded), "the tap has it all")
    received = tap.of("wired").received.removeprefix(LOGIN)
    assert forwarded == received
    assert len(received) > 200_000
    # What was refused is recorded and was not sent.
    for word in (b"DROP TABLE codes", b"TRUNCATE codes"):
        assert word in recorded.requests[session]
        assert word not in received
    # The same by the auditor's own reading, once it is signed.
    shown = subprocess.run(
        [
            *(Path(sys.executable).with_name("hoopgate"), "replay", session),
            *("--config", clinic.gateway.config),
        ],
        capture_output=True,
        timeout=60,
    )
    assert shown.returncode == 0
    assert b"DROP TABLE codes" in shown.stdout


# --- by system calls --------------------------------------------------------------------------

_CALL = re.compile(
    r"(?P<pid>\d+) +\d+\.\d+ "
    r"(?:<\.\.\. (?P<resumed>\w+) resumed>|(?P<name>\w+)\()(?P<rest>.*)"
)


class Call:
    """A system call of the trace: ``begin`` and ``end`` are line numbers."""

    def __init__(self, name: str, begin: int, text: str) -> None:
        self.name = name
        self.begin = begin
        self.end = begin
        self.text = text


def calls(trace: str) -> list[Call]:
    """The calls of an ``strace -f`` output, interrupted ones put together."""
    found: list[Call] = []
    unfinished: dict[str, Call] = {}
    for number, line in enumerate(trace.splitlines()):
        match = _CALL.match(line)
        if match is None:
            continue
        if match["resumed"]:
            call = unfinished.pop(match["pid"], None)
            if call is not None:
                call.end = number
                call.text += match["rest"]
            continue
        call = Call(match["name"], number, match["rest"])
        found.append(call)
        if line.endswith("<unfinished ...>"):
            unfinished[match["pid"]] = call
    return found


def test_an_fdatasync_lies_between_arrival_and_departure(
    clinic: Clinic, tap: Tap, tmp_path: Path
) -> None:
    strace = debian("strace", "strace")
    gateway = clinic.gateway
    token = clinic.token()
    output = tmp_path / "trace"

    def adjust(settings: dict[str, Any]) -> None:
        settings["listeners"][0].pop("tls")
        settings["resources"][0]["phi"] = False  # its own questions would be in the way
        settings["labels"] = []

    with changed(gateway, adjust):
        tracing = subprocess.Popen(
            [
                *(strace, "-f", "-ttt", "-yy", "-s", "4096", "-o", output, "-p", str(gateway.pid)),
                *("-e", "trace=recvfrom,recvmsg,read,readv,sendto,sendmsg,write,writev,fdatasync"),
            ],
            stderr=subprocess.PIPE,
        )
        try:
            assert tracing.stderr is not None
            assert b"attached" in tracing.stderr.readline()
            dsn = gateway.dsn(token, sslmode="disable")
            with psycopg.connect(dsn, autocommit=True) as connection:
                for n in range(8):
                    connection.execute(f"SELECT 'marker-{n}-'".encode())
                for n in range(8, 12):
                    connection.execute("SELECT %s::text", [f"marker-{n}-"], prepare=True)
        finally:
            tracing.send_signal(signal.SIGINT)
            tracing.communicate(timeout=60)
    trace = calls(output.read_text(errors="replace"))
    client, backend = f":{gateway.port}->", f"->127.0.0.1:{tap.port}"
    segment = re.compile(r"/seg/\d+\.hgs>")
    for n in range(12):
        marker = f"marker-{n}-"
        about = [call for call in trace if marker in call.text]
        (arrived,) = [call for call in about if client in call.text and "rec" in call.name]
        (left,) = [
            call for call in about if backend in call.text and call.name[:4] in ("send", "writ")
        ]
        assert arrived.end < left.begin
        between = [
            call
            for call in trace
            if arrived.end < call.begin and call.end < left.begin and segment.search(call.text)
        ]
        written = [call for call in between if call.name in ("write", "writev")]
        synced = [
            call
            for call in between
            if call.name == "fdatasync" and call.text.rstrip().endswith("= 0")
        ]
        assert written, marker
        assert any(one.begin > written[0].end for one in synced), marker


# --- a kill -----------------------------------------------------------------------------------


class Writers:
    """Agents who write rows; :attr:`committed` holds the ids they were told are committed."""

    def __init__(self, clinic: Clinic, name: str, count: int = 5) -> None:
        self.committed: set[str] = set()
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._write, args=(clinic.dsn(), f"{name}{n}"))
            for n in range(count)
        ]
        for thread in self._threads:
            thread.start()

    def _write(self, dsn: str, name: str) -> None:
        try:
            with psycopg.connect(dsn, autocommit=True) as connection:
                for n in range(1_000_000):
                    if self._stop.is_set():
                        return
                    row = f"{name}-{n:07}"
                    if n % 3:
                        connection.execute("INSERT INTO codes VALUES (%s, 'load')", [row])
                    else:
                        connection.execute(f"INSERT INTO codes VALUES ('{row}', 'load')".encode())
                    self.committed.add(row)
        except psycopg.OperationalError:
            return

    def join(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(60)
            assert not thread.is_alive()


@pytest.mark.parametrize("round_", range(2))
def test_a_kill_loses_nothing_that_was_acknowledged(clinic: Clinic, round_: int) -> None:
    gateway = clinic.gateway
    before = {one["id"] for one in sessions(gateway)}
    writers = Writers(clinic, f"k{round_}")
    until(lambda: len(writers.committed) > 100 * (round_ + 1), "the writers write")
    gateway.kill()
    writers.join()
    count = len(writers.committed)
    gateway.start()
    report = verified(gateway)
    assert report["crashed"] >= 5
    recorded = Segments(gateway.state_dir)
    requests = b"".join(recorded.requests.values())
    missing = [row for row in writers.committed if row.encode() not in requests]
    assert not missing, f"{len(missing)} of {count}"
    # And the other way round: what is in the database went through the log.
    rows = clinic.postgres.psql("SELECT dx FROM codes WHERE description = 'load'", "gate").split()
    assert writers.committed <= set(rows)
    assert not [row for row in rows if row.encode() not in requests]
    clinic.postgres.psql("DELETE FROM codes WHERE description = 'load'", "gate")
    crashed = [one for one in sessions(gateway) if one["id"] not in before]
    assert len(crashed) == 5
    assert {one["reason"] for one in crashed} == {"crash"}
    with psycopg.connect(clinic.dsn()) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


# --- a full disk ------------------------------------------------------------------------------


@pytest.fixture
def small(clinic: Clinic, tmp_path: Path) -> Iterator[Path]:
    """A disk of 24 MiB for the log; the node runs on it."""
    if os.geteuid() != 0:
        raise MissingPart("the right to mount a small disk", "sudo make test")
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", disk], check=True)

    def adjust(settings: dict[str, Any]) -> None:
        settings["node"]["state_dir"] = str(tmp_path / "state")
        settings["recording"] = {"directory": str(disk / "log"), "reserve_size": "4MiB"}

    try:
        with changed(clinic.gateway, adjust):
            yield disk
    finally:
        subprocess.run(["umount", disk], check=True)


def fill(disk: Path) -> Path:
    """Use all the room there is."""
    filler = disk / "filler"
    # Beside a log that grows the room may be gone when the file is to be made.
    with contextlib.suppress(OSError), filler.open("wb") as file:
        while True:
            file.write(b"\0" * 65_536)
            file.flush()
    return filler


def test_a_full_disk_refuses_and_recovers(clinic: Clinic, tap: Tap, small: Path) -> None:
    gateway = clinic.gateway
    application = "full"
    dsn = clinic.dsn(application_name=application)
    connection = connect_as(dsn)
    idle = connect_as(clinic.dsn())
    connection.execute("SELECT 1")
    prepared = connect_as(clinic.dsn())

    def again() -> str:
        return first(prepared.execute("SELECT dx FROM codes WHERE dx = %s", ["E2"], prepare=True))

    assert [again() for _ in range(3)] == ["E2"] * 3
    token = clinic.token()
    filler = fill(small)
    # It looks at the disk now and then: what it takes meanwhile is under way when it finds out.
    until(lambda: recorder_check(gateway) == "degraded", "it has seen that there is no room")
    tapped = tap.of(application)
    sent = len(tapped.received)
    # In the protocol, and nothing of it was forwarded; the session lives on.
    insert = "INSERT INTO codes VALUES ('full', 'x')"
    with pytest.raises(psycopg.errors.DiskFull, match="no room") as caught:
        connection.execute(insert)
    assert caught.value.diag.message_detail is not None
    assert json.loads(caught.value.diag.message_detail)["reason"] == "recorder.full"
    assert b"INSERT" not in tapped.received[sent:]
    assert not clinic.postgres.psql("SELECT dx FROM codes WHERE dx = 'full'", "gate").strip()
    # What was prepared before is refused likewise, though its verdict is known.
    for _ in range(2):
        with pytest.raises(psycopg.errors.DiskFull, match="no room"):
            again()
    with pytest.raises(psycopg.OperationalError, match="log cannot record"):
        psycopg.connect(gateway.dsn(token))
    assert recorder_check(gateway) == "degraded"
    # Refusals are recorded, too, from the reserve: there are only so many of them.
    with pytest.raises(psycopg.OperationalError) as ended:
        for _ in range(2000):
            with contextlib.suppress(psycopg.errors.DiskFull):
                connection.execute(insert)
    assert ended.value.sqlstate == "57P01"
    # Room is back: so is the node.
    filler.unlink(missing_ok=True)
    until(lambda: works(gateway, token), "new sessions are taken")
    assert recorder_check(gateway) == "ok"
    assert idle.execute("SELECT 1").fetchone() == (1,)
    idle.close()
    assert again() == "E2"
    prepared.close()
    connection.close()
    gateway.stop()
    report = verified(gateway)
    assert (report["running"], report["crashed"]) == (0, 0)
    reasons = {one["reason"] for one in sessions(gateway)}
    assert "recorder.full" in reasons


def recorder_check(gateway: Gateway) -> str:
    return str(json.loads(gateway.get("/healthz")[1])["checks"]["recorder"])


def first(cursor: psycopg.Cursor[Any]) -> str:
    row = cursor.fetchone()
    assert row is not None
    return str(row[0])


def works(gateway: Gateway, token: str) -> bool:
    try:
        with psycopg.connect(gateway.dsn(token)) as connection:
            return connection.execute("SELECT 1").fetchone() == (1,)
    except psycopg.OperationalError:
        return False


def connect_as(dsn: str) -> psycopg.Connection:
    return psycopg.connect(dsn, autocommit=True)


def test_a_disk_that_fills_under_load_ends_well(clinic: Clinic, small: Path) -> None:
    """Sessions are closed in the log from the reserve; a restart goes on when there is room."""
    gateway = clinic.gateway
    writers = Writers(clinic, "f")
    until(lambda: len(writers.committed) > 50, "the writers write")
    filler = fill(small)
    writers.join()
    committed = set(writers.committed)
    until(
        lambda: (
            metrics(gateway)['hoopgate_sessions_open{protocol="postgres",resource="clinic"}'] == 0
        ),
        "every session has ended",
    )
    gateway.stop()
    filler.unlink(missing_ok=True)
    report = verified(gateway)
    assert (report["running"], report["crashed"]) == (0, 0)
    gateway.start()
    requests = b"".join(Segments(small.parent / "state", small / "log").requests.values())
    assert not [row for row in committed if row.encode() not in requests]
    rows = clinic.postgres.psql("SELECT dx FROM codes WHERE description = 'load'", "gate").split()
    assert not [row for row in rows if row.encode() not in requests]
    clinic.postgres.psql("DELETE FROM codes WHERE description = 'load'", "gate")
    with psycopg.connect(clinic.dsn()) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_a_node_does_not_start_on_a_full_disk(clinic: Clinic, small: Path) -> None:
    gateway = clinic.gateway
    gateway.stop()
    filler = fill(small)
    done = subprocess.run(
        [
            *(Path(sys.executable).with_name("twistd"), "--nodaemon", "--pidfile="),
            *("hoopgate", "--config", gateway.config),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=gateway.directory,
    )
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "no room" in line
    filler.unlink(missing_ok=True)
    gateway.start()
    assert works(gateway, clinic.token())
