"""PHI, statements, tokens and passwords are nowhere but in the database and in sealed recordings.

Every kind of secret has a canary of its own. A node is put to work, abused, and killed; then all
that it has written or shows is searched for each canary in each form it could have taken.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import os
import re
import secrets
import signal
import socket
import struct
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest
from testbed.admin import _Connection as UnixConnection
from testbed.certificates import Certificates
from testbed.clinic import (
    AGENT_PASSWORD,
    AGENTS,
    GROUPS,
    LABELS,
    REVIEWERS,
    RULES,
    SCHEMA,
    Clinic,
    clients,
)
from testbed.gateway import Gateway, settings_for
from testbed.issuer import TestIssuer
from testbed.node import HOOPGATE, children, hoopgate, until
from testbed.postgres import Postgres
from testbed.raw import Raw, startup

from hoopgate.recorder.listing import sessions
from hoopgate.recorder.reading import LogReader
from hoopgate.recorder.replay import Replay
from hoopgate.recorder.rotation import SIGNER_KEY
from hoopgate.recorder.sealing import REPLAY_KEY, ReplayKey
from hoopgate.recorder.signer import FileSigner

#: A guard that fails, and quotes the statement as it does.
_GUARD = """
from zope.interface import implementer
from hoopgate.interfaces import IGuardrail

@implementer(IGuardrail)
class Guard:
    name = "fragile"

    def judge(self, judged, session, now):
        if "guard-boom" in judged.statement.text:
            raise ValueError(judged.statement.text)

def make(policy, resources):
    return Guard()
