"""The testbed itself: what the other tests rest on."""

from __future__ import annotations

import socket
import stat

import psycopg
import pytest
from testbed.certificates import Certificates
from testbed.parts import MissingPart, debian, node_package
from testbed.postgres import Postgres


def test_clinic_has_the_same_patients_everywhere(any_postgres: Postgres, clinic_sql: str) -> None:
    any_postgres.create_database("testbed_clinic", clinic_sql)
    rows = any_postgres.psql(
        "SELECT count(*), count(DISTINCT ssn), md5(string_agg(p::text, '|' ORDER BY id))"
        " FROM (SELECT id, mrn, ssn, name, dob, sex, email, phone, zip, weight, contact, portal_id"
        " FROM patients) AS p",
        database="testbed_clinic",
    )
    assert rows.strip() == "200|200|290ca8d169ea9e7b1306d4b9cbcd1db2"


def test_postgres_speaks_verified_tls_and_scram(any_postgres: Postgres) -> None:
    any_postgres.create_role("testbed_tls", "it's secret")
    with psycopg.connect(any_postgres.dsn(user="testbed_tls", password="it's secret")) as opened:
        row = opened.execute(
            "SELECT ssl, version, current_setting('server_version_num')::int / 10000"
            " FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
        ).fetchone()
    assert row == (True, "TLSv1.3", any_postgres.version)
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(any_postgres.dsn(user="testbed_tls", password="other"))


def test_postgres_leaves_nothing_behind(certificates: Certificates) -> None:
    lines = ["local all all trust", "hostssl all all 127.0.0.1/32 cert"]
    with Postgres(15, certificates, settings={"log_statement": "all"}) as server:
        server.set_hba(lines)
        pair = certificates.issue("postgres", client=True)
        dsn = server.dsn(password="", sslcert=pair.certificate, sslkey=pair.key)
        with psycopg.connect(dsn) as opened:
            opened.execute("SELECT 'seen in the log'")
        assert "seen in the log" in server.log_text()
        server.kill()
        server.start()
        server.psql("SELECT 1")
        where = server.data_directory
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((server.host, server.port), 1)
    assert not where.exists()


def test_keys_are_private(certificates: Certificates) -> None:
    assert stat.S_IMODE(certificates.server.key.stat().st_mode) == 0o600


def test_a_missing_part_names_the_line_that_installs_it() -> None:
    with pytest.raises(MissingPart, match="apt-get install nowhere"):
        debian("no-such-program", "nowhere")
    with pytest.raises(MissingPart, match="tools/install-parts"):
        node_package("@no/such")
