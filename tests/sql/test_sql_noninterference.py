"""Two databases that differ in secrets alone: what is let through must look the same on both."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from conftest import SECRETS, Twins
from evasions import evasions

from hoopgate.events import Judged
from hoopgate.verdicts import Allow, Block, Mask, Verdict

MASKED = "(masked)"


def seen(connection: psycopg.Connection[Any], sql: str, verdict: Verdict) -> Any:
    """What a client sees: rows by the plan, the command's tag, the error's class."""
    plans = verdict.plans if isinstance(verdict, Mask) else ()
    plan = plans[0] if plans else None
    notices: list[str] = []
    connection.add_notice_handler(lambda diagnostic: notices.append("notice"))
    try:
        with connection.transaction(force_rollback=True):
            if sql.startswith("COPY"):
                text = sql.replace("(FORMAT binary)", "")
                with connection.cursor().copy(text) as copy:
                    copied = list(copy.rows())
                if plan is None:
                    return copied, notices
                header = "HEADER" in sql
                return [
                    [MASKED if mask else cell for mask, cell in zip(plan.columns, row, strict=True)]
                    for row in (copied[header:] if "csv" not in sql else [])
                ], len(copied)
            cursor = connection.execute(sql.encode())
            if cursor.description is None:
                return cursor.statusmessage, notices
            rows = cursor.fetchall()
            names = [column.name for column in cursor.description]
            if plan is not None:
                assert len(plan.columns) == len(names), sql
                assert list(plan.names) == names, sql
                rows = [
                    tuple(
                        MASKED if mask else cell
                        for mask, cell in zip(plan.columns, row, strict=True)
                    )
                    for row in rows
                ]
            return cursor.statusmessage, names, rows, notices
    except psycopg.Error as error:
        return error.sqlstate
    finally:
        connection._notice_handlers.clear()


def touched(judged: Judged) -> set[str]:
    """Labelled columns that come out, by the resolution."""
    return {
        str(source)
        for resolution in judged.resolutions
        if resolution is not None
        for column in resolution.columns or ()
        for source in column.sources
        if str(source) in SECRETS
    }


@pytest.mark.parametrize("sql", evasions())
def test_a_statement_shows_the_same_on_both_twins(twins: Twins, sql: str) -> None:
    verdict = twins.desk.judge(sql).verdict
    if isinstance(verdict, Block):
        return
    assert seen(twins.one, sql, verdict) == seen(twins.other, sql, verdict)
    if isinstance(verdict, Allow):
        assert not touched(twins.desk.judged(sql))


def test_the_evasions_are_live(twins: Twins) -> None:
    """Unmasked, most of them do tell the twins apart: else the test above proves nothing."""
    live = 0
    for sql in evasions():
        if sql.startswith(("COPY", "DECLARE", "CREATE", "CALL", "DO")):
            continue
        if "pg_sleep" in sql or "repeat(" in sql:
            continue
        live += seen(twins.one, sql, Allow("none")) != seen(twins.other, sql, Allow("none"))
    assert live >= 140


def test_the_known_corpus_gives_nothing_away(twins: Twins, corpus: list[dict[str, Any]]) -> None:
    counts = {"Block": 0, "Mask": 0, "Allow": 0}
    for case in corpus:
        for sql in case["statements"]:
            verdict = twins.desk.judge(sql).verdict
            counts[type(verdict).__name__] += 1
            if isinstance(verdict, Allow):
                assert not touched(twins.desk.judged(sql)), sql
            if not isinstance(verdict, Block) and "; " not in sql and "EXECUTE" not in sql:
                assert seen(twins.one, sql, verdict) == seen(twins.other, sql, verdict), sql
    assert counts["Mask"] >= 20
    assert counts["Allow"] <= 8