"""


class Canaries:
    """A word for each kind of secret, and the forms in which it could be found again."""

    def __init__(self) -> None:
        self.words: dict[str, bytes] = {}

    def __getitem__(self, kind: str) -> str:
        """The word of ``kind``, made when first asked for."""
        if kind not in self.words:
            self.words[kind] = f"CNRY{secrets.token_hex(8)}".encode()
        return self.words[kind].decode()

    def add(self, kind: str, secret: str) -> None:
        """A secret that somebody else has made."""
        self.words[kind] = secret.encode()

    def found(self, data: bytes) -> list[str]:
        """Kinds of canaries that are in ``data``, whatever their case or encoding."""
        folded = data.lower()
        if not (self._any(_forms).search(folded) or self._any(_base64).search(data)):
            return []
        return [
            kind
            for kind, word in self.words.items()
            if any(form in folded for form in _forms(word))
            or any(form in data for form in _base64(word))
        ]

    def _any(self, forms: Callable[[bytes], Iterator[bytes]]) -> re.Pattern[bytes]:
        """All of them at once: one pass over the data."""
        every = {form for word in self.words.values() for form in forms(word)}
        return re.compile(b"|".join(map(re.escape, sorted(every))))


def _forms(word: bytes) -> Iterator[bytes]:
    yield word.lower()
    yield word.decode().lower().encode("utf-16-le")
    for case in (word, word.lower(), word.upper()):
        yield case.hex().encode()


def _base64(word: bytes) -> Iterator[bytes]:
    """What is in the base64 of any text around ``word``."""
    for lead in range(3):
        encoded = base64.b64encode(b"\0" * lead + word)
        start = -(-lead * 8 // 6)
        end = (lead + len(word)) * 8 // 6
        yield encoded[start:end]
        yield encoded[start:end].translate(bytes.maketrans(b"+/", b"-_"))


@dataclass
class Aftermath:
    """What was left and shown.

    :ivar places: name → content, of all that must hold no canary.
    :ivar screens: what clients were shown.
    :ivar replayed: all recordings, decrypted.
    """

    canaries: Canaries
    places: dict[str, bytes] = field(default_factory=dict)
    screens: bytes = b""
    replayed: bytes = b""
    core_limit: str = ""


class Abuse:
    """The work, step by step."""

    def __init__(self, clinic: Clinic, canaries: Canaries, after: Aftermath) -> None:
        self.clinic = clinic
        self.canaries = canaries
        self.after = after

    def screen(self, shown: object) -> None:
        """Something that a client was shown."""
        self.after.screens += repr(shown).encode() + b"\n"

    def try_(self, connection: psycopg.Connection, statement: str, *more: Any) -> None:
        """Execute; rows and errors alike are what the client sees."""
        try:
            cursor = connection.execute(statement.encode(), *more)
            self.screen(cursor.fetchall() if cursor.description else cursor.statusmessage)
        except psycopg.Error as error:
            self.screen(error)
            self.screen(error.diag.message_detail)
            self.screen(error.diag.context)

    def statements(self) -> None:
        c = self.canaries
        with psycopg.connect(self.clinic.dsn(application_name=c["application"])) as connection:
            connection.autocommit = True
            connection.add_notice_handler(lambda notice: self.screen(vars(notice)))
            for binary in (False, True):
                with connection.cursor(binary=binary) as cursor:
                    cursor.execute("SELECT ssn, name, email, contact FROM patients")
                    self.screen(cursor.fetchall())
                    cursor.execute("SELECT note FROM encounters")
                    self.screen(cursor.fetchall())
            self.try_(connection, "SELECT description FROM codes ORDER BY dx")
            self.try_(connection, f"SELECT '{c['literal']}' AS \"{c['alias']}\" -- {c['comment']}")
            for n in range(7):
                self.try_(connection, "SELECT %s::text", [f"{c['parameter']}{n}"])
            self.try_(connection, f"PREPARE p AS SELECT '{c['prepared']}'::text, $1::text")
            self.try_(connection, f"EXECUTE p('{c['execute']}')")
            self.try_(connection, f"INSERT INTO codes VALUES ('{c['inserted']}', 'x')")
            with (
                contextlib.suppress(psycopg.errors.UniqueViolation),  # the second time
                connection.cursor().copy("COPY codes FROM STDIN") as copy,
            ):
                copy.write_row((c["copied"], "x"))
            refused = (
                f"DROP TABLE {c['dropped']}",
                f"SELECT id FROM patients WHERE ssn = '{c['predicate']}'",
                f"SELEC '{c['syntax']}'",
                f"SELECT {c['column']} FROM codes",
                f"SELECT 'guard-boom {c['guard']}'",
                f"SELECT pg_read_file('{c['file']}')",
                f"SET ROLE {c['role']}",
                "SELECT " + "(" * 3000 + f"'{c['nested']}'" + ")" * 3000,
                f"SELECT '{c['long']}" + "x" * 2**20 + "'",
            )
            failing = (
                f"SELECT '{c['cast']}'::integer",
                f"SELECT description::integer, '{c['late']}' FROM codes",
                f"INSERT INTO codes VALUES ('{c['inserted']}', 'again')",
                "UPDATE patients SET sex = 'X' WHERE id = 1",
                "INSERT INTO encounters SELECT 1, 1, now(), 'ICU', 'E1', 1, note FROM encounters",
                "UPDATE patients SET mrn = (SELECT mrn FROM patients WHERE id = 2) WHERE id = 1",
            )
            for statement in (*refused, *failing):
                self.try_(connection, statement)
            (parser,) = (
                pid
                for pid in children(self.clinic.gateway.pid)
                if b"hoopgate.sql.worker" in Path(f"/proc/{pid}/cmdline").read_bytes()
            )
            before = children(self.clinic.gateway.pid)
            os.kill(parser, signal.SIGABRT)
            until(lambda: children(self.clinic.gateway.pid) - before, "a new parser")
            self.try_(connection, f"SELECT '{c['orphan']}'")

    def holds(self) -> None:
        """One is approved, one denied, one given up; what a reviewer sees is not searched."""
        c = self.canaries
        for step in ("approve", "deny", "leave"):
            connection = psycopg.connect(self.clinic.dsn(), autocommit=True)
            found: list[str] = []
            connection.add_notice_handler(
                lambda notice, found=found: found.extend(
                    re.findall(r"apr-\w+", str(notice.message_primary))
                )
            )
            export = f"COPY (SELECT dx, ssn, '{c['held']}' FROM codes, patients) TO STDOUT"
            exporting = threading.Thread(target=self._export, args=(connection, export))
            exporting.start()
            (request,) = until(lambda found=found: found, "the COPY is held")
            if step == "leave":
                self.after.places["approvals list"] = self._approvals("list", "--json")
                self.after.places["approvals list, for people"] = self._approvals("list")
                shown = self._approvals("show", request)
                assert c["held"].encode() in shown  # the reviewer has to see it
                connection.cancel_safe()
            else:
                self._approvals(step, request, "--reason", f"because of {c['reason']}")
            exporting.join(60)
            assert not exporting.is_alive()
            connection.close()

    def _export(self, connection: psycopg.Connection, statement: str) -> None:
        try:
            with connection.cursor().copy(statement.encode()) as copy:
                self.screen(b"".join(bytes(row) for row in copy))
        except psycopg.Error as error:
            self.screen(error)

    def _approvals(self, *arguments: str) -> bytes:
        done = subprocess.run(
            [HOOPGATE, "approvals", *arguments, "--config", self.clinic.gateway.config],
            env={**os.environ, "HOOPGATE_TOKEN": self.clinic.token("rita")},
            capture_output=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def hostile(self) -> None:
        c = self.canaries
        for message in (
            _message(b"\xff", c["garbage"]),
            b"Q\0\0\0\x03" + c["garbage"].encode(),
            _message(b"F", c["function"]),
            _message(b"Q", c["not utf-8"], b"\xff\0"),
            _message(b"Q", "select 1\0" + c["nul"], b"\0"),
            _message(b"P", c["name"], b"\0select $1 \xff\0\0\0"),
            _message(b"B", c["portal"], b"\0" + c["name"].encode() + b"\0\0\0\0\x09"),
            _message(b"E", c["portal"], b"\0\0"),
            _message(b"p", c["password"], b"\0"),
            _message(b"d", c["copy data"]),
        ):
            with Raw(self.clinic) as raw:
                raw.login().send(message)
                raw.socket.settimeout(1)
                with contextlib.suppress(OSError, AssertionError):
                    self.screen(raw.until_ready())
        good = {"user": "executor", "database": "clinic"}
        for parameters in (
            {**good, "database": c["database"]},
            {**good, c["parameter name"]: c["parameter value"]},
            {**good, "options": f"-c search_path={c['options']}"},
            {**good, "replication": c["replication"]},
            {"user": c["user"]},
        ):
            with Raw(self.clinic) as raw:
                raw.secure().send(startup(parameters))
                self.screen(raw.message())
        head, body, signature = self.clinic.token().split(".")
        claims = base64.urlsafe_b64encode(json.dumps({"sub": c["claim"]}).encode()).decode()
        for token in (
            c["token"],
            f"{c['token']}.{c['token']}.{c['token']}",
            f"{head}.{claims.rstrip('=')}.{signature}",
            f"{head}.{body}.{c['signature']}",
        ):
            with pytest.raises(psycopg.OperationalError) as caught:
                psycopg.connect(self.clinic.gateway.dsn(token))
            self.screen(caught.value)
        address = (self.clinic.gateway.host, self.clinic.gateway.port)
        for noise in (f"GET /{c['http']} HTTP/1.1\r\n\r\n", "\0" * 5 + c["noise"] * 3):
            with socket.create_connection(address, 10) as plain:
                plain.sendall(noise.encode())
                plain.settimeout(2)
                with contextlib.suppress(OSError):
                    self.screen(plain.recv(4096))

    def pages(self) -> None:
        """Other doors: the pages for Prometheus and the administrators' socket."""
        c = self.canaries
        self.clinic.gateway.get(f"/{c['path']}?q={c['query']}")
        for headers in ({"Authorization": f"Bearer {c['bearer']}"}, {c["header"]: "x"}):
            connection = UnixConnection(self.clinic.gateway.state_dir / "admin.sock")
            try:
                connection.request("POST", f"/{c['path']}", c["body"].encode() * 2000, headers)
                connection.getresponse().read()
            except (OSError, http.client.HTTPException):
                pass
            finally:
                connection.close()

    def look_at_the_living(self) -> None:
        gateway, places = self.clinic.gateway, self.after.places
        places["/metrics"] = gateway.get("/metrics")[1].encode()
        places["/healthz"] = gateway.get("/healthz")[1].encode()
        for command in (("sessions",), ("sessions", "--json"), ("audit", "verify")):
            done = hoopgate(gateway, *command)
            assert done.returncode == 0
            places["hoopgate " + " ".join(command)] = (done.stdout + done.stderr).encode()
        for pid in {gateway.pid, *children(gateway.pid)}:
            process = Path(f"/proc/{pid}")
            places[f"command line of {pid}"] = (process / "cmdline").read_bytes()
            places[f"environment of {pid}"] = (process / "environ").read_bytes()
            for descriptor in (process / "fd").iterdir():
                target = os.readlink(descriptor)
                if target.endswith(" (deleted)") or target.startswith("/memfd:"):
                    places[f"{target} of {pid}"] = descriptor.read_bytes()
            limits = (process / "limits").read_text()
            self.after.core_limit += limits.split("Max core file size")[1].split("\n")[0]
        places.update(_files(gateway, "while it runs: "))


