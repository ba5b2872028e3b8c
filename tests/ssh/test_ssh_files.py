"""Files through the gateway: OpenSSH's sftp and scp, rsync, paramiko, asyncssh."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from pathlib import Path

import asyncssh
import paramiko
import pytest
from testbed.ward import Ward


def sftp(ward: Ward, *lines: str, who: str = "executor") -> subprocess.CompletedProcess[bytes]:
    """A batch of OpenSSH's sftp."""
    return ward.run_as(
        who,
        lambda user: [
            # The first value of an option counts, and -b sets BatchMode.
            *("sftp", *ward.options(), "-o", "BatchMode=no", "-b", "-", "-P", str(ward.port)),
            f"{user}%ward@127.0.0.1",
        ],
        input="\n".join(lines).encode() + b"\n",
    )


def scp(ward: Ward, *arguments: str, who: str = "executor") -> subprocess.CompletedProcess[bytes]:
    """OpenSSH's scp; ``{ward}`` stands for the gateway."""
    return ward.run_as(
        who,
        lambda user: [
            *("scp", *ward.options(), "-P", str(ward.port)),
            *(one.replace("{ward}", f"{user}%ward@127.0.0.1") for one in arguments),
        ],
    )


def test_a_batch_gets_puts_lists_and_renames(ward: Ward, tmp_path: Path) -> None:
    root = ward.server.root / "public"
    local = tmp_path / "up"
    local.write_bytes(os.urandom(300_000))
    done = sftp(
        ward,
        f"cd {root}",
        "ls -l",
        f"get lines.txt {tmp_path}/down",
        f"put {local} uploaded",
        "rename uploaded moved",
        "chmod 600 moved",
        "mkdir made",
        "rmdir made",
        "df",
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "down").read_bytes() == (root / "lines.txt").read_bytes()
    assert (root / "moved").read_bytes() == local.read_bytes()
    assert (root / "moved").stat().st_mode & 0o777 == 0o600
    assert b"readme.txt" in done.stdout
    assert sftp(ward, f"rm {root}/moved").returncode == 0
    assert not (root / "moved").exists()


@pytest.mark.parametrize(
    "line",
    [
        "get {root}/secret/patients.csv {tmp}/x",
        "get {root}/public/../secret/patients.csv {tmp}/x",
        "get {root}/public/escape/patients.csv {tmp}/x",
        "ls {root}/secret",
        "put {tmp}/mine {root}/secret/new",
        "rename {root}/public/readme.txt {root}/secret/readme.txt",
        "rm {root}/secret/patients.csv",
        "chmod 777 {root}/secret/patients.csv",
        "mkdir {root}/secret/more",
        "symlink {root}/secret/patients.csv {root}/public/link",
        "ln {root}/secret/patients.csv {root}/public/hard",
    ],
)
def test_what_lies_outside_is_refused(ward: Ward, tmp_path: Path, line: str) -> None:
    root = ward.server.root
    before = sorted(map(str, root.rglob("*")))
    (tmp_path / "mine").write_bytes(b"mine")
    escape = root / "public" / "escape"
    if not escape.is_symlink():
        escape.symlink_to(root / "secret")
        before = sorted(map(str, root.rglob("*")))
    done = sftp(ward, line.format(root=root, tmp=tmp_path))
    assert done.returncode != 0
    assert b"publickey" not in done.stderr  # the login was fine
    assert b"denied" in done.stderr.lower() or b"hoopgate: refused" in done.stderr, done.stderr
    assert not (tmp_path / "x").exists()
    assert sorted(map(str, root.rglob("*"))) == before
    assert (root / "secret/patients.csv").stat().st_mode & 0o777 != 0o777


def test_openssh_shows_why(ward: Ward, tmp_path: Path) -> None:
    """Its sftp and scp drop the words of a status: the standard error has them, ten times."""
    secret = f"{ward.server.root}/secret/patients.csv"
    told = sftp(ward, f"get {secret} {tmp_path}/x").stderr.decode()
    (line,) = (one for one in told.splitlines() if "hoopgate: refused: " in one)
    assert json.loads(line[line.index("{") :])["reason"] == "rule.none"
    told = scp(ward, "{ward}:" + secret, f"{tmp_path}/y").stderr.decode()
    assert "hoopgate: refused: " in told
    told = sftp(ward, *[f"-rm {secret}"] * 15).stderr.decode()
    assert told.count("hoopgate: refused: ") == 10


