"""The gateway's own answers: problem documents (RFC 9457) that a program can act on."""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Final

from hoopgate.actions import Decision
from hoopgate.http import wire
from hoopgate.telling import retry_of
from hoopgate.verdicts import Block, Hold

Pair = tuple[bytes, bytes]

_TYPE: Final = "urn:hoopgate:problem:"
#: What to do about a request that is not taken, where "fix it" says too little.
_REMEDIES: Final = {
    "http.format": "Ask for JSON: leave _format out, and accept application/fhir+json.",
    "http.json": "Send one JSON document in UTF-8, each member once.",
    "http.resource": "Send a resource of the type that the path names.",
    "http.path": "Write the path in its plain form, with the resource as its first part.",
    "http.method": "Use GET, HEAD, POST, PUT, PATCH, DELETE or OPTIONS.",
    "http.version": "Speak HTTP/1.1, or HTTP/2 where it is offered.",
}
#: Seconds after which it makes sense to send a held request again.
_RETRY: Final = 15

#: Reason of a block → status, where it is not 403.
_STATUS: Final = {
    "body.size": 413,
    "body.malformed": 400,
    "body.coding": 415,
    "body.type": 415,
    "body.format": 406,
    "identity.expired": 401,
    "gateway.error": 500,
    "guard.error": 500,
    "approval.unavailable": 503,
    "approval.too_many": 429,
    "phi.redacted": 422,
}


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a request has no other answer.

    :ivar code: stable dotted word.
    :ivar rule: which rule refused, "" where none did.
    :ivar challenge: value of WWW-Authenticate, "" without one.
    :ivar address: where a person decides the approval.
    """

    status: int
    code: str
    message: str
    remedy: str = ""
    rule: str = ""
    request_id: str = ""
    approval: str = ""
    subject: str = ""
    challenge: str = ""
    address: str = ""

    def fields(self) -> dict[str, object]:
        """The members of the document that have a value."""
        found: dict[str, object] = {
            "type": _TYPE + self.code,
            "title": reason(self.status),
            "status": self.status,
            "detail": self.message,
            "instance": self.request_id and f"urn:hoopgate:request:{self.request_id}",
            "reason": self.code,
            "rule": self.rule,
            "remedy": self.remedy,
            "subject": self.subject,
            "request_id": self.request_id,
            "approval": self.approval,
            "address": self.address,
            "retry": retry_of(self.code),
        }
        return {name: value for name, value in found.items() if value not in ("", None)}

    def encode(
        self, *, head_only: bool = False, close: bool = False, more: Sequence[Pair] = ()
    ) -> bytes:
        """The whole response.

        :param more: headers besides.
        """
        body = json.dumps(self.fields(), ensure_ascii=True).encode()
        headers = [
            (b"Content-Type", b"application/problem+json"),
            (b"Content-Length", str(len(body)).encode()),
            (b"Cache-Control", b"no-store"),
            (b"X-Content-Type-Options", b"nosniff"),
            *more,
        ]
        if self.challenge:
            headers.append((b"WWW-Authenticate", self.challenge.encode("ascii")))
        if self.approval or self.status in (429, 503):
            headers.append((b"Retry-After", str(_RETRY).encode()))
        if self.request_id:
            headers.append((b"Hoopgate-Request", self.request_id.encode()))
        if close:
            headers.append((b"Connection", b"close"))
        start = wire.head(status_line(self.status), headers)
        return start if head_only else start + body


def answer(
    status: int, body: bytes, request_id: str, *, close: bool = False, more: Sequence[Pair] = ()
) -> bytes:
    """A response with JSON of the gateway's own."""
    headers = [
        (b"Content-Type", b"application/json"),
        (b"Content-Length", str(len(body)).encode()),
        (b"Cache-Control", b"no-store"),
        (b"X-Content-Type-Options", b"nosniff"),
        (b"Hoopgate-Request", request_id.encode()),
        *more,
    ]
    if close:
        headers.append((b"Connection", b"close"))
    return wire.head(status_line(status), headers) + body


#: JSON-RPC 2.0: -32000 to -32099 are for servers to define.
_REFUSED: Final = -32040


def refused_in_json(
    problem: Problem, identity: object, *, tool: bool = False, code: int = _REFUSED
) -> dict[str, object]:
    """A refusal for a JSON-RPC request: of a tool's call as its result, so that the agent reads it
    (MCP 2025-06-18, server/tools: error handling)."""
    fields = problem.fields()
    text = " ".join(str(part) for part in (problem.message, problem.remedy) if part)
    if problem.approval:
        text += f" The request waits for approval as {problem.approval}."
    text += f" ({problem.code}, {problem.request_id})"
    if tool:
        result = {
            "content": [{"type": "text", "text": text}],
            "isError": True,
            "resultType": "complete",  # since 2026-07-28; before, a member more
            "_meta": {"hoopgate/problem": fields},
        }
        return {"jsonrpc": "2.0", "id": identity, "result": result}
    error = {"code": code, "message": text, "data": fields}
    return {"jsonrpc": "2.0", "id": identity, "error": error}


def named(problem: Problem) -> Problem:
    """One of before there was a session to give out ids, with an id to quote."""
    return replace(problem, request_id=f"req-{secrets.token_hex(6)}")


def remedy_of(code: str) -> str:
    """What to do about a request that is not taken for ``code``, one sentence."""
    return _REMEDIES.get(code, "Fix the request.")


def refusal(decision: Decision) -> Problem:
    """What the client is told of a Block, or of a Hold."""
    verdict = decision.verdict
    if isinstance(verdict, Hold):
        return Problem(
            403,
            "approval.pending",
            verdict.message,
            "A reviewer decides it. Send the same request again after that; it passes once.",
            verdict.rule,
            decision.request_id,
            approval=decision.approval,
            address=decision.address,
        )
    assert isinstance(verdict, Block)
    return Problem(
        _STATUS.get(verdict.reason, 403),
        verdict.reason,
        verdict.message,
        verdict.remedy,
        verdict.rule,
        decision.request_id,
        subject=verdict.subject,
    )


def status_line(status: int) -> str:
    """The first line of a response: the reason is ours, a server's may hold anything."""
    return f"HTTP/1.1 {status} {reason(status)}"


def reason(status: int) -> str:
    """The reason phrase of a status code."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"