def _message(kind: bytes, text: str, rest: bytes = b"") -> bytes:
    """A message of the protocol, well framed."""
    body = text.encode() + rest
    return kind + struct.pack("!I", 4 + len(body)) + body


def _files(gateway: Gateway, prefix: str) -> Iterator[tuple[str, bytes]]:
    """All files below the node's directory (state, log, working and temporary directory)."""
    own = {gateway.config, gateway.directory / "clinic.password"}
    for path in gateway.directory.rglob("*"):
        if path.is_file() and path not in own:
            with contextlib.suppress(FileNotFoundError):  # a tile that has become complete
                yield prefix + str(path.relative_to(gateway.directory)), path.read_bytes()


@pytest.fixture(scope="module")
def after(
    tmp_path_factory: pytest.TempPathFactory, certificates: Certificates, postgres15: Postgres
) -> Iterator[Aftermath]:
    """The node has worked, was abused and killed, started again and stopped."""
    directory = tmp_path_factory.mktemp("canary")
    guards, temporary = tmp_path_factory.mktemp("guards"), directory / "tmp"
    (guards / "fragile_guard.py").write_text(_GUARD)
    temporary.mkdir()
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("PYTHONPATH", str(guards))
        patched.setenv("TMPDIR", str(temporary))
        yield _aftermath(directory, certificates, postgres15)


