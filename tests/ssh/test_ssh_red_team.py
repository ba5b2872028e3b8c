"""Ways past the list of commands and past rules on paths, as attackers try them. Each was a guess
at a family; what a family found is closed as one."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

import paramiko
import pytest
from test_ssh_channels import connected, run
from testbed.certificates import Certificates
from testbed.ward import RULES, Ward, running_ward

from hoopgate.ssh import sftp_wire as sftp
from hoopgate.ssh.wire import Reader, string, uint32, uint64

SECRET = b"123-45-6789"


@pytest.fixture(scope="module")
def fort(tmp_path_factory: pytest.TempPathFactory, certificates: Certificates) -> Iterator[Ward]:
    """One part of what may be read is closed, and one identity may read and set attributes only."""
    closed = {
        "name": "closed",
        "verdict": "block",
        "match": {"ssh": {"path": ["{root}/public/kept/*", "{root}/public/a=b/*"]}},
    }
    readers = {
        "name": "readers",
        "verdict": "allow",
        "match": {
            "groups": ["exporters"],
            "classes": ["sftp.stat", "sftp.list", "sftp.read", "sftp.attributes"],
            "ssh": {"path": ["{root}/public", "{root}/public/*"]},
        },
    }
    files = {**RULES[1], "match": {**RULES[1]["match"], "groups": ["analysts"]}}
    with running_ward(
        tmp_path_factory.mktemp("fort"), certificates, rules=[closed, readers, files, *RULES[2:]]
    ) as running:
        running.server.write("public/kept/secret.txt", SECRET)
        running.server.write("public/a=b/secret.txt", SECRET)
        running.server.write("public/mine/file.txt", b"mine\n")
        (running.server.root / "public/out").symlink_to(running.server.root / "secret")
        yield running


def state(ward: Ward) -> dict[str, tuple[int, bytes]]:
    """Everything that an attack could have changed."""
    found = {}
    for path in sorted(ward.server.root.rglob("*")):
        content = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
        found[str(path)] = path.lstat().st_mode, content
    return found


#: ``{s}`` is a file that may not be read, ``{p}`` the directory that may, ``{r}`` the one above.
COMMANDS = [
    # quoting
    "cat {p}/../secret/patients.csv",
    'cat "{p}"/../"secret/patients.csv"',
    "cat '{p}/..'/secret/patients.csv",
    "cat {p}\\/..\\/secret/patients.csv",
    "cat $'{s}'",
    'cat $"{s}"',
    "cat {p}/readme.txt''$(cat {s})",
    'cat "{p}/`echo ../secret/patients.csv`"',
    "cat '{p}/readme.txt'\n'cat' {s}",
    "'cat {s}'",
    "cat {p}/readme.txt \\\n {s}",
    "cat \u201c{s}\u201d",
    # expansion
    "cat {p}/{{readme.txt,../secret/patients.csv}}",
    "cat {r}/s?cret/patients.csv",
    "cat {r}/[s]ecret/patients.csv",
    "cat {r}/s*t/patients.csv",
    "cat ~postgres/x",
    "cat ~/x",
    "cat ~+/secret/patients.csv",
    "cat {p}/$(printf '..')/secret/patients.csv",
    "cat ${{HOME}}/secret/patients.csv",
    "cat $PWD/secret/patients.csv",
    "cat {p}/!(x)",
    "cat @({s})",
    "cat ${{x:-{s}}}",
    "cat $((1))",
    # assignments and prefixes
    "x=1 cat {s}",
    "PATH=/tmp cat {p}/readme.txt",
    "A=b",
    "+x cat {s}",
    "! cat {s}",
    "time cat {s}",
    "command cat {s}",
    "\\cat {s}",
    "exec cat {s}",
    "nice cat {s}",
    "-cat {s}",
    # options, bundled, abbreviated, behind operands
    "head -n1c999 {s}",
    "head -cn {s}",
    "head -n 5 -- {s}",
    "head -n -- {s}",
    "cat -- {s}",
    "cat {p}/readme.txt -- {s}",
    "head --byt=99 {s}",
    "wc --files0-from={s}",
    "wc --files0-from {s}",
    "grep -f {s} {p}/readme.txt",
    "grep -nf{s} x {p}/readme.txt",
    "grep -e x {s}",
    "grep --file={s} x {p}/readme.txt",
    "grep x {p}/readme.txt {s}",
    "grep -r x {r}",
    "grep x -n {s}",
    "ls --color=auto {r}/secret",
    "ls -la {r}/secret",
    "ls -R {p}",
    "sha256sum -c {s}",
    "sha256sum --check={s}",
    "tee -a {p}/x",
    "tee {p}/x {s}",
    "tee --output-error=exit {r}/x",
    "cat -",
    "cat @{s}",
    "cat +{s}",
    "cat file://{s}",
    # paths
    "cat {p}/out/patients.csv",
    "cat {p}/./../secret/patients.csv",
    "cat {p}//..//secret//patients.csv",
    "cat /proc/self/root{s}",
    "cat /proc/self/cwd{s}",
    "cat {p}/kept/../../secret/patients.csv",
    "cat /dev/stdin",
    "cat /dev/fd/0",
    "cat {p}x/patients.csv",
    "cat {p}/readme.txt/../../secret/patients.csv",
    "cat secret/patients.csv",
    "cat ''",
    # unicode and controls
    "cat\u00a0{s}",
    "cat\u2003{s}",
    "\uff43\uff41\uff54 {s}",
    "cat {p}/\u202etxt.emdaer",
    "cat {p}/\u2025/secret/patients.csv",
    "cat {p}/\uff0e\uff0e/secret/patients.csv",
    "c\u0430t {p}/readme.txt",
    "cat {p}/readme.txt\u2028cat {s}",
    "cat {p}/readme.txt\rcat {s}",
    "cat {p}/readme.txt\x00{s}",
    "cat {p}/readme.txt\x0bcat {s}",
    "cat {p}/readme.txt\x1b[2Jcat",
    "cat {p}/readme.txt\x85cat {s}",
    # the servers of transfers, and what else sshd could run
    "scp -f {s}",
    "scp -f {p}/out/patients.csv",
    "scp -rf {p}",
    "scp -tr {p}",
    "scp -f -- {p}/readme.txt {s}",
    "scp -f -S /bin/sh {p}/readme.txt",
    "scp -3 -f {p}/readme.txt",
    "rsync --server --sender -logDtpre.iLsfxCIvu . {r}/secret/",
    "rsync --server --sender -logDtprRe.iLsfxCIvu . {p}/out/",
    "rsync --server --sender -LKe.iLsfxCIvu . {p}/",
    "rsync --server --sender -s . {p}/",
    "rsync --server --sender --copy-unsafe-links -re.iLsfxCIvu . {p}/",
    "rsync --server --sender --files-from={s} -re.iLsfxCIvu . {p}/",
    "rsync --server -logDtpre.iLsfxCIvu --log-file={p}/x . {p}/",
    "rsync --server -logDtpre.iLsfxCIvu --backup-dir={r} -b . {p}/",
    "rsync --server -logDtpre.iLsfxCIvu --temp-dir={r} . {p}/",
    "rsync --server -logDtpre.iLsfxCIvu . {p}/mine {r}",
    "rsync --server --sender -re.iLsfxCIvu . {p}/mine/ --remove-source-files",
    "rsync --server --sender -re.iLsfxCIvu . {p}/",
    "rsync --sender --server -re.iLsfxCIvu . {p}/mine",
    "rsync --daemon --server . {p}/mine",
    "rsync -e sh --server . {p}/mine",
    "internal-sftp",
    "/usr/lib/openssh/sftp-server",
    "sftp",
    "git-upload-pack {r}",
    "sh -c 'cat {s}'",
    "",
    " ",
    "#",
]


def test_there_are_many() -> None:
    assert len(set(COMMANDS)) > 100


def test_no_command_gets_past_the_list(fort: Ward) -> None:
    root = str(fort.server.root)
    filled = {"s": f"{root}/secret/patients.csv", "p": f"{root}/public", "r": root}
    before = state(fort)

    async def attempts() -> None:
        async with connected(fort) as connection:
            for form in COMMANDS:
                text = form.format(**filled)
                done = await connection.run(text, input=b"", encoding=None, timeout=60)
                output = bytes(done.stdout or b"") + bytes(done.stderr or b"")
                assert SECRET not in output, form
                assert done.exit_status == 126, (form, output)
                assert b"hoopgate: refused" in output, form

    run(attempts())
    assert state(fort) == before


def test_names_of_variables_and_their_values(fort: Ward) -> None:
    """What is on the list of names still carries no path and no code."""
    values = {
        "LC_ALL": "../../../../tmp/x",
        "LC_CTYPE": "() { :; }; id",
        "LC_TIME": "x\ny",
        "LC_NAME": "$(id)",
        "LANG": "/tmp/evil",
        "LC_MONETARY": "\x1b[2J",
        "LC_PAPER": "x" * 300,
        "lc_all": "C",
        "XLC_ALL": "C",
        "LC_ALL ": "C",
        "LC_X=/tmp/x": "C",
        "LC_\n": "C",
        "LC_X\u00e9": "C",
    }

    async def attempts() -> None:
        async with connected(fort) as connection:
            done = await connection.run("printf in", env={**values, "LC_NUMERIC": "de_DE.UTF-8"})
            assert (done.exit_status, done.stdout) == (0, "in")

    before = len(fort.server.log_text())
    run(attempts())
    log = fort.server.log_text()[before:]
    assert "Setting env 0: LC_NUMERIC=de_DE.UTF-8" in log
    assert "Setting env 1:" not in log


class Raw:
    """SFTP's packets, written by hand."""

    def __init__(self, ward: Ward, who: str) -> None:
        self._transport = paramiko.Transport(("127.0.0.1", ward.port))
        self._transport.connect(username=f"{who}%ward", password=ward.token(who))
        self._channel = self._transport.open_session()
        self._channel.settimeout(60)
        self._channel.invoke_subsystem("sftp")
        self._id = 0
        self.send(string(bytes((sftp.INIT,)) + uint32(3)))
        self.version = self.packet()

    def send(self, data: bytes) -> None:
        self._channel.sendall(data)

    def packet(self) -> bytes:
        return self._exactly(int.from_bytes(self._exactly(4), "big"))

    def _exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            piece = self._channel.recv(size - len(data))
            if not piece:
                raise EOFError
            data += piece
        return data

    def ask(self, kind: int, *parts: bytes) -> tuple[int, Reader]:
        """Kind of the answer, and its fields behind the id."""
        self._id += 1
        self.send(string(bytes((kind,)) + uint32(self._id) + b"".join(parts)))
        answer = Reader(self.packet())
        found = answer.byte()
        assert answer.uint32() == self._id
        return found, answer

    def code(self, kind: int, *parts: bytes) -> int:
        """The code of a STATUS; 0 also for what is none: it was done."""
        found, answer = self.ask(kind, *parts)
        return answer.uint32() if found == sftp.STATUS else 0

    def handle(self, path: bytes, flags: int = sftp.READING) -> bytes:
        found, answer = self.ask(sftp.OPEN, string(path), uint32(flags), uint32(0))
        assert found == sftp.HANDLE
        return answer.string()

    def close(self) -> None:
        self._transport.close()


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


def extended(name: bytes, *parts: bytes) -> tuple[int, bytes]:
    return sftp.EXTENDED, string(name) + b"".join(parts)


NONE = uint32(0)


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


def test_rsync_removes_only_for_who_may_remove(fort: Ward) -> None:
    """The sender takes away what it has sent."""
    path = f"{fort.server.root}/public/mine"

    async def attempts() -> None:
        async with connected(
            fort, username="exporter%ward", password=fort.token("exporter")
        ) as one:
            for option in ("--remove-source-files", "--delete", "--delete-excluded", "--force"):
                line = f"rsync --server --sender -re.iLsfxCIvu {option} . {path}/"
                done = await one.run(line, input="")
                assert done.exit_status == 126, option

    run(attempts())
    assert (fort.server.root / "public/mine/file.txt").exists()


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
