"""Token exchange at the gateway: what is given for a token, on all protocols, and how it ends."""

from __future__ import annotations

import contextlib
import http.client
import json
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jwt
import psycopg
import pymysql
import pytest
from testbed.certificates import Certificates
from testbed.hospital import ACCESS, OWN, Hospital, running_hospital
from testbed.mariadb import MariaDB
from testbed.node import HOOPGATE, hoopgate, until, verified
from testbed.postgres import Postgres

from hoopgate.recorder.note import Verifier
from hoopgate.recorder.reading import LogReader

ASKED = "SELECT ssn FROM patients LIMIT 1"
#: Takes more than a minute.
SLOW = "SELECT count(*) FROM " + ", ".join(f"encounters e{number}" for number in range(8))


@pytest.fixture(scope="module")
def hospital(
    tmp_path_factory: pytest.TempPathFactory,
    certificates: Certificates,
    postgres15: Postgres,
    mariadb: MariaDB,
) -> Iterator[Hospital]:
    directory = tmp_path_factory.mktemp("hospital")
    with running_hospital(directory, certificates, postgres15, mariadb) as running:
        yield running


# --- sessions of each protocol -----------------------------------------------------------------


class Session:
    """A client's session, begun with a credential.

    :ivar name: of the credential.
    """

    def __init__(self, hospital: Hospital, given: dict[str, Any]) -> None:
        self.hospital = hospital
        self.given = given["hoopgate"]
        self.secret = given["access_token"]
        self.name = self.given["credential"]
        self.open()

    def open(self) -> None:
        """Log in."""

    def ask(self) -> str:
        """Something small that has to work.

        :raises Exception: it does not.
        """
        raise NotImplementedError

    def busy(self) -> None:
        """Something that runs for a minute.

        :raises Exception: it was ended.
        """
        raise NotImplementedError

    def close(self) -> None:
        """Hang up."""


class PostgresSession(Session):
    """psycopg, by SCRAM."""

    def open(self) -> None:
        self.connection = psycopg.connect(
            host=self.given["host"],
            port=self.given["port"],
            user=self.name if self.given["form"] == "password" else "executor",
            password=self.secret,
            dbname=self.given["resource"],
            sslmode="verify-full",
            sslrootcert=str(self.hospital.ca),
            autocommit=True,
        )

    def ask(self) -> str:
        return str(self.connection.execute(ASKED).fetchone())

    def busy(self) -> None:
        self.connection.execute(SLOW)

    def close(self) -> None:
        self.connection.close()


class MysqlSession(Session):
    """PyMySQL, by caching_sha2_password's fast way."""

    def open(self) -> None:
        self.connection = pymysql.connect(
            host=self.given["host"],
            port=self.given["port"],
            user=self.name if self.given["form"] == "password" else "executor",
            password=self.secret,
            database=self.given["resource"],
            ssl={"ca": str(self.hospital.ca)},
            autocommit=True,
            read_timeout=60,
        )

    def ask(self) -> str:
        with self.connection.cursor() as cursor:
            cursor.execute(ASKED)
            return str(cursor.fetchone())

    def busy(self) -> None:
        with self.connection.cursor() as cursor:
            cursor.execute(SLOW)

    def close(self) -> None:
        with contextlib.suppress(pymysql.Error):  # the gateway has closed it
            self.connection.close()


class SSHSession(Session):
    """OpenSSH with one connection for all commands (ControlMaster)."""

    def open(self) -> None:
        self.home = self.hospital.gateway.directory / self.name
        self.home.mkdir(exist_ok=True)
        known = self.home / "known_hosts"
        place = f"[{self.given['host']}]:{self.given['port']}"
        known.write_text("".join(f"{place} {key}\n" for key in self.given["host_keys"]))
        askpass = self.home / "askpass"
        askpass.write_text('#!/bin/sh\nprintf "%s\\n" "$SECRET"\n')
        askpass.chmod(0o700)
        self.command = [
            *("ssh", "-F", "none", "-p", str(self.given["port"]), "-S", str(self.home / "s")),
            *("-o", f"UserKnownHostsFile={known}", "-o", "StrictHostKeyChecking=yes"),
            *("-o", "PreferredAuthentications=password", "-o", "NumberOfPasswordPrompts=1"),
            f"{self.name}{self.given['separator']}{self.given['resource']}@{self.given['host']}",
        ]
        self.environment = {
            "PATH": "/usr/bin:/bin",
            "SSH_ASKPASS": str(askpass),
            "SSH_ASKPASS_REQUIRE": "force",
            "SECRET": self.secret,
        }
        self._run("-M", "-N", "-f")

    def _run(self, *words: str) -> str:
        done = subprocess.run(
            [*self.command[:1], *[w for w in words if w.startswith("-")], *self.command[1:]]
            + [w for w in words if not w.startswith("-")],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            timeout=90,
        )
        assert done.returncode == 0
        return done.stdout

    def ask(self) -> str:
        return self._run("echo hello")

    def busy(self) -> None:
        self._run("sleep 60")

    def close(self) -> None:
        subprocess.run(
            ["ssh", "-O", "exit", *self.command[1:]],
            stderr=subprocess.DEVNULL,
            env=self.environment,
            timeout=60,
        )