def _aftermath(directory: Path, certificates: Certificates, postgres15: Postgres) -> Aftermath:
    canaries = Canaries()
    aftermath = Aftermath(canaries)
    _fill(postgres15, canaries)
    everybody = {**AGENTS, **REVIEWERS}
    with TestIssuer(clients(), everybody, certificates) as issuer:
        trusted = {"url": issuer.url, "audiences": ["hoopgate"], "ca_file": str(certificates.ca)}
        settings = settings_for(
            directory,
            certificates,
            postgres15,
            issuers=[{"name": "embedded", **trusted}],
            groups=GROUPS,
            rules=RULES,
            labels=LABELS,
            database="canary",
            user="agent",
            password=AGENT_PASSWORD,
            policy={"guards": ["fragile_guard:make"]},
        )
        gateway = Gateway(directory, settings, certificates)
        with gateway:
            clinic = _Watched(gateway, issuer, postgres15, canaries)
            abuse = Abuse(clinic, canaries, aftermath)
            for step in (abuse.statements, abuse.holds, abuse.hostile, abuse.pages):
                step()
            with contextlib.closing(psycopg.connect(clinic.dsn())) as open_one:
                open_one.execute("INSERT INTO codes VALUES (%s, 'x')", [canaries["open"]])
                abuse.look_at_the_living()
                gateway.kill()
            aftermath.places.update(_files(gateway, "killed: "))
            gateway.start()
            abuse.statements()
        aftermath.places.update(_files(gateway, "stopped: "))
        aftermath.replayed = _replayed(gateway.state_dir)
        aftermath.places["issuer's log"] = issuer.log_text().encode()
    canaries.add("backend password", AGENT_PASSWORD)
    for name, secret in everybody.items():
        canaries.add(f"secret of {name}", secret)
    return aftermath


def _replayed(state_dir: Path) -> bytes:
    """Everything that the recordings hold, all sessions."""
    log = LogReader(state_dir / "log", [FileSigner.load(state_dir / SIGNER_KEY).verifier])
    key = ReplayKey.load(state_dir / REPLAY_KEY)
    return b"".join(
        moment.data for one in sessions(log) for moment in Replay(log, one.id, key).moments()
    )


