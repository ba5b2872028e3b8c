"""Identity through the whole gateway while it runs: expiry, directory, several issuers, tokens."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from testbed.agents import Blocked, connect, told
from testbed.certificates import Certificates, write_private
from testbed.clinic import AGENT_PASSWORD, GROUPS, LABELS, RULES, SCHEMA, Clinic
from testbed.gateway import Gateway, settings_for
from testbed.issuer import TestIssuer, client
from testbed.node import events, metrics, sessions, until, verified
from testbed.parts import debian
from testbed.postgres import Postgres
from testbed.slapd import Slapd

SECRET = "the same for all"
SCOPE = "hoopgate:clinic"
#: Seconds that the token of ``brief`` is good for: enough to begin something with it.
BRIEF = 5
#: Characters of a claim that make a token of about 16 and 60 KB.
LARGE, LARGER = 12_000, 45_000


@pytest.fixture(scope="module")
def slapd(certificates: Certificates) -> Iterator[Slapd]:
    """``executor`` is an analyst by two steps: nurses, staff, analysts."""
    with Slapd(certificates) as server:
        user, group, dn = server.user, server.group, server.group_dn
        server.add(
            user("executor")
            + user("leaver", "accountStatus", userAccountControl="512")
            + user("visitor")
            + group("nurses", "executor", "leaver")
            + group("staff", dn("nurses"))
            + group("analysts", dn("staff"))
            + group("visitors", "visitor")
        )
        yield server


@pytest.fixture(scope="module")
def issuer(certificates: Certificates) -> Iterator[TestIssuer]:
    """Clients by what is special about their tokens."""

    def one(subject: str, lifetime: int = 600, **more: Any) -> dict[str, Any]:
        scopes = more.pop("scopes", [SCOPE])
        return client(SECRET, scopes=scopes, subject=subject, lifetime=lifetime, **more)

    clients = {
        "executor": one("executor"),
        "brief": one("executor", BRIEF),
        "leaver": one("leaver"),
        "visitor": one("visitor"),
        "unknown": one("unknown"),
        "unscoped": one("executor", scopes=["hoopgate:other"]),
        "large": one("executor", claims={"padding": "x" * LARGE}),
        "larger": one("executor", claims={"padding": "x" * LARGER}),
        "elsewhere": one("executor", resources=["https://elsewhere.example"]),
    }
    with TestIssuer(clients, dict.fromkeys(clients, SECRET), certificates) as server:
        yield server


@pytest.fixture(scope="module")
def second(certificates: Certificates) -> Iterator[TestIssuer]:
    """Another issuer, which also knows an ``executor``."""
    clients = {"executor": client(SECRET, scopes=[SCOPE], lifetime=600)}
    with TestIssuer(clients, {"executor": SECRET}, certificates) as server:
        yield server


Settings = dict[str, Any]


@pytest.fixture(scope="module")
def database(postgres15: Postgres) -> str:
    postgres15.create_database("identity", SCHEMA.read_text())
    postgres15.psql(f"ALTER ROLE agent PASSWORD '{AGENT_PASSWORD}'", "identity")
    return "identity"


@pytest.fixture(scope="module")
def base(
    tmp_path_factory: pytest.TempPathFactory,
    certificates: Certificates,
    postgres15: Postgres,
    issuer: TestIssuer,
    database: str,
) -> Clinic:
    """A clinic whose node is started by :func:`run`."""
    directory = tmp_path_factory.mktemp("identity")
    settings = settings_for(
        directory,
        certificates,
        postgres15,
        issuers=[table(issuer, "embedded")],
        groups=GROUPS,
        rules=RULES,
        labels=LABELS,
        database=database,
        user="agent",
        password=AGENT_PASSWORD,
        limits={"grace_time": "3s"},
    )
    return Clinic(Gateway(directory, settings, certificates), issuer, postgres15, database)


def table(issuer: TestIssuer, name: str) -> Settings:
    """``[[issuers]]``."""
    return {
        "name": name,
        "url": issuer.url,
        "audiences": ["hoopgate"],
        "ca_file": str(issuer.ca_file),
    }


@contextmanager
def run(base: Clinic, adjust: Callable[[Settings], object] = lambda _: None) -> Iterator[Clinic]:
    """The node with changed settings."""
    before = json.loads(json.dumps(base.gateway.settings))
    adjust(base.gateway.settings)
    try:
        with base.gateway:
            yield base
    finally:
        base.gateway.settings = before


@pytest.fixture(scope="module")
def by_file(base: Clinic) -> Iterator[Clinic]:
    """Groups from the settings file."""
    with run(base) as clinic:
        yield clinic


def refused(clinic: Clinic, who: str, *, token: str = "") -> str:
    """The text of a login's refusal."""
    with pytest.raises(psycopg.OperationalError) as caught:
        psycopg.connect(clinic.gateway.dsn(token) if token else clinic.dsn(who))
    return str(caught.value)


