"""libpq 18 through psycopg, against real servers: identity, masking, blocking, names, COPY."""

from __future__ import annotations

import json

import psycopg
import pytest
from psycopg import sql
from testbed.clinic import Clinic


@pytest.fixture
def connection(clinic: Clinic) -> psycopg.Connection:
    with psycopg.connect(clinic.dsn(), autocommit=True) as connection:
        yield connection


def refused(error: psycopg.Error, rule: str) -> dict[str, str]:
    """The refusal's machine-readable part; its rule is as expected."""
    detail = json.loads(error.diag.message_detail or "{}")
    assert detail["rule"] == rule, detail
    assert detail["request"].startswith("req-")
    assert detail["request"] in (error.diag.message_primary or "")
    return detail


@pytest.mark.parametrize("binary", [False, True], ids=["text", "binary"])
def test_labelled_columns_are_masked(connection: psycopg.Connection, binary: bool) -> None:
    with connection.cursor(binary=binary) as cursor:
        cursor.execute("SELECT id, ssn, name, sex FROM patients ORDER BY id LIMIT 2")
        assert cursor.fetchall() == [(1, "[SSN]", "[NAME]", "M"), (2, "[SSN]", "[NAME]", "F")]


@pytest.mark.parametrize("binary", [False, True], ids=["text", "binary"])
def test_quasi_identifiers_are_generalised(connection: psycopg.Connection, binary: bool) -> None:
    with connection.cursor(binary=binary) as cursor:
        cursor.execute("SELECT dob, zip FROM patients WHERE id = 3")
        (dob, zip_code) = cursor.fetchone()
        assert (dob.month, dob.day) == (1, 1)
        assert len(zip_code) <= 5
        assert zip_code != "01437"


@pytest.mark.parametrize(
    "query",
    [
        "SELECT ssn AS harmless FROM patients WHERE id = 1",
        "SELECT upper(name) || '!' FROM patients WHERE id = 1",
        "SELECT s, n FROM patient_names WHERE id = 1",
        "WITH x(a) AS (SELECT name FROM patients WHERE id = 1) SELECT a FROM x",
        "SELECT (SELECT p.ssn FROM patients p WHERE p.id = e.patient_id) FROM encounters e LIMIT 1",
        "TABLE patients",
    ],
)
def test_no_alias_or_expression_leaks(
    clinic: Clinic, connection: psycopg.Connection, query: str
) -> None:
    row = clinic.postgres.psql("SELECT name, ssn, mrn FROM patients WHERE id IN (1, 2)", "clinic")
    secrets = [part for line in row.split("\n") for part in line.split("|") if part]
    assert len(secrets) == 6
    try:
        shown = repr(connection.execute(query).fetchall()).upper()
    except psycopg.Error as error:
        shown = str(error).upper()
        assert "hoopgate" in str(error)
    assert not [secret for secret in secrets if secret.upper() in shown]


def test_a_secret_in_a_predicate_is_refused(connection: psycopg.Connection) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege) as caught:
        connection.execute("SELECT id FROM patients WHERE ssn LIKE '9%'")
    detail = json.loads(caught.value.diag.message_detail)
    assert detail["reason"] == "phi.predicate"
    assert detail["subject"] == "public.patients.ssn"


@pytest.mark.parametrize(
    ("statement", "rule"),
    [
        ("DROP TABLE patients", "hipaa-baseline/ddl"),
        ("TRUNCATE codes", "hipaa-baseline/truncate"),
        ("/*x*/DELETE FROM codes", None),
        ("DELETE FROM codes WHERE true", None),
        ("UPDATE codes SET description = '' WHERE 1 = 1", None),
        ("DO $$ BEGIN END $$", None),
        ("COPY codes TO PROGRAM 'cat'", None),
        ("COPY codes TO '/tmp/x'", None),
        ("SELECT pg_read_file('/etc/passwd')", None),
        ("SET ROLE postgres", None),
        ("SET search_path TO pg_temp", None),
        ("EXPLAIN ANALYZE DELETE FROM codes", None),
        ("WITH x AS (DELETE FROM codes RETURNING *) SELECT * FROM x", None),
        ("SELECT set_config('role', 'postgres', false)", None),
        ("CREATE TEMP TABLE t AS SELECT ssn FROM patients", None),
    ],
)
def test_dangerous_statements_never_reach_the_server(
    clinic: Clinic, connection: psycopg.Connection, statement: str, rule: str | None
) -> None:
    before = len(clinic.postgres.log_text())  # others may have sent it directly
    for prepare in (False, True):
        with pytest.raises(psycopg.errors.InsufficientPrivilege) as caught:
            connection.execute(statement.encode(), prepare=prepare)
        if rule is not None:
            refused(caught.value, rule)
        assert connection.execute("SELECT 1").fetchone() == (1,)
    assert statement not in clinic.postgres.log_text()[before:]


def test_an_error_in_a_pipeline_leaves_nothing_half_done(
    clinic: Clinic, connection: psycopg.Connection
) -> None:
    """PROTOCOLS A19."""
    insert = "INSERT INTO codes VALUES ('Z1', 'half')"
    with pytest.raises(psycopg.errors.InsufficientPrivilege), connection.pipeline() as pipeline:
        connection.execute(insert)
        connection.execute("DROP TABLE codes")
        connection.execute("INSERT INTO codes VALUES ('Z2', 'half')")
        pipeline.sync()
    assert (
        clinic.postgres.psql("SELECT count(*) FROM codes WHERE dx LIKE 'Z%'", "clinic").strip()
        == "0"
    )


