"""Ways past rules on paths by SFTP's operations, handles and bytes, as attackers try them."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from testbed.certificates import Certificates
from testbed.rawsftp import NONE, Raw, extended, state
from testbed.ward import RULES, Ward, running_ward

from hoopgate.ssh import sftp_wire as sftp
from hoopgate.ssh.wire import Reader, string, uint32, uint64


@pytest.fixture
def raw(fort: Ward) -> Iterator[Raw]:
    one = Raw(fort, "executor")
    yield one
    one.close()


@pytest.fixture
def reader(fort: Ward) -> Iterator[Raw]:
    """An identity that may read and set attributes, and nothing else."""
    one = Raw(fort, "exporter")
    yield one
    one.close()


def test_operations_on_paths(fort: Ward, raw: Raw) -> None:
    root = str(fort.server.root).encode()
    p, r, kept = root + b"/public", root, root + b"/public/kept"
    s = root + b"/secret/patients.csv"
    read, write = uint32(sftp.READING), uint32(0x02 | 0x08 | 0x10)
    attempts: list[tuple[int, bytes]] = [
        (sftp.OPEN, string(s) + read + NONE),
        (sftp.OPEN, string(p + b"/../secret/patients.csv") + read + NONE),
        (sftp.OPEN, string(p + b"/out/patients.csv") + read + NONE),
        (sftp.OPEN, string(p + b"//out//.//patients.csv") + read + NONE),
        (sftp.OPEN, string(b"/proc/self/root" + s) + read + NONE),
        (sftp.OPEN, string(p + b"/out/new") + write + NONE),
        (sftp.OPEN, string(p + b"/kept/secret.txt") + read + NONE),
        (sftp.OPEN, string(p + b"/mine/../kept/secret.txt") + read + NONE),
        (sftp.OPEN, string(p + b"/KEPT/secret.txt") + write + NONE),
        (sftp.OPEN, string(p + b"/a=b/secret.txt") + read + NONE),
        (sftp.OPEN, string(p + b"/readme.txt\0/../../secret") + read + NONE),
        (sftp.OPEN, string(b"") + read + NONE),
        (sftp.OPEN, string(p + b"/\xff\xfe") + write + NONE),
        (sftp.OPEN, string(p + b"/" + b"x/" * 3000) + read + NONE),
        (sftp.OPENDIR, string(r + b"/secret")),
        (sftp.OPENDIR, string(p + b"/out")),
        (sftp.OPENDIR, string(p + b"/..")),
        (sftp.SETSTAT, string(s) + uint32(4) + uint32(0o777)),
        (sftp.SETSTAT, string(p + b"/out") + uint32(4) + uint32(0o777)),
        (sftp.REMOVE, string(s)),
        (sftp.REMOVE, string(p + b"/out/patients.csv")),
        (sftp.RMDIR, string(p + b"/../secret")),
        (sftp.MKDIR, string(p + b"/out/made") + NONE),
        (sftp.MKDIR, string(r + b"/made") + NONE),
        (sftp.RENAME, string(p + b"/mine/file.txt") + string(r + b"/file.txt")),
        (sftp.RENAME, string(s) + string(p + b"/taken")),
        (sftp.RENAME, string(p + b"/kept") + string(p + b"/open")),
        (sftp.RENAME, string(p + b"/kept/") + string(p + b"/open")),
        (sftp.RENAME, string(p) + string(p + b"2")),
        (sftp.RENAME, string(p + b"/out/patients.csv") + string(p + b"/taken")),
        (sftp.SYMLINK, string(s) + string(p + b"/link")),
        (sftp.SYMLINK, string(b"../secret/patients.csv") + string(p + b"/link")),
        (sftp.SYMLINK, string(b"readme.txt") + string(p + b"/link")),  # links are not allowed here
        extended(b"posix-rename@openssh.com", string(s), string(p + b"/taken")),
        extended(b"posix-rename@openssh.com", string(p + b"/mine/file.txt"), string(s)),
        extended(b"posix-rename@openssh.com", string(kept), string(p + b"/open")),
        extended(b"posix-rename@openssh.com", string(p + b"/mine/../kept"), string(p + b"/open")),
        extended(b"hardlink@openssh.com", string(s), string(p + b"/taken")),
        extended(b"hardlink@openssh.com", string(p + b"/readme.txt"), string(p + b"/taken")),
        extended(b"lsetstat@openssh.com", string(s), uint32(4), uint32(0o777)),
        extended(b"expand-path@openssh.com", string(b"~root/x")),
        extended(b"home-directory", string(b"root")),
        extended(b"users-groups-by-id@openssh.com", string(b""), string(b"")),
        extended(b"POSIX-RENAME@OPENSSH.COM", string(s), string(p + b"/taken")),
        extended(b"check-file", string(b""), string(b"sha256")),
        extended(b"copy-file", string(s), string(p + b"/taken"), b"\0"),
        extended(b"space-available", string(r)),
        extended(b"vendor-id", b"x" * 10),
        extended(b"", b""),
    ]
    before = state(fort)
    for kind, body in attempts:
        assert raw.code(kind, body) in (2, 3, 4, 8), (kind, body)
    assert state(fort) == before
    # The session is alive.
    assert raw.code(sftp.LSTAT, string(p + b"/readme.txt")) == 0


def test_handles(fort: Ward, raw: Raw) -> None:
    """A handle is the server's, for what it was opened for, and for as long as it is open."""
    root = str(fort.server.root).encode() + b"/public"
    reads = raw.handle(root + b"/readme.txt")
    writes = raw.handle(root + b"/mine/file.txt", 0x02)
    found, answer = raw.ask(sftp.OPENDIR, string(root + b"/mine"))
    assert found == sftp.HANDLE
    lists = answer.string()
    part = uint64(0) + uint32(100)
    attempts = [
        *(
            (sftp.READ, string(one) + part)
            for one in (b"", b"\0\0\0\7", b"\0" * 256, lists, writes)
        ),
        *(
            (sftp.WRITE, string(one) + uint64(0) + string(b"x"))
            for one in (reads, lists, b"\0\0\0\7")
        ),
        *((sftp.READDIR, string(one)) for one in (reads, writes, b"nobody's")),
        (sftp.FSETSTAT, string(reads) + uint32(1) + uint64(0)),
        (sftp.FSETSTAT, string(lists) + uint32(4) + uint32(0o777)),
        extended(b"copy-data", string(writes), uint64(0), uint64(0), string(reads)),
        extended(b"copy-data", string(reads), uint64(0), uint64(0), string(reads)),
        extended(b"copy-data", string(b"\0\0\0\7"), uint64(0), uint64(0), string(writes)),
        extended(b"copy-data", string(reads), uint64(0), uint64(0), string(b"\0\0\0\7")),
        extended(b"fsync@openssh.com", string(b"\0\0\0\7")),
        extended(b"fstatvfs@openssh.com", string(b"\0\0\0\7")),
        (sftp.CLOSE, string(b"\0\0\0\7")),
    ]
    before = state(fort)
    for kind, body in attempts:
        assert raw.code(kind, body) in (3, 4, 8), (kind, body)
    assert raw.code(sftp.CLOSE, string(reads)) == 0
    assert raw.code(sftp.READ, string(reads) + part) != 0
    assert raw.code(sftp.CLOSE, string(reads)) != 0
    assert state(fort) == before