# --- E6: the token ends -----------------------------------------------------------------------


def test_an_idle_session_ends_with_its_token(by_file: Clinic) -> None:
    connection = connect(by_file, "brief")
    assert connection.execute("SELECT 1").fetchone() == (1,)
    until(lambda: _gone(connection), "the session ends by itself")
    assert told(connection) == "57P01"
    (session,) = [
        one for one in sessions(by_file.gateway) if one.get("reason") == "identity.expired"
    ][-1:]
    # Not at once, and long before its next recheck.
    assert 1.0 < (_seconds(session["end"]) - _seconds(session["start"])) < 60


def _expiry(connection: psycopg.Connection) -> float:
    payload = connection.info.password.split(".")[1]
    return float(json.loads(base64.urlsafe_b64decode(payload + "=="))["exp"])


def _seconds(moment: Any) -> float:
    return moment / 1e6 if isinstance(moment, int) else float(moment)


def test_no_new_statement_and_the_running_one_finishes(by_file: Clinic) -> None:
    blocked = Blocked(by_file, "E1", "brief")
    working = connect(by_file, "brief", autocommit=False)
    update = "UPDATE codes SET description = %s WHERE dx = 'E2'"
    for value in ("one", "two"):
        working.execute(update, [value], prepare=True)
    time.sleep(BRIEF + 0.6)
    # Prepared and judged before; neither does any other word help.
    for statement, parameters in ((update, ["three"]), ("SELECT 1", None)):
        with pytest.raises(psycopg.errors.InsufficientPrivilege) as caught:
            working.execute(statement, parameters, prepare=True)
        detail = json.loads(caught.value.diag.message_detail or "")
        assert detail["reason"] == "identity.expired"
    blocked.release()
    blocked.join(60)
    assert blocked.updated == 1
    assert told(blocked.connection) == "57P01"
    until(lambda: _gone(working), "the session that waits ends, too")
    assert told(working) == "57P01"
    found = by_file.postgres.psql("SELECT description FROM codes WHERE dx = 'E2'", "identity")
    assert found.strip() == "finding 2"


def test_a_running_statement_ends_within_the_grace(by_file: Clinic) -> None:
    blocked = Blocked(by_file, "E3", "brief")
    try:
        ends = _expiry(blocked.connection)
        blocked.join(60)
        assert not blocked.is_alive()
        assert 2.9 < time.time() - ends < 50
        assert blocked.error is not None
        assert blocked.error.sqlstate == "57P01"
        until(blocked.canceled, "the server runs the statement no more")
    finally:
        blocked.release()
    blocked.connection.close()
    found = by_file.postgres.psql("SELECT description FROM codes WHERE dx = 'E3'", "identity")
    assert found.strip() == "finding 3"


def test_a_held_statement_ends_with_its_token(by_file: Clinic) -> None:
    connection = connect(by_file, "brief")
    began = time.monotonic()
    with (
        pytest.raises(psycopg.OperationalError) as caught,
        connection.cursor().copy("COPY patients (id) TO STDOUT") as copy,
    ):
        list(copy)
    assert caught.value.sqlstate == "57P01"
    assert time.monotonic() - began < 60
    connection.close()
    until(lambda: metrics(by_file.gateway)["hoopgate_holds_waiting"] == 0, "nobody waits")


def test_a_token_that_has_expired_opens_nothing(by_file: Clinic) -> None:
    token = by_file.token("brief")
    time.sleep(BRIEF + 0.2)
    # Within the leeway for clocks that differ, verified, and still too late for a session.
    assert "identity.expired" in refused(by_file, "brief", token=token)


