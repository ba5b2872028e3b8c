"""What stays shut where rules are wide: what decides which programs run, and as whom; and what a
session may take before a person is asked."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from pathlib import Path

import asyncssh
import pytest
from test_ssh_channels import connected, run
from testbed.certificates import Certificates
from testbed.rawsftp import NONE, Raw, extended
from testbed.ward import RULES, Ward, running_ward

from hoopgate.ssh import sftp_wire as sftp
from hoopgate.ssh.wire import string, uint32

SIZE = 400_000


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory, certificates: Certificates) -> Iterator[Ward]:
    match = RULES[1]["match"]
    files = {
        **RULES[1],
        "match": {**match, "classes": [*match["classes"], "sftp.link"], "ssh": {"path": ["/*"]}},
    }
    more = {
        "name": "more",
        "verdict": "approve",
        "match": {"groups": ["analysts"], "classes": ["sftp.bulk"]},
        "reviewers": ["privacy-office"],
        "expires": "2m",
    }
    with running_ward(
        tmp_path_factory.mktemp("wide"),
        certificates,
        rules=[more, files, *RULES[2:]],
        ssh={"bulk_size": "64KiB"},
    ) as running:
        running.server.write("public/large", bytes(range(250)) * (SIZE // 250))
        yield running


@pytest.fixture
def raw(wide: Ward) -> Iterator[Raw]:
    one = Raw(wide, "executor")
    yield one
    one.close()


def test_hidden_files_of_the_home_are_not_written(wide: Ward, raw: Raw) -> None:
    """``.ssh/authorized_keys``, ``.bashrc`` and their like: a list of commands is none then."""
    home = wide.server.home.rstrip("/")
    public = f"{wide.server.root}/public"
    link = Path(public, "to-home")
    link.symlink_to(wide.server.home)
    for name in (".ssh", ".ssh/authorized_keys", ".ssh/rc", ".bashrc", ".profile", ".config/x"):
        for form in (f"{home}/{name}", name, f"{public}/to-home/{name}", f"{home}/./{name}"):
            path = string(form.encode())
            other = string(f"{public}/readme.txt".encode())
            attempts = [
                (sftp.OPEN, path + uint32(0x02 | 0x08) + NONE),
                (sftp.OPEN, path + uint32(0x03 | 0x08 | 0x10) + NONE),
                (sftp.MKDIR, path + NONE),
                (sftp.SETSTAT, path + uint32(4) + uint32(0o777)),
                (sftp.RENAME, other + path),
                (sftp.SYMLINK, other + path),
                extended(b"posix-rename@openssh.com", other, path),
                extended(b"hardlink@openssh.com", other, path),
                extended(b"hardlink@openssh.com", path, string(f"{public}/hard".encode())),
            ]
            for kind, body in attempts:
                assert raw.code(kind, body) in (sftp.PERMISSION_DENIED, sftp.FAILURE), (kind, form)
    link.unlink()
    assert (wide.server.root / "public/readme.txt").exists()

    async def transfers() -> None:
        async with connected(wide) as one:
            for line in (
                f"scp -t {home}/.bashrc",
                "scp -t .bashrc",
                "rsync --server -logDtpre.iLsfxCIvu . .",
                f"rsync --server -logDtpre.iLsfxCIvu . {home}/",
                f"rsync --server -logDtpre.iLsfxCIvu . {home}/.ssh/",
                "rsync --server -logDtpre.iLsfxCIvu . /",
            ):
                done = await one.run(line, input="")
                assert done.exit_status == 126, line

    run(transfers())


def test_other_hidden_files_are_files(wide: Ward, raw: Raw) -> None:
    path = f"{wide.server.root}/public/.hidden".encode()
    assert raw.code(sftp.OPEN, string(path) + uint32(0x02 | 0x08) + NONE) == 0


@pytest.mark.parametrize("mode", [0o4755, 0o2755, 0o6777, 0o104755])
def test_no_file_is_made_to_run_as_somebody(wide: Ward, raw: Raw, mode: int) -> None:
    path = f"{wide.server.root}/public/readme.txt".encode()
    before = Path(path.decode()).stat().st_mode
    attrs = uint32(4) + uint32(mode)
    with_times = uint32(8 | 4) + uint32(mode) + uint32(1) + uint32(1)
    handle = raw.handle(path, 0x02)
    for body in (attrs, with_times):
        assert raw.code(sftp.SETSTAT, string(path) + body) == sftp.PERMISSION_DENIED
        assert raw.code(sftp.FSETSTAT, string(handle) + body) == sftp.PERMISSION_DENIED
        lset = extended(b"lsetstat@openssh.com", string(path), body)
        assert raw.code(*lset) == sftp.PERMISSION_DENIED
    assert Path(path.decode()).stat().st_mode == before
    assert raw.code(sftp.SETSTAT, string(path) + uint32(4) + uint32(0o100644)) == 0


def test_links_go_where_clients_mean(wide: Ward) -> None:
    """The order of the two paths differs from server to server; clients go by our name."""
    root = wide.server.root / "public"

    async def links() -> None:
        async with connected(wide) as connection, connection.start_sftp_client() as files:
            await files.symlink("readme.txt", f"{root}/by-asyncssh")
            await files.link(f"{root}/lines.txt", f"{root}/hard")
            await files.posix_rename(f"{root}/hard", f"{root}/harder")
            assert (await files.statvfs(str(root))).bsize > 0
            with pytest.raises(asyncssh.SFTPError):
                await files.symlink("x", ".bashrc")

    run(links())
    assert (root / "by-asyncssh").is_symlink()
    assert (root / "by-asyncssh").read_bytes() == (root / "readme.txt").read_bytes()
    assert (root / "harder").read_bytes() == (root / "lines.txt").read_bytes()
    assert not (root / "hard").exists()


@pytest.mark.parametrize("step", ["approve", "deny"])
def test_scp_of_more_than_a_session_may_have(wide: Ward, tmp_path: Path, step: str) -> None:
    """Its old protocol is bounded, too: a person lets it go on, or not."""
    large = wide.server.root / "public/large"
    words: list[bytes] = []

    async def copied() -> int:
        async with connected(wide) as connection:
            process = await connection.create_process(f"scp -f {large}", encoding=None)
            process.stdin.write(b"\0\0\0")

            async def held() -> None:
                text = b""
                while (found := re.search(rb"\{.*\}", text)) is None:
                    text += await process.stderr.read(4096)
                words.append(text)
                approval = json.loads(found[0])["approval"]
                await asyncio.to_thread(wide.decide, approval, step, "rita")

            deciding = asyncio.create_task(held())
            data = b""
            answered = False
            while piece := await process.stdout.read(65536):
                data += piece
                if data.endswith(b"\0") and len(data) > SIZE and not answered:
                    answered = True
                    process.stdin.write(b"\0")
                    process.stdin.write_eof()
            await deciding
            words.append(data)
            await process.wait()
            return process.exit_status or 0

    async def bounded() -> None:
        status = await copied()
        data = words[1]
        assert b"waiting for approval" in words[0]
        if step == "approve":
            assert large.read_bytes() in data
            assert status == 0
        else:
            assert len(data) <= 64 * 1024
            assert status == 126

    run(bounded())
