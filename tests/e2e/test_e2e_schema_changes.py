"""What statements mean changes while sessions run: through the gateway, and behind its back."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from test_e2e_approvals import Export, approvals
from testbed.certificates import Certificates
from testbed.clinic import GROUPS, RULES, Clinic, running_clinic
from testbed.postgres import Postgres

#: Seconds after which a change by another client must be in force.
WINDOW = 1.0
HARMLESS = "CREATE OR REPLACE VIEW turning AS SELECT id, sex::text AS x, ssn AS y FROM patients"
HARMFUL = "CREATE OR REPLACE VIEW turning AS SELECT id, ssn AS x, ssn AS y FROM patients"
TURNED = "CREATE VIEW turned AS SELECT id, ssn AS x, ssn AS y FROM patients"
#: The same through the gateway, which lets nobody make a view of what is secret, nor give a column
#: another name.
SWAP = (
    "ALTER VIEW turning RENAME TO waiting",
    "ALTER VIEW turned RENAME TO turning",
    "ALTER VIEW waiting RENAME TO turned",
)
ASK = "SELECT x FROM turning WHERE id = 1"
MIGRATORS = {
    "name": "migrators",
    "verdict": "allow",
    "match": {"groups": ["analysts"], "classes": ["ddl", "grant"]},
    "overrides": ["hipaa-baseline/ddl", "hipaa-baseline/grant"],
}


@pytest.fixture(scope="module", params=[15, 18])
def clinic(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    certificates: Certificates,
) -> Iterator[Clinic]:
    """Whoever reads may change the schema, too."""
    postgres: Postgres = request.getfixturevalue(f"postgres{request.param}")
    with running_clinic(
        tmp_path_factory.mktemp(f"changes{request.param}"),
        certificates,
        postgres,
        database="changes",
        groups=GROUPS,
        rules=[MIGRATORS, *RULES],
    ) as running:
        postgres.psql("ALTER SCHEMA public OWNER TO agent; GRANT agent TO postgres", "changes")
        postgres.psql("ALTER TABLE patients OWNER TO agent", "changes")
        yield running


@pytest.fixture
def superuser(clinic: Clinic) -> Iterator[psycopg.Connection[Any]]:
    """A client that the gateway does not see. It leaves a view that shows nothing secret."""
    with psycopg.connect(clinic.postgres.dsn("changes"), autocommit=True) as connection:
        connection.execute("SET ROLE agent")
        begin(connection)
        yield connection


def begin(connection: psycopg.Connection[Any]) -> None:
    """The views as they were in the beginning."""
    connection.execute("DROP VIEW IF EXISTS turning, turned, waiting")
    connection.execute(HARMLESS)
    connection.execute(TURNED)
    time.sleep(WINDOW + 0.1)


@contextmanager
def session(clinic: Clinic) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(clinic.dsn(), autocommit=True) as connection:
        yield connection


def shown(connection: psycopg.Connection[Any], prepare: bool = False) -> str:
    row = connection.execute(ASK, prepare=prepare).fetchone()
    assert row is not None
    return str(row[0])


@pytest.mark.parametrize("prepare", [False, True], ids=["simple", "prepared"])
def test_a_change_behind_our_back_is_in_force_within_the_window(
    clinic: Clinic, superuser: psycopg.Connection[Any], prepare: bool
) -> None:
    with session(clinic) as busy, session(clinic) as idle:
        for connection in (busy, idle):
            for _ in range(3):
                assert shown(connection, prepare) == "M"
        superuser.execute(HARMFUL)
        changed = time.monotonic()
        late = 0.0
        while time.monotonic() < changed + 2 * WINDOW:
            asked = time.monotonic()
            if shown(busy, prepare) != "[SSN]":
                late = asked - changed
        assert late <= WINDOW + 0.1
        # The first statement after a pause waits until the schema was looked at.
        assert shown(idle, prepare) == "[SSN]"


def test_after_a_pause_nothing_old_is_believed(
    clinic: Clinic, superuser: psycopg.Connection[Any]
) -> None:
    with session(clinic) as connection:
        assert shown(connection, prepare=True) == "M"
        time.sleep(WINDOW + 0.2)
        superuser.execute(HARMFUL)
        assert shown(connection, prepare=True) == "[SSN]"


def test_a_change_through_the_gateway_is_in_force_at_once(
    clinic: Clinic, superuser: psycopg.Connection[Any]
) -> None:
    with session(clinic) as one, session(clinic) as other:
        for expected in ("[SSN]", "M") * 3:
            for change in SWAP:
                one.execute(change)
            for connection in (other, one):
                assert shown(connection) == expected
                assert shown(connection, prepare=True) == expected


def reason(error: psycopg.Error) -> str:
    return str(json.loads(error.diag.message_detail or "{}").get("reason"))


def test_a_transaction_that_changed_the_schema_can_read_nothing(
    clinic: Clinic, superuser: psycopg.Connection[Any]
) -> None:
    """Its own change is invisible to everybody else, the gateway's questions included."""
    with session(clinic) as connection, session(clinic) as other:
        assert shown(connection, prepare=True) == "M"
        for ask in (lambda: shown(connection), lambda: shown(connection, prepare=True)):
            connection.execute("BEGIN")
            connection.execute(SWAP[0])
            with pytest.raises(psycopg.errors.InsufficientPrivilege) as refused:
                ask()
            assert reason(refused.value) == "phi.changing"
            connection.execute("ROLLBACK")
            assert ask() == "M"
        with connection.transaction():
            connection.execute("COMMENT ON VIEW turning IS 'changes'")
            for change in SWAP:
                connection.execute(change)
        assert shown(connection) == "[SSN]"
        assert shown(other) == "[SSN]"


