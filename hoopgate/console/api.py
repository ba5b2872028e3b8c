"""The JSON API under the pages: the same rooms, the same checks. ``openapi.json`` describes it."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Awaitable, Callable
from importlib.resources import files
from typing import Any, Final

from twisted.logger import Logger

from hoopgate.approvals.model import check_reason
from hoopgate.approvals.states import State
from hoopgate.console import recordings
from hoopgate.console.visits import Answer, Data, Visit
from hoopgate.errors import Refused
from hoopgate.gateway.admin import statement, summary
from hoopgate.gateway.logging import log_event

log = Logger()

Handler = Callable[[Visit, "re.Match[str]"], Awaitable[Answer]]

OPENAPI: Final = json.loads((files("hoopgate.console") / "static" / "openapi.json").read_text())
_LISTED: Final = 500


def routes(identifier: str) -> list[tuple[str, str, Handler]]:
    """Method, path and handler of each operation.

    :param identifier: a pattern with the group ``id``.
    """
    return [
        ("GET", r"/api/v1/openapi\.json", _openapi),
        ("GET", r"/api/v1/session", _session),
        ("GET", r"/api/v1/approvals", _approvals),
        ("GET", rf"/api/v1/approvals/{identifier}", _approval),
        ("POST", rf"/api/v1/approvals/{identifier}/(?P<step>approve|deny|revoke)", _decide),
        ("GET", r"/api/v1/live", _live),
        ("POST", rf"/api/v1/live/{identifier}/end", _end),
        ("GET", r"/api/v1/sessions", _sessions),
        ("GET", r"/api/v1/log", _log),
    ]


async def _openapi(visit: Visit, match: re.Match[str]) -> Answer:
    return Data(OPENAPI)


async def _session(visit: Visit, match: re.Match[str]) -> Answer:
    return Data(
        {
            "issuer": visit.who.issuer,
            "subject": visit.who.subject,
            "roles": dataclasses.asdict(visit.roles),
            "csrf": visit.csrf,
        }
    )


async def _approvals(visit: Visit, match: re.Match[str]) -> Answer:
    wanted = visit.query.get("state", "pending")
    try:
        states = frozenset(State) if wanted == "all" else frozenset({State(wanted)})
    except ValueError:
        known = ", ".join([*State, "all"])
        raise Refused("request.query", f"state is one of {known}") from None
    found = await visit.parts.approvals.requests(states, _LISTED + 1)
    return Data(
        {
            "approvals": [_summary(visit, one) for one in found[:_LISTED]],
            "truncated": len(found) > _LISTED,
        }
    )


async def _approval(visit: Visit, match: re.Match[str]) -> Answer:
    approvals = visit.parts.approvals
    found = await approvals.get(match["id"])
    page = _summary(visit, found)
    if found.reviewers & visit.who.groups:
        contents = await approvals.contents(found.id)
        page["statement"] = None if contents is None else statement(contents)
        page["decision_reason"] = await approvals.reason(found.id)
    return Data(page)


async def _decide(visit: Visit, match: re.Match[str]) -> Answer:
    approvals, step = visit.parts.approvals, match["step"]
    reason = _reason(visit)
    if step == "revoke":
        decided = await approvals.revoke(match["id"], visit.who, reason)
    else:
        decided = await approvals.decide(match["id"], step == "approve", visit.who, reason)
    log_event(
        log,
        "approval.decided",
        approval=decided.id,
        step=step,
        issuer=visit.who.issuer,
        subject=visit.who.subject,
    )
    return Data(_summary(visit, decided))


async def _live(visit: Visit, match: re.Match[str]) -> Answer:
    visit.roles.demand("auditor", "operator")
    return Data(
        {
            "sessions": [
                {
                    "id": one.facts.id,
                    "issuer": one.facts.principal.issuer,
                    "subject": one.facts.principal.subject,
                    "owner": one.facts.principal.owner,
                    "resource": one.facts.resource,
                    "protocol": one.facts.protocol,
                    "peer": one.facts.peer,
                    "began": one.began,
                    "busy": one.relay.busy(),
                }
                for one in visit.parts.node.sessions.values()
            ]
        }
    )


async def _end(visit: Visit, match: re.Match[str]) -> Answer:
    visit.roles.demand("operator")
    if match["id"] not in visit.parts.node.sessions:
        raise Refused("session.unknown", "this session does not run")
    await visit.parts.node.end_session(match["id"], visit.who, check_reason(_reason(visit)))
    return Data({"id": match["id"], "ended": True})


async def _sessions(visit: Visit, match: re.Match[str]) -> Answer:
    visit.roles.demand("auditor")
    _, found = await recordings.searched(visit, _LISTED)
    return Data(
        {
            "sessions": [dataclasses.asdict(one) for one in found.summaries],
            "truncated": found.older is not None,
            "older": found.older,
            "since": found.since,
        }
    )


async def _log(visit: Visit, match: re.Match[str]) -> Answer:
    visit.roles.demand("auditor", "operator")
    checkpoint, written, key = await visit.parts.archive.checkpoint()
    last = visit.parts.archive.verification
    return Data(
        {
            "checkpoint": str(checkpoint),
            "written": written,
            "key": key,
            "size": checkpoint.size,
            "durable": visit.parts.recorder.size,
            "failed": visit.parts.recorder.failed(),
            "verification": None if last is None else dataclasses.asdict(last),
        }
    )


def _summary(visit: Visit, found: Any) -> dict[str, object]:
    return summary(found, visit.who, visit.parts.approvals.seconds_left(found))


def _reason(visit: Visit) -> str:
    if visit.form.keys() - {"csrf"} != {"reason"}:
        raise Refused("request.body", 'the body must be {"reason": "…"} and nothing else')
    return visit.form["reason"]
