"""The Model Context Protocol over streamable HTTP: what a client's messages ask for.

Specifications 2025-03-26 to 2026-07-28. The body decides; headers that repeat it (``Mcp-Method``,
``Mcp-Name``) have to say the same. Some servers go by the one and some by the other.
"""

from __future__ import annotations

import json
from typing import Any, Final

from hoopgate.events import Operation, OperationFacts
from hoopgate.http import documents
from hoopgate.http.inquiry import (
    Inquiry,
    attributes,
    is_json,
    media_type,
    require_utf8,
)
from hoopgate.http.problems import Problem, refused_in_json
from hoopgate.http.targets import Target
from hoopgate.http.wire import Malformed, RequestHead

_CLASSES: Final = {
    **dict.fromkeys(
        ("initialize", "ping", "logging/setLevel", "server/discover", "subscriptions/listen"),
        "mcp.session",
    ),
    **dict.fromkeys(
        ("tools/list", "resources/list", "resources/templates/list", "prompts/list"), "mcp.list"
    ),
    "tools/call": "mcp.call",
    **dict.fromkeys(("resources/read", "resources/subscribe", "resources/unsubscribe"), "mcp.read"),
    **dict.fromkeys(("prompts/get", "completion/complete"), "mcp.prompt"),
    **dict.fromkeys(
        ("tasks/get", "tasks/result", "tasks/list", "tasks/cancel", "tasks/update"), "mcp.task"
    ),
}
#: Messages in one request, of the one specification that has batches.
_MESSAGES: Final = 50
_ACCEPT: Final = b"application/json, text/event-stream"


def inquire(head: RequestHead, target: Target, body: bytes | None) -> Inquiry:
    """Understand a request; see :func:`hoopgate.http.requests.inquire`."""
    if head.method != "POST":
        if head.method not in ("GET", "DELETE", "HEAD", "OPTIONS") or body:
            raise Malformed(405, "method", "MCP knows POST, GET and DELETE")
        facts = OperationFacts(frozenset({"mcp.session"}), attributes=attributes(head, target))
        accept = b"text/event-stream" if head.method == "GET" else None
        text = f"{head.method} {target.encode()}"
        return Inquiry(Operation(text, (facts,), waits=False), target, accept, "mcp")
    require_utf8(head)
    if not is_json(media_type(head.get(b"content-type"))):
        raise Malformed(415, "type", "a message must be JSON")
    document = documents.strict(body or b"")
    messages = document if isinstance(document, list) else [document]
    if not messages or len(messages) > _MESSAGES:
        raise Malformed(400, "mcp", "no messages, or too many")
    _check_headers(head, messages)
    facts_of_all = tuple(_facts(head, target, message) for message in messages)
    text = "\n".join([f"POST {target.encode()}", *(_canonical(one) for one in messages)])
    asked = {_key(one["id"]): one["method"] for one in messages if "id" in one and "method" in one}
    return Inquiry(
        Operation(text, facts_of_all, waits=False),
        target,
        _ACCEPT,
        "mcp",
        asked,
        lambda problem: _refusal(messages, problem, batch=isinstance(document, list)),
    )


def _facts(head: RequestHead, target: Target, message: Any) -> OperationFacts:
    method, params = _checked(message)
    if not method or method.startswith("notifications/"):
        kind = "mcp.session"  # an answer to the server, or a notice
    else:
        kind = _CLASSES.get(method, "mcp.unknown")
    name = params.get("name") or params.get("uri") or ""
    if kind == "mcp.prompt" and not name and isinstance(params.get("ref"), dict):
        name = params["ref"].get("name") or params["ref"].get("uri") or ""
    if not isinstance(name, str) or (method == "tools/call" and not name):
        raise Malformed(400, "mcp", "the message names no tool")
    tools = (name,) if name else ()
    return OperationFacts(
        frozenset({kind}),
        functions=tools if kind in ("mcp.call", "mcp.prompt") else (),
        attributes=attributes(
            head, target, body=documents.leaves(message), tool=tools, template=f"/{method}"
        ),
    )


def _checked(message: Any) -> tuple[str, dict[str, Any]]:
    """Method ("" for an answer) and parameters of a JSON-RPC 2.0 message."""
    if not isinstance(message, dict) or message.get("jsonrpc") != "2.0":
        raise Malformed(400, "mcp", "the body is no JSON-RPC 2.0 message")
    if set(message) - {"jsonrpc", "id", "method", "params", "result", "error"}:
        raise Malformed(400, "mcp", "a message has a member that JSON-RPC does not know")
    identity = message.get("id", 0)
    if not isinstance(identity, str | int) or isinstance(identity, bool):
        raise Malformed(400, "mcp", "a message's id is neither text nor a number")
    method = message.get("method", "")
    params = message.get("params", {})
    if not isinstance(method, str) or not isinstance(params, dict):
        raise Malformed(400, "mcp", "a message's method or params are malformed")
    if bool(method) == ("result" in message or "error" in message):
        raise Malformed(400, "mcp", "a message is neither a request nor an answer")
    return method, params


def _check_headers(head: RequestHead, messages: list[Any]) -> None:
    method, name = head.get(b"mcp-method"), head.get(b"mcp-name")
    if method is None and name is None:
        return
    if len(messages) != 1:
        raise Malformed(400, "mcp", "Mcp-Method beside several messages")
    own, params = _checked(messages[0])
    said = params.get("name") or params.get("uri") or ""
    if method is not None and method.decode() != own:
        raise Malformed(400, "mcp", "Mcp-Method is not the body's method")
    if name is not None and name.decode() != said:
        raise Malformed(400, "mcp", "Mcp-Name is not the body's name")


def _canonical(message: dict[str, Any]) -> str:
    """What is asked, without what differs each time it is."""
    params = {name: one for name, one in message.get("params", {}).items() if name != "_meta"}
    rest = {name: message[name] for name in ("method", "result", "error") if name in message}
    return json.dumps({**rest, "params": params}, sort_keys=True)


def _key(identity: object) -> str:
    return json.dumps(identity)


def _refusal(messages: list[Any], problem: Problem, *, batch: bool) -> tuple[int, bytes] | None:
    """A refusal as the protocol has it: a tool's error for the agent, else an error to the client.

    :return: status and body; None for messages that get no answer.
    """
    answers = [
        refused_in_json(problem, one["id"], tool=one["method"] == "tools/call")
        for one in messages
        if "id" in one and "method" in one
    ]
    if not answers:
        return None
    # Of a server's own error the status says what to do: 404 is a session that is over.
    status = problem.status if problem.code == "upstream.error" else 200
    return status, json.dumps(answers if batch else answers[0]).encode()
