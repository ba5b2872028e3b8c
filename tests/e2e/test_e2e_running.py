"""A node as its operators run it: reload, drain, other ways to start, pages, failures to start."""

from __future__ import annotations

import json
import os
import pwd
import re
import select
import shutil
import signal
import socket
import ssl
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest
from testbed.agents import Blocked, connect, told
from testbed.certificates import Certificates, write_private
from testbed.clinic import AGENT_PASSWORD, Clinic, running_clinic
from testbed.gateway import TWISTD, Gateway
from testbed.node import children, events, log_lines, metrics, sessions, until, verified
from testbed.parts import CHECKOUT, MissingPart
from testbed.ports import free_port
from testbed.postgres import Postgres
from testbed.process import Server, as_user

from hoopgate.postgres import wire


@pytest.fixture(scope="module")
def running(
    tmp_path_factory: pytest.TempPathFactory, certificates: Certificates, postgres15: Postgres
) -> Iterator[Clinic]:
    """A clinic of this module's own: its node is stopped and killed."""
    directory = tmp_path_factory.mktemp("running")
    with running_clinic(directory, certificates, postgres15, database="running") as clinic:
        yield clinic


@pytest.fixture
def clinic(running: Clinic) -> Iterator[Clinic]:
    """The node runs, with the settings it began with."""
    before = json.loads(json.dumps(running.gateway.settings))
    if not running.gateway.healthy():
        running.gateway.stop()
        running.gateway.start()
    yield running
    if running.gateway.settings != before:
        running.gateway.settings = before
        running.gateway.stop()


# --- reload -----------------------------------------------------------------------------------


def test_a_reload_judges_prepared_statements_again(clinic: Clinic) -> None:
    """No session is dropped, and none goes on under the old rules."""
    query = "SELECT dx, description FROM codes WHERE dx = %s"
    gateway = clinic.gateway
    with psycopg.connect(clinic.dsn(), autocommit=True) as connection:

        def ask() -> tuple[Any, ...] | None:
            return connection.execute(query, ["E2"], prepare=True).fetchone()

        assert ask() == ("E2", "finding 2")
        assert ask() == ("E2", "finding 2")
        gateway.settings["labels"].append(
            {"resource": "clinic", "column": "public.codes.description", "kind": "FINDING"}
        )
        gateway.reload("node.reloaded")
        assert ask() == ("E2", "[FINDING]")
        gateway.settings["rules"].append(
            {"name": "no-codes", "verdict": "block", "match": {"relations": ["public.codes"]}}
        )
        gateway.reload("node.reloaded")
        with pytest.raises(psycopg.errors.InsufficientPrivilege) as caught:
            ask()
        assert json.loads(caught.value.diag.message_detail or "")["rule"] == "operator/no-codes"
        assert connection.execute("SELECT 1").fetchone() == (1,)
        del gateway.settings["rules"][-1], gateway.settings["labels"][-1]
        gateway.reload("node.reloaded")
        assert ask() == ("E2", "finding 2")
    digests = [line["rules_digest"] for line in events(gateway, "node.reloaded")[-3:]]
    assert len(set(digests)) == 3
    assert digests[-1] == events(gateway, "node.ready")[-1]["rules_digest"]