class HTTPSession(Session):
    """One connection of http.client's, kept alive."""

    def open(self) -> None:
        context = ssl.create_default_context(cafile=self.hospital.ca)
        self.connection = http.client.HTTPSConnection(
            self.given["host"], self.given["port"], timeout=60, context=context
        )
        self.connection.connect()

    def ask(self) -> str:
        return self._get("/web/hello")

    def busy(self) -> None:
        self._get("/web/slow")

    def _get(self, path: str) -> str:
        self.connection.request("GET", path, headers={"Authorization": f"Bearer {self.secret}"})
        with self.connection.getresponse() as answer:
            text = answer.read().decode()
            assert answer.status == 200, text
            return text

    def close(self) -> None:
        self.connection.close()


KINDS: dict[str, tuple[str, str, type[Session]]] = {
    "postgres": ("pg", "password", PostgresSession),
    "postgres-jwt": ("pg", "jwt", PostgresSession),
    "mysql": ("my", "password", MysqlSession),
    "mysql-jwt": ("my", "jwt", MysqlSession),
    "ssh": ("ward", "password", SSHSession),
    "http": ("web", "jwt", HTTPSession),
}
FORMS = {"jwt": "urn:ietf:params:oauth:token-type:jwt", "password": OWN + "password"}


@pytest.fixture(params=sorted(KINDS))
def begin(request: pytest.FixtureRequest, hospital: Hospital) -> Iterator[Callable[..., Session]]:
    """Begins sessions of one kind, and ends them."""
    resource, form, kind = KINDS[request.param]
    begun: list[Session] = []

    def make(who: str = "executor", **more: str) -> Session:
        given = hospital.exchange(resource, who, requested_token_type=FORMS[form], **more)
        begun.append(kind(hospital, given))
        return begun[-1]

    yield make
    for session in begun:
        session.close()


def again(session: Session) -> None:
    """Log in once more with the same credential."""
    session.close()
    session.open()
    session.ask()


def ended(session: Session) -> bool:
    """Whether the session's client is refused, or cut off."""
    try:
        session.ask()
    except Exception:  # noqa: BLE001 - each client has an error of its own
        return True
    return False


def test_a_credential_opens_its_resource(begin: Callable[..., Session]) -> None:
    session = begin()
    seen = session.ask()
    assert seen
    assert "900-" not in seen


def test_revocation_ends_what_runs(begin: Callable[..., Session], hospital: Hospital) -> None:
    idle, busy = begin(), begin()
    idle.ask()
    busy.ask()
    failures: list[Exception] = []

    def run() -> None:
        try:
            busy.busy()
        except Exception as error:  # noqa: BLE001
            failures.append(error)

    running = threading.Thread(target=run)
    running.start()
    time.sleep(1)
    assert running.is_alive(), failures
    for session in (idle, busy):
        status, page = hospital.revoke(session.name)
        assert status == 200, page
        # OpenSSH's connection without a command is none
        idle_ssh = session is idle and isinstance(session, SSHSession)
        assert page["sessions_ended"] >= (0 if idle_ssh else 1)
    running.join(60)
    assert not running.is_alive()
    assert failures
    until(lambda: ended(idle), "the idle session has ended", 60)
    assert ended(busy)
    with pytest.raises(Exception):  # noqa: B017, PT011
        again(idle)


def test_credentials_end_in_the_middle_of_sessions(hospital: Hospital) -> None:
    """Of all kinds, at the same time."""
    with contextlib.ExitStack() as stack:
        sessions: dict[str, Session] = {}
        for name, (resource, form, kind) in KINDS.items():
            given = hospital.exchange(resource, requested_token_type=FORMS[form], lifetime="12")
            sessions[name] = kind(hospital, given)
            stack.callback(sessions[name].close)
            sessions[name].ask()
        for name, session in sessions.items():
            until(lambda one=session: ended(one), f"{name} has ended with its credential", 60)
            assert time.time() >= session.given["expires"], name