def test_a_pipeline_does_not_overtake_its_own_change(
    clinic: Clinic, superuser: psycopg.Connection[Any]
) -> None:
    ssn = clinic.postgres.psql("SELECT ssn FROM patients WHERE id = 1", "changes").strip()
    for sync in (False, True):
        with session(clinic) as connection:
            assert shown(connection) == "M"
            found: list[Any] = []
            try:
                with connection.pipeline() as pipeline:
                    for change in SWAP:
                        connection.execute(change)
                    if sync:
                        pipeline.sync()
                    cursor = connection.execute(ASK)
                    pipeline.sync()
                    found.append(cursor.fetchone())
            except psycopg.Error as error:
                assert ssn not in str(error)
            assert ssn not in repr(found)
        begin(superuser)


def test_a_new_object_ahead_of_another_is_noticed(
    clinic: Clinic, superuser: psycopg.Connection[Any]
) -> None:
    """``"$user"`` comes before public in the default search_path."""
    with session(clinic) as connection:
        assert shown(connection, prepare=True) == "M"
        superuser.execute("RESET ROLE")
        superuser.execute("CREATE SCHEMA agent AUTHORIZATION agent")
        superuser.execute("CREATE VIEW agent.turning AS SELECT id, name AS x FROM patients")
        superuser.execute("ALTER VIEW agent.turning OWNER TO agent")
        try:
            time.sleep(WINDOW + 0.1)
            assert shown(connection, prepare=True) == "[NAME]"
            assert shown(connection) == "[NAME]"
        finally:
            superuser.execute("DROP SCHEMA agent CASCADE")


def test_a_new_column_shows_nothing_until_it_is_labelled(
    clinic: Clinic, superuser: psycopg.Connection[Any]
) -> None:
    with session(clinic) as connection:
        ask = "SELECT * FROM patients WHERE id = 1"
        before = connection.execute(ask).fetchone()
        superuser.execute("ALTER TABLE patients ADD COLUMN blood text DEFAULT 'AB'")
        try:
            time.sleep(WINDOW + 0.1)
            after = connection.execute(ask).fetchone()
            assert before is not None
            assert after == (*before, "[UNLABELLED]")
            with pytest.raises(psycopg.errors.InsufficientPrivilege) as refused:
                connection.execute("SELECT count(*) FROM patients WHERE blood = 'AB'")
            assert reason(refused.value) == "phi.predicate"
            assert "no label" in str(refused.value)
        finally:
            superuser.execute("ALTER TABLE patients DROP COLUMN blood")


def test_a_default_search_path_is_the_sessions_own(
    clinic: Clinic, superuser: psycopg.Connection[Any]
) -> None:
    """Side connections and sessions log in at different times, under different defaults."""
    superuser.execute("RESET ROLE")
    superuser.execute("CREATE SCHEMA aside")
    superuser.execute("GRANT USAGE ON SCHEMA aside TO agent")
    superuser.execute("CREATE VIEW aside.turning AS SELECT id, name AS x FROM public.patients")
    superuser.execute("ALTER VIEW aside.turning OWNER TO agent")
    try:
        with session(clinic) as before:
            assert shown(before) == "M"
            superuser.execute("ALTER ROLE agent SET search_path = aside, public")
            with session(clinic) as after:
                for _ in range(2):
                    assert shown(after) == "[NAME]"
                    assert shown(before) == "M"
                    time.sleep(WINDOW + 0.1)
    finally:
        superuser.execute("ALTER ROLE agent RESET search_path")
        superuser.execute("DROP SCHEMA aside CASCADE")