@pytest.mark.parametrize(
    ("break_it", "said"),
    [
        (
            lambda settings: settings["rules"][-1].update(verdict="perhaps"),
            ("rules", "verdict", "perhaps", "one of allow"),
        ),
        (
            lambda settings: settings["labels"][0].update(colour="red"),
            ("labels", "colour"),
        ),
        (
            lambda settings: settings["rules"].append({"name": "x", "verdict": "approve"}),
            ("rules", "reviewers"),
        ),
    ],
    ids=["value", "unknown key", "missing key"],
)
def test_a_bad_file_keeps_the_rules_and_says_so(
    clinic: Clinic, break_it: Callable[[dict[str, Any]], None], said: tuple[str, ...]
) -> None:
    gateway = clinic.gateway
    with psycopg.connect(clinic.dsn(), autocommit=True) as connection:
        break_it(gateway.settings)
        # Were the rules taken up in part, this would have an effect.
        gateway.settings["rules"].insert(0, {"name": "none", "verdict": "block"})
        gateway.reload("node.reload_failed")
        reason = events(gateway, "node.reload_failed")[-1]["reason"]
        assert reason.startswith(f"{gateway.config}: ")
        for word in said:
            assert word in reason
        assert "; write " in reason
        row = connection.execute("SELECT ssn FROM patients WHERE id = 1").fetchone()
        assert row == ("[SSN]",)
    with psycopg.connect(clinic.dsn()) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_a_file_that_is_no_toml_is_refused_too(clinic: Clinic) -> None:
    gateway = clinic.gateway
    gateway.config.write_text("[[rules]\nname = 'x'")
    os.kill(gateway.pid, signal.SIGHUP)
    until(
        lambda: [one for one in events(gateway, "node.reload_failed") if "TOML" in one["reason"]],
        "the log says that the file is no TOML",
    )
    with psycopg.connect(clinic.dsn()) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_what_needs_a_restart_is_said(clinic: Clinic) -> None:
    clinic.gateway.settings["limits"] = {"sessions": 7}
    clinic.gateway.reload("node.reloaded")
    assert events(clinic.gateway, "node.needs_restart")[-1]["reason"] == "limits"


def presented(gateway: Gateway) -> bytes:
    """The certificate that a new client is shown, DER."""
    context = ssl.create_default_context(cafile=str(gateway.certificates.ca))
    context.set_alpn_protocols(["postgresql"])
    with (
        socket.create_connection((gateway.host, gateway.port), 10) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as secure,
    ):
        return secure.getpeercert(binary_form=True) or b""


def test_certificates_are_reloaded_and_bad_ones_are_not(
    clinic: Clinic, certificates: Certificates, tmp_path: Path
) -> None:
    gateway = clinic.gateway
    certificate, key = tmp_path / "server.pem", tmp_path / "server.key"

    def install(name: str) -> None:
        pair = certificates.issue(name)
        shutil.copy(pair.certificate, certificate)
        write_private(key, pair.key.read_bytes())

    install("first")
    gateway.stop()
    gateway.settings["listeners"][0]["tls"] = {"certificate": str(certificate), "key": str(key)}
    gateway.start()
    first = presented(gateway)
    with psycopg.connect(clinic.dsn(), autocommit=True) as connection:
        install("second")
        gateway.reload("node.reloaded")
        second = presented(gateway)
        assert second != first
        key.write_bytes(b"not a key")
        gateway.reload("node.certificate_kept")
        assert str(key) in events(gateway, "node.certificate_kept")[-1]["reason"]
        assert presented(gateway) == second
        assert connection.execute("SELECT 1").fetchone() == (1,)
        # A mistake in the rules is no reason to let a certificate expire.
        install("third")
        gateway.settings["rules"].append({"name": "x", "verdict": "perhaps"})
        gateway.reload("node.reload_failed")
        until(lambda: presented(gateway) not in (first, second), "the third certificate is shown")
        assert connection.execute("SELECT 1").fetchone() == (1,)


# --- drain ------------------------------------------------------------------------------------


def closed_cleanly(gateway: Gateway) -> None:
    """The log ends with a signed checkpoint over everything, and no session is left open."""
    report = verified(gateway)
    assert (report["above"], report["torn"], report["running"]) == (0, 0, 0)
    assert report["crashed"] == 0
    assert all(one["end"] for one in sessions(gateway))
    assert log_lines(gateway)[-1]["event"] in ("Server Shut Down.", "node.stopped")


