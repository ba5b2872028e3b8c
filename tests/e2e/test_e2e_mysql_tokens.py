"""Tokens and budgets on MariaDB and MySQL: as on PostgreSQL (docs/tokens.md, docs/masking.md)."""

from __future__ import annotations

import json
import re
import secrets
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mysql.connector
import pymysql
import pytest
from testbed.certificates import Certificates, write_private
from testbed.clinic_mysql import MysqlClinic, labels, running_mysql_clinic
from testbed.mariadb import MariaDB
from testbed.parts import NODE_MODULES, node

TOKEN = re.compile(r"\[([A-Z]+):1\.[0-9a-f]{20}\]")
DATABASE = "mysql_tokens"
TOKENS: list[dict[str, Any]] = [
    {
        "column": [f"{DATABASE}.patients.id", f"{DATABASE}.encounters.patient_id"],
        "kind": "PID",
        "method": "token",
        "joins": True,
    },
    {"column": f"{DATABASE}.patients.mrn", "kind": "MRN", "method": "token"},
    {"column": f"{DATABASE}.patients.email", "kind": "EMAIL", "method": "token"},
]
RULES: list[dict[str, Any]] = [
    {
        "name": "analysts",
        "verdict": "allow",
        "match": {"groups": ["analysts"]},
        "tokens": ["PID", "MRN"],
    },
    {"name": "exporters", "verdict": "allow", "match": {"groups": ["exporters"]}},
]
BUDGETS: list[dict[str, Any]] = [
    {"name": "cells", "cells": 60, "window": "7d", "match": {"subjects": ["plan*"]}},
    {"name": "queries", "queries": 4, "window": "7d", "match": {"subjects": ["exporter"]}},
]


