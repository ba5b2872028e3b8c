"""How a refusal reads in MySQL's protocol: an ERR packet people and programs can act on.

There is one text and no place for anything else, so the message ends with one JSON object for
programs (:mod:`hoopgate.telling`). Nothing in it comes from data or from literals of the statement.
"""

from __future__ import annotations

import json
from typing import Final

from hoopgate import telling
from hoopgate.actions import Decision
from hoopgate.mysql.wire_results import Err
from hoopgate.verdicts import Block

#: reason → error number and SQLSTATE (MySQL "Server Error Message Reference"). Everything else is
#: 1142 42000, as a missing privilege.
CODES: Final = {
    "parse.syntax": (1064, "42000"),
    "parse.size": (1153, "08S01"),
    "message.size": (1153, "08S01"),
    "message.malformed": (1835, "HY000"),
    "message.encoding": (1300, "HY000"),
    "command.unsupported": (1047, "08S01"),
    "statement.not_prepared": (1243, "HY000"),
    "statement.too_many": (1461, "42000"),
    "statement.stale": (1615, "HY000"),
    "database.other": (1044, "42000"),
    "thread.unknown": (1094, "HY000"),
    "canceled": (1317, "70100"),
    "parse.timeout": (1317, "70100"),
    "parse.crash": (1436, "HY000"),
    "approval.pending": (1105, "HY000"),
    "approval.refused": (1105, "HY000"),
    "approval.stale": (1105, "HY000"),
    "approval.unavailable": (1105, "HY000"),
    "approval.too_many": (1105, "HY000"),
}
_DENIED: Final = (1142, "42000")
#: Bytes of a message that every client shows whole (``MYSQL_ERRMSG_SIZE`` is 512 with its NUL).
_MOST: Final = 511


def error(code: int, state: str, message: str) -> bytes:
    """The payload of an ERR packet of the gateway's own."""
    return Err(code, state.encode(), f"hoopgate: {message}".encode()).encode()


def not_let_in(code: str, message: str) -> str:
    """What whoever may not log in is told, for ``code``: as a refusal it ends with JSON."""
    program = json.dumps(telling.login_refusal(code), separators=(",", ":"))
    return _fitted(f"{message} ({code}). {telling.login_remedy(code)}", program)


def refusal(decision: Decision) -> bytes:
    """The payload of the ERR packet for a decision that is a Block."""
    verdict = decision.verdict
    if not isinstance(verdict, Block):
        raise TypeError("only a Block is a refusal")
    code, state = CODES.get(verdict.reason, _DENIED)
    program = json.dumps(telling.refusal(decision), separators=(",", ":"))
    return error(code, state, _fitted(f"{verdict.message} {verdict.remedy}".strip(), program))


def _fitted(told: str, program: str) -> str:
    """Clients cut long messages: what is for programs must be whole, so it is people's that is."""
    room = _MOST - len(f"hoopgate:   {program}".encode())
    if len(told.encode()) > room:
        kept = max(room - 3, 0)
        told = told.encode()[:kept].decode("utf-8", "ignore") + "…"
    return f"{told} {program}"
