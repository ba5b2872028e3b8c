"""MCP's own client, its reference server, the gateway between: tools judged, results masked."""

from __future__ import annotations

import asyncio
import json
import ssl
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import httpx
import httpx2
import mcp
import pytest
from mcp.client.streamable_http import streamable_http_client
from testbed.webclinic import Web

HOOPGATE = Path(sys.executable).with_name("hoopgate")
T = TypeVar("T")


def talk(web: Web, resource: str, steps: Callable[[mcp.ClientSession], Awaitable[T]]) -> T:
    """A session of the official client."""

    async def run() -> T:
        context = ssl.create_default_context(cafile=str(web.certificates.ca))
        headers = {"Authorization": f"Bearer {web.token()}"}
        async with (
            httpx2.AsyncClient(verify=context, headers=headers, timeout=60) as client,
            streamable_http_client(web.url(f"/{resource}/mcp"), http_client=client) as streams,
            mcp.ClientSession(streams[0], streams[1]) as session,
        ):
            await session.initialize()
            return await steps(session)

    return asyncio.run(asyncio.wait_for(run(), 60))


def text(result: Any) -> str:
    return str(result.content[0].text)


def test_tools_are_listed_as_far_as_they_may_be_called(mcp_web: Web) -> None:
    async def steps(session: mcp.ClientSession) -> set[str]:
        return {tool.name for tool in (await session.list_tools()).tools}

    for resource in ("tools", "records"):
        names = talk(mcp_web, resource, steps)
        assert {"echo", "get-sum", "get-tiny-image"} <= names  # the image may be asked for
        assert "get-env" not in names
        assert "gzip-file-as-resource" not in names  # no rule allows it


def test_a_call_is_judged_by_tool_and_arguments(mcp_web: Web) -> None:
    async def steps(session: mcp.ClientSession) -> list[Any]:
        return [
            await session.call_tool("echo", {"message": "hi"}),
            await session.call_tool("get-sum", {"a": 1, "b": 2}),
            await session.call_tool("get-sum", {"a": 13, "b": 2}),
            await session.call_tool("get-env", {}),
            await session.call_tool("echo", {"message": "still here"}),
        ]

    echo, good, thirteen, environment, after = talk(mcp_web, "tools", steps)
    assert text(echo) == "Echo: hi"
    assert not good.is_error
    assert thirteen.is_error
    assert "tool.thirteen" in text(thirteen)
    told = thirteen.model_dump(by_alias=True)["_meta"]["hoopgate/problem"]
    assert (told["reason"], told["retry"]) == ("tool.thirteen", "no")
    assert told["rule"] == "operator/sums"
    assert told["request_id"].startswith("req-")
    assert environment.is_error
    assert "PATH" not in text(environment)
    assert text(after) == "Echo: still here"


def test_results_are_masked_where_there_is_phi(mcp_web: Web) -> None:
    async def steps(session: mcp.ClientSession) -> list[Any]:
        resources = (await session.list_resources()).resources
        return [
            await session.call_tool("echo", {"message": "Jane Canary"}),
            await session.call_tool("get-structured-content", {"location": "New York"}),
            resources,
            await session.read_resource(resources[0].uri),
            await session.call_tool("get-annotated-message", {"messageType": "error"}),
            await session.call_tool("get-resource-links", {"count": 2}),
        ]

    echo, structured, resources, document, *others = talk(mcp_web, "records", steps)
    assert text(echo) == "[UNLABELLED]"
    assert structured.structured_content["conditions"] == "[CONDITIONS]"
    assert structured.structured_content["temperature"] is None
    assert structured.structured_content["humidity"] == 82
    assert json.loads(text(structured)) == structured.structured_content
    assert {one.name for one in resources} == {"[TEXT]"}
    assert document.contents[0].text == "[UNLABELLED]"
    assert all(
        part.text == "[UNLABELLED]" for one in others for part in one.content if part.type == "text"
    )


def test_progress_comes_while_a_tool_runs(mcp_web: Web) -> None:
    seen: list[float] = []

    async def heard(progress: float, total: float | None, message: str | None) -> None:
        seen.append(progress)

    async def steps(session: mcp.ClientSession) -> Any:
        return await session.call_tool(
            "trigger-long-running-operation", {"duration": 1, "steps": 3}, progress_callback=heard
        )

    assert not talk(mcp_web, "records", steps).is_error
    assert seen == [1, 2, 3]


def test_an_approval_is_a_tools_error_and_then_passes_once(mcp_web: Web) -> None:
    async def steps(session: mcp.ClientSession) -> list[Any]:
        held = await session.call_tool("get-tiny-image", {})
        request = text(held).split(" as ")[1].split(".")[0]
        done = await asyncio.to_thread(
            subprocess.run,
            [
                *(HOOPGATE, "approvals", "approve", request, "--reason", "it may"),
                *("--config", mcp_web.gateway.config),
            ],
            env={"HOOPGATE_TOKEN": mcp_web.token("rita"), "PATH": "/usr/bin:/bin"},
            capture_output=True,
            timeout=60,
        )
        assert done.returncode == 0
        return [
            held,
            await session.call_tool("get-tiny-image", {}),
            await session.call_tool("get-tiny-image", {}),
        ]

    held, passed, again = talk(mcp_web, "tools", steps)
    assert held.is_error
    assert not passed.is_error
    assert again.is_error


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b'{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/call"}', {}, 400),
        (b'{"jsonrpc":"2.0","id":1,"method":"ping","Method":"tools/call"}', {}, 400),
        (b'{"jsonrpc":"2.0","id":1,"method":"ping"}', {"Mcp-Method": "tools/call"}, 400),
        (
            b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo"}}',
            {"Mcp-Name": "get-env"},
            400,
        ),
        (b'{"jsonrpc":"1.0","id":1,"method":"ping"}', {}, 400),
        (b'{"jsonrpc":"2.0","id":{},"method":"ping"}', {}, 400),
        (b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":7}}', {}, 400),
        (b"[]", {}, 400),
        (b"\xff", {}, 400),
        (b"{}", {"Content-Type": "text/plain"}, 415),
        (b'{"jsonrpc":"2.0","method":"made/up"}', {}, 403),
    ],
)
def test_messages_that_could_be_read_in_two_ways_are_refused(
    mcp_web: Web, body: bytes, headers: dict[str, str], status: int
) -> None:
    context = ssl.create_default_context(cafile=str(mcp_web.certificates.ca))
    own = {"Authorization": f"Bearer {mcp_web.token()}", "Content-Type": "application/json"}
    answer = httpx.post(
        mcp_web.url("/tools/mcp"), content=body, headers={**own, **headers}, verify=context
    )
    assert answer.status_code == status, answer.text