def test_scp_in_both_of_its_protocols(ward: Ward, tmp_path: Path) -> None:
    root = ward.server.root
    mine = tmp_path / "mine"
    mine.write_bytes(os.urandom(100_000))
    for old in ([], ["-O"]):
        name = f"scp{len(old)}"
        done = scp(ward, *old, str(mine), "{ward}:" + f"{root}/public/{name}")
        assert done.returncode == 0, done.stderr
        assert (root / "public" / name).read_bytes() == mine.read_bytes()
        done = scp(ward, *old, "{ward}:" + f"{root}/public/{name}", str(tmp_path / name))
        assert done.returncode == 0, done.stderr
        assert (tmp_path / name).read_bytes() == mine.read_bytes()
        done = scp(ward, *old, "{ward}:" + f"{root}/secret/patients.csv", str(tmp_path / "no"))
        assert done.returncode != 0
        assert not (tmp_path / "no").exists()


def test_rsync_both_ways(ward: Ward, tmp_path: Path) -> None:
    root = ward.server.root
    source = tmp_path / "source"
    source.mkdir()
    for number in range(5):
        (source / f"file{number}").write_bytes(os.urandom(20_000))

    def rsync(*arguments: str) -> subprocess.CompletedProcess[bytes]:
        shell = " ".join(["ssh", *ward.options(), "-p", str(ward.port)])
        return ward.run_as(
            "executor",
            lambda user: [
                *("rsync", "-a", "-e", shell),
                *(one.replace("{ward}", f"{user}%ward@127.0.0.1") for one in arguments),
            ],
        )

    done = rsync(f"{source}/", "{ward}:" + f"{root}/public/synced")
    assert done.returncode == 0, done.stderr
    assert (root / "public/synced/file3").read_bytes() == (source / "file3").read_bytes()
    done = rsync("{ward}:" + f"{root}/public/synced/", f"{tmp_path}/back")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "back/file4").read_bytes() == (source / "file4").read_bytes()
    done = rsync("{ward}:" + f"{root}/secret/", f"{tmp_path}/no")
    assert done.returncode != 0
    assert b"hoopgate: refused" in done.stderr


def test_paramiko_with_the_token_as_password(ward: Ward, tmp_path: Path) -> None:
    root = ward.server.root
    with paramiko.SSHClient() as client:
        client.load_host_keys(str(ward.known_hosts))
        client.connect(
            "127.0.0.1",
            ward.port,
            "executor%ward",
            ward.token(),
            look_for_keys=False,
            allow_agent=False,
            timeout=60,
            banner_timeout=100,
            auth_timeout=100,
        )
        _, out, _ = client.exec_command(f"cat {root}/public/readme.txt", timeout=60)
        assert out.read() == b"hello ward\n"
        with client.open_sftp() as files:
            assert "readme.txt" in files.listdir(f"{root}/public")
            with files.open(f"{root}/public/lines.txt") as file:
                file.prefetch()
                assert file.read() == (root / "public/lines.txt").read_bytes()
            with pytest.raises(PermissionError):
                files.open(f"{root}/secret/patients.csv")
            # The session goes on.
            assert files.stat(f"{root}/public/readme.txt").st_size == 11


def test_asyncssh_with_the_token_as_password(ward: Ward) -> None:
    root = ward.server.root

    async def run() -> None:
        async with asyncssh.connect(
            "127.0.0.1",
            ward.port,
            username="executor%ward",
            password=ward.token(),
            known_hosts=str(ward.known_hosts),
            client_keys=None,
            config=None,
        ) as connection:
            runs = [connection.run(f"echo {number}") for number in range(8)]
            results = await asyncio.gather(*runs)
            assert [one.stdout for one in results] == [f"{number}\n" for number in range(8)]
            refused = await connection.run("id; id")
            assert refused.exit_status == 126
            async with connection.start_sftp_client() as files:
                assert "readme.txt" in await files.listdir(f"{root}/public")
                with pytest.raises(asyncssh.SFTPPermissionDenied):
                    await files.open(f"{root}/secret/patients.csv")
                async with files.open(f"{root}/public/lines.txt", "rb") as file:
                    data = (root / "public/lines.txt").read_bytes()
                    assert await file.read() == data

    asyncio.run(asyncio.wait_for(run(), 300))
