"""The Model Context Protocol over streamable HTTP: what a client's messages ask for.

Specifications 2025-03-26 to 2026-07-28. The body decides; headers that repeat it (``Mcp-Method``,
``Mcp-Name``) have to say the same. Some servers go by the one and some by the other.
"""

from __future__ import annotations

import base64
import json
import re
from functools import partial
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
#: In a message's ``_meta``, since 2026-07-28.
_VERSION: Final = "io.modelcontextprotocol/protocolVersion"
_MISMATCH: Final = -32020  # HeaderMismatch
_WRAPPED: Final = re.compile(rb"=\?base64\?([A-Za-z0-9+/]*={0,2})\?=")


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
    _check_ids(messages)
    try:
        _check_headers(head, messages)
    except Malformed as error:
        error.told = partial(_mismatch, messages)
        raise
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
    name = _named(method, params)
    if not name and method in ("tools/call", "prompts/get", "resources/read"):
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


def _named(method: str, params: dict[str, Any]) -> str:
    """The tool, prompt, resource or task that a message is about; "" where it is about none. What
    servers do not look at is not looked at."""
    if method == "completion/complete":
        about = params.get("ref")
        params = about if isinstance(about, dict) else {}
        member = "uri" if "uri" in params and params.get("type") == "ref/resource" else "name"
    elif method.startswith("resources/"):
        member = "uri"
    else:
        member = "taskId" if method.startswith("tasks/") else "name"
    name = params.get(member, "")
    if not isinstance(name, str):
        raise Malformed(400, "mcp", "the message names no tool")
    return name


def _check_ids(messages: list[Any]) -> None:
    """An answer is shown by what its id was asked for with; some servers write numbers as text."""
    found = [str(one["id"]) for one in messages if isinstance(one, dict) and "id" in one]
    if len(set(found)) != len(found):
        raise Malformed(400, "mcp", "two messages have one id")


def _check_headers(head: RequestHead, messages: list[Any]) -> None:
    """What headers repeat of the body (2026-07-28, basic/transports/streamable-http)."""
    method, name, version = (
        _header(head, one) for one in (b"mcp-method", b"mcp-name", b"mcp-protocol-version")
    )
    mirrored = [(one, value) for one, value in head.headers if one.startswith(b"mcp-param-")]
    if len(messages) != 1:
        if method is not None or name is not None or mirrored:
            raise Malformed(400, "mcp", "headers about a message beside several messages")
        return
    own, params = _checked(messages[0])
    meta = params.get("_meta")
    spoken = meta.get(_VERSION) if isinstance(meta, dict) else None
    if spoken is not None and version is not None and spoken != version:
        raise Malformed(400, "mcp", "MCP-Protocol-Version is not the body's version")
    if method is not None and method != own:
        raise Malformed(400, "mcp", "Mcp-Method is not the body's method")
    if name is not None and name != _named(own, params):
        raise Malformed(400, "mcp", "Mcp-Name is not the body's name")
    if mirrored:
        if len({one for one, _ in mirrored}) != len(mirrored):
            raise Malformed(400, "mcp", "a header Mcp-Param- is there twice")
        said = {value for _, value in documents.leaves(params.get("arguments", {}))}
        said |= {value.removesuffix(".0") for value in said}
        for one, _ in mirrored:
            value = _header(head, one) or ""
            # Which argument it is of, the tool's schema says; 42 may be written 42.0.
            if value not in said and value.removesuffix(".0") not in said:
                raise Malformed(400, "mcp", "a header Mcp-Param- is none of the body's arguments")


def _mismatch(messages: list[Any], problem: Problem) -> tuple[int, bytes]:
    """Headers that do not say what the body does, refused as the specification has it."""
    identity = messages[0].get("id") if isinstance(messages[0], dict) else None
    return problem.status, json.dumps(refused_in_json(problem, identity, code=_MISMATCH)).encode()


def _header(head: RequestHead, name: bytes) -> str | None:
    """A header's value, decoded where it is ``=?base64?…?=``."""
    value = head.get(name)
    if value is None:
        return None
    wrapped = _WRAPPED.fullmatch(value)
    if wrapped is None:
        return value.decode("ascii")
    try:
        found = base64.b64decode(wrapped[1], validate=True)
        if base64.b64encode(found) == wrapped[1]:
            return found.decode("utf-8")
    except ValueError:
        pass
    raise Malformed(400, "mcp", f"{name.decode()} is not encoded as it says")


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
