"""The leg to the backend, and logins that are refused."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncssh
import pytest
from testbed.certificates import Certificates, write_private
from testbed.ports import free_port
from testbed.process import Server
from testbed.sshd import keygen
from testbed.ward import HOOPGATE, Ward, running_ward


@pytest.fixture(scope="module")
def own_ward(
    tmp_path_factory: pytest.TempPathFactory, certificates: Certificates
) -> Iterator[Ward]:
    """A ward whose known_hosts and server a test may spoil. Its account has a certificate, too."""
    authority = keygen(tmp_path_factory.mktemp("authority") / "authority")

    def adjust(settings: dict[str, Any]) -> None:
        (resource,) = settings["resources"]
        key, user = Path(resource["ssh"]["key"]), resource["credentials"]["user"]
        subprocess.run(
            [
                *("ssh-keygen", "-q", "-s", authority, "-I", "gateway", "-n", user),
                *("-V", "-5m:+1h", key.with_suffix(".pub")),
            ],
            check=True,
            timeout=60,
        )
        resource["ssh"]["certificate"] = f"{key}-cert.pub"

    with running_ward(tmp_path_factory.mktemp("own"), certificates, adjust=adjust) as running:
        running.authority = authority.with_suffix(".pub")
        yield running


@pytest.fixture
def known_hosts(own_ward: Ward) -> Iterator[Path]:
    """The gateway's file, put back afterwards."""
    path = own_ward.server.known_hosts
    text = path.read_text()
    yield path
    path.write_text(text)


def test_a_changed_host_key_fails_closed(own_ward: Ward, known_hosts: Path, tmp_path: Path) -> None:
    other = keygen(tmp_path / "other").with_suffix(".pub").read_text()
    known_hosts.write_text(f"[127.0.0.1]:{own_ward.server.port} {other}")
    before = own_ward.server.log_text().count("Accepted")
    done = own_ward.ssh("id")
    assert done.returncode == 255
    assert b"backend.host_key" in done.stderr
    assert own_ward.server.log_text().count("Accepted") == before


@pytest.mark.parametrize("line", ["", "other.example ssh-ed25519 {key}", "@revoked * {key}"])
def test_a_host_that_is_not_known_fails_closed(
    own_ward: Ward, known_hosts: Path, line: str
) -> None:
    key = own_ward.server.host_key.with_suffix(".pub").read_text().split()
    text = known_hosts.read_text() if "revoked" in line else ""
    known_hosts.write_text(text + line.format(key=" ".join(key[:2])) + "\n")
    done = own_ward.ssh("id")
    assert done.returncode == 255
    assert b"backend." in done.stderr


def test_a_certified_host_is_accepted(own_ward: Ward, known_hosts: Path, tmp_path: Path) -> None:
    """An authority in the place of a key."""
    authority = keygen(tmp_path / "authority")
    subprocess.run(
        [
            *("ssh-keygen", "-q", "-s", authority, "-I", "host", "-h", "-n", "127.0.0.1"),
            *("-V", "-5m:+1h", own_ward.server.host_key.with_suffix(".pub")),
        ],
        check=True,
        timeout=60,
    )
    own_ward.server.restart({"HostCertificate": f"{own_ward.server.host_key}-cert.pub"})
    line = authority.with_suffix(".pub").read_text()
    known_hosts.write_text(f"@cert-authority [127.0.0.1]:{own_ward.server.port},127.0.0.1 {line}")
    done = own_ward.ssh("echo", "certified")
    own_ward.server.restart({})
    assert done.stdout == b"certified\n", done.stderr


def test_a_certificate_of_the_backend_s_authority(own_ward: Ward) -> None:
    server = own_ward.server
    nobody = {"AuthorizedKeysFile": "none"}
    trusted = server.directory / "authority.pub"
    assert own_ward.authority is not None
    trusted.write_text(own_ward.authority.read_text())
    try:
        server.restart(nobody)
        done = own_ward.ssh("id")
        assert done.returncode == 255
        assert b"backend.login" in done.stderr
        server.restart({**nobody, "TrustedUserCAKeys": str(trusted)})
        done = own_ward.ssh("echo", "certified")
        assert done.stdout == b"certified\n", done.stderr
    finally:
        server.restart({})


def test_a_backend_that_is_gone_is_told(own_ward: Ward) -> None:
    own_ward.server.stop()
    try:
        done = own_ward.ssh("id")
        assert done.returncode == 255
        assert b"backend.connect" in done.stderr
    finally:
        own_ward.server.restart({})
    own_ward.wait_until(lambda: own_ward.ssh("true").returncode == 0)