def test_keys_are_rotated_while_sessions_run(hospital: Hospital) -> None:
    """Sessions stay, old tokens are good until they expire, new ones at once."""

    def connect(token: str) -> psycopg.Connection:
        return psycopg.connect(
            host="127.0.0.1",
            port=hospital.ports["pg-token"],
            user="executor",
            password=token,
            dbname="pg",
            sslmode="verify-full",
            sslrootcert=str(hospital.ca),
            autocommit=True,
        )

    before = hospital.token()
    with connect(before) as session:
        config = str(hospital.issuer.config)
        done = subprocess.run(
            [HOOPGATE, "issuer", "rotate", "--config", config], capture_output=True, timeout=60
        )
        assert done.returncode == 0
        after = hospital.token()
        kids = [jwt.get_unverified_header(one)["kid"] for one in (before, after)]
        assert kids[1] == done.stdout.decode().strip() != kids[0]
        for token in (after, before):
            with connect(token) as another:
                assert another.execute(ASKED).fetchone() == ("[SSN]",)
        assert session.execute(ASKED).fetchone() == ("[SSN]",)


def leaves(hospital: Hospital, word: str) -> list[dict[str, Any]]:
    """Leaves of the running log that hold a word, once they are signed."""
    directory = hospital.gateway.state_dir / "log"
    log = LogReader(directory, [Verifier.parse((directory / "vkey").read_text())])
    return [leaf for leaf, _ in log.leaves(word.encode())]


def test_every_credential_is_in_the_log(hospital: Hospital) -> None:
    """Who got it, for what, through whom; and its end. The log is good."""
    actor = {"actor_token": hospital.token("executor"), "actor_token_type": ACCESS}
    given = hospital.exchange("pg", "planner", **actor)["hoopgate"]["credential"]
    hospital.revoke(given, "planner")
    until(lambda: len(leaves(hospital, given)) == 2, "both leaves are signed", 60)
    verified(hospital.gateway)
    told = {leaf["detail"]["action"]: leaf["detail"] for leaf in leaves(hospital, given)}
    issued, revoked = told["credential.issue"], told["credential.revoke"]
    assert (issued["user"], revoked["user"]) == (given, given)
    assert (issued["subject"], issued["actors"]) == ("planner", ["orchestrator", "executor"])
    assert (issued["form"], issued["resource"]) == ("password", "pg")
    assert issued["token"]  # the jti that it was given for
    assert (revoked["subject"], revoked["sessions"]) == ("planner", 0)


def test_credentials_outlive_a_restart(begin: Callable[..., Session], hospital: Hospital) -> None:
    first = begin()
    gone = begin()
    hospital.revoke(gone.name)
    hospital.gateway.stop()
    hospital.gateway.start()
    again(first)
    assert gone.name not in json.dumps(hospital.ask("/credentials", token=hospital.token())[1])
    status, page = hospital.revoke(gone.name)
    assert (status, page["code"]) == (404, "credential.unknown")


# --- who gets what -----------------------------------------------------------------------------


def test_metadata(hospital: Hospital) -> None:
    status, page = hospital.ask("/.well-known/oauth-authorization-server")
    assert (status, page["issuer"]) == (200, hospital.url)
    assert page["token_endpoint"] == hospital.url + "/token"
    assert "urn:ietf:params:oauth:grant-type:token-exchange" in page["grant_types_supported"]


def test_a_jwt_says_whom_it_stands_for(hospital: Hospital) -> None:
    given = hospital.exchange("web", scope="hoopgate:web")
    assert given["issued_token_type"] == "urn:ietf:params:oauth:token-type:jwt"
    assert (given["token_type"], given["scope"]) == ("Bearer", "hoopgate:web")
    assert 0 < given["expires_in"] <= 900
    keys = hospital.ask("/jwks")[1]["keys"]
    kid = jwt.get_unverified_header(given["access_token"])["kid"]
    key = jwt.PyJWK(next(one for one in keys if one["kid"] == kid))
    claims = jwt.decode(given["access_token"], key, ["ES256"], audience=hospital.url)
    assert (claims["sub"], claims["resource"]) == ("executor", "web")
    assert claims["act"] == {"sub": "orchestrator"}
    assert claims["jti"] == given["hoopgate"]["credential"]


def test_the_chain_of_actors(hospital: Hospital) -> None:
    """The planner's token lets the executor act for it; the log and the session say so."""
    actor = {"actor_token": hospital.token("executor"), "actor_token_type": ACCESS}
    given = hospital.exchange("pg", "planner", **actor)
    assert given["hoopgate"]["subject"] == "planner"
    session = PostgresSession(hospital, given)
    session.ask()
    session.close()
    listed = hospital.ask("/credentials", token=hospital.token("planner"))[1]["credentials"]
    mine = next(one for one in listed if one["credential"] == session.name)
    assert mine["actors"] == ["orchestrator", "executor"]
    done = hoopgate(hospital.gateway, "sessions", "--json")
    opened = [json.loads(line) for line in done.stdout.splitlines()]
    replay = hoopgate(hospital.gateway, "replay", opened[-1]["id"])
    assert "planner, through orchestrator, executor" in replay.stdout, replay.stdout


