"""How a refusal reads in PostgreSQL's protocol: an ErrorResponse people and programs can act on.

The message names rule and request id, the hint says what to do next, and the detail is one JSON
object for programs (:mod:`hoopgate.telling`). Nothing in it comes from data or from literals of the
statement.
"""

from __future__ import annotations

import json

from hoopgate import telling
from hoopgate.actions import Decision
from hoopgate.postgres import wire
from hoopgate.verdicts import Block, Hold

#: reason → SQLSTATE (PostgreSQL manual, appendix A). Everything else is 42501
#: insufficient_privilege.
SQLSTATES = {
    "parse.syntax": "42601",
    "parse.size": "54000",
    "message.size": "54000",
    "message.malformed": "08P01",
    "statement.not_prepared": "26000",
    "portal.unknown": "34000",
    "canceled": "57014",
    "parse.timeout": "57014",
    "parse.crash": "54001",
    "recorder.full": "53100",
}


def refusal(decision: Decision) -> bytes:
    """The ErrorResponse for a decision that is a Block."""
    verdict = decision.verdict
    if not isinstance(verdict, Block):
        raise TypeError("only a Block is a refusal")
    return wire.error_response(
        "ERROR",
        SQLSTATES.get(verdict.reason, "42501"),
        f"hoopgate: {verdict.message} (rule {verdict.rule}, request {decision.request_id})",
        detail=json.dumps(telling.refusal(decision)),
        hint=verdict.remedy,
    )


def hold_notice(request_id: str, hold: Hold) -> bytes:
    """The NOTICE that tells a client that its statement waits for a person."""
    minutes = max(1, round(hold.expires / 60))
    return wire.notice_response(
        "NOTICE",
        "00000",
        f"hoopgate: {hold.message} It waits for approval as {request_id} (rule {hold.rule}), "
        f"for {minutes} min at most.",
        detail=json.dumps(telling.waiting(request_id, hold)),
        hint=f"A reviewer decides with: hoopgate approvals show {request_id}",
    )


def fatal(sqlstate: str, message: str, *, hint: str = "", detail: str = "") -> bytes:
    """A FATAL ErrorResponse: the connection ends after it."""
    text = f"hoopgate: {message}"
    return wire.error_response("FATAL", sqlstate, text, detail=detail, hint=hint)


def not_let_in(code: str, message: str) -> bytes:
    """The FATAL ErrorResponse to whoever may not log in, for ``code``."""
    detail = json.dumps(telling.login_refusal(code))
    return fatal("28000", f"{message} ({code})", hint=telling.login_remedy(code), detail=detail)