def test_a_password_for_a_backend(tmp_path: Path, certificates: Certificates) -> None:
    """Asked for by password, and by keyboard-interactive: an asyncssh server knows both."""
    secret = tmp_path / "backend.password"
    write_private(secret, b"the backend's own password")
    host = keygen(tmp_path / "host")
    program = Path(__file__).with_name("password_server.py")
    port = free_port()
    server = Server([sys.executable, program, str(port), host, secret], log=tmp_path / "server.log")
    try:
        server.wait_until(lambda: "listening" in server.log_text(), 120)

        def adjust(settings: dict[str, object]) -> None:
            known = tmp_path / "known"
            known.write_text(f"[127.0.0.1]:{port} {host.with_suffix('.pub').read_text()}")
            (resource,) = settings["resources"]  # type: ignore[misc]
            resource["target"] = f"127.0.0.1:{port}"  # type: ignore[index]
            resource["credentials"] = {"user": "agent", "password": {"file": str(secret)}}  # type: ignore[index]
            resource["ssh"] = {"known_hosts": str(known)}  # type: ignore[index]

        directory = tmp_path / "gateway"
        directory.mkdir()
        with running_ward(directory, certificates, adjust=adjust) as ward:
            done = ward.ssh("echo", "in")
            assert done.stdout == b"echo: in\n", done.stderr
    finally:
        server.stop()


# --- logins that are refused ---------------------------------------------------------------------


def password_login(ward: Ward, user: str, password: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        ["ssh", *ward.options(), "-p", str(ward.port), f"{user}@127.0.0.1", "id"],
        env=ward.environment(password),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("user", "password", "told"),
    [
        ("executor%ward", "wrong", b"identity.credential"),
        ("executor%nowhere", "wrong", b"resource.unknown"),
        ("a%b%ward", "wrong", b"user.ambiguous"),
        ("executor%ward", "a.b.c", b"identity."),
    ],
)
def test_why_a_login_is_refused_is_told(ward: Ward, user: str, password: str, told: bytes) -> None:
    done = password_login(ward, user, password)
    assert done.returncode == 255
    assert told in done.stderr
    assert password.encode() not in done.stderr


def test_a_credential_of_another_name_or_password_is_none(ward: Ward) -> None:
    user, password = ward.credential("executor")
    other, _ = ward.credential("planner")
    assert password_login(ward, f"{user}%ward", password).returncode == 0
    assert password_login(ward, f"{other}%ward", password).returncode == 255
    assert password_login(ward, f"{user}%ward", password[:-1]).returncode == 255


def test_a_credential_typed_at_a_prompt(ward: Ward) -> None:
    user, password = ward.credential("executor")
    options = [one.replace("=password", "=keyboard-interactive") for one in ward.options()]
    done = subprocess.run(
        ["ssh", *options, "-p", str(ward.port), f"{user}%ward@127.0.0.1", "echo", "typed"],
        env=ward.environment(password),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.stdout == b"typed\n", done.stderr


def test_a_token_without_the_scope_is_refused(ward: Ward) -> None:
    async def log_in() -> None:
        with pytest.raises(asyncssh.PermissionDenied):
            await asyncssh.connect(
                "127.0.0.1",
                ward.port,
                username="stranger%ward",
                password=ward.token("stranger"),
                known_hosts=str(ward.known_hosts),
                client_keys=None,
                config=None,
            )

    asyncio.run(asyncio.wait_for(log_in(), 100))
    assert "scope.missing" in ward.gateway.log_text()


def test_tokens_and_passwords_are_not_in_the_log(ward: Ward) -> None:
    _, password = ward.credential("executor")
    text = ward.gateway.log_text()
    assert password not in text
    assert ward.token("stranger") not in text


def test_a_silent_client_is_turned_away(own_ward: Ward) -> None:
    own_ward.gateway.settings["limits"] = {"login_time": "2s"}  # too little for others
    own_ward.restart()
    with socket.create_connection(("127.0.0.1", own_ward.port), timeout=100) as silent:
        while silent.recv(65536):
            pass


def test_hoopgate_check_says_what_is_enforced(ward: Ward) -> None:
    done = subprocess.run(
        [HOOPGATE, "check", "--config", ward.gateway.config],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "commands of the list only; shells and terminals off" in done.stdout
    assert "users name%resource" in done.stdout
    assert "plaintext" not in done.stdout
    assert "ssh command hostname" in done.stdout
