# ruff: noqa: E501 - a case is a line
"""Messages of an MCP server that differ in PHI alone, masked: they look the same."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from hoopgate.http.headers import Links
from hoopgate.http.mcp_answers import MCPMasker
from hoopgate.phi.documents import Unreadable
from hoopgate.plans import BodyPlan

ONE, OTHER = "Ann Canary", "Bartholomew van Canary 222-22-2222"
LINKS = Links(("u",), "", "https://h/r")


def masker(method: str, identity: Any = 1, *, clear: bool = False, only: str = "") -> MCPMasker:
    """Masks what answers a request."""
    plan = BodyPlan((), unlabelled=True, permits=lambda name: name == only, clear=clear)
    asked = {json.dumps(identity): method} if method else {}
    return MCPMasker(plan, asked, LINKS, 2026)


def shown(method: str, message: dict[str, Any]) -> bytes:
    """What the client sees of a message."""
    try:
        return masker(method)(json.dumps({"jsonrpc": "2.0", **message}).encode())
    except Unreadable as error:
        return str(error).encode()


def result(method: str, **members: Any) -> tuple[str, dict[str, Any]]:
    """An answer."""
    return method, {"id": 1, "result": members}


def content(part: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """An answer of a tool."""
    return result("tools/call", content=[part])


def notice(name: str, **params: Any) -> tuple[str, dict[str, Any]]:
    """A message that the server begins."""
    return "", {"method": f"notifications/{name}", "params": params}


# fmt: off
CASES: dict[str, Callable[[str], tuple[str, dict[str, Any]]]] = {
    "text": lambda p: content({"type": "text", "text": p, "annotations": {"audience": [p]}, "_meta": {"x": p}}),
    "media": lambda p: content({"type": "resource", "resource": {"uri": "a://b", "mimeType": f"text/plain; name={p}", "text": "x"}}),
    "media-title": lambda p: content({"type": "resource_link", "uri": "a://b", "name": p, "title": p, "description": p, "mimeType": f"text/{p}", "size": len(p)}),
    "media-one-word": lambda p: result("resources/read", contents=[{"uri": "a://b", "mimeType": f"text/plain;filename={p[:3]}", "blob": p}]),
    "uri-data": lambda p: content({"type": "resource_link", "uri": f"data:text/plain,{p[:3]}", "name": "x"}),
    "uri-data-case": lambda p: content({"type": "resource_link", "uri": f"DATA:text/plain;base64,{p[:3]}", "name": "x"}),
    "uri-tel": lambda p: result("resources/list", resources=[{"uri": f"tel:{p[-4:]}", "name": p}]),
    "uri-text": lambda p: result("resources/read", contents=[{"uri": f"patient of {p}", "text": p}]),
    "text-as-list": lambda p: content({"type": "text", "text": "[7]" if p == ONE else f"[{p}]"}),
    "audio": lambda p: content({"type": "audio", "data": p, "mimeType": p}),
    "unknown": lambda p: content({"type": p, p: p}),
    "role": lambda p: result("prompts/get", messages=[{"role": p, "content": {"type": "text", "text": p}}], description=p),
    "role-object": lambda p: result("prompts/get", messages=[{"role": {p: p}, "content": {"type": "text", "text": p}}]),
    "cursor": lambda p: result("resources/list", resources=[], nextCursor=p),
    "cursor-of-a-call": lambda p: result("tools/call", content=[], nextCursor=f"{p} {p}"),
    "cursor-of-tools": lambda p: result("prompts/list", prompts=[], nextCursor=p),
    "structured": lambda p: result("tools/call", content=[], structuredContent={p: p, "b": [p]}),
    "member": lambda p: result("tools/call", content=[], **{p: p}),
    "meta": lambda p: result("tools/call", content=[], _meta={"x": p, "io.modelcontextprotocol/subscriptionId": {p: p}}),
    "is-error": lambda p: result("tools/call", content=[], isError=p, ttlMs=p, cacheScope=p, resultType=p),
    "completion": lambda p: result("completion/complete", completion={"values": [p], "total": len(p)}),
    "task": lambda p: result("tools/call", task={"taskId": "t1", "status": "working", "statusMessage": p, "ttl": 60000, p: p}),
    "task-words": lambda p: result("tools/call", task={"taskId": p, "status": p, "createdAt": p}),
    "task-get": lambda p: result("tasks/get", taskId="t1", status="failed", statusMessage=p),
    "task-list": lambda p: result("tasks/list", tasks=[{"taskId": "t1", "status": "completed", "statusMessage": p}]),
    "input": lambda p: result("tools/call", resultType="input_required", inputRequests={"a": {"message": p}}, requestState=p),
    "error": lambda p: ("tools/call", {"id": 1, "error": {"code": -32000, "message": p, "data": {p: p}}}),
    "error-code": lambda p: ("tools/call", {"id": 1, "error": {"code": p, "message": p}}),
    "error-text": lambda p: ("tools/call", {"id": 1, "error": p}),
    "id": lambda p: ("", {"id": p, "result": {"content": []}}),
    "id-object": lambda p: ("", {"id": {p: p}, "result": {"content": []}}),
    "id-list": lambda p: ("", {"id": [p], "error": {"code": 1, "message": p}}),
    "progress": lambda p: notice("progress", progressToken=p, progress=p, total=p, message=p),
    "progress-object": lambda p: notice("progress", progressToken={p: p}, progress=[p]),
    "level": lambda p: notice("message", level=p, logger=p, data=p),
    "cancelled": lambda p: notice("cancelled", requestId=p, reason=p),
    "updated": lambda p: notice("resources/updated", uri=f"data:,{p[:3]}", title=p),
    "acknowledged": lambda p: notice("subscriptions/acknowledged", notifications={p: p}),
    "acknowledged-list": lambda p: notice("subscriptions/acknowledged", notifications={"resourceSubscriptions": [p]}),
    "notice-id": lambda p: ("", {"method": "ping", "id": {"a": p}}),
    "notice": lambda p: notice(p, a=p),
    "elicit": lambda p: ("", {"id": 7, "method": "elicitation/create", "params": {"message": p}}),
}
# fmt: on


@pytest.mark.parametrize("case", CASES)
def test_twin_messages_look_the_same(case: str) -> None:
    one, other = (shown(*CASES[case](who)) for who in (ONE, OTHER))
    assert one == other
    assert b"Ann" not in one


def test_what_says_how_to_go_on_is_shown() -> None:
    def of(method: str, message: dict[str, Any]) -> Any:
        return json.loads(shown(method, message))

    task = {"taskId": "9f-1", "status": "working", "ttl": 60000, "pollInterval": 500}
    task["createdAt"] = "2026-11-23T10:00:00.123Z"
    assert of(*result("tools/call", task=task))["result"] == {"task": task}
    assert of(*result("tasks/get", **task))["result"] == task
    assert of(*result("tasks/list", tasks=[task]))["result"] == {"tasks": [task]}
    assert of(*result("resources/list", resources=[], nextCursor="eyJ4IjoxfQ=="))["result"] == {
        "resources": [],
        "nextCursor": "eyJ4IjoxfQ==",
    }
    noticed: dict[str, dict[str, Any]] = {
        "progress": {"progressToken": "a-1", "progress": 0.5, "total": 2},
        "cancelled": {"requestId": 7},
        "resources/updated": {"uri": "file:///a/b.md?x=1#y"},
        "message": {"level": "warning", "data": "[TEXT]"},
        "subscriptions/acknowledged": {
            "notifications": {"toolsListChanged": True, "resourceSubscriptions": ["a://b"]}
        },
    }
    for name, params in noticed.items():
        assert of(*notice(name, **params))["params"] == params
    part = {"uri": "a://b/c", "mimeType": "text/html; charset=utf-8"}
    link = of(*content({"type": "resource_link", "name": "x", **part}))["result"]["content"][0]
    assert link == {"type": "resource_link", "name": "[TEXT]", **part}
    for role in ("user", "assistant"):
        said = result("prompts/get", messages=[{"role": role, "content": {"type": "text"}}])
        assert of(*said)["result"]["messages"][0]["role"] == role
    own = {"jsonrpc": "2.0", "id": "of my own", "result": {"content": []}}
    seen = masker("tools/call", "of my own")(json.dumps(own).encode())
    assert json.loads(seen)["id"] == "of my own"


@pytest.mark.parametrize("clear", [True, False])
@pytest.mark.parametrize("method", ["tools/list", ""])
def test_tools_are_filtered_also_when_a_stream_is_taken_up_again(method: str, clear: bool) -> None:
    tools = [{"name": "mine"}, {"name": "hidden", "description": "secret"}]
    message = {"jsonrpc": "2.0", "id": 1, "result": {"tools": tools}}
    seen = masker(method, clear=clear, only="mine")(json.dumps(message).encode())
    assert b"hidden" not in seen and b"secret" not in seen
    assert (b"mine" in seen) is (clear or bool(method))


@pytest.mark.parametrize("identity", [b"1.5", b"true", b"1e0"])
def test_an_odd_id_breaks_nothing(identity: bytes) -> None:
    message = b'{"jsonrpc":"2.0","id":%b,"result":{"content":[]}}' % identity
    with pytest.raises(Unreadable):
        masker("tools/call")(message)
    assert masker("tools/call", clear=True)(message)