def test_sigterm_lets_a_statement_finish(clinic: Clinic) -> None:
    gateway = clinic.gateway
    gateway.stop()
    gateway.settings["node"]["drain_time"] = "5m"
    gateway.start()
    idle = connect(clinic)
    blocked = Blocked(clinic)
    token = clinic.token()
    os.kill(gateway.pid, signal.SIGTERM)
    ended = until(lambda: idle.pgconn.socket and _readable(idle), "the idle session is told")
    assert ended
    assert told(idle) == "57P01"
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(gateway.dsn(token), connect_timeout=10)
    assert blocked.is_alive()
    assert gateway.get("/healthz")[0] == 503
    assert json.loads(gateway.get("/healthz")[1])["draining"] is True
    blocked.release()
    blocked.join(60)
    assert blocked.updated == 1
    assert told(blocked.connection) == "57P01"
    gateway.stop()
    closed_cleanly(gateway)  # it was not killed: it waited for nobody


def test_sigterm_lets_a_copy_and_a_transaction_finish(clinic: Clinic) -> None:
    """They need more of the client's words: it must be heard."""
    gateway = clinic.gateway
    gateway.stop()
    gateway.settings["node"]["drain_time"] = "5m"
    gateway.start()
    copying = connect(clinic)
    working = connect(clinic, autocommit=False)
    working.execute("INSERT INTO codes VALUES ('D1', 'drained')")
    with copying.cursor().copy("COPY codes FROM STDIN") as copy:
        copy.write_row(("D2", "drained"))
        os.kill(gateway.pid, signal.SIGTERM)
        until(lambda: gateway.get("/healthz")[0] == 503, "the node drains")
        time.sleep(0.5)
        copy.write_row(("D3", "drained"))
    assert told(copying) == "57P01"
    working.execute("INSERT INTO codes VALUES ('D4', 'drained')")
    working.commit()
    assert told(working) == "57P01"
    gateway.stop()
    count = "SELECT count(*) FROM codes WHERE description = 'drained'"
    assert clinic.postgres.psql(count, "running").strip() == "4"
    clinic.postgres.psql("DELETE FROM codes WHERE description = 'drained'", "running")
    closed_cleanly(gateway)


def _readable(connection: psycopg.Connection) -> bool:
    return bool(select.select([connection.pgconn.socket], [], [], 0)[0])


def test_the_deadline_cuts_and_the_server_is_told(clinic: Clinic) -> None:
    gateway = clinic.gateway
    gateway.stop()
    gateway.settings["node"]["drain_time"] = "1s"
    gateway.start()
    blocked = Blocked(clinic, "E3")
    try:
        began = time.monotonic()
        gateway.stop()
        assert 0.9 < time.monotonic() - began < 50
        blocked.join(60)
        assert blocked.error is not None
        assert blocked.error.sqlstate == "57P01"
        # Else the statement that the client was told has ended would still take effect.
        until(blocked.canceled, "the server runs the statement no more")
    finally:
        blocked.release()
    found = clinic.postgres.psql("SELECT description FROM codes WHERE dx = 'E3'", "running")
    assert found.strip() == "finding 3"
    closed_cleanly(gateway)


def test_a_login_under_way_is_not_left_behind(clinic: Clinic) -> None:
    gateway = clinic.gateway
    with socket.create_connection((gateway.host, gateway.port), 10) as half:
        half.sendall(b"\0\0\0\x08\x04\xd2\x16\x2f")
        assert half.recv(1) == b"S"
        began = time.monotonic()
        gateway.stop()
        assert time.monotonic() - began < 25  # its own time is 30 s
    closed_cleanly(gateway)


def test_an_interrupt_drains_too(clinic: Clinic) -> None:
    idle = connect(clinic)
    clinic.gateway.stop(signal.SIGINT)
    assert told(idle) == "57P01"
    closed_cleanly(clinic.gateway)


# --- other ways to start ----------------------------------------------------------------------


@pytest.fixture
def stopped(clinic: Clinic) -> Clinic:
    """The node does not run; its settings are written."""
    clinic.gateway.stop()
    clinic.gateway.write()
    return clinic


