"""More of what OpenSSH's clients, paramiko and asyncssh do: copies on the server, whole trees, odd
names, going on with half a file, keep-alives, breaks."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import asyncssh
import paramiko
import pytest
from test_ssh_channels import connected, run
from test_ssh_files import scp, sftp
from testbed.rawsftp import patient
from testbed.ward import Ward

ODD = [
    "with space",
    "new\nline",
    "\x1b[31mred",
    "quo'te\"s",
    "$(id)",
    "-rf",
    "ä\u200bö",
    "*",
    "x" * 200,
]


@pytest.fixture
def tree(ward: Ward, tmp_path: Path) -> Iterator[Path]:
    """A tree with odd names, here; and nothing of its name there."""
    local = tmp_path / "tree"
    (local / "below").mkdir(parents=True)
    for number, name in enumerate(ODD):
        (local / ("below" if number % 2 else ".") / name).write_bytes(os.urandom(5000))
    return local


def contents(directory: Path) -> dict[str, bytes]:
    return {
        str(one.relative_to(directory)): one.read_bytes()
        for one in directory.rglob("*")
        if one.is_file()
    }


def test_scp_of_a_tree_with_odd_names(ward: Ward, tree: Path, tmp_path: Path) -> None:
    there = ward.server.root / "public/trees"
    done = scp(ward, "-r", "-p", str(tree), "{ward}:" + str(there))
    assert done.returncode == 0, done.stderr
    assert contents(there) == contents(tree)
    done = scp(ward, "-r", "{ward}:" + str(there), str(tmp_path / "back"))
    assert done.returncode == 0, done.stderr
    assert contents(tmp_path / "back") == contents(tree)
    log = ward.gateway.log_text()
    assert "\x1b" not in log
    assert "session.bug" not in log


def test_a_batch_copies_on_the_server_and_goes_on_with_half_a_file(
    ward: Ward, tmp_path: Path
) -> None:
    root = ward.server.root / "public"
    data = (root / "lines.txt").read_bytes()
    (tmp_path / "half").write_bytes(data[:7000])
    (root / "half").write_bytes(data[:7000])
    os.chown(root / "half", (root / "lines.txt").stat().st_uid, -1)
    done = sftp(
        ward,
        f"cd {root}",
        "cp lines.txt copied",
        f"reget lines.txt {tmp_path}/half",
        f"reput {root}/lines.txt half",
        "ls -la",
        "df -h",
        "version",
    )
    assert done.returncode == 0, done.stderr
    assert (root / "copied").read_bytes() == data
    assert (root / "half").read_bytes() == data
    assert (tmp_path / "half").read_bytes() == data


def test_keep_alives_of_a_client(ward: Ward) -> None:
    """It leaves after two seconds without an answer."""
    alive = ("-o", "ServerAliveInterval=1", "-o", "ServerAliveCountMax=1")
    done = ward.ssh("sleep", "4", options=alive)
    assert done.returncode == 0, done.stderr


def test_no_more_sessions(ward: Ward) -> None:
    """OpenSSH says so where it shares nothing: a stolen connection opens nothing then."""
    transport = patient(ward)
    transport.connect(username="executor%ward", password=ward.token())
    first = transport.open_session(timeout=60)
    transport.global_request("no-more-sessions@openssh.com", wait=False)
    with pytest.raises(paramiko.ChannelException) as caught:
        transport.open_session(timeout=60)
    assert caught.value.code == 1
    with pytest.raises(paramiko.ChannelException):
        transport.open_channel("direct-tcpip", ("ward", 22), ("127.0.0.1", 1), timeout=60)
    first.exec_command("echo still")
    assert first.makefile().read() == b"still\n"
    transport.close()


def test_breaks_and_ends_of_input(ward: Ward) -> None:
    async def words() -> None:
        async with connected(ward) as connection:
            process = await connection.create_process(f"tee {ward.server.root}/public/teed")
            process.channel.send_break(100)
            process.stdin.write("half")
            process.stdin.write_eof()
            done = await process.wait(timeout=60)
            assert (done.exit_status, done.stdout) == (0, "half")

    run(words())


def test_asyncssh_copies_trees_and_files_on_the_server(
    ward: Ward, tree: Path, tmp_path: Path
) -> None:
    root = ward.server.root / "public"

    async def copies() -> None:
        async with connected(ward) as connection:
            async with connection.start_sftp_client() as files:
                await files.put(str(tree), f"{root}/by-asyncssh-tree", recurse=True)
                await files.get(f"{root}/by-asyncssh-tree", str(tmp_path / "back"), recurse=True)
                await files.copy(f"{root}/lines.txt", f"{root}/remote", remote_only=True)
                names = await files.glob(f"{root}/by-asyncssh-tree/*")
                assert len(names) >= len(ODD) // 2
                await files.truncate(f"{root}/remote", 10)
                await files.rmtree(f"{root}/by-asyncssh-tree/below")
            one = str(tmp_path / "one")
            await asyncssh.scp((connection, f"{root}/lines.txt"), one)

    run(copies())
    whole = contents(tree)
    assert contents(tmp_path / "back") == whole
    assert (root / "remote").read_bytes() == (root / "lines.txt").read_bytes()[:10]
    assert (tmp_path / "one").read_bytes() == (root / "lines.txt").read_bytes()
    assert not (root / "by-asyncssh-tree/below").exists()


def test_many_at_once_by_one_identity(ward: Ward) -> None:
    """Connections and channels side by side; each its own session."""
    before = len(ward.sessions())

    async def one(number: int) -> None:
        async with connected(ward) as connection:
            runs = [connection.run(f"echo {number}-{channel}") for channel in range(5)]
            for channel, done in enumerate(await asyncio.gather(*runs)):
                assert done.stdout == f"{number}-{channel}\n"

    async def all_of_them() -> None:
        await asyncio.gather(*map(one, range(6)))

    run(all_of_them())
    assert len(ward.sessions()) == before + 30