def test_a_size_is_written_and_not_just_set(fort: Ward, reader: Raw) -> None:
    """SETSTAT may cut a file; who may not write may not do that."""
    path = str(fort.server.root).encode() + b"/public/mine/file.txt"
    cut = uint32(1) + uint64(0)
    assert reader.code(sftp.SETSTAT, string(path), cut) == 3
    assert reader.code(*extended(b"lsetstat@openssh.com", string(path), cut)) == 3
    both = uint32(1 | 4) + uint64(0) + uint32(0o600)
    assert reader.code(sftp.SETSTAT, string(path), both) == 3
    assert Path(path.decode()).read_bytes() == b"mine\n"
    assert reader.code(sftp.SETSTAT, string(path), uint32(4) + uint32(0o644)) == 0
    for flags in (0x02, 0x03, 0x04, 0x08, 0x10, 0x20 | 0x08, 0xFFFFFFFE):
        assert reader.code(sftp.OPEN, string(path) + uint32(flags) + NONE) == 3


def test_new_files_have_nobody_s_rights(fort: Ward, raw: Raw) -> None:
    """No program of an agent's runs as the account for others."""
    root = str(fort.server.root).encode() + b"/public"
    attrs = uint32(4) + uint32(0o106777)
    assert raw.code(sftp.OPEN, string(root + b"/suid") + uint32(0x02 | 0x08) + attrs) == 0
    assert raw.code(sftp.MKDIR, string(root + b"/sgid") + attrs) == 0
    for name in ("suid", "sgid"):
        assert (fort.server.root / "public" / name).stat().st_mode & 0o6000 == 0