@contextmanager
def started(clinic: Clinic, command: Sequence[str | Path], log: Path) -> Iterator[Server]:
    """The node, started by ``command``; it is ready."""
    server = Server(command, log=log, directory=clinic.gateway.directory)
    try:
        server.wait_until(clinic.gateway.healthy, 120)
        yield server
    finally:
        server.stop()


def test_a_daemon(stopped: Clinic, tmp_path: Path) -> None:
    gateway = stopped.gateway
    pidfile, logfile = tmp_path / "hoopgate.pid", tmp_path / "hoopgate.log"
    command = [TWISTD, "--pidfile", pidfile, "--logfile", logfile, "--rundir", tmp_path]
    command += ["hoopgate", "--config", gateway.config]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    pid = int(pidfile.read_text())
    try:
        until(gateway.healthy, "the daemon is ready")
        assert os.getsid(pid) != os.getsid(0)
        with psycopg.connect(stopped.dsn(), autocommit=True) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
            logfile.rename(tmp_path / "rotated")
            os.kill(pid, signal.SIGUSR1)
            until(logfile.exists, "the log is opened again")
            # A second one on the same files does no harm and says so.
            second = subprocess.run(command, capture_output=True, text=True, timeout=60)
            assert second.returncode != 0
            assert "Another twistd server is running" in second.stdout + second.stderr
            assert connection.execute("SELECT 1").fetchone() == (1,)
    finally:
        os.kill(pid, signal.SIGTERM)
        until(lambda: not Path(f"/proc/{pid}").exists(), "the daemon has ended")
    assert not pidfile.exists()
    lines = (tmp_path / "rotated").read_text() + logfile.read_text()
    found = [json.loads(line)["event"] for line in lines.splitlines()]
    assert "node.ready" in found
    assert "node.stopped" in found
    assert stat.S_IMODE(logfile.stat().st_mode) == 0o600
    report = verified(gateway)
    assert (report["above"], report["running"], report["crashed"]) == (0, 0, 0)


def test_a_daemon_that_cannot_start_says_so_to_its_caller(stopped: Clinic, tmp_path: Path) -> None:
    gateway = stopped.gateway
    pidfile, logfile = tmp_path / "hoopgate.pid", tmp_path / "hoopgate.log"
    with socket.create_server((gateway.host, gateway.port)):
        done = subprocess.run(
            [
                *(TWISTD, "--pidfile", pidfile, "--logfile", logfile),
                *("hoopgate", "--config", gateway.config),
            ],
            capture_output=True,
            text=True,
            timeout=60,
            cwd=tmp_path,
        )
    assert done.returncode == 1
    assert "StartFailed: Couldn't listen on" in done.stderr
    last = json.loads(logfile.read_text().splitlines()[-1])
    assert last["event"] == "node.failed"
    assert str(gateway.port) in last["reason"]
    deadline = time.monotonic() + 60
    while pidfile.exists() and time.monotonic() < deadline:
        time.sleep(0.05)  # the caller is told before the daemon clears up
    assert not pidfile.exists()


#: Passes a listening socket as systemd does: descriptor 3, announced in the environment.
_ACTIVATE = """
import os, socket, sys
listening = socket.create_server(("127.0.0.1", int(sys.argv[1])))
os.dup2(listening.fileno(), 3)
os.set_inheritable(3, True)
with open(sys.argv[2], "w"):
    pass
sys.stdin.readline()
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1", LISTEN_FDNAMES="hoopgate.socket")
os.execv(sys.argv[3], sys.argv[3:])
"""