@pytest.mark.parametrize(
    ("subject", "actor", "code"),
    [
        ("planner", "helper", "identity.actor"),  # may_act names another
        ("helper", "executor", "identity.actor"),  # nobody may act for it
        ("planner", "stranger", "scope.missing"),  # who may not open it itself
    ],
)
def test_who_may_not_act(subject: str, actor: str, code: str, hospital: Hospital) -> None:
    more = {"actor_token": hospital.token(actor), "actor_token_type": ACCESS}
    status, page = hospital.try_exchange("pg", subject, **more)
    assert (status, page["code"]) == (400, code)
    assert page["request_id"].startswith("exc-")


@pytest.mark.parametrize(
    ("changed", "error", "code"),
    [
        ({"resource": "nowhere"}, "invalid_target", "resource.unknown"),
        ({"scope": "hoopgate:pg root"}, "invalid_scope", "scope.missing"),
        ({"scope": "hoopgate:my"}, "invalid_scope", "scope.missing"),
        ({"grant_type": "client_credentials"}, "unsupported_grant_type", "grant.unknown"),
        ({"subject_token": "x"}, "invalid_request", "identity.malformed"),
        ({"subject_token_type": "urn:x"}, "invalid_request", "request.body"),
        ({"actor_token": "x"}, "invalid_request", "request.body"),
        ({"requested_token_type": "urn:x"}, "invalid_request", "request.body"),
        ({"lifetime": "-1"}, "invalid_request", "request.body"),
        ({"unknown": "x"}, "invalid_request", "request.body"),
        (
            {"requested_token_type": OWN + "ssh-certificate"},
            "invalid_target",
            "certificate.resource",
        ),
    ],
    ids=str,
)
def test_what_is_refused(
    changed: dict[str, str], error: str, code: str, hospital: Hospital
) -> None:
    wanted = {"resource": "pg", **changed}
    status, page = hospital.try_exchange(wanted.pop("resource"), **wanted)
    assert (status, page["error"], page["code"]) == (400, error, code)


def test_a_stranger_gets_nothing(hospital: Hospital) -> None:
    status, page = hospital.try_exchange("pg", "stranger")
    assert (status, page["code"]) == (400, "scope.missing")


def test_a_credential_is_for_one_resource(hospital: Hospital) -> None:
    web = hospital.exchange("web")["access_token"]
    with pytest.raises(psycopg.OperationalError, match=r"identity\.credential"):
        psycopg.connect(
            host="127.0.0.1",
            port=hospital.ports["pg-token"],
            user="executor",
            password=web,
            dbname="pg",
            sslmode="verify-full",
            sslrootcert=str(hospital.ca),
        )


def test_a_credential_is_not_exchanged_again(hospital: Hospital) -> None:
    """Or it would not end with the first."""
    first = hospital.exchange("web")["access_token"]
    status, page = hospital.try_exchange("web", subject_token=first)
    assert (status, page["code"]) == (400, "identity.credential")


def test_nobody_ends_anothers_credential(hospital: Hospital) -> None:
    given = hospital.exchange("pg", "helper")["hoopgate"]["credential"]
    assert hospital.revoke(given, "executor")[0] == 404
    assert given not in json.dumps(hospital.ask("/credentials", token=hospital.token())[1])
    assert hospital.ask("/revoke", {"token": given})[0] == 401
    assert hospital.ask("/credentials")[0] == 401
    # An operator sees and ends all of them
    operator = hospital.token("operator")
    assert given in json.dumps(hospital.ask("/credentials", token=operator)[1])
    assert hospital.revoke(given, "operator")[0] == 200


def test_whoever_holds_a_jwt_ends_it(hospital: Hospital) -> None:
    token = hospital.exchange("web")["access_token"]
    assert hospital.ask("/revoke", {"token": token})[0] == 200
    assert hospital.ask("/revoke", {"token": token}) == (200, {"sessions_ended": 0})


def test_no_secret_is_kept(hospital: Hospital) -> None:
    """Neither in the node's state nor in its log."""
    secrets = [hospital.exchange("pg")["access_token"], hospital.exchange("web")["access_token"]]
    kept = b""
    for one in Path(hospital.gateway.directory).rglob("*"):
        if one.is_file() and ("state" in one.parts or "log" in one.name):
            with contextlib.suppress(FileNotFoundError):  # written, then moved to its place
                kept += one.read_bytes()
    assert len(kept) > 10_000
    for secret in secrets:
        assert secret.encode() not in kept
    assert secrets[1].rpartition(".")[2].encode() not in kept
