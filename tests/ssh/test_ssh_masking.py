"""What clients see of PHI in output and files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import paramiko
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from testbed.certificates import Certificates
from testbed.rawsftp import Raw
from testbed.ward import COMMANDS, RULES, Ward, running_ward

from hoopgate.errors import Refused
from hoopgate.plans import BodyPlan, Method, PathMask
from hoopgate.ssh import sftp_wire as sftp
from hoopgate.ssh.masking import HELD, FileMasker, LineMasker
from hoopgate.ssh.wire import string, uint32, uint64

SSN = "123-45-6789"


def chunks(data: bytes, sizes: list[int]) -> Iterator[bytes]:
    at = 0
    for size in sizes:
        yield data[at : at + size]
        at += size
    yield data[at:]


@given(
    st.lists(
        st.sampled_from(
            [
                *("a ", "line ", f" {SSN} ", "x@example.org ", "\n", "é", "\xff", "1"),
                *(
                    "123-",
                    "45-6789",
                    "\x1b[31m",
                    "\x1b",
                    "\b",
                    "\0",
                    "\r",
                    "\u00ad",
                    "James",
                    " Smith",
                ),
            ]
        ),
        max_size=60,
    ),
    st.lists(st.integers(0, 40), max_size=20),
)
@example(["James", "123-", "45-6789"], [])
@example(["1", "123-", "45-6789", "1"], [])
def test_any_chunking_shows_the_same(pieces: list[str], sizes: list[int]) -> None:
    data = "".join(pieces).encode("latin-1")
    whole = LineMasker()
    expected = whole.feed(data) + whole.end()
    masker = LineMasker()
    shown = b"".join(masker.feed(one) for one in chunks(data, sizes)) + masker.end()
    assert shown == expected
    assert SSN.encode() not in shown


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 3 * HELD), st.integers(20, 900))
def test_a_line_without_an_end_is_shown_bounded_and_masked(at: int, size: int) -> None:
    data = b"." * at + b" " + SSN.encode() + b" " + b"." * (3 * HELD)
    masker = LineMasker()
    shown = b""
    for one in chunks(data, [size] * (len(data) // size)):
        shown += masker.feed(one)
        assert masker.buffered <= HELD + size
    shown += masker.end()
    assert SSN.encode() not in shown
    assert shown == data.replace(SSN.encode(), b"[SSN]")


def test_nothing_waits_on_a_terminal() -> None:
    masker = LineMasker(best_effort=True)
    assert masker.feed(b"prompt$ ") == b"prompt$ "
    assert masker.feed(SSN.encode()) == b"[SSN]"
    assert masker.buffered == 0


def plan(*masks: tuple[str, str, Method | None], unlabelled: bool = True) -> BodyPlan:
    return BodyPlan(columns=(), paths=tuple(PathMask(*one) for one in masks), unlabelled=unlabelled)


PATIENT = {
    "resourceType": "Patient",
    "id": "p1",
    "name": [{"family": "Example"}],
    "gender": "female",
}


class TestFiles:
    mask = FileMasker(binary=False, year=lambda: 2026)

    def test_a_public_file_is_as_it_is(self) -> None:
        public = plan(("/data/*", "PUBLIC", None))
        assert self.mask("/data/x", b"\0\xff", public) == b"\0\xff"

    def test_a_file_that_nobody_labelled_is_refused(self) -> None:
        with pytest.raises(Refused, match="says nothing"):
            self.mask("/data/x", b"text", plan())

    def test_or_searched_where_nothing_unnamed_is_secret(self) -> None:
        shown = self.mask("/data/x", f"ssn {SSN}\n".encode(), plan(unlabelled=False))
        assert shown == b"ssn [SSN]\n"

    def test_a_secret_file_is_its_label(self) -> None:
        assert self.mask("/notes/1", b"text", plan(("/notes/*", "NOTE", Method.REDACT))) == (
            b"[NOTE]\n"
        )

    def test_a_table(self) -> None:
        masks = plan(("/d/*.csv#ssn", "SSN", Method.REDACT), ("/d/*.csv#sex", "PUBLIC", None))
        shown = self.mask("/d/a.csv", f"sex,ssn\nf,{SSN}\n".encode(), masks)
        assert shown == b"sex,ssn\r\nf,[SSN]\r\n"

    def test_documents(self) -> None:
        masks = plan(("/d/*#/people/*/ssn", "SSN", Method.REDACT), ("/d/*#/n", "PUBLIC", None))
        data = json.dumps({"n": 1, "people": [{"ssn": SSN}], "secret": "x"}).encode()
        shown = json.loads(self.mask("/d/a.json", data, masks))
        assert shown["n"] == 1
        assert SSN not in str(shown)
        assert "secret" not in shown
        lines = self.mask("/d/a.ndjson", data + b"\n" + data + b"\n", masks)
        assert len(lines.splitlines()) == 2
        assert SSN.encode() not in lines

    def test_fhir(self) -> None:
        masks = plan(("/d/*#Patient.gender", "PUBLIC", None))
        shown = self.mask("/d/a.ndjson", json.dumps(PATIENT).encode(), masks)
        assert b"Example" not in shown
        assert b"female" in shown

    def test_hl7(self) -> None:
        message = "MSH|^~\\&|a|b|c|d|2026||ADT^A01|1|P|2.5\rPID|1||77^^^H||Example^Ada\r"
        shown = self.mask("/d/a.hl7", message.encode(), plan(("/d/*#PID-5", "NAME", Method.REDACT)))
        assert b"Example" not in shown
        assert b"[NAME]" in shown

    @pytest.mark.parametrize(
        ("path", "content", "code"),
        [
            ("/d/a.csv", b"\xff\xfe", "phi.binary"),
            ("/d/a.csv", b"a,b\n1,2,3\n", "phi.unreadable"),
            ("/d/a.json", b"{", "phi.unreadable"),
            ("/d/a.hl7", b"nothing", "phi.unreadable"),
        ],
    )
    def test_what_cannot_be_masked_is_refused(self, path: str, content: bytes, code: str) -> None:
        with pytest.raises(Refused) as caught:
            self.mask(path, content, plan(("/d/*#x", "X", Method.REDACT)))
        assert caught.value.code == code

    @pytest.mark.parametrize("unlabelled", [True, False])
    @pytest.mark.parametrize(
        "content",
        [
            "\ufeffssn,name\nCanary,x\n",
            "name;ssn\nx;Canary\n",
            "name\tssn\r\nx\tCanary\r\n",
            "name|ssn\nx|Canary\n",
            '\ufeff"name";"ssn"\n"a,b";"Canary"\n',
            "sep=;\nname;ssn\nx;Canary\n",
            "name,sex;ssn\nx,Canary\n",
            "name;ssn,sex\nx;Canary\n",
        ],
    )
    def test_tables_as_spreadsheets_write_them(self, content: str, unlabelled: bool) -> None:
        masks = plan(("/d/*.csv#ssn", "SSN", Method.REDACT), unlabelled=unlabelled)
        try:
            shown = self.mask("/d/a.csv", content.encode(), masks)
        except Refused as refused:
            assert refused.code == "phi.unreadable"
        else:
            assert b"Canary" not in shown
            assert b"[SSN]" in shown

    @pytest.mark.parametrize(
        "text",
        [
            "ssn \uff11\uff12\uff13-\uff14\uff15-\uff16\uff17\uff18\uff19",
            "ssn 123\u201145\u20116789",
            "ssn 12\u200b3-45-6789",
            f"see {SSN}",
        ],
    )
    def test_what_looks_like_an_identifier_in_a_file(self, text: str) -> None:
        """In the texts of every format, also where the data dictionary names something else."""
        masks = plan(("/d/*.[cjn]*#other", "X", Method.REDACT), unlabelled=False)
        assert "[SSN]" in self.mask("/d/a.txt", text.encode(), masks).decode()
        assert "[SSN]" in self.mask("/d/a.csv", f"t\n{text}\n".encode(), masks).decode()
        assert "[SSN]" in self.mask("/d/a.csv", f"{text}\nt\n".encode(), masks).decode()
        document = json.dumps({"t": [{"u": text}]}, ensure_ascii=False).encode()
        masks = plan(("/d/*#/other", "X", Method.REDACT), unlabelled=False)
        assert b"[SSN]" in self.mask("/d/a.json", document, masks)
        assert b"[SSN]" in self.mask("/d/a.ndjson", document + b"\n" + document, masks)

    def test_lines_end_at_line_ends(self) -> None:
        masks = plan(("/d/*#/n", "PUBLIC", None))
        data = '{"n":"a\u2028b\x85c"}'.encode()
        assert self.mask("/d/a.ndjson", data + b"\r\n" + data, masks) == (data + b"\n") * 2

    def test_binary_files_by_policy(self) -> None:
        passing = FileMasker(binary=True)
        assert passing("/d/a", b"\0\1", plan()) == b"\0\1"
        with pytest.raises(Refused):
            passing("/d/a", b"\0\1", plan(("/d/*", "IMAGE", Method.REDACT)))


# --- through the gateway -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def phi_ward(
    tmp_path_factory: pytest.TempPathFactory, certificates: Certificates
) -> Iterator[Ward]:
    """A ward whose files hold PHI."""
    look = {**COMMANDS[2], "paths": ["{root}/public/*", "{root}/secret/*"]}
    files = {**RULES[1], "match": {**RULES[1]["match"], "ssh": {"path": ["{root}/*"]}}}

    def adjust(settings: dict[str, object]) -> None:
        root = settings["commands"][1]["paths"][0].removesuffix("/public/*")  # type: ignore[index]
        settings["labels"] = [
            {"resource": "ward", "place": f"{root}/public/*", "level": "public"},
            {"resource": "ward", "place": f"{root}/secret/*.csv#ssn", "kind": "SSN"},
            {"resource": "ward", "place": f"{root}/secret/*.csv#name", "kind": "NAME"},
        ]

    moved = {
        "name": "moved",
        "verdict": "approve",
        "match": {"classes": ["sftp.rename"], "flags": ["sink"]},
        "reviewers": ["privacy-office"],
        "expires": "2m",
    }
    with running_ward(
        tmp_path_factory.mktemp("phi"),
        certificates,
        commands=[COMMANDS[1], look],
        rules=[moved, files, *RULES[2:]],
        resource={"phi": True},
        adjust=adjust,
    ) as running:
        yield running


def test_output_is_searched_on_its_way(phi_ward: Ward) -> None:
    done = phi_ward.ssh("cat", f"{phi_ward.server.root}/secret/patients.csv")
    assert done.returncode == 0, done.stderr
    assert SSN.encode() not in done.stdout
    assert b"[SSN]" in done.stdout


def test_a_labelled_file_is_shown_by_the_data_dictionary(phi_ward: Ward) -> None:
    """A name has no shape that a detector knows: the label counts for commands, too."""
    root = phi_ward.server.root
    rows = b"".join(b"Zzyzx Qwerty %d,%s\n" % (number, SSN.encode()) for number in range(9000))
    phi_ward.server.write("secret/wards.csv", b"name,ssn\n" + rows)
    for words in (["cat"], ["cat", "--"]):
        done = phi_ward.ssh(*words, f"{root}/secret/wards.csv")
        assert done.returncode == 0, done.stderr
        assert done.stdout == b"name,ssn\r\n" + b"[NAME],[SSN]\r\n" * 9000
    done = phi_ward.ssh("cat", f"{root}/secret/nothing.csv")
    assert done.returncode == 1
    assert b"No such file" in done.stderr


@pytest.mark.parametrize(
    "line",
    [
        "head -n 1 {root}/secret/wards.csv",
        "head -c {root}/secret/wards.csv",
        "cat {root}/secret/wards.csv {root}/public/readme.txt",
        "cat {root}/public/readme.txt {root}/secret/wards.csv",
        "cat -n 1 {root}/secret/wards.csv",
        "cat {root}/secret/wards.csv {root}/secret/wards.csv",
        "cat {root}/secret",
        "head {root}/public/alias.csv",
        "sha256sum {root}/secret/wards.csv",
    ],
)
def test_what_no_format_masks_is_not_shown(phi_ward: Ward, line: str) -> None:
    root = phi_ward.server.root
    phi_ward.server.write("secret/wards.csv", b"name,ssn\nZzyzx,1\n")
    alias = root / "public/alias.csv"
    if not alias.is_symlink():
        alias.symlink_to(root / "secret/wards.csv")
    done = phi_ward.ssh(line.format(root=root))
    assert done.returncode == 126 or b"Is a directory" in done.stderr
    assert b"Zzyzx" not in done.stdout
    if done.returncode == 126:
        assert b'"phi.unmasked"' in done.stderr


def test_names_and_public_files_are_shown(phi_ward: Ward) -> None:
    root = phi_ward.server.root
    phi_ward.server.write("secret/wards.csv", b"name,ssn\nZzyzx,1\n")
    for line in (
        "ls -l {root}/secret",
        "wc -c {root}/secret/wards.csv",
        "head {root}/public/lines.txt",
    ):
        done = phi_ward.ssh(line.format(root=root))
        assert done.returncode == 0, done.stderr
    assert phi_ward.ssh("echo", f"'patient {SSN}'").stdout == b"patient [SSN]\n"


def test_masked_bytes_count_as_others_do(
    tmp_path_factory: pytest.TempPathFactory, certificates: Certificates
) -> None:
    def adjust(settings: dict[str, object]) -> None:
        settings["labels"] = [{"resource": "ward", "place": "/*.csv#ssn", "kind": "SSN"}]

    files = {**RULES[1], "match": {**RULES[1]["match"], "ssh": {"path": ["/*"]}}}
    with running_ward(
        tmp_path_factory.mktemp("phibulk"),
        certificates,
        rules=[files, *RULES[2:]],
        resource={"phi": True},
        ssh={"bulk_size": "64KiB"},
        adjust=adjust,
    ) as small:
        path = small.server.write("secret/many.csv", b"ssn\n" + b"123-45-6789\n" * 20_000)
        one = Raw(small, "executor")
        handle = one.handle(str(path).encode())
        got = 0
        for at in range(0, 2**20, 2**15):
            found, answer = one.ask(sftp.READ, string(handle) + uint64(at) + uint32(2**15))
            if found != sftp.DATA:
                assert answer.uint32() == sftp.PERMISSION_DENIED
                break
            got += len(answer.string())
        assert 0 < got <= 64 * 1024
        one.close()


def test_a_file_is_masked_whole(phi_ward: Ward) -> None:
    root = phi_ward.server.root
    rows = b"".join(b"Name %d,%s\n" % (number, SSN.encode()) for number in range(20_000))
    phi_ward.server.write("secret/many.csv", b"name,ssn\n" + rows)
    phi_ward.server.write("secret/notes.txt", b"unlabelled")
    phi_ward.server.write("public/image.bin", b"\0\1\2" * 1000)
    with paramiko.SSHClient() as client:
        client.load_host_keys(str(phi_ward.known_hosts))
        client.connect(
            "127.0.0.1",
            phi_ward.port,
            "executor%ward",
            phi_ward.token(),
            look_for_keys=False,
            allow_agent=False,
            timeout=60,
            banner_timeout=100,
            auth_timeout=100,
        )
        with client.open_sftp() as files:
            with files.open(f"{root}/secret/many.csv") as file:
                size = file.stat().st_size
                file.prefetch(size)
                data = file.read()
                assert size == len(data)
                assert data == b"name,ssn\r\n" + b"[NAME],[SSN]\r\n" * 20_000
                file.seek(10)
                assert file.read(6) == b"[NAME]"
            with files.open(f"{root}/public/image.bin") as file:
                assert file.read() == b"\0\1\2" * 1000
            with pytest.raises(OSError, match="says nothing of this file"):
                files.open(f"{root}/secret/notes.txt")
            with pytest.raises(OSError, match=r"for reading or for writing|refused"):
                files.open(f"{root}/secret/many.csv", "r+")
            with files.open(f"{root}/secret/new.csv", "w") as file:
                file.write(b"name,ssn\n")
    assert (root / "secret/new.csv").read_bytes() == b"name,ssn\n"


def test_openssh_gets_a_masked_file_too(phi_ward: Ward, tmp_path: Path) -> None:
    root = phi_ward.server.root
    for more in ((), ("-O",)):
        done = phi_ward.run_as(
            "executor",
            lambda user, more=more: [
                *("scp", *phi_ward.options(), *more, "-P", str(phi_ward.port)),
                f"{user}%ward@127.0.0.1:{root}/secret/patients.csv",
                str(tmp_path / "down"),
            ],
        )
        if more:
            assert done.returncode != 0
            assert b"command.unmaskable" in done.stderr
        else:
            assert done.returncode == 0, done.stderr
            assert (tmp_path / "down").read_bytes() == b"name,ssn\r\n[NAME],[SSN]\r\n"


def test_nothing_of_it_is_in_the_log(phi_ward: Ward) -> None:
    text = phi_ward.gateway.log_text()
    assert SSN not in text
    assert "patients.csv" not in text
    assert "session.bug" not in text


@pytest.mark.parametrize("step", ["approve", "deny"])
def test_what_a_path_is_labelled_goes_elsewhere_by_a_person_only(phi_ward: Ward, step: str) -> None:
    """An approve rule with the flag sink lets one decide; a link has none here, and is refused."""
    root = phi_ward.server.root
    phi_ward.server.write("secret/moving.csv", b"name,ssn\n")
    one = Raw(phi_ward, "executor")
    paths = string(f"{root}/secret/moving.csv".encode()) + string(f"{root}/moved.csv".encode())
    assert one.code(sftp.SYMLINK, paths) == sftp.PERMISSION_DENIED
    with ThreadPoolExecutor() as pool:
        moving = pool.submit(one.code, sftp.RENAME, paths)
        phi_ward.decide(one.approval(), step, "rita")
        code = moving.result(60)
    one.close()
    assert (code == 0) is (step == "approve")
    assert (root / "moved.csv").exists() is (step == "approve")
    (root / "moved.csv").unlink(missing_ok=True)


def test_what_was_seen_is_what_was_recorded(phi_ward: Ward) -> None:
    phi_ward.ssh("cat", f"{phi_ward.server.root}/secret/patients.csv")
    shown = phi_ward.replay(phi_ward.sessions()[-1]).stdout.decode()
    assert "exec cat" in shown
    assert "[SSN]" in shown
    assert SSN not in shown