def test_systemd_passes_the_socket(stopped: Clinic, tmp_path: Path) -> None:
    """The client whose connection starts the node is served, too."""
    gateway = stopped.gateway
    gateway.settings["listeners"][0]["endpoint"] = "systemd:domain=INET:index=0"
    gateway.write()
    listening = tmp_path / "listening"
    command = [sys.executable, "-c", _ACTIVATE, str(gateway.port), listening]
    command += [TWISTD, "--nodaemon", "--pidfile=", "hoopgate", "--config", gateway.config]
    with (tmp_path / "log").open("wb") as log:
        child = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=log, stderr=log, cwd=tmp_path
        )
    try:
        assert child.stdin is not None
        until(listening.exists, "the socket is bound")
        with socket.create_connection((gateway.host, gateway.port), 30) as first:
            first.sendall(b"\0\0\0\x08\x04\xd2\x16\x2f")
            child.stdin.close()
            assert first.recv(1) == b"S"
        until(gateway.healthy, "the node is ready")
        with psycopg.connect(stopped.dsn()) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
    finally:
        child.terminate()
        child.wait(60)
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert lines[-1]["event"] != "node.failed"


@pytest.fixture(scope="module")
def shared_python(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A Python with hoopgate in it that every user can run."""
    if os.geteuid() != 0:
        raise MissingPart("the right to change the user", "sudo make test")
    # By a shell: setpriv itself still has root's rights when it looks for the program.
    probe = [*as_user("nobody"), "sh", "-c", 'exec "$0" -I -c "import hoopgate, postgast, wave"']
    if subprocess.run([*probe, sys.executable], capture_output=True, cwd="/").returncode == 0:
        yield Path(sys.executable)
        return
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    base = Path(f"/usr/bin/python{version}")
    if not base.exists():
        raise MissingPart(f"a Python {version} for all users", f"apt-get install python{version}")
    root = Path(tempfile.mkdtemp(prefix="hoopgate-python-"))
    try:
        root.chmod(0o755)
        subprocess.run([base, "-m", "venv", "--without-pip", root / "venv"], check=True)
        packages = next((root / "venv" / "lib").iterdir()) / "site-packages"
        ours = [str(CHECKOUT), *(one for one in sys.path if Path(one).name == "site-packages")]
        (packages / "hoopgate-tests.pth").write_text("\n".join(ours) + "\n")
        python = root / "venv" / "bin" / "python"
        subprocess.run([*probe, python], check=True, cwd="/", timeout=60)
        yield python
    finally:
        shutil.rmtree(root)


def test_privileges_are_dropped(
    stopped: Clinic, shared_python: Path, certificates: Certificates
) -> None:
    """Root binds the port and reads the key; everything else is nobody's."""
    nobody = pwd.getpwnam("nobody")
    before = stopped.gateway
    root = Path(tempfile.mkdtemp(prefix="hoopgate-user-"))
    root.chmod(0o755)
    settings = json.loads(json.dumps(before.settings))
    state = root / "state"
    state.mkdir(mode=0o700)
    secret = root / "clinic.password"
    write_private(secret, AGENT_PASSWORD.encode())
    key = root / "server.key"
    write_private(key, certificates.server.key.read_bytes())
    authority = str(shutil.copy(certificates.ca, root / "ca.pem"))
    for path in (state, secret):
        os.chown(path, nobody.pw_uid, nobody.pw_gid)
    port = next(port for port in range(600, 1000) if _free(port))
    settings["node"] |= {"state_dir": str(state), "drain_time": "2s"}
    settings["listeners"][0]["endpoint"] = f"tcp:{port}:interface=127.0.0.1"
    settings["listeners"][0]["tls"]["key"] = str(key)
    settings["issuers"][0]["ca_file"] = authority
    settings["resources"][0]["tls"]["ca_file"] = authority
    settings["resources"][0]["credentials"]["password"] = {"file": str(secret)}
    gateway = Gateway(root, settings, certificates)
    gateway.write()
    clinic = Clinic(gateway, stopped.issuer, stopped.postgres, "running")
    command = [shared_python, TWISTD, "--nodaemon", "--pidfile="]
    command += ["--uid", str(nobody.pw_uid), "--gid", str(nobody.pw_gid)]
    command += ["hoopgate", "--config", gateway.config]
    try:
        with started(clinic, command, root / "twistd.log") as server:
            with psycopg.connect(clinic.dsn(), autocommit=True) as connection:
                row = connection.execute("SELECT ssn FROM patients WHERE id = 1").fetchone()
                assert row == ("[SSN]",)
            for pid in {server.pid, *children(server.pid)}:
                status = Path(f"/proc/{pid}/status").read_text()
                ids = re.findall(r"^[UG]id:\t(.*)$", status, flags=re.MULTILINE)
                assert {one for line in ids for one in line.split()} == {"65534"}, status
                groups = re.search(r"^Groups:\t(.*)$", status, flags=re.MULTILINE)
                assert groups is not None
                assert set(groups[1].split()) <= {"65534"}
            assert children(server.pid)
            files = [state, *state.rglob("*")]
            assert {path.lstat().st_uid for path in files} == {nobody.pw_uid}
            assert not [
                path for path in files if path.lstat().st_mode & 0o007 and not path.is_symlink()
            ]
        assert verified(gateway)["running"] == 0
        # A secret that only root may read is noticed now, not at the first login.
        os.chown(secret, 0, 0)
        log = root / "second.log"
        second = Server(command, log=log, directory=root)
        assert until(lambda: not second.running(), "it has ended", 60)
        assert second.stop() == 1
        assert log.read_text().splitlines()[-1] == (
            f"hoopgate: resources.clinic.credentials.password: {secret}: Permission denied"
        )
    finally:
        shutil.rmtree(root)


def _free(port: int) -> bool:
    with socket.socket() as probe, suppress(OSError):
        probe.bind(("127.0.0.1", port))
        return True
    return False


# --- failures to start ------------------------------------------------------------------------


def start_fails(gateway: Gateway, **environment: str) -> str:
    """Start the node; it must end with status 1. The one line that it says to people."""
    gateway.write()
    done = subprocess.run(
        [TWISTD, "--nodaemon", "--pidfile=", "hoopgate", "--config", gateway.config],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=gateway.directory,
        env={**os.environ, **environment},
    )
    assert done.returncode == 1, (done.returncode, done.stdout, done.stderr)
    assert "Traceback" not in done.stdout + done.stderr
    (line,) = done.stderr.splitlines()
    for logged in done.stdout.splitlines():
        json.loads(logged)
    return line


@pytest.mark.parametrize("which", ["listener", "metrics"])
def test_a_port_in_use(stopped: Clinic, which: str) -> None:
    gateway = stopped.gateway
    port = gateway.port if which == "listener" else gateway.metrics_port
    with socket.create_server((gateway.host, port)):
        line = start_fails(gateway)
    assert line.startswith("hoopgate: Couldn't listen on 127.0.0.1:")
    assert str(port) in line
    assert "Address already in use" in line


def test_a_log_that_another_node_writes(clinic: Clinic, tmp_path: Path) -> None:
    settings = json.loads(json.dumps(clinic.gateway.settings))
    settings["node"]["metrics"] = f"tcp:{free_port()}:interface=127.0.0.1"
    settings["listeners"][0]["endpoint"] = f"tcp:{free_port()}:interface=127.0.0.1"
    other = Gateway(tmp_path, settings, clinic.gateway.certificates)
    line = start_fails(other)
    assert f"another process writes the log in {clinic.gateway.state_dir / 'log'}" in line
    with psycopg.connect(clinic.dsn()) as connection:  # nothing of the first one's is gone
        assert connection.execute("SELECT 1").fetchone() == (1,)
    assert (clinic.gateway.state_dir / "admin.sock").exists()


@pytest.mark.parametrize(
    ("secret", "said"),
    [
        ({"file": "/nowhere/clinic.password"}, "no such file /nowhere/clinic.password"),
        ({"environment": "HOOPGATE_NOT_SET"}, "environment variable HOOPGATE_NOT_SET is not set"),
        ({"environment": "HOOPGATE_EMPTY"}, "the secret is empty"),
    ],
)
def test_a_missing_secret(stopped: Clinic, secret: dict[str, str], said: str) -> None:
    stopped.gateway.settings["resources"][0]["credentials"]["password"] = secret
    line = start_fails(stopped.gateway, HOOPGATE_EMPTY="")
    assert said in line
    assert "credentials.password" in line


def test_a_key_of_another_certificate(stopped: Clinic, certificates: Certificates) -> None:
    other = certificates.issue("other")
    stopped.gateway.settings["listeners"][0]["tls"]["key"] = str(other.key)
    assert "does not belong to the certificate" in start_fails(stopped.gateway)


def test_a_socket_that_systemd_has_not_passed(stopped: Clinic) -> None:
    endpoint = "systemd:domain=INET:index=0"
    stopped.gateway.settings["listeners"][0]["endpoint"] = endpoint
    line = start_fails(stopped.gateway)
    assert line == f"hoopgate: {endpoint}: systemd has not passed such a socket"


def test_a_path_too_long_for_a_socket(stopped: Clinic, tmp_path: Path) -> None:
    stopped.gateway.settings["node"]["state_dir"] = str(tmp_path / ("x" * 100))
    assert "admin.sock" in start_fails(stopped.gateway)


def test_a_log_that_is_not_what_was_signed(stopped: Clinic, tmp_path: Path) -> None:
    copy = tmp_path / "state"
    shutil.copytree(stopped.gateway.state_dir, copy, ignore=shutil.ignore_patterns("admin.sock"))
    last = max((copy / "log" / "seg").glob("*.hgs"))
    last.write_bytes(last.read_bytes()[:-20])
    stopped.gateway.settings["node"]["state_dir"] = str(copy)
    line = start_fails(stopped.gateway)
    assert "is not what was signed" in line
    assert "hoopgate audit verify" in line


# --- pages ------------------------------------------------------------------------------------


def test_metrics_count_what_the_node_does(clinic: Clinic) -> None:
    gateway = clinic.gateway
    before = metrics(gateway)
    with psycopg.connect(clinic.dsn(), autocommit=True) as connection:
        connection.execute("SELECT id FROM codes, generate_series(1, 2) AS id")
        connection.execute("SELECT ssn FROM patients WHERE id = 1")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("DROP TABLE patients")
        holding = threading.Thread(target=_copy_canceled, args=(connection,))
        holding.start()
        until(lambda: metrics(gateway)["hoopgate_holds_waiting"] == 1, "the COPY is held")
        connection.cancel_safe()
        holding.join(60)
        during = metrics(gateway)
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(gateway.dsn("not-a-token"))
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(clinic.dsn("stranger"))
    sessions_open = 'hoopgate_sessions_open{protocol="postgres",resource="clinic"}'
    until(lambda: metrics(gateway)[sessions_open] == 0, "the session is gone")
    after = metrics(gateway)

    def grown(name: str) -> float:
        return after[name] - before.get(name, 0)

    assert during[sessions_open] == 1
    assert grown('hoopgate_sessions_total{protocol="postgres",resource="clinic"}') == 1
    verdicts = {"allow": 1, "mask": 1, "block": 2}  # the second: the COPY that was not approved
    for verdict, count in verdicts.items():
        name = f'hoopgate_statements_total{{resource="clinic",verdict="{verdict}"}}'
        assert grown(name) == count, (name, grown(name))
    assert grown("hoopgate_holds_total") == 1
    assert after["hoopgate_holds_waiting"] == 0
    assert grown('hoopgate_identity_failures_total{code="identity.malformed"}') == 1
    assert grown('hoopgate_identity_failures_total{code="scope.missing"}') == 1
    # An open, a close, three statements, a held one: a leaf each at least.
    assert grown("hoopgate_log_entries") >= 6
    assert grown("hoopgate_commit_seconds_count") >= 3
    assert 0 < grown("hoopgate_commit_seconds_sum") < 60
    assert after["process_resident_memory_bytes"] > 0


def _copy_canceled(connection: psycopg.Connection) -> None:
    with (
        pytest.raises(psycopg.errors.QueryCanceled),
        connection.cursor().copy("COPY patients (id) TO STDOUT") as copy,
    ):
        list(copy)


def test_cancels_are_counted(clinic: Clinic) -> None:
    before = metrics(clinic.gateway)["hoopgate_cancels_total"]
    blocked = Blocked(clinic, "E4")
    try:
        blocked.connection.cancel_safe()
        blocked.join(60)
    finally:
        blocked.release()
    assert isinstance(blocked.error, psycopg.errors.QueryCanceled)
    blocked.connection.close()
    assert metrics(clinic.gateway)["hoopgate_cancels_total"] == before + 1


def test_health(clinic: Clinic) -> None:
    status, body = clinic.gateway.get("/healthz")
    assert status == 200
    page = json.loads(body)
    assert page["status"] == "ok"
    assert page["draining"] is False
    assert set(page["checks"].values()) == {"ok"}
    assert {"node", "recorder", "state", "parser"} <= set(page["checks"])


def test_a_full_node_refuses_and_says_why(clinic: Clinic) -> None:
    gateway = clinic.gateway
    gateway.stop()
    gateway.settings["limits"] = {"sessions": 1}
    gateway.start()
    with psycopg.connect(clinic.dsn()) as connection:
        with socket.create_connection((gateway.host, gateway.port), 10) as second:
            answer = b"".join(iter(lambda: second.recv(4096), b""))
        fields = wire.error_fields(answer)
        assert (fields[b"S"], fields[b"C"]) == (b"FATAL", b"53300")
        assert b"too many connections" in fields[b"M"]
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_log_lines_are_json_and_name_requests(clinic: Clinic) -> None:
    """Also when the node was told to do impossible things; payload is looked for elsewhere."""
    with (
        psycopg.connect(clinic.dsn(), autocommit=True) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege) as caught,
    ):
        connection.execute("DROP TABLE patients")
    request = json.loads(caught.value.diag.message_detail or "")["request"]
    (line,) = [line for line in log_lines(clinic.gateway) if line.get("request_id") == request]
    assert line["event"] == "statement.blocked"
    assert line["rule"] == "hipaa-baseline/ddl"
    assert line["session"] in {one["id"] for one in sessions(clinic.gateway)}
    for line in log_lines(clinic.gateway):
        assert {"time", "level", "namespace", "event"} <= set(line)