@pytest.mark.parametrize(
    "data",
    [
        uint32(sftp.PACKET_BYTES + 1) + b"\x05",
        uint32(2**32 - 1),
        uint32(0),
        string(bytes((sftp.INIT,)) + uint32(3)),
        string(bytes((sftp.INIT,)) + uint32(6)),
        string(bytes((sftp.VERSION,)) + uint32(3)),
        string(bytes((sftp.HANDLE,)) + uint32(9) + string(b"\0\0\0\0")),
        string(bytes((sftp.DATA,)) + uint32(9) + string(b"x")),
        string(bytes((21,)) + uint32(9)),
        string(bytes((sftp.OPEN,)) + uint32(9)),
        string(bytes((sftp.OPEN,)) + uint32(9) + uint32(2**31) + b"x"),
        string(bytes((sftp.OPEN,)) + uint32(9) + string(b"/x")),
        string(bytes((sftp.READ,)) + uint32(9) + string(b"h" * 257) + uint64(0) + uint32(1)),
        string(bytes((sftp.STAT,)) + uint32(0xFFFF0000) + string(b"/")),
        string(bytes((sftp.STAT,)) + uint32(9)),
    ],
    ids=lambda data: data[:12].hex(),
)
def test_what_is_no_request_ends_the_session(fort: Ward, raw: Raw, data: bytes) -> None:
    """Of many at once, none that follow are heard."""
    target = f"{fort.server.root}/public/readme.txt".encode()
    after = string(bytes((sftp.REMOVE,)) + uint32(77) + string(target))
    raw.send(data + after)
    with pytest.raises((EOFError, OSError)):
        raw.packet()
    assert Path(target.decode()).exists()


def test_one_id_twice_ends_the_session(fort: Ward, raw: Raw) -> None:
    path = string(f"{fort.server.root}/public/readme.txt".encode())
    request = string(bytes((sftp.STAT,)) + uint32(5) + path)
    raw.send(request + request)
    with pytest.raises((EOFError, OSError)):
        for _ in range(3):
            raw.packet()


def test_many_reads_at_once_do_not_outrun_a_bound(
    tmp_path_factory: pytest.TempPathFactory, certificates: Certificates
) -> None:
    """They are counted when they are asked for."""
    with running_ward(
        tmp_path_factory.mktemp("bound"), certificates, ssh={"bulk_size": "64KiB"}
    ) as small:
        path = small.server.write("public/large", b"x" * 2**20)
        one = Raw(small, "executor")
        handle = one.handle(str(path).encode())
        got = 0
        reads = b"".join(
            string(
                bytes((sftp.READ,))
                + struct.pack(">I", 100 + number)
                + string(handle)
                + uint64(number * 32768)
                + uint32(32768)
            )
            for number in range(32)
        )
        one.send(reads)
        while True:
            answer = Reader(one.packet())
            if answer.byte() != sftp.DATA:
                break
            answer.uint32()
            got += len(answer.string())
        answer.uint32()
        assert answer.uint32() == sftp.PERMISSION_DENIED
        assert got <= 3 * 32768
        one.close()


