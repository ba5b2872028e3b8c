"""Budgets through the running gateway: counted over sessions and kinds of messages, kept."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from testbed.certificates import Certificates
from testbed.clinic import LABELS, RULES, Clinic, running_clinic
from testbed.postgres import Postgres

HOOPGATE = Path(sys.executable).with_name("hoopgate")

BUDGETS: list[dict[str, Any]] = [
    {"name": "cells", "cells": 60, "window": "7d", "match": {"subjects": ["plan*"]}},
    {"name": "queries", "queries": 4, "window": "7d", "match": {"subjects": ["exporter"]}},
    {
        "name": "held",
        "cells": 10,
        "window": "7d",
        "verdict": "approve",
        "reviewers": ["privacy-office"],
        "match": {"groups": ["analysts"], "subjects": ["executor"], "resources": ["clin*"]},
    },
]


@pytest.fixture(scope="module")
def budgeted(
    tmp_path_factory: pytest.TempPathFactory, certificates: Certificates, postgres18: Postgres
) -> Iterator[Clinic]:
    labels = [
        {**one, "column": [name for name in one["column"] if name != "public.patients.id"]}
        if isinstance(one["column"], list)
        else one
        for one in LABELS
    ]
    labels.append({"column": "public.patients.id", "level": "public", "patient": True})
    with running_clinic(
        tmp_path_factory.mktemp("budgets"),
        certificates,
        postgres18,
        database="budgets",
        labels=labels,
        rules=RULES,
        budgets=BUDGETS,
    ) as running:
        yield running


def connect(clinic: Clinic, who: str) -> psycopg.Connection:
    return psycopg.connect(clinic.dsn(who), autocommit=True)


def refused(connection: psycopg.Connection, sql: str, **more: Any) -> dict[str, str]:
    with pytest.raises(psycopg.errors.InsufficientPrivilege) as refusal:
        connection.execute(sql, **more)
    detail: dict[str, str] = json.loads(refusal.value.diag.message_detail or "{}")
    return detail


NAMES = "SELECT id, name FROM patients WHERE id BETWEEN {} AND {}"


def test_patients_count_once(budgeted: Clinic) -> None:
    with connect(budgeted, "planner") as one, connect(budgeted, "planner") as two:
        for _ in range(3):  # the same twenty
            assert len(one.execute(NAMES.format(1, 20)).fetchall()) == 20
            assert len(two.execute(NAMES.format(1, 20), prepare=True).fetchall()) == 20
        with one.transaction(), one.cursor("c") as cursor:
            cursor.execute(NAMES.format(15, 30))  # ten more
            assert len(cursor.fetchmany(5)) == 5
            assert len(cursor.fetchall()) == 11
        assert one.execute("SELECT sex, count(*) FROM patients GROUP BY sex").rowcount == 2
        # nobody knows whom these are about: ten rows of two columns
        assert one.execute("SELECT name, ssn FROM patients LIMIT 10").rowcount == 10
        assert two.execute(NAMES.format(31, 39)).rowcount == 9  # 59
        assert two.execute(NAMES.format(31, 49)).rowcount == 19  # what runs is not cut
        for connection in (one, two):
            detail = refused(connection, NAMES.format(1, 1))
            assert detail["rule"] == "budget/cells"
            assert detail["reason"] == "budget.cells"
            assert detail["subject"] == "public.patients.name"
        assert refused(two, NAMES.format(1, 20), prepare=True)["reason"] == "budget.cells"
        assert one.execute("SELECT id, sex FROM patients").rowcount == 200  # no label, no budget
        assert one.execute("SELECT count(*) FROM patients WHERE zip > '5'").rowcount == 1
    budgeted.gateway.stop()
    budgeted.gateway.start()
    with connect(budgeted, "planner") as again:
        assert refused(again, NAMES.format(1, 1))["reason"] == "budget.cells"
        assert again.execute("SELECT id, sex FROM patients").rowcount == 200


def test_questions_by_quasi_identifiers_count(budgeted: Clinic) -> None:
    by_zip = "SELECT count(*) FROM patients WHERE zip LIKE '0%'"
    with connect(budgeted, "exporter") as one, connect(budgeted, "exporter") as two:
        # several of one request are several
        assert refused(one, ";".join([by_zip] * 9))["reason"] == "budget.queries"
        one.execute(f"PREPARE q AS {by_zip}")
        assert refused(one, ";".join(["EXECUTE q"] * 9))["reason"] == "statement.held"
        assert one.execute(by_zip).rowcount == 1
        for _ in range(2):
            assert two.execute(by_zip, prepare=True).rowcount == 1
        with one.transaction(), one.cursor("c") as cursor:
            cursor.execute("SELECT id FROM patients WHERE dob > '1990-01-01'")
            while cursor.fetchmany(5):
                pass
        assert one.execute("SELECT count(*) FROM patients WHERE sex = 'F'").rowcount == 1
        for connection in (one, two):
            detail = refused(connection, by_zip, prepare=connection is two)
            assert (detail["reason"], detail["subject"]) == (
                "budget.queries",
                "public.patients.zip",
            )
        assert one.execute("SELECT id, name FROM patients").rowcount == 200


def approve(clinic: Clinic, request: str) -> None:
    done = subprocess.run(
        [
            HOOPGATE,
            "approvals",
            "approve",
            request,
            "--reason",
            "ward round",
            "--config",
            clinic.gateway.config,
        ],
        env={**os.environ, "HOOPGATE_TOKEN": clinic.token("rita")},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr


def test_a_person_may_let_more_through(budgeted: Clinic) -> None:
    connection = connect(budgeted, "executor")
    notices: list[str] = []
    connection.add_notice_handler(
        lambda notice: notices.append(f"{notice.message_primary} {notice.message_detail}")
    )
    assert connection.execute(NAMES.format(1, 10)).rowcount == 10
    found: list[int] = []

    def read() -> None:
        found.append(connection.execute(NAMES.format(11, 15)).rowcount)
        found.append(connection.execute("SELECT sex FROM patients LIMIT 1").rowcount)
        connection.close()

    waiting = threading.Thread(target=read, daemon=True)
    waiting.start()
    deadline = time.monotonic() + 60
    while not notices and time.monotonic() < deadline:
        time.sleep(0.05)
    assert "budget/held" in notices[0]
    match = re.search(r"apr-\w+", notices[0])
    assert match is not None
    approve(budgeted, match[0])
    waiting.join(60)
    assert found == [5, 1]