def test_a_monitored_rule_is_seen_in_log_and_metrics(clinic: Clinic) -> None:
    """Before a rule is switched on its operator knows what it would do."""
    gateway = clinic.gateway
    watch = {"name": "no-codes", "verdict": "block", "monitor": True}
    held = {"name": "held", "verdict": "approve", "monitor": True, "reviewers": ["analysts"]}
    match = {"relations": ["public.codes"]}
    gateway.settings["rules"][:0] = [{**watch, "match": match}, {**held, "match": match}]
    gateway.reload("node.reloaded")
    with psycopg.connect(clinic.dsn(), autocommit=True) as connection:
        query = "SELECT description FROM codes WHERE dx = 'E2'"
        assert connection.execute(query).fetchone() == ("finding 2",)
        assert connection.execute("SELECT 1").fetchone() == (1,)
        assert connection.execute(query).fetchone() == ("finding 2",)
    lines = [line for line in log_lines(gateway) if line.get("event") == "statement.monitored"]
    assert [line["rule"] for line in lines] == ["operator/no-codes", "operator/held"] * 2
    assert len({line["request_id"] for line in lines}) == 2
    for name in ("no-codes", "held"):
        counted = f'hoopgate_monitored_total{{resource="clinic",rule="operator/{name}"}}'
        assert metrics(gateway)[counted] == 2
    assert not [line for line in log_lines(gateway) if "finding" in json.dumps(line)]