@pytest.fixture(scope="module")
def linking(tmp_path_factory: pytest.TempPathFactory, certificates: Certificates) -> Iterator[Ward]:
    """Links may be made, and names changed, in what may be read."""
    match = RULES[1]["match"]
    files = {**RULES[1], "match": {**match, "classes": [*match["classes"], "sftp.link"]}}
    with running_ward(
        tmp_path_factory.mktemp("linking"), certificates, rules=[files, *RULES[2:]]
    ) as running:
        public = running.server.root / "public"
        for name in ("a/b/x", "a/x", "c/d/x"):
            running.server.write(f"public/{name}", b"inside\n")
        (public / "a/b/theirs").symlink_to("../x")  # not of the agent's making
        (public / "out").symlink_to(running.server.root / "secret/patients.csv")
        yield running


def test_no_link_leads_out_wherever_it_is_moved(linking: Ward) -> None:
    """Who can make one could read what it leads to, by exchanging it for a file in time."""
    public = linking.server.root / "public"
    p = str(public).encode()
    raw = Raw(linking, "executor")
    rename, hard = b"posix-rename@openssh.com", b"hardlink@openssh.com"
    refused = [
        (sftp.SYMLINK, string(b"../../../secret/patients.csv") + string(p + b"/a/b/l")),
        (sftp.SYMLINK, string(p + b"/out") + string(p + b"/l")),
        (sftp.SYMLINK, string(b"out") + string(p + b"/l")),
        (sftp.SYMLINK, string(b"..") + string(p + b"/l")),
        (sftp.SYMLINK, string(b"/") + string(p + b"/l")),
        (sftp.RENAME, string(p + b"/a/b/theirs") + string(p + b"/theirs")),
        (sftp.RENAME, string(p + b"/out") + string(p + b"/l")),
        extended(rename, string(p + b"/a/b/theirs"), string(p + b"/theirs")),
        extended(rename, string(p + b"/a/../a/b/theirs"), string(p + b"/c/../theirs")),
        extended(rename, string(p + b"/out"), string(p + b"/a/x")),
        extended(hard, string(p + b"/a/b/theirs"), string(p + b"/theirs")),
        extended(hard, string(p + b"/out"), string(p + b"/l")),
    ]
    before = state(linking)
    for kind, body in refused:
        assert raw.code(kind, body) in (3, 4), body
    assert state(linking) == before
    # Within what may be read, links are as useful as ever.
    assert raw.code(sftp.SYMLINK, string(b"../x") + string(p + b"/a/b/mine")) == 0
    assert (public / "a/b/mine").read_bytes() == b"inside\n"
    assert raw.code(*extended(rename, string(p + b"/a/b/mine"), string(p + b"/mine"))) == 0
    assert (public / "mine").resolve() == (public / "a/x").resolve()
    assert raw.code(sftp.RENAME, string(p + b"/a/b") + string(p + b"/b")) == 0
    assert raw.code(sftp.RENAME, string(p + b"/b") + string(p + b"/a/b")) == 0
    moved = string(p + b"/a/b/theirs") + string(p + b"/c/d/theirs")
    (public / "c/x").write_bytes(b"inside\n")
    assert raw.code(sftp.RENAME, moved) == 0
    assert (public / "c/d/theirs").read_bytes() == b"inside\n"
    assert raw.code(sftp.SYMLINK, string(b"later.txt") + string(p + b"/early")) == 0
    raw.close()
