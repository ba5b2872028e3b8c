"""``hoopgate login``, ``env``, ``connect``, ``credentials``: unmodified clients, logged in."""

from __future__ import annotations

import json
import os
import pty
import re
import shlex
import signal
import stat
import subprocess
import time
from collections.abc import Iterator
from http.client import HTTPSConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from testbed.certificates import Certificates, write_private
from testbed.hospital import (
    AGENTS,
    PERSON,
    PERSON_PASSWORD,
    Hospital,
    running_hospital,
)
from testbed.mariadb import MariaDB
from testbed.node import HOOPGATE
from testbed.ports import free_port
from testbed.postgres import Postgres

ASKED = "SELECT ssn FROM patients LIMIT 1"
#: Takes more than a minute.
SLOW = "SELECT count(*) FROM " + ", ".join(f"encounters e{number}" for number in range(8))


@pytest.fixture(scope="module")
def hospital(
    tmp_path_factory: pytest.TempPathFactory,
    certificates: Certificates,
    postgres15: Postgres,
    mariadb: MariaDB,
) -> Iterator[Hospital]:
    directory = tmp_path_factory.mktemp("login")
    with running_hospital(directory, certificates, postgres15, mariadb) as running:
        yield running


class Account:
    """An account of the operating system: its home, and what it runs."""

    def __init__(self, hospital: Hospital, home: Path) -> None:
        self.hospital = hospital
        self.home = home
        self.state = home / ".local" / "state" / "hoopgate"
        self.environment = {"HOME": str(home), "PATH": "/usr/bin:/bin", "TERM": "dumb"}

    def command(self, *words: str | Path) -> list[str]:
        return [str(HOOPGATE), *map(str, words)]

    def run(self, *words: str | Path, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*words),
            env={**self.environment, **more},
            capture_output=True,
            text=True,
            timeout=60,
        )

    def good(self, *words: str | Path, **more: str) -> str:
        done = self.run(*words, **more)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def shell(self, script: str, **more: str) -> str:
        """A shell's output; ``hoopgate`` is found."""
        done = subprocess.run(
            ["bash", "-euc", script],
            env={**self.environment, "PATH": f"{HOOPGATE.parent}:/usr/bin:/bin", **more},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def log_in(self, who: str = "executor", *more: str) -> None:
        """As a program, with its secret."""
        secret = self.home / f"{who}.secret"
        write_private(secret, AGENTS[who].encode())
        self.good(
            *("login", "--issuer", self.hospital.issuer.url, "--client-id", who),
            *("--client-secret-file", secret, "--ca-file", self.hospital.ca),
            *("--gateway", self.hospital.url, *more),
        )

    def login_file(self) -> tuple[Path, dict[str, Any]]:
        """What is kept of the last log-in."""
        path = self.state / (self.state / "current").read_text().strip()
        return path, json.loads(path.read_text())


@pytest.fixture
def unused_tcp() -> int:
    return free_port()


@pytest.fixture
def account(hospital: Hospital, tmp_path: Path) -> Account:
    return Account(hospital, tmp_path)


def allow(hospital: Hospital, told: str, decision: str = "allow") -> None:
    """What a person does in a browser."""
    code = re.search(r"\n    ([A-Z]{4}-[A-Z]{4})\n", told)
    place = re.search(r"https://\S+", told)
    assert code and place, told
    url = urlsplit(place[0])
    connection = HTTPSConnection(url.hostname or "", url.port, timeout=60, context=hospital._tls)
    fields = {"user_code": code[1], "name": PERSON, "password": PERSON_PASSWORD}
    connection.request(
        "POST",
        url.path,
        urlencode({**fields, "decision": decision}),
        {"Content-Type": "application/x-www-form-urlencoded"},
    )
    answer = connection.getresponse()
    assert answer.status == 200, answer.read()
    answer.read()
    connection.close()


def begin_device(account: Account, *more: str) -> tuple[subprocess.Popen[str], str]:
    """``hoopgate login`` up to where it waits; what it says."""
    process = subprocess.Popen(
        account.command(
            *("login", "--issuer", account.hospital.issuer.url, "--client-id", "cli"),
            *("--ca-file", account.hospital.ca, "--gateway", account.hospital.url, *more),
        ),
        env=account.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    told = ""
    while "Waiting" not in told:
        line = process.stderr.readline()
        assert line, told
        told += line
    return process, told


def test_a_person_logs_in_and_stays(account: Account) -> None:
    process, told = begin_device(account)
    allow(account.hospital, told)
    out, error = process.communicate(timeout=60)
    assert (process.returncode, out) == (
        0,
        f"logged in as {PERSON} at {account.hospital.issuer.url}\n",
    ), error
    path, kept = account.login_file()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(account.state.stat().st_mode) == 0o700
    assert account.shell(f'eval "$(hoopgate env pg)"; psql -Atc {shlex.quote(ASKED)}') == "[SSN]\n"
    # The token has ended: it is renewed, and the refresh token with it
    path.write_text(json.dumps({**kept, "expires": time.time() - 1}))
    account.good("env", "pg")
    renewed = account.login_file()[1]
    assert renewed["refresh"] not in ("", kept["refresh"])
    assert renewed["token"] != kept["token"]
    assert account.good("logout").startswith("logged out")
    assert not path.exists()
    # What was kept elsewhere is worth nothing any more
    write_private(path, json.dumps({**renewed, "expires": 0}).encode())
    write_private(account.state / "current", path.name.encode())
    done = account.run("env", "pg")
    assert (done.returncode, "run hoopgate login" in done.stderr) == (2, True)


def test_a_person_refuses(account: Account) -> None:
    process, told = begin_device(account)
    allow(account.hospital, told, "deny")
    _, error = process.communicate(timeout=60)
    assert (process.returncode, "it was refused in the browser" in error) == (2, True)
    assert not (account.state / "current").exists()


def test_a_person_gives_up(account: Account) -> None:
    process, _ = begin_device(account)
    process.send_signal(signal.SIGINT)
    out, error = process.communicate(timeout=60)
    assert (process.returncode, out, error.strip()) == (130, "", "")
    assert not (account.state / "current").exists()


def test_who_is_not_reached(account: Account, unused_tcp: int) -> None:
    """Why is said in words, and what to do where it can be said."""
    nowhere = f"https://127.0.0.1:{unused_tcp}"
    done = account.run("login", "--issuer", nowhere)
    told = f"hoopgate login: 127.0.0.1:{unused_tcp}: Connection refused\n"
    assert (done.returncode, done.stderr) == (2, told)
    done = account.run("login", "--issuer", account.hospital.issuer.url)
    assert done.returncode == 2
    assert "its certificate is not trusted" in done.stderr
    assert "--ca-file" in done.stderr
    assert "_ssl.c" not in done.stderr


def test_psql(account: Account) -> None:
    account.log_in()
    script = f'eval "$(hoopgate env pg)"; psql -Atc {shlex.quote(ASKED)}; pg_isready -q'
    assert account.shell(script) == "[SSN]\n"
    assert account.good("connect", "pg", "--", "-Atc", ASKED) == "[SSN]\n"


def test_mariadb(account: Account) -> None:
    account.log_in()
    for script in (
        f'eval "$(hoopgate env my)"; mariadb -BNe {shlex.quote(ASKED)}',
        f'eval "$(hoopgate env my)"; mariadb --defaults-extra-file="$HOOPGATE_MYSQL" -BNe'
        f" {shlex.quote(ASKED)}",
    ):
        assert account.shell(script) == "[SSN]\n"
    assert account.good("connect", "my", "--", "-BNe", ASKED) == "[SSN]\n"


def test_ssh(account: Account) -> None:
    account.log_in()
    script = 'eval "$(hoopgate env ward)"; ssh -F "$HOOPGATE_SSH" ward echo hello'
    assert account.shell(script) == "hello\n"
    assert account.good("connect", "ward", "--", "echo", "hello") == "hello\n"


def test_curl(account: Account) -> None:
    account.log_in()
    script = 'eval "$(hoopgate env web)"; curl -sS --config "$HOOPGATE_CURL" "$HOOPGATE_URL/hello"'
    assert json.loads(account.shell(script))["path"] == "/hello"
    done = account.run("connect", "web")
    assert (done.returncode, "use hoopgate env" in done.stderr) == (2, True)


@pytest.mark.parametrize("resource", ["pg", "my", "ward", "web"])
def test_nothing_of_it_is_for_others(resource: str, account: Account) -> None:
    """Secrets are in private files alone, not in what is printed."""
    account.log_in()
    page = json.loads(account.good("env", resource, "--json"))
    printed = account.good("env", resource) + json.dumps(page)
    files = [one for one in account.state.rglob("*") if one.is_file()]
    assert len(files) > 3
    for one in files:
        assert stat.S_IMODE(one.stat().st_mode) & 0o077 == 0 or one.name == "lock"
    for one in (account.state, *(one for one in account.state.rglob("*") if one.is_dir())):
        assert stat.S_IMODE(one.stat().st_mode) == 0o700
    words = {word for one in files for word in re.findall(r"[A-Za-z0-9._-]{32}", one.read_text())}
    kept = {word for word in words if not any(word in str(one) for one in files)}
    assert not [word for word in kept if word in printed]


def test_a_directory_that_is_open_to_others_is_not_used(account: Account) -> None:
    account.log_in()
    account.state.chmod(0o755)
    done = account.run("env", "pg")
    assert (done.returncode, "chmod 700" in done.stderr) == (2, True)


def test_a_workloads_token_is_read_anew(account: Account) -> None:
    token = account.home / "token"
    token.write_text(account.hospital.token("helper") + "\n")
    login = ["login", "--gateway", account.hospital.url, "--ca-file", account.hospital.ca]
    assert "logged in as helper" in account.good(*login, "--workload-token-file", token)
    assert account.login_file()[1]["token"] == ""
    assert "as helper" in account.good("env", "pg")
    # The platform replaces it
    token.write_text(account.hospital.token("executor"))
    assert "as executor" in account.good("env", "pg")
    variable = {"CI_TOKEN": account.hospital.token("executor")}
    account.good(*login, "--workload-token-env", "CI_TOKEN", **variable)
    assert account.good("connect", "pg", "--", "-Atc", ASKED, **variable) == "[SSN]\n"
    done = account.run("env", "pg")
    assert (done.returncode, "CI_TOKEN holds no token" in done.stderr) == (2, True)


def test_a_planners_executor(account: Account) -> None:
    """The planner's token, used by the executor in its name."""
    account.log_in("planner")
    actor = account.home / "actor"
    write_private(actor, account.hospital.token("executor").encode())
    page = json.loads(account.good("env", "pg", "--actor-token-file", actor, "--json"))
    listed = account.good("credentials", "list")
    assert f"{page['credential']}  pg  password" in listed
    assert "planner through orchestrator, executor" in listed


def test_a_credential_is_revoked(account: Account) -> None:
    account.log_in()
    page = json.loads(account.good("env", "pg", "--json", "--lifetime", "120"))
    session = subprocess.Popen(
        ["psql", "-Atc", SLOW],
        env={**account.environment, **page["environment"]},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 60
    while True:
        done = account.good("credentials", "revoke", page["credential"])
        if " 1 sessions" in done or time.monotonic() > deadline:
            break
        page = json.loads(account.good("env", "pg", "--json"))  # it had not begun yet
    _, error = session.communicate(timeout=60)
    assert session.returncode != 0
    assert "revoked" in error or "not in force" in error
    done = account.run("credentials", "revoke", page["credential"])
    assert (done.returncode, "credential.unknown" in done.stderr) == (1, True)


def test_a_refusal_is_json_for_programs(account: Account) -> None:
    account.log_in()
    done = account.run("env", "nowhere", "--json")
    assert done.returncode == 1
    page = json.loads(done.stdout)
    assert (page["error"], page["code"]) == ("invalid_target", "resource.unknown")
    assert page["request_id"].startswith("exc-")
    assert "no resource of that name" in done.stderr


def test_other_commands_take_the_same_token(account: Account) -> None:
    account.log_in()
    socket = account.hospital.gateway.state_dir / "admin.sock"
    page = json.loads(account.good("credential", "pg", "--json", "--socket", socket))
    assert page["user"] in account.good("credentials", "list")
    key = account.home / "id_ed25519"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    told = account.good("ssh-cert", "ward", f"{key}.pub", "--socket", socket)
    assert "id_ed25519-cert.pub: for ward" in told


def test_without_a_log_in(account: Account) -> None:
    done = account.run("env", "pg", "--gateway", account.hospital.url)
    assert (done.returncode, "run hoopgate login" in done.stderr) == (2, True)
    done = account.run("login")
    assert (done.returncode, "--issuer" in done.stderr) == (2, True)


def test_in_a_terminal(account: Account) -> None:
    """``connect`` hands the terminal over: psql is interactive in it."""
    account.log_in()
    parent, child = pty.openpty()
    process = subprocess.Popen(
        account.command("connect", "pg", "--", "-X"),
        env={**account.environment, "TERM": "xterm", "PAGER": "cat"},
        stdin=child,
        stdout=child,
        stderr=child,
        start_new_session=True,
    )
    os.close(child)
    seen = b""

    def read_until(wanted: bytes) -> None:
        nonlocal seen
        deadline = time.monotonic() + 60
        while wanted not in seen:
            assert time.monotonic() < deadline, seen
            seen += os.read(parent, 4096)

    read_until(b"pg=> ")
    os.write(parent, f"{ASKED};\n".encode())
    read_until(b"[SSN]")
    os.write(parent, b"\\q\n")
    assert process.wait(60) == 0
    os.close(parent)
    assert b"TLS" in seen or b"SSL" in seen