# --- tokens -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("who", "size"), [("large", 16_000), ("larger", 60_000)])
def test_large_tokens(by_file: Clinic, who: str, size: int) -> None:
    token = by_file.token(who)
    assert size <= len(token) <= 65_536
    with psycopg.connect(by_file.gateway.dsn(token)) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    psql = debian("psql", "postgresql-client", "/usr/lib/postgresql/15/bin")
    shown = subprocess.run(
        [psql, "-X", "-At", by_file.gateway.dsn("").replace("password=''", ""), "-c", "SELECT 1"],
        env={**os.environ, "PGPASSWORD": token},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (shown.stdout, shown.returncode) == ("1\n", 0), shown.stderr


def test_a_token_above_the_limit(by_file: Clinic) -> None:
    token = by_file.token("larger")
    assert "FATAL" in refused(by_file, "", token=token + "x" * 10_000)


def test_a_token_without_the_scope(by_file: Clinic) -> None:
    counted = 'hoopgate_identity_failures_total{code="scope.missing"}'
    before = metrics(by_file.gateway).get(counted, 0.0)
    opened = len(sessions(by_file.gateway))
    message = refused(by_file, "unscoped")
    assert "scope.missing" in message
    assert "clinic" in message
    assert metrics(by_file.gateway)[counted] == before + 1
    assert events(by_file.gateway, "login.refused")[-1]["code"] == "scope.missing"
    assert len(sessions(by_file.gateway)) == opened


def test_a_token_for_another_audience(by_file: Clinic) -> None:
    token = by_file.issuer.token("elsewhere", resources=["https://elsewhere.example"])
    assert "identity.audience" in refused(by_file, "", token=token)


def test_a_token_that_was_tampered_with(by_file: Clinic) -> None:
    head, body, signature = by_file.token().split(".")
    flipped = ("A" if signature[20] != "A" else "B").join((signature[:20], signature[21:]))
    assert "identity." in refused(by_file, "", token=f"{head}.{body}.{flipped}")


# --- two issuers ------------------------------------------------------------------------------


def test_two_issuers(base: Clinic, second: TestIssuer, by_file: Clinic) -> None:
    """Each is known by its own keys, and rules tell them apart although the subject is the same."""
    by_file.gateway.stop()

    def adjust(settings: Settings) -> None:
        settings["issuers"].append(table(second, "partner"))
        settings["rules"].insert(
            0,
            {
                "name": "partners-read-codes-only",
                "verdict": "block",
                "match": {"issuers": ["partner"], "relations": ["public.patients"]},
            },
        )

    query = "SELECT sex FROM patients WHERE id = 1"
    with run(base, adjust) as clinic:
        foreign = second.token("executor", resources=["hoopgate"])
        with psycopg.connect(clinic.dsn(), autocommit=True) as connection:
            assert connection.execute(query).fetchone() == ("M",)
        with psycopg.connect(clinic.gateway.dsn(foreign), autocommit=True) as connection:
            assert connection.execute("SELECT count(*) FROM codes").fetchone() is not None
            with pytest.raises(psycopg.errors.InsufficientPrivilege) as caught:
                connection.execute(query)
            rule = json.loads(caught.value.diag.message_detail or "")["rule"]
            assert rule == "operator/partners-read-codes-only"
        # One issuer's outage is not the other's: its keys are fetched anew after the restart.
        clinic.gateway.stop()
        second.stop()
        clinic.gateway.start()
        with psycopg.connect(clinic.dsn()) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
        began = time.monotonic()
        assert "FATAL" in refused(clinic, "", token=foreign)
        assert time.monotonic() - began < 60
    with run(base) as clinic:
        assert "identity.issuer" in refused(clinic, "", token=foreign)


# --- the directory ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def by_ldap(base: Clinic, slapd: Slapd, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """``[directory]``, impatient."""
    secret = tmp_path_factory.mktemp("bind") / "password"
    write_private(secret, slapd.reader_password.encode())
    return {
        "kind": "ldap",
        "url": slapd.url,
        "base": slapd.base,
        "group_base": slapd.groups,
        "bind_dn": slapd.reader_dn,
        "bind_password": {"file": str(secret)},
        "ca_file": str(slapd.ca_file),
        "timeout": "1s",
        "cache_time": "100ms",
        "negative_cache_time": "100ms",
        "recheck_time": "1s",
    }


@pytest.fixture
def ldap(base: Clinic, by_ldap: Settings) -> Iterator[Clinic]:
    """The clinic with groups from LDAP."""
    base.gateway.stop()
    with run(base, lambda settings: settings.update(directory=by_ldap)) as clinic:
        yield clinic


def change(slapd: Slapd, what: str, member: str) -> None:
    """``add`` or ``delete`` a member of the nurses."""
    slapd.modify(
        f"dn: {slapd.group_dn('nurses')}\nchangetype: modify\n{what}: member\n"
        f"member: uid={member},{slapd.people}\n"
    )


QUERY = "SELECT id, ssn FROM patients WHERE id = %s"


def test_a_nested_group_gives_access(ldap: Clinic) -> None:
    with psycopg.connect(ldap.dsn(), autocommit=True) as connection:
        assert connection.execute(QUERY, [1]).fetchone() == (1, "[SSN]")
    with psycopg.connect(ldap.dsn("visitor"), autocommit=True) as connection:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(QUERY, [1])
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("SELECT 1")
    assert "identity.unknown" in refused(ldap, "unknown")


def test_leaving_the_group_ends_what_it_gave(ldap: Clinic, slapd: Slapd) -> None:
    with psycopg.connect(ldap.dsn(), autocommit=True) as connection:

        def allowed() -> bool:
            try:
                return connection.execute(QUERY, [2], prepare=True).fetchone() == (2, "[SSN]")
            except psycopg.errors.InsufficientPrivilege:
                return False

        assert allowed()
        change(slapd, "delete", "executor")
        try:
            until(lambda: not allowed(), "the prepared statement is judged again", 60)
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute("SELECT 1")
        finally:
            change(slapd, "add", "executor")
        until(allowed, "the group is back", 60)


def test_a_disabled_account_ends_its_session(ldap: Clinic, slapd: Slapd) -> None:
    connection = connect(ldap, "leaver")
    assert connection.execute("SELECT 1").fetchone() == (1,)
    blocked = Blocked(ldap, "E4", "leaver")
    try:
        slapd.modify(
            f"dn: uid=leaver,{slapd.people}\nchangetype: modify\nreplace: userAccountControl\n"
            "userAccountControl: 514\n"
        )
        blocked.join(60)
        assert blocked.error is not None
        assert blocked.error.sqlstate == "57P01"
        until(blocked.canceled, "the server runs the statement no more")
    finally:
        blocked.release()
    blocked.connection.close()
    assert told(connection) == "57P01"
    assert "identity.disabled" in refused(ldap, "leaver")
    codes = {line["code"] for line in events(ldap.gateway, "session.identity_lost")}
    assert codes == {"identity.disabled"}


def test_an_outage_denies_and_ends(ldap: Clinic, slapd: Slapd) -> None:
    """The directory hangs: it accepts connections and says nothing."""
    connection = connect(ldap)
    assert connection.execute("SELECT 1").fetchone() == (1,)
    slapd.pause()
    try:
        until(lambda: _gone(connection), "the running session ends at its recheck")
        assert told(connection) == "57P01"
        began = time.monotonic()
        assert "directory." in refused(ldap, "executor")
        assert time.monotonic() - began < 60
        assert ldap.gateway.get("/healthz")[0] == 200
    finally:
        slapd.resume()
    with psycopg.connect(ldap.dsn()) as again:
        assert again.execute("SELECT 1").fetchone() == (1,)
    lost = events(ldap.gateway, "session.identity_lost")
    assert [line["code"] for line in lost[-1:]] == ["directory.timeout"]
    reasons = {one["reason"] for one in sessions(ldap.gateway) if one.get("end")}
    assert "directory.timeout" in reasons
    assert any(
        name.startswith('hoopgate_identity_failures_total{code="directory.') and value
        for name, value in metrics(ldap.gateway).items()
    )


def _gone(connection: psycopg.Connection) -> bool:
    import select

    return bool(select.select([connection.pgconn.socket], [], [], 0)[0])


def test_a_directory_that_is_gone_denies(ldap: Clinic, slapd: Slapd) -> None:
    slapd.stop()
    try:
        began = time.monotonic()
        assert "directory." in refused(ldap, "executor")
        assert time.monotonic() - began < 60
    finally:
        slapd.start()
    with psycopg.connect(ldap.dsn()) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_the_log_is_good_after_all_that(base: Clinic) -> None:
    base.gateway.stop()
    report = verified(base.gateway)
    assert (report["running"], report["crashed"]) == (0, 0)
    assert Path(base.gateway.state_dir / "log").is_dir()
