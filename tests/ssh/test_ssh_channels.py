"""Channels by OpenSSH's client and asyncssh: what is open, what is shut, and many at once."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncssh
import pytest
from test_shell_words import DESTRUCTIVE
from testbed.certificates import Certificates
from testbed.ward import RULES, Ward, running_ward


@asynccontextmanager
async def connected(ward: Ward, **more: object) -> AsyncIterator[asyncssh.SSHClientConnection]:
    identity = {"username": "executor%ward", "password": ward.token()}
    async with asyncssh.connect(
        "127.0.0.1",
        ward.port,
        known_hosts=str(ward.known_hosts),
        client_keys=None,
        config=None,
        **{**identity, **more},
    ) as connection:
        yield connection


def run(coroutine: object) -> None:
    asyncio.run(asyncio.wait_for(coroutine, 300))  # type: ignore[arg-type]


def test_every_destructive_form_is_refused(ward: Ward) -> None:
    before = sorted(map(str, ward.server.root.rglob("*")))

    async def forms() -> None:
        async with connected(ward) as connection:
            for text in DESTRUCTIVE:
                done = await connection.run(text.replace("/data", str(ward.server.root)))
                assert done.exit_status == 126, text
                assert "hoopgate: refused" in str(done.stderr)

    run(forms())
    assert sorted(map(str, ward.server.root.rglob("*"))) == before


def test_shells_and_terminals_are_off(ward: Ward) -> None:
    done = ward.ssh(options=("-tt",))
    assert done.returncode != 0
    assert b"PTY allocation request failed" in done.stderr
    done = ward.ssh(input=b"id\n")
    assert done.returncode == 126
    assert done.stdout == b""
    assert b"hoopgate: refused" in done.stderr


def test_other_subsystems_are_refused(ward: Ward) -> None:
    done = ward.ssh("netconf", options=("-s",))
    assert done.returncode == 126


def test_forwardings_are_refused(ward: Ward) -> None:
    async def forward() -> None:
        async with connected(ward) as connection:
            with pytest.raises(asyncssh.ChannelOpenError):
                await connection.open_connection("127.0.0.1", ward.server.port)
            with pytest.raises(asyncssh.ChannelOpenError):
                await connection.open_unix_connection("/var/run/x")
            with pytest.raises(asyncssh.ChannelListenError):
                await connection.forward_remote_port("", 0, "127.0.0.1", 9)
            # The connection goes on.
            assert (await connection.run("echo fine")).stdout == "fine\n"

    run(forward())


def test_variables_by_the_list(ward: Ward) -> None:
    async def variables() -> None:
        async with connected(ward) as connection:
            env = {"LC_ALL": "C.UTF-8", "LD_PRELOAD": "/tmp/evil.so", "BASH_ENV": "/tmp/evil"}
            done = await connection.run("printf in", env=env)
            assert (done.exit_status, done.stdout) == (0, "in")

    before = ward.server.log_text()
    run(variables())
    log = ward.server.log_text()[len(before) :]
    assert "LC_ALL" in log
    assert "LD_PRELOAD" not in log
    assert "BASH_ENV" not in log


def test_a_signal_ends_a_program(ward: Ward) -> None:
    async def signal() -> None:
        async with connected(ward) as connection:
            process = await connection.create_process("cat")
            process.stdin.write("it runs\n")
            assert await process.stdout.readline() == "it runs\n"
            process.send_signal("TERM")
            done = await process.wait()
            assert done.exit_signal is not None or done.exit_status not in (0, None)

    run(signal())


def test_a_shared_connection_is_judged_channel_by_channel(ward: Ward) -> None:
    control = ("-o", f"ControlPath={ward.home}/cm", "-o", "ControlMaster=auto")

    def shared(*command: str, more: tuple[str, ...] = ()) -> subprocess.CompletedProcess[bytes]:
        return ward.ssh(*command, options=(*control, *more))

    master = shared("true", more=("-o", "ControlPersist=20"))
    assert master.returncode == 0, master.stderr
    opened = len(ward.sessions())
    try:
        assert shared("echo", "two").stdout == b"two\n"
        assert shared("id;id").returncode == 126
        for number in range(20):
            # Whichever comes first, the end of the output or the exit status.
            done = shared("echo", str(number))
            assert (done.returncode, done.stdout) == (0, b"%d\n" % number), number
    finally:
        subprocess.run(
            ["ssh", *control, "-O", "exit", "-p", str(ward.port), "x@127.0.0.1"],
            capture_output=True,
            timeout=60,
            check=False,
        )
    assert len(ward.sessions()) >= opened + 3


def test_one_channel_that_waits_does_not_hold_another(ward: Ward) -> None:
    async def both() -> None:
        async with connected(ward) as connection:
            held = await connection.create_process("hostname")
            told = await held.stderr.readline()
            assert "waiting for approval" in str(told)
            assert (await connection.run("echo on")).stdout == "on\n"
            held.close()

    run(both())


def test_proxy_jump_to_a_named_resource(ward: Ward) -> None:
    user, password = ward.credential("executor")
    line = (ward.known_hosts).read_text().split(" ", 1)[1]
    known = ward.home / "known_jump"
    known.write_text(f"gateway {line}")
    common = ["-F", "none", "-o", f"UserKnownHostsFile={known}", "-o", "HostKeyAlias=gateway"]
    common += ["-o", "StrictHostKeyChecking=yes", "-o", "PreferredAuthentications=password"]
    jump = " ".join(
        ["ssh", *common, "-p", str(ward.port), "-W", "%h:%p", f"{user}%%ward@127.0.0.1"]
    )

    def through(host: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            ["ssh", *common, "-o", f"ProxyCommand={jump}", f"{user}@{host}", "echo", "inside"],
            env=ward.environment(password),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=60,
            check=False,
        )

    done = through("ward")
    assert (done.returncode, done.stdout) == (0, b"inside\n"), done.stderr
    done = through("127.0.0.1")
    assert done.returncode == 255
    assert b"only resources of this listener" in done.stderr


def test_a_slow_reader_bounds_what_is_held(ward: Ward) -> None:
    """Back-pressure: 64 MB pass at once, and what nobody reads stays where it is made."""

    async def read() -> None:
        async with connected(ward) as connection:
            before = ward.memory()
            process = await connection.create_process("seq 8000000", encoding=None)
            await asyncio.sleep(2)
            assert ward.memory() < before + 32 * 2**20
            total = 0
            while data := await process.stdout.read(2**20):
                total += len(data)
            assert total == sum(len(str(number)) + 1 for number in range(1, 8_000_001))

    run(read())


# --- a resource where shells are allowed ---------------------------------------------------------


@pytest.fixture(scope="module")
def open_ward(
    tmp_path_factory: pytest.TempPathFactory, certificates: Certificates
) -> Iterator[Ward]:
    """Shells by rule, commands but for the tripwire, small bounds for bulk."""
    shells = {
        "name": "shells",
        "verdict": "allow",
        "match": {"groups": ["analysts"], "classes": ["ssh.shell", "ssh.exec"]},
    }
    bulk = {
        "name": "bulk",
        "verdict": "approve",
        "match": {"groups": ["analysts"], "classes": ["sftp.bulk"]},
        "reviewers": ["privacy-office"],
        "expires": "1m",
    }
    with running_ward(
        tmp_path_factory.mktemp("open"),
        certificates,
        rules=[shells, bulk, *RULES[1:]],
        ssh={"shell": True, "commands": "deny", "bulk_files": 3, "bulk_removals": 2},
    ) as running:
        yield running


def test_a_shell_where_rules_allow_it(open_ward: Ward) -> None:
    done = open_ward.ssh(input=b"echo $((6*7)); exit 3\n")
    assert done.returncode == 3
    assert done.stdout == b"42\n"
    shown = open_ward.replay(open_ward.sessions()[-1]).stdout.decode()
    assert "shell (a shell)" in shown
    assert "input: echo $((6*7)); exit 3" in shown
    assert "← 42" in shown


def test_the_tripwire(open_ward: Ward) -> None:
    root = open_ward.server.root
    done = open_ward.ssh(f"cat {root}/public/*.txt | wc -l")
    assert done.stdout.strip() == b"2001"
    done = open_ward.ssh(f"rm -rf {root}/public")
    assert done.returncode == 126
    assert b"command.destructive" in done.stderr
    assert (root / "public/readme.txt").exists()


def test_more_than_a_session_may_have_waits_for_a_person(open_ward: Ward) -> None:
    path = f"{open_ward.server.root}/public/readme.txt"

    async def many() -> None:
        async with connected(open_ward) as connection, connection.start_sftp_client() as files:
            for _ in range(3):
                async with files.open(path, "rb") as file:
                    await file.read()
            waiting = asyncio.ensure_future(files.open(path, "rb"))
            pending: list[str] = []
            while not pending:
                await asyncio.sleep(0.1)
                page = await asyncio.to_thread(
                    open_ward.admin, "GET", "/v1/approvals?state=pending", "rita"
                )
                pending = [one["id"] for one in page["approvals"]]
            assert not waiting.done()
            await asyncio.to_thread(open_ward.decide, pending[0], "approve", "rita")
            await (await waiting).close()
            # Once is enough.
            async with files.open(path, "rb") as file:
                assert await file.read() == b"hello ward\n"

    run(many())


def test_keys_change_while_data_flows(open_ward: Ward, tmp_path: Path) -> None:
    async def rekey() -> None:
        async with connected(open_ward, rekey_bytes=200_000) as connection:
            done = await connection.run("head -c 3000000 /dev/zero", encoding=None)
            assert len(done.stdout or b"") == 3_000_000

    run(rekey())