def without(found: list[dict[str, Any]], others: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Labels of ``found`` but for the columns of ``others``, and those."""
    named = {
        name
        for label in others
        for name in (label["column"] if isinstance(label["column"], list) else [label["column"]])
    }
    kept = []
    for label in found:
        columns = label["column"] if isinstance(label["column"], list) else [label["column"]]
        left = [column for column in columns if column not in named]
        if left:
            kept.append({**label, "column": left})
    return [{"resource": "clinic", **label} for label in [*kept, *others]]


@pytest.fixture(scope="module", params=["mariadb", "mysql9"])
def tokens(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    certificates: Certificates,
) -> Iterator[MysqlClinic]:
    server: MariaDB = request.getfixturevalue(request.param)
    directory: Path = tmp_path_factory.mktemp("mysql-tokens")
    keys = directory / "tokens.keys"
    write_private(keys, f"1 {secrets.token_hex(32)}\n".encode())

    def adjust(settings: dict[str, Any]) -> None:
        settings["resources"][0]["tokens"] = {"keys": {"file": str(keys)}}
        settings["rules"] = RULES
        settings["labels"] = without(labels(DATABASE), TOKENS)

    with running_mysql_clinic(
        directory, certificates, server, database=DATABASE, adjust=adjust
    ) as running:
        yield running


def rows(clinic: MysqlClinic, sql: str, *values: Any, who: str = "executor") -> list[Any]:
    connection = clinic.connect(who)
    with connection, connection.cursor() as cursor:
        cursor.execute(sql, values or None)
        return list(cursor.fetchall())


def prepared(clinic: MysqlClinic, sql: str, *values: Any, times: int = 1) -> list[Any]:
    connection = mysql.connector.connect(
        host=clinic.gateway.host,
        port=clinic.gateway.port,
        user="executor",
        password=clinic.token(),
        database="clinic",
        ssl_ca=str(clinic.gateway.certificates.ca),
        ssl_verify_identity=True,
    )
    try:
        cursor = connection.cursor(prepared=True)
        for _ in range(times):
            cursor.execute(sql, values)
            found = list(cursor.fetchall())
        return found
    finally:
        connection.close()


def refused(clinic: MysqlClinic, sql: str, *values: Any, who: str = "executor") -> str:
    with pytest.raises(pymysql.MySQLError, match="hoopgate") as refusal:
        rows(clinic, sql, *values, who=who)
    return str(json.loads(re.search(r"\{.*\}", str(refusal.value))[0])["reason"])  # type: ignore[index]


def test_the_walk_through(tokens: MysqlClinic) -> None:
    """An agent finds a patient's encounters and never sees who it is."""
    [(patient, mrn)] = rows(
        tokens, "SELECT id, mrn FROM patients WHERE sex = 'F' AND zip LIKE '0%' LIMIT 1"
    )
    assert TOKEN.fullmatch(patient) and TOKEN.fullmatch(mrn)
    by_literal = f"SELECT patient_id, department, dx FROM encounters WHERE patient_id = '{patient}'"
    found = rows(tokens, by_literal)
    assert found
    assert {one[0] for one in found} == {patient}
    asked = "SELECT patient_id, department, dx FROM encounters WHERE patient_id = %s"
    assert rows(tokens, asked, patient) == found  # PyMySQL writes it into the text
    assert prepared(tokens, asked.replace("%s", "?"), patient, times=3) == found
    joined = (
        "SELECT p.mrn, e.dx FROM patients p JOIN encounters e ON e.patient_id = p.id"
        " WHERE p.mrn = %s ORDER BY e.id"
    )
    told = rows(tokens, joined, mrn)
    assert {one[0] for one in told} == {mrn}
    assert sorted(one[1] for one in told) == sorted(one[2] for one in found)
    assert prepared(tokens, joined.replace("%s", "?"), mrn) == told
    server = tokens.server
    (real,) = server.sql(
        f"SELECT id, mrn FROM {DATABASE}.patients WHERE sex = 'F' AND zip LIKE '0%' LIMIT 1"
    )
    assert len(found) == server.sql(
        f"SELECT count(*) FROM {DATABASE}.encounters WHERE patient_id = {real[0]}"
    )[0][0]  # fmt: skip


def test_a_token_is_the_same_in_text_and_binary(tokens: MysqlClinic) -> None:
    text = rows(tokens, "SELECT id, mrn, email FROM patients ORDER BY last_seen")
    binary = prepared(tokens, "SELECT id, mrn, email FROM patients ORDER BY last_seen")
    assert text == binary
    assert len({one[0] for one in text}) == 200
    assert {one[0] for one in rows(tokens, "SELECT patient_id FROM encounters")} <= {
        one[0] for one in text
    }


def test_lists_and_other_places_of_equality(tokens: MysqlClinic) -> None:
    known = [one[0] for one in rows(tokens, "SELECT id FROM patients ORDER BY last_seen LIMIT 3")]
    listed = ", ".join(f"'{one}'" for one in known)
    found = rows(tokens, f"SELECT id FROM patients WHERE id IN ({listed})")
    assert {one[0] for one in found} == set(known)
    listed = "SELECT id FROM patients WHERE id IN (?, ?, ?) AND sex <> ?"
    found = prepared(tokens, listed, *known, "x")
    assert {one[0] for one in found} == set(known)
    assert rows(tokens, f"SELECT count(*) FROM patients WHERE '{known[0]}' = id") == [(1,)]
    assert rows(tokens, f'SELECT count(*) FROM patients WHERE id = "{known[0]}"') == [(1,)]
    rewritten = f"SELECT x.id FROM (SELECT id, sex FROM patients) x WHERE x.id = '{known[1]}'"
    assert rows(tokens, rewritten) == [(known[1],)]
    update = f"UPDATE patients SET weight = weight + 0 WHERE id = '{known[2]}'"
    assert rows(tokens, update) == []


def test_what_is_no_place_for_a_token(tokens: MysqlClinic) -> None:
    [(patient, mrn, email)] = rows(tokens, "SELECT id, mrn, email FROM patients LIMIT 1")
    for sql in (
        f"SELECT id FROM patients WHERE id < '{patient}'",
        f"SELECT id FROM patients WHERE mrn LIKE '{mrn}'",
        f"SELECT '{mrn}'",
        f"SELECT id FROM patients WHERE upper(mrn) = '{mrn}'",
        f"SELECT id FROM patients WHERE mrn = '{patient}'",
        f"SELECT id FROM patients WHERE sex = '{mrn}'",
        f"SELECT id FROM patients WHERE concat(mrn, '') = '{mrn}'",
        f"INSERT INTO codes VALUES ('{mrn}', 'x')",
    ):
        assert refused(tokens, sql) in ("phi.token", "phi.predicate", "phi.function"), sql
    assert refused(tokens, f"SELECT id FROM patients WHERE email = '{email}'") == "token.denied"
    one = f"SELECT id FROM patients WHERE id = '{patient}'"
    assert refused(tokens, one, who="exporter") == "token.denied"
    unknown = re.sub(r"\.[0-9a-f]{20}", "." + "0" * 20, mrn)
    assert refused(tokens, f"SELECT id FROM patients WHERE mrn = '{unknown}'") == "token.unknown"


def test_a_guess_is_no_token(tokens: MysqlClinic) -> None:
    assert refused(tokens, "SELECT id FROM patients WHERE id = 3") == "phi.predicate"
    assert refused(tokens, "SELECT id FROM patients WHERE mrn = 'MRN0000001'") == "phi.predicate"
    assert refused(tokens, "SELECT id FROM patients WHERE id IN (1, 2)") == "phi.predicate"
    for guess in (3, "3", "MRN0000001", "[PID:guess]"):
        with pytest.raises(mysql.connector.Error, match=r"token\.expected"):
            prepared(tokens, "SELECT dx FROM encounters WHERE patient_id = ?", guess)
    with pytest.raises(mysql.connector.Error, match=r"phi\.predicate"):
        prepared(tokens, "SELECT dx FROM encounters WHERE patient_id < ?", 3)
    assert prepared(tokens, "SELECT dx FROM encounters WHERE patient_id = ?", None) == []


_BATCH = """
(async () => {
  const mariadb = await import(process.env.NODE_PATH + '/mariadb/promise.js');
  const fs = await import('fs');
  const [port, ca, ...batches] = process.argv.slice(1);
  const c = await mariadb.createConnection({host: '127.0.0.1', port: +port, user: 'executor',
    password: process.env.TOKEN, database: 'clinic', bulk: true,
    ssl: {ca: fs.readFileSync(ca)}});
  const out = [];
  for (const one of batches) {
    const [sql, rows] = JSON.parse(one);
    out.push(await c.batch(sql, rows).then(
      done => '' + [].concat(done).reduce((sum, one) => sum + one.affectedRows, 0),
      e => e.message));
  }
  await c.end();
  console.log(JSON.stringify(out));
})();
"""


def test_bulk_execution(tokens: MysqlClinic) -> None:
    """By MariaDB's connector for Node.js: one command for all rows, none of which may be a token.
    MySQL has no such command: the connector sends the rows one by one, and tokens are taken."""
    server = tokens.server
    [(patient,)] = rows(tokens, "SELECT id FROM patients LIMIT 1")
    batches: list[Any] = [
        ["INSERT INTO codes VALUES (?, ?)", [["X1", "one"], ["X2", "two"], ["X3", "three"]]],
        ["UPDATE patients SET weight = weight + ? WHERE id = ?", [[0, 3], [0, 4]]],
        ["UPDATE patients SET weight = weight + ? WHERE id = ?", [[0, patient], [0, patient]]],
    ]
    executed = "SHOW GLOBAL STATUS LIKE 'Com_stmt_execute'"
    before = int(server.sql(executed)[0][1])
    done = subprocess.run(
        [
            *(node(), "-e", _BATCH, str(tokens.gateway.port)),
            *(str(tokens.gateway.certificates.ca), *map(json.dumps, batches)),
        ],
        env={"TOKEN": tokens.token(), "NODE_PATH": str(NODE_MODULES), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    inserted, *updated = json.loads(done.stdout)
    assert inserted == "3"
    ran = int(server.sql(executed)[0][1]) - before
    if server.protocol == "mariadb":
        assert all("token.bulk" in one for one in updated)
        assert ran == 1
    else:
        assert "token.expected" in updated[0]
        assert updated[1] == "2"
        assert ran == 5
    kept = server.sql(f"SELECT description FROM {DATABASE}.codes WHERE dx LIKE 'X%' ORDER BY dx")
    assert kept == [("one",), ("two",), ("three",)]


def test_values_are_not_in_the_log(tokens: MysqlClinic) -> None:
    """What runs at the database has the value in it; what is recorded has the token."""
    [(mrn,)] = rows(tokens, "SELECT mrn FROM patients LIMIT 1")
    rows(tokens, f"SELECT sex FROM patients WHERE mrn = '{mrn}'")
    values = {row[0] for row in tokens.server.sql(f"SELECT mrn FROM {DATABASE}.patients")}
    log = tokens.gateway.log_text()
    assert not any(value in log for value in values)


# --- budgets --------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=["mariadb", "mysql9"])
def budgeted(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    certificates: Certificates,
) -> Iterator[MysqlClinic]:
    server: MariaDB = request.getfixturevalue(request.param)
    patient = {"column": "mysql_budgets.patients.id", "level": "public", "patient": True}

    def adjust(settings: dict[str, Any]) -> None:
        settings["labels"] = without(labels("mysql_budgets"), [patient])
        settings["budgets"] = BUDGETS

    with running_mysql_clinic(
        tmp_path_factory.mktemp("mysql-budgets"),
        certificates,
        server,
        database="mysql_budgets",
        adjust=adjust,
    ) as running:
        yield running


NAMES = "SELECT id, name FROM patients WHERE id BETWEEN {} AND {}"


def test_patients_count_once(budgeted: MysqlClinic) -> None:
    def read(sql: str, *, binary: bool = False) -> list[Any]:
        return asked(budgeted, "planner", sql, binary=binary)

    for _ in range(2):  # the same twenty, in text and in binary
        assert len(read(NAMES.format(1, 20))) == 20
        assert len(read(NAMES.format(1, 20), binary=True)) == 20
    assert len(read(NAMES.format(15, 30))) == 16  # ten more
    assert len(read("SELECT sex, count(*) FROM patients GROUP BY sex")) == 2
    assert len(read("SELECT name, ssn FROM patients LIMIT 10")) == 10  # ten rows of two columns
    assert len(read(NAMES.format(31, 39))) == 9  # 59
    assert len(read(NAMES.format(31, 49), binary=True)) == 19  # what runs is not cut
    for binary in (False, True):
        with pytest.raises(Exception, match=r"budget\.cells"):
            read(NAMES.format(1, 1), binary=binary)
    assert len(read("SELECT id, sex FROM patients")) == 200  # no label, no budget
    budgeted.gateway.stop()
    budgeted.gateway.start()
    with pytest.raises(Exception, match=r"budget\.cells"):
        read(NAMES.format(1, 1))


def test_questions_by_quasi_identifiers_count(budgeted: MysqlClinic) -> None:
    by_zip = "SELECT count(*) FROM patients WHERE zip LIKE '0%'"
    for binary in (False, True, False, True):
        assert len(asked(budgeted, "exporter", by_zip, binary=binary)) == 1
    for binary in (False, True):
        with pytest.raises(Exception, match=r"budget\.queries"):
            asked(budgeted, "exporter", by_zip, binary=binary)
    assert asked(budgeted, "exporter", "SELECT count(*) FROM codes") == [(20,)]


def asked(clinic: MysqlClinic, who: str, sql: str, *, binary: bool = False) -> list[Any]:
    connection = mysql.connector.connect(
        host=clinic.gateway.host,
        port=clinic.gateway.port,
        user=who,
        password=clinic.token(who),
        database="clinic",
        ssl_ca=str(clinic.gateway.certificates.ca),
        ssl_verify_identity=True,
    )
    try:
        cursor = connection.cursor(prepared=binary)
        cursor.execute(sql)
        return list(cursor.fetchall())
    finally:
        connection.close()