def test_what_a_person_approved_is_what_runs(
    clinic: Clinic, superuser: psycopg.Connection[Any]
) -> None:
    statement = "COPY (SELECT id, x FROM turning) TO STDOUT"
    for change, delivered in ((HARMFUL, False), ("CREATE TABLE unrelated (a int)", True)):
        superuser.execute(HARMLESS)
        time.sleep(WINDOW + 0.1)
        export = Export(clinic, statement)
        request = export.request()
        superuser.execute(change)
        decided = approvals(clinic, "rita", "approve", request, "--reason", "monthly")
        assert decided.returncode == 0, decided.stderr
        export.finish()
        if delivered:
            assert export.error is None
            assert export.rows[0] == b"1\tM\n"
        else:
            assert isinstance(export.error, psycopg.errors.InsufficientPrivilege)
            assert reason(export.error) == "approval.stale"
            assert not export.rows


def test_while_the_schema_cannot_be_looked_at_nothing_old_is_believed(
    clinic: Clinic, superuser: psycopg.Connection[Any]
) -> None:
    superuser.execute("RESET ROLE")
    with session(clinic) as connection:
        assert shown(connection, prepare=True) == "M"
        superuser.execute("ALTER ROLE agent CONNECTION LIMIT 0")
        try:
            superuser.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name = 'hoopgate'"
            )
            time.sleep(WINDOW + 0.1)
            for prepare in (False, True):
                with pytest.raises(psycopg.errors.InsufficientPrivilege) as refused:
                    shown(connection, prepare)
                assert reason(refused.value) == "phi.unresolved"
            assert connection.execute("SHOW server_version").fetchone()
        finally:
            superuser.execute("ALTER ROLE agent CONNECTION LIMIT -1")
        assert shown(connection, prepare=True) == "M"
        assert shown(connection) == "M"


# --- statements that wait -------------------------------------------------------------------------

WAITS = (
    "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = 'changes'"
)


def asked_behind(
    asking: psycopg.Connection[Any],
    how: str,
    changing: psycopg.Connection[Any],
    changes: tuple[str, ...],
    watching: psycopg.Connection[Any],
    pause: float,
) -> str:
    """What a client gets whose statement waits for a transaction that changes names: the server
    reads its names again when that has ended."""

    def ask() -> str:
        try:
            if how == "copy":
                with asking.cursor().copy(f"COPY ({ASK}) TO STDOUT") as copy:
                    return b"".join(bytes(block) for block in copy).decode().strip()
            return shown(asking, how == "prepared")
        except psycopg.OperationalError as error:
            return str(error)

    with ThreadPoolExecutor(1) as pool:
        changing.execute("BEGIN")
        for change in changes:
            changing.execute(change)
        answer = pool.submit(ask)
        deadline = time.monotonic() + 60
        while watching.execute(WAITS).fetchone() != (1,):
            assert time.monotonic() < deadline
        time.sleep(pause)
        changing.execute("COMMIT")
        return answer.result(60)


@pytest.mark.parametrize("how", ["simple", "prepared", "copy"])
@pytest.mark.parametrize("through", ["gateway", "elsewhere"])
def test_names_that_change_while_a_statement_waits(
    clinic: Clinic, superuser: psycopg.Connection[Any], how: str, through: str
) -> None:
    superuser.execute("RESET ROLE")
    with (
        psycopg.connect(clinic.dsn("exporter"), autocommit=True) as asking,
        session(clinic) as other,
        psycopg.connect(clinic.postgres.dsn("changes"), autocommit=True) as direct,
    ):
        for _ in range(6):
            assert shown(asking, how == "prepared") == "M"
        changing, pause = (other, 0.0) if through == "gateway" else (direct, 0.5)
        got = asked_behind(asking, how, changing, SWAP, superuser, pause)
        assert got == "[SSN]" or "what this statement reads has changed while it waited" in got


def test_a_statement_that_waits_for_something_else_is_answered(
    clinic: Clinic, superuser: psycopg.Connection[Any]
) -> None:
    superuser.execute("RESET ROLE")
    with (
        session(clinic) as asking,
        psycopg.connect(clinic.postgres.dsn("changes"), autocommit=True) as direct,
    ):
        changes = ("CREATE TABLE IF NOT EXISTS beside (x int)", "LOCK TABLE patients")
        assert shown(asking) == "M"
        assert asked_behind(asking, "simple", direct, changes, superuser, 0.5) == "M"
        assert shown(asking) == "M"
