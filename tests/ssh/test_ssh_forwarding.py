"""What OpenSSH's client and paramiko are refused beside programs, and the one jump there is."""

from __future__ import annotations

import re
import socket
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import paramiko
import pytest
from softkey import Agent, SoftKey
from testbed.openssh import SYSTEM, TEN, OpenSSH
from testbed.ports import free_port
from testbed.rawsftp import patient
from testbed.ward import Ward

CLIENTS = pytest.mark.parametrize("client", [SYSTEM, TEN], ids=lambda one: one.name)
PROHIBITED = "administratively prohibited"


@CLIENTS
def test_a_jump_to_a_named_resource(ward: Ward, tmp_path: Path, client: OpenSSH) -> None:
    """``ssh -J`` as a person writes it: the gateway twice, then the resource."""
    user, password = ward.credential("executor")
    key = ward.known_hosts.read_text().split(" ", 1)[1]
    (tmp_path / "known").write_text(f"gateway {key}")
    (tmp_path / "config").write_text(
        f"Host jump\n  HostName 127.0.0.1\n  Port {ward.port}\n  User {user}%%ward\n"
        "Host *\n"
        f"  UserKnownHostsFile {tmp_path}/known\n  StrictHostKeyChecking yes\n"
        "  HostKeyAlias gateway\n  PreferredAuthentications password\n"
        "  IdentityFile none\n"
    )
    opened = len(ward.sessions())

    def through(host: str, *command: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [
                *(client.program("ssh"), "-F", tmp_path / "config", "-J", "jump"),
                *(f"{user}@{host}", *command),
            ],
            env=ward.environment(password) | {"PATH": f"{client.root}/usr/bin:/usr/bin:/bin"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=60,
            check=False,
        )

    done = through("ward", "echo", "inside")
    assert (done.returncode, done.stdout) == (0, b"inside\n"), done.stderr
    assert len(ward.sessions()) == opened + 1  # the jump itself runs nothing
    assert through("ward", "rm", "-rf", "/").returncode == 126
    for host in ("127.0.0.1", "localhost", "other", "ward.example.org"):
        done = through(host, "true")
        assert done.returncode == 255
        assert b"only resources of this listener" in done.stderr


class Forwarding:
    """OpenSSH's client that runs nothing but what the options say."""

    def __init__(self, ward: Ward, *options: str, client: OpenSSH) -> None:
        user, password = ward.credential("executor")
        self._errors = ward.home / "forwarding"
        with self._errors.open("wb") as errors:
            self.process = subprocess.Popen(
                [
                    *(client.program("ssh"), *ward.options(), "-v", "-N", *options),
                    *("-p", str(ward.port), f"{user}%%ward@127.0.0.1"),
                ],
                env=ward.environment(password),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
            )

    def told(self, what: str) -> str:
        """The lines with ``what`` that it has printed."""
        lines = self._errors.read_text().splitlines()
        return "\n".join(line for line in lines if what in line)

    def __enter__(self) -> Forwarding:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait(60)


@pytest.mark.parametrize("target", ["127.0.0.1:{port}", "/var/run/some.socket", "example.org:80"])
def test_local_forwardings(ward: Ward, target: str) -> None:
    local = free_port()
    where = target.format(port=ward.server.port)
    with Forwarding(ward, "-L", f"127.0.0.1:{local}:{where}", client=TEN) as one:

        def refused() -> bool:
            try:
                with socket.create_connection(("127.0.0.1", local), timeout=60) as connection:
                    assert connection.recv(100) == b""
            except ConnectionRefusedError:
                return False  # it does not listen yet
            except ConnectionResetError:
                pass
            return True

        ward.wait_until(refused)
        ward.wait_until(lambda: one.told("open failed") != "")
        failed = one.told("open failed")
        assert PROHIBITED in failed or "unknown channel type" in failed


@pytest.mark.parametrize("listen", ["0", "127.0.0.1:0", "/tmp/hoopgate-remote.socket"])
def test_remote_forwardings(ward: Ward, listen: str) -> None:
    """forwarded-tcpip and forwarded-streamlocal: no listener is ever opened."""
    options = ("-o", "ExitOnForwardFailure=yes", "-R", f"{listen}:127.0.0.1:9")
    with Forwarding(ward, *options, client=TEN) as one:
        assert one.process.wait(60) == 255
        assert one.told("forwarding failed")
        assert not Path("/tmp/hoopgate-remote.socket").exists()


def test_dynamic_forwarding(ward: Ward) -> None:
    """A SOCKS proxy is direct-tcpip to whatever is asked for."""
    local = free_port()
    with Forwarding(ward, "-D", f"127.0.0.1:{local}", client=TEN) as one:

        def asked() -> bool:
            try:
                with socket.create_connection(("127.0.0.1", local), timeout=60) as connection:
                    connection.sendall(b"\5\1\0")
                    connection.recv(2)
                    address = socket.inet_aton("127.0.0.1") + ward.server.port.to_bytes(2, "big")
                    connection.sendall(b"\5\1\0\1" + address)
                    return not connection.recv(100).startswith(b"\5\0")
            except ConnectionRefusedError:
                return False
            except ConnectionResetError:
                return True

        ward.wait_until(asked)
        ward.wait_until(lambda: one.told("open failed") != "")


def plain(
    ward: Ward, *options: str, more: dict[str, str] | None = None
) -> tuple[subprocess.CompletedProcess[bytes], str]:
    """A command with options; what its session's recording says."""
    user, password = ward.credential("executor")
    done = subprocess.run(
        [
            *("ssh", *ward.options(), *options, "-p", str(ward.port)),
            *(f"{user}%%ward@127.0.0.1", "echo", "on"),
        ],
        env=ward.environment(password) | (more or {}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
        check=False,
    )
    return done, ward.replay(ward.sessions()[-1]).stdout.decode()


def test_x11(ward: Ward) -> None:
    options = ("-Y", "-o", "XAuthLocation=/bin/false")
    before = len(ward.server.log_text())
    done, shown = plain(ward, *options, more={"DISPLAY": "127.0.0.1:9"})
    assert (done.returncode, done.stdout) == (0, b"on\n")
    assert b"X11 forwarding request failed" in done.stderr
    assert "x11-req" in shown
    assert "x11-req" not in ward.server.log_text()[before:]


def test_agents(ward: Ward, tmp_path: Path) -> None:
    before = len(ward.server.log_text())
    with Agent(tmp_path / "agent", SoftKey(), b"") as agent:
        # It is forwarded, not asked.
        options = ("-A", "-o", "PubkeyAuthentication=no")
        done, shown = plain(ward, *options, more={"SSH_AUTH_SOCK": str(agent.path)})
    assert (done.returncode, done.stdout) == (0, b"on\n"), done.stderr
    assert "auth-agent-req@openssh.com" in shown
    assert "auth-agent-req" not in ward.server.log_text()[before:]


def test_variables(ward: Ward) -> None:
    before = len(ward.server.log_text())
    options = ("-o", "SetEnv=LD_PRELOAD=/tmp/x LC_TIME=de_DE BASH_ENV=/tmp/y IFS=x")
    done, shown = plain(ward, *options)
    assert (done.returncode, done.stdout) == (0, b"on\n")
    log = ward.server.log_text()[before:]
    assert set(re.findall(r"Setting env \d+: (\w+)=", log)) == {"LC_TIME"}
    assert "env LD_PRELOAD" in shown


@pytest.fixture(scope="module")
def transport(ward: Ward) -> Iterator[paramiko.Transport]:
    """paramiko's client, logged in."""
    client = patient(ward)
    client.connect(username="executor%ward", password=ward.token())
    yield client
    client.close()


@pytest.mark.parametrize(
    "kind",
    [
        *("direct-tcpip", "forwarded-tcpip", "x11", "tun@openssh.com"),
        *("direct-streamlocal@openssh.com", "forwarded-streamlocal@openssh.com"),
        *("auth-agent@openssh.com", "session2", "", "session\0", "SESSION"),
    ],
)
def test_other_kinds_of_channels(transport: paramiko.Transport, kind: str) -> None:
    where = ("127.0.0.1", 22) if kind in ("direct-tcpip", "forwarded-tcpip", "x11") else None
    with pytest.raises(paramiko.ChannelException) as refused:
        transport.open_channel(kind, where, where)
    assert refused.value.code in (1, 3)
    # The connection goes on.
    channel = transport.open_session()
    channel.exec_command("echo fine")
    assert channel.makefile().read() == b"fine\n"
    channel.close()


@pytest.mark.parametrize(
    "names",
    [("tcpip-forward", "127.0.0.1", 0), ("streamlocal-forward@openssh.com", "/tmp/x.socket")],
    ids=lambda one: one[0],
)
def test_global_requests(transport: paramiko.Transport, names: Sequence[object]) -> None:
    assert transport.global_request(str(names[0]), list(names[1:]), wait=True) is None
