"""psql 15 as people use it: its own commands, scripts, transactions, COPY, cursors."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from testbed.clinic import OLDEST_BIRTH, Clinic
from testbed.parts import debian


def psql(
    clinic: Clinic,
    *arguments: str,
    who: str = "executor",
    script: str | None = None,
    directory: Path | None = None,
    plain: bool = True,
    check: bool = True,
) -> subprocess.CompletedProcess[str]:
    """Run psql with connection settings alone; ``script`` is its standard input."""
    done = subprocess.run(
        [debian("psql", "postgresql-client"), "-X", *(("-A", "-t") if plain else ()), *arguments],
        input=script,
        text=True,
        capture_output=True,
        timeout=60,
        check=False,
        cwd=directory,
        env=connection_settings(clinic, who),
    )
    if check:
        assert done.returncode == 0, done.stderr
    return done


def connection_settings(clinic: Clinic, who: str) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "PGHOST": clinic.gateway.host,
        "PGPORT": str(clinic.gateway.port),
        "PGUSER": who,
        "PGDATABASE": "clinic",
        "PGPASSWORD": clinic.token(who),
        "PGSSLMODE": "verify-full",
        "PGSSLROOTCERT": str(clinic.gateway.certificates.ca),
        "PGCONNECT_TIMEOUT": "10",
    }


def lines(done: subprocess.CompletedProcess[str]) -> list[str]:
    return done.stdout.splitlines()


def count(clinic: Clinic, codes: str) -> int:
    """Rows of ``codes`` in the database itself."""
    return int(
        clinic.postgres.psql(f"SELECT count(*) FROM codes WHERE dx LIKE '{codes}'", "clinic")
    )


def test_a_token_of_16_kilobytes_is_a_password(clinic: Clinic, tmp_path: Path) -> None:
    """PROTOCOLS A9: from the environment and from a password file."""
    token = clinic.token("exporter")
    assert len(token) > 16_384
    assert lines(psql(clinic, "-c", "SELECT 1", who="exporter")) == ["1"]
    passfile = tmp_path / "pgpass"
    passfile.write_text(f"{clinic.gateway.host}:*:clinic:exporter:{token}\n")
    passfile.chmod(0o600)
    settings = connection_settings(clinic, "exporter")
    del settings["PGPASSWORD"]
    done = subprocess.run(
        ["psql", "-X", "-A", "-t", "-c", "SELECT 2"],
        text=True, capture_output=True, timeout=60, check=True,
        env={**settings, "PGPASSFILE": str(passfile)},
    )  # fmt: skip
    assert lines(done) == ["2"]


def test_every_labelled_column_is_masked(clinic: Clinic) -> None:
    expected = (
        f'1|[MRN]|[SSN]|[NAME]|{OLDEST_BIRTH}|M|[EMAIL]|[PHONE]|004|49.5|"[CONTACT]"'
        "|00000000-0000-0000-0000-000000000000|2026-01-01 08:37:00+00"
    )
    assert lines(psql(clinic, "-c", "SELECT * FROM patients WHERE id = 1")) == [expected]
    notes = psql(clinic, "-c", "SELECT note FROM encounters LIMIT 2")
    assert lines(notes) == ["[NOTE]", "[NOTE]"]


@pytest.mark.parametrize(
    "command",
    [
        *(
            "\\d",
            "\\dt",
            "\\dv",
            "\\di",
            "\\dn",
            "\\df",
            "\\dT",
            "\\dx",
            "\\du",
            "\\dp",
            "\\l",
            "\\encoding",
        ),
        *("\\d patients", "\\d+ patients", "\\d+ patient_names", "\\sv patient_names", "\\sf now"),
        *(
            "\\d no_such_table",
            "\\dt p*",
            "\\dC",
            "\\dD",
            "\\dd",
            "\\drds",
            "\\z codes",
            "\\dS+ pg_class",
        ),
    ],
)
def test_its_own_commands_show_what_they_show_without_a_gateway(
    clinic: Clinic, command: str
) -> None:
    direct = subprocess.run(
        [debian("psql", "postgresql-client"), "-X", clinic.direct_dsn()],
        input=command + "\n", text=True, capture_output=True, timeout=60, check=False,
    )  # fmt: skip
    done = psql(clinic, script=command + "\n", plain=False, check=False)
    assert (done.stdout, done.returncode) == (direct.stdout, direct.returncode)


def test_a_refusal_is_shown_and_the_next_statement_runs(clinic: Clinic) -> None:
    done = psql(clinic, script="DROP TABLE codes;\nSELECT 'alive';\n", check=False)
    assert lines(done) == ["alive"]
    assert "ERROR:  hoopgate: " in done.stderr
    assert '"rule": "hipaa-baseline/ddl"' in done.stderr
    assert "HINT:  " in done.stderr


def test_scripts_stop_where_psql_says_so(clinic: Clinic, tmp_path: Path) -> None:
    script = tmp_path / "script.sql"
    script.write_text("SELECT 1;\nTRUNCATE codes;\nSELECT 2;\n")
    assert lines(psql(clinic, "-f", str(script), check=False)) == ["1", "2"]
    stopped = psql(clinic, "-v", "ON_ERROR_STOP=1", "-f", str(script), check=False)
    assert stopped.returncode == 3
    assert lines(stopped) == ["1"]
    assert f"{script}:2: ERROR:  hoopgate: " in stopped.stderr


def test_several_statements_in_one_query(clinic: Clinic) -> None:
    """PROTOCOLS A17: one message, judged as a whole."""
    done = psql(
        clinic, "-c", "SELECT id FROM patients WHERE id = 1; SELECT ssn FROM patients LIMIT 1"
    )
    assert lines(done) == ["1", "[SSN]"]
    done = psql(clinic, "-c", "SELECT 1; DROP TABLE codes; SELECT 2", check=False)
    assert lines(done) == []
    assert "hoopgate" in done.stderr
    done = psql(clinic, script="SELECT 1 \\; SELECT 2;\n")
    assert lines(done) == ["1", "2"]
    # Single transaction: -1 with several -c.
    done = psql(clinic, "-1", "-c", "INSERT INTO codes VALUES ('A1', 'x')", "-c", "TRUNCATE codes",
                check=False)  # fmt: skip
    assert done.returncode != 0
    assert count(clinic, "A1") == 0


def test_a_refusal_fails_its_transaction(clinic: Clinic) -> None:
    script = """
        BEGIN;
        INSERT INTO codes VALUES ('B1', 'x');
        DROP TABLE codes;
        SELECT 'unreachable';
        COMMIT;
        SELECT count(*) FROM codes WHERE dx = 'B1';
    """
    done = psql(clinic, script=script, check=False)
    assert lines(done) == ["BEGIN", "INSERT 0 1", "ROLLBACK", "0"]
    assert count(clinic, "B1") == 0


def test_a_savepoint_survives_a_refusal(clinic: Clinic) -> None:
    script = """
        BEGIN;
        INSERT INTO codes VALUES ('B2', 'x');
        SAVEPOINT s;
        TRUNCATE codes;
        ROLLBACK TO s;
        SELECT 'alive';
        COMMIT;
    """
    done = psql(clinic, "-q", script=script, check=False)
    assert lines(done) == ["alive"]
    assert count(clinic, "B2") == 1
    psql(clinic, "-c", "DELETE FROM codes WHERE dx = 'B2'")


def test_on_error_rollback(clinic: Clinic) -> None:
    """psql puts a savepoint before each statement itself."""
    script = """
        \\set ON_ERROR_ROLLBACK on
        BEGIN;
        INSERT INTO codes VALUES ('B3', 'x');
        DROP TABLE codes;
        SELEC nonsense;
        SELECT count(*) FROM codes WHERE dx = 'B3';
        ROLLBACK;
        SELECT count(*) FROM codes WHERE dx = 'B3';
    """
    done = psql(clinic, "-q", script=script, check=False)
    assert lines(done) == ["1", "0"]
    assert "hipaa-baseline/ddl" in done.stderr
    assert "parse.syntax" in done.stderr


def test_autocommit_off(clinic: Clinic) -> None:
    script = "\\set AUTOCOMMIT off\nSELECT 1;\nDROP TABLE codes;\nROLLBACK;\nSELECT 2;\nCOMMIT;\n"
    assert lines(psql(clinic, "-q", script=script, check=False)) == ["1", "2"]


@pytest.mark.parametrize("size", [1, 7, 200])
def test_fetch_count_uses_a_cursor(clinic: Clinic, size: int) -> None:
    """PROTOCOLS A15: DECLARE and FETCH, masked batch by batch."""
    script = f"\\set FETCH_COUNT {size}\nSELECT id, ssn FROM patients ORDER BY id LIMIT 15;\n"
    assert lines(psql(clinic, script=script)) == [f"{n}|[SSN]" for n in range(1, 16)]


def test_prepared_statements_in_sql(clinic: Clinic) -> None:
    script = """
        PREPARE s(int) AS SELECT id, ssn, name FROM patients WHERE id = $1;
        EXECUTE s(1);
        EXECUTE s(2);
        DEALLOCATE s;
        EXECUTE s(1);
        SELECT 'alive';
    """
    done = psql(clinic, "-q", script=script, check=False)
    assert lines(done) == ["1|[SSN]|[NAME]", "2|[SSN]|[NAME]", "alive"]


@pytest.mark.parametrize(
    ("options", "first"),
    [
        ("", f"1\t[SSN]\t[NAME]\t{OLDEST_BIRTH}"),
        ("CSV", f"1,[SSN],[NAME],{OLDEST_BIRTH}"),
        (
            "CSV HEADER QUOTE '''' DELIMITER ';' FORCE QUOTE *",
            f"'1';'[SSN]';'[NAME]';'{OLDEST_BIRTH}'",
        ),
        ("DELIMITER '|' NULL 'nil'", f"1|[SSN]|[NAME]|{OLDEST_BIRTH}"),
    ],
    ids=["text", "csv", "csv with options", "text with options"],
)
def test_copy_out(clinic: Clinic, tmp_path: Path, options: str, first: str) -> None:
    out = tmp_path / "patients.out"
    rows = "SELECT id, ssn, name, dob FROM patients ORDER BY id"
    with_options = f"\\copy ({rows}) TO 'patients.out' {options}"
    done = psql(clinic, "-c", with_options, who="exporter", directory=tmp_path)
    assert lines(done) == ["COPY 200"]
    written = out.read_text().splitlines()
    assert written[1 if "HEADER" in options else 0] == first
    assert "Testcase" not in out.read_text()


def test_copy_out_of_a_table_and_in_binary(clinic: Clinic, tmp_path: Path) -> None:
    command = "\\copy patients TO 'patients.bin' BINARY"
    assert lines(psql(clinic, "-c", command, who="exporter", directory=tmp_path)) == ["COPY 200"]
    data = (tmp_path / "patients.bin").read_bytes()
    assert data.startswith(b"PGCOPY\n\xff\r\n\0")
    assert data.endswith(b"\xff\xff")
    assert data.count(b"[NAME]") == 200
    assert b"Testcase" not in data


def test_copy_in(clinic: Clinic, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("C1,one\nC2,two\n")
    command = "\\copy codes FROM 'in.csv' CSV"
    assert lines(psql(clinic, "-c", command, directory=tmp_path)) == ["COPY 2"]
    script = "COPY codes FROM STDIN;\nC3\tthree\n\\.\nSELECT 'alive';\n"
    assert lines(psql(clinic, script=script)) == ["COPY 1", "alive"]
    assert count(clinic, "C_") == 3
    psql(clinic, "-c", "DELETE FROM codes WHERE dx LIKE 'C_'")


def test_a_copy_that_fails_or_is_refused_leaves_the_session(clinic: Clinic, tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_text("C4\tfour\nC4\ttwice\n")
    script = "\\copy codes FROM 'in.txt'\n\\copy codes TO PROGRAM 'cat'\nSELECT 'alive';\n"
    done = psql(clinic, script="\\copy codes FROM 'in.txt'\nCOPY codes TO '/tmp/x';\nSELECT 1;\n",
                directory=tmp_path, check=False)  # fmt: skip
    assert lines(done) == ["1"]
    assert "twice" not in done.stderr
    assert "four" not in done.stderr
    assert "hipaa-baseline/copy-server" in done.stderr
    # TO PROGRAM of \copy runs on the client's machine: the server sees COPY TO STDOUT.
    done = psql(clinic, script=script, who="exporter", directory=tmp_path, check=False)
    assert lines(done)[-1] == "alive"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["-c", "SELECT 1", "-d", "postgres"], "no resource of that name"),
        (["-c", "SELECT 1", "sslmode=disable"], "TLS is required"),
        (["-c", "SELECT 1", "options='-c role=postgres'"], "not allowed"),
    ],
)
def test_what_is_refused_at_login_says_why(
    clinic: Clinic, arguments: Sequence[str], said: str
) -> None:
    done = psql(clinic, *arguments, check=False)
    assert done.returncode == 2
    assert "FATAL:  hoopgate: " in done.stderr
    assert said in done.stderr


def test_describing_without_running(clinic: Clinic) -> None:
    """\\gdesc prepares; \\gset, \\gexec and \\crosstabview use results."""
    script = """
        SELECT id, ssn FROM patients \\gdesc
        SELECT 1 AS x \\gset
        SELECT :x + 1;
        SELECT 'SELECT 3' \\gexec
        SELECT 'DROP TABLE codes' \\gexec
        SELECT 'alive';
    """
    done = psql(clinic, script=script, check=False)
    assert lines(done) == ["id|integer", "ssn|text", "2", "3", "alive"]
    assert "hipaa-baseline/ddl" in done.stderr
