"""The official client as npm's conformance package of MCP runs one, with the gateway in its way.

    python mcp_conformance_client.py URL

The package's own server is behind URL. What forwards for the gateway is told its port; the gateway
is asked in its place. Environment: ``FORWARD`` (a file), ``GATEWAY``, ``TOKEN``.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import mcp
from mcp.client.streamable_http import streamable_http_client
from mcp.types import ElicitResult
from mcp_types.version import MODERN_PROTOCOL_VERSIONS


async def _answer(context: Any, question: Any) -> ElicitResult:
    """What a person says who leaves everything as it stands."""
    properties = question.requested_schema.get("properties", {})
    defaults = {name: one["default"] for name, one in properties.items() if "default" in one}
    return ElicitResult(action="accept", content=defaults)


def _arguments(tool: Any) -> dict[str, Any]:
    """Something of the type of each argument."""
    kinds = {"string": "x", "boolean": True, "number": 5, "integer": 5, "object": {}, "array": []}
    properties = tool.input_schema.get("properties", {})
    return {
        name: kinds.get(one.get("type") if isinstance(one, dict) else "", 5)
        for name, one in properties.items()
    }


async def _talk(session: mcp.Client | mcp.ClientSession) -> None:
    """Call every tool, get every prompt, read every resource."""
    offered = session.server_capabilities if isinstance(session, mcp.Client) else None
    calls = [(tool.name, _arguments(tool)) for tool in (await session.list_tools()).tools]
    asked = json.loads(os.environ.get("MCP_CONFORMANCE_CONTEXT", "{}")).get("toolCalls", [])
    for name, arguments in [(one["name"], one["arguments"]) for one in asked] or calls:
        with suppress(mcp.MCPError, ValueError):  # answers that are not the specification's
            await session.call_tool(name, arguments)
    if offered is not None and offered.prompts:
        for prompt in (await session.list_prompts()).prompts:
            names = [one.name for one in prompt.arguments or ()]
            await session.get_prompt(prompt.name, dict.fromkeys(names, "x"))
    if offered is not None and offered.resources:
        for one in (await session.list_resources()).resources:
            await session.read_resource(one.uri)


async def main() -> None:
    """Say hello, as the version has it; then talk."""
    server = urlsplit(sys.argv[1])
    Path(os.environ["FORWARD"]).write_text(str(server.port))
    headers = {"Authorization": f"Bearer {os.environ['TOKEN']}"}
    version = os.environ.get("MCP_CONFORMANCE_PROTOCOL_VERSION", "")
    async with httpx2.AsyncClient(headers=headers, timeout=60) as http:
        transport = streamable_http_client(os.environ["GATEWAY"] + server.path, http_client=http)
        if version in MODERN_PROTOCOL_VERSIONS:
            async with mcp.Client(transport, elicitation_callback=_answer) as client:
                await _talk(client)
            return
        async with (
            transport as streams,
            mcp.ClientSession(*streams, elicitation_callback=_answer) as session,
        ):
            await session.initialize()
            await _talk(session)


asyncio.run(main())