class _Watched(Clinic):
    """Every token that is fetched is a canary from then on."""

    def __init__(
        self, gateway: Gateway, issuer: TestIssuer, postgres: Postgres, canaries: Canaries
    ) -> None:
        super().__init__(gateway, issuer, postgres, "canary")
        self._canaries = canaries

    def token(self, who: str = "executor") -> str:
        token = super().token(who)
        _, body, signature = token.split(".")
        count = len(self._canaries.words)
        self._canaries.add(f"claims of token {count}", body[:60])
        self._canaries.add(f"signature of token {count}", signature[:60])
        return token


def _fill(postgres: Postgres, canaries: Canaries) -> None:
    c = canaries
    postgres.create_database("canary", SCHEMA.read_text())
    postgres.psql(
        f"""
        ALTER ROLE agent PASSWORD '{AGENT_PASSWORD}';
        UPDATE patients SET ssn = '{c["row: ssn"]}', name = '{c["row: name"]}',
            mrn = '{c["row: mrn"]}', email = '{c["row: email"]}',
            contact = jsonb_build_object('kin', '{c["row: contact"]}') WHERE id = 1;
        UPDATE encounters SET note = '{c["row: note"]}' WHERE id = 1;
        UPDATE codes SET description = '{c["row: plain"]}' WHERE dx = 'E1';
        """,
        "canary",
    )


# --- what is found ----------------------------------------------------------------------------


def test_the_search_finds_what_is_there() -> None:
    """Else nothing below would mean anything."""
    canaries = Canaries()
    word = canaries["x"].encode()
    for padding in range(5):
        for text in (word, word.upper(), word.hex().encode(), word.decode().encode("utf-16-le")):
            assert canaries.found(b"." * padding + text + b".") == ["x"]
        around = b"?" * padding + word + b"?>~" * padding
        assert canaries.found(base64.b64encode(around)) == ["x"]
        assert canaries.found(base64.urlsafe_b64encode(around)) == ["x"]
    assert canaries.found(b"CNRY") == []


def test_the_canaries_went_through_the_node(after: Aftermath) -> None:
    """They are in the recordings, for whoever has the key to them."""
    went = set(after.canaries.found(after.replayed))
    for kind in ("literal", "parameter", "copied", "dropped", "predicate", "syntax", "held"):
        assert kind in went, kind
    assert "row: plain" in went  # what is not labelled is shown
    assert len(after.places) > 60


def test_no_canary_is_anywhere(after: Aftermath) -> None:
    """Logs, state, segments and tiles, temporary files, pages, lists, processes."""
    different = {data: place for place, data in after.places.items()}
    found = {
        place: kinds for data, place in different.items() if (kinds := after.canaries.found(data))
    }
    assert not found


def test_the_places_are_all_there(after: Aftermath) -> None:
    """The search has not gone to the wrong directory."""
    names = "\n".join(after.places)
    for part in (
        "twistd.log",
        "state/state.sqlite",
        "state/log/seg/",
        "log/tile/entries",
        "wraps/",
    ):
        for when in ("while it runs: ", "killed: ", "stopped: "):
            assert re.search(f"^{when}.*{part}", names, flags=re.MULTILINE), (when, part)
    assert any(data for name, data in after.places.items() if "state.sqlite-wal" in name)
    log = after.places["stopped: twistd.log"]
    for event in (b"statement.blocked", b"login.refused", b"session.protocol_error"):
        assert event in log
    for line in log.splitlines():
        json.loads(line)


def test_labelled_values_reach_no_screen(after: Aftermath) -> None:
    shown = [kind for kind in after.canaries.found(after.screens) if kind.startswith("row: ")]
    assert shown in (["row: plain"], [])


def test_tokens_and_passwords_reach_no_screen_and_no_recording(after: Aftermath) -> None:
    secret = re.compile(r"token|signature|claims|claim|bearer|password|secret of")
    for data in (after.screens, after.replayed):
        assert not [kind for kind in after.canaries.found(data) if secret.match(kind)]


def test_no_core_is_dumped(after: Aftermath) -> None:
    """A core of the gateway or its parser holds all of it."""
    assert set(after.core_limit.split()) == {"0", "bytes"}
