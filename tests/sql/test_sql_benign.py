"""Honest work is answered, with the labels of a real data dictionary."""

from __future__ import annotations

import pytest
from benign import ANALYTICS, ASYNCPG, CATALOGUE, lines
from conftest import Twins
from test_sql_noninterference import seen

from hoopgate.verdicts import Allow, Block, Mask

MASKED_ANALYTICS = 10


@pytest.mark.parametrize("sql", [*lines(ANALYTICS), *lines(CATALOGUE), ASYNCPG])
def test_it_is_answered(twins: Twins, sql: str) -> None:
    verdict = twins.quasi.judge(sql).verdict
    assert not isinstance(verdict, Block), verdict
    if "$1" not in sql and sql not in ("BEGIN", "SET statement_timeout = '5s'"):
        assert not isinstance(seen(twins.one, sql, verdict), str), "the server refuses it"


def test_most_of_it_is_untouched(twins: Twins) -> None:
    verdicts = [twins.quasi.judge(sql).verdict for sql in lines(ANALYTICS)]
    assert sum(isinstance(verdict, Mask) for verdict in verdicts) == MASKED_ANALYTICS
    assert all(isinstance(twins.quasi.judge(sql).verdict, Allow) for sql in lines(CATALOGUE))