def test_a_refusal_aborts_the_transaction_as_any_error_does(
    connection: psycopg.Connection,
) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege), connection.transaction():
        connection.execute("INSERT INTO codes VALUES ('Z3', 'x')")
        connection.execute("TRUNCATE codes")
    assert connection.execute("SELECT count(*) FROM codes WHERE dx = 'Z3'").fetchone() == (0,)


def test_names_are_one_space_for_sql_and_protocol(connection: psycopg.Connection) -> None:
    """PROTOCOLS A14, A15 on the real server."""
    connection.execute("PREPARE s AS SELECT id, ssn FROM patients WHERE id = $1")
    assert connection.execute("EXECUTE s(1)").fetchone() == (1, "[SSN]")
    with connection.transaction():
        connection.execute("DECLARE c CURSOR FOR SELECT id, ssn FROM patients ORDER BY id")
        assert connection.execute("FETCH 2 FROM c").fetchall() == [(1, "[SSN]"), (2, "[SSN]")]
    with connection.transaction(), connection.cursor("named") as cursor:
        cursor.itersize = 50
        cursor.execute("SELECT id, ssn FROM patients")
        assert {row[1] for row in cursor} == {"[SSN]"}


def test_prepared_statements_are_masked_every_time(connection: psycopg.Connection) -> None:
    for n in range(1, 8):
        query = "SELECT id, ssn FROM patients WHERE id = %s"
        assert connection.execute(query, [n], prepare=True).fetchone() == (n, "[SSN]")


def test_errors_are_scrubbed(connection: psycopg.Connection) -> None:
    """PROTOCOLS "Leak channels": 23505 quotes the key, 23514 the row."""
    for statement in (
        "INSERT INTO patients SELECT 1000, mrn, ssn, name, dob, sex, email, phone, zip, weight,"
        " contact, portal_id FROM patients WHERE id = 1",
        "UPDATE patients SET sex = 'X' WHERE id = 1",
    ):
        with pytest.raises(psycopg.Error) as caught:
            connection.execute(statement)
        assert "Testcase" not in str(caught.value)
        assert "MRN" not in str(caught.value)


def test_copy_in(clinic: Clinic, connection: psycopg.Connection) -> None:
    with connection.cursor().copy("COPY codes FROM STDIN") as copy:
        copy.write_row(("Y1", "by copy"))
        copy.write_row(("Y2", "by copy"))
    assert (
        clinic.postgres.psql("SELECT count(*) FROM codes WHERE dx LIKE 'Y%'", "clinic").strip()
        == "2"
    )
    connection.execute("DELETE FROM codes WHERE dx LIKE 'Y%'")


def test_who_may_not_come_in(clinic: Clinic) -> None:
    """Scopes are enforced, and garbage is no token."""
    with pytest.raises(psycopg.OperationalError, match="scope"):
        psycopg.connect(clinic.dsn("stranger"))
    with pytest.raises(psycopg.OperationalError, match="identity"):
        psycopg.connect(clinic.gateway.dsn("not-a-token"))
    with pytest.raises(psycopg.OperationalError, match="no resource"):
        psycopg.connect(clinic.gateway.dsn(clinic.token(), database="postgres"))


def test_no_token_is_asked_for_before_tls(clinic: Clinic) -> None:
    """PROTOCOLS A10."""
    with pytest.raises(psycopg.OperationalError, match="TLS is required"):
        psycopg.connect(clinic.dsn(sslmode="disable"))


@pytest.mark.parametrize("negotiation", ["postgres", "direct"])
def test_tls_by_request_and_direct(clinic: Clinic, negotiation: str) -> None:
    with psycopg.connect(clinic.dsn(sslnegotiation=negotiation)) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


@pytest.mark.parametrize("version", ["3.0", "3.2"])
def test_protocol_versions(clinic: Clinic, version: str) -> None:
    dsn = clinic.dsn(min_protocol_version=version, max_protocol_version=version)
    with psycopg.connect(dsn) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_cancel(connection: psycopg.Connection) -> None:
    """PROTOCOLS A6, with the gateway's own key."""
    import threading

    timer = threading.Timer(0.5, connection.cancel_safe)
    timer.start()
    with pytest.raises(psycopg.errors.QueryCanceled):
        connection.execute(sql.SQL("SELECT count(*) FROM {}").format(SLOW))
    timer.join()


#: A cross join that runs for minutes: pg_sleep() is not for agents.
SLOW = sql.SQL("encounters a, encounters b, encounters c, encounters d")


def test_the_backend_log_never_sees_the_gateways_refusals_as_statements(clinic: Clinic) -> None:
    with psycopg.connect(clinic.dsn(), autocommit=True) as connection:
        with pytest.raises(psycopg.errors.InsufficientPrivilege) as caught:
            connection.execute("DROP TABLE encounters")
        request = json.loads(caught.value.diag.message_detail)["request"]
    assert request in clinic.postgres.log_text()
    assert "DROP TABLE encounters" not in clinic.postgres.log_text()
