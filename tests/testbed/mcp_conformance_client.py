"""The official client as npm's conformance package of MCP runs one, with the gateway in its way.

    python mcp_conformance_client.py URL

The package's own server is behind URL. What forwards for the gateway is told its port; the gateway
is asked in its place. Environment: ``FORWARD`` (a file), ``GATEWAY``, ``TOKEN``.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import mcp
from mcp.client.streamable_http import streamable_http_client
from mcp.types import ElicitResult


async def _answer(context: Any, question: Any) -> ElicitResult:
    """What a person says who leaves everything as it stands."""
    properties = question.requested_schema.get("properties", {})
    defaults = {name: one["default"] for name, one in properties.items() if "default" in one}
    return ElicitResult(action="accept", content=defaults)


async def main() -> None:
    """Say hello; call every tool."""
    server = urlsplit(sys.argv[1])
    Path(os.environ["FORWARD"]).write_text(str(server.port))
    headers = {"Authorization": f"Bearer {os.environ['TOKEN']}"}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=30) as client,
        streamable_http_client(os.environ["GATEWAY"] + server.path, http_client=client) as streams,
        mcp.ClientSession(streams[0], streams[1], elicitation_callback=_answer) as session,
    ):
        await session.initialize()
        for tool in (await session.list_tools()).tools:
            names = tool.input_schema.get("properties", {})
            await session.call_tool(tool.name, dict.fromkeys(names, 5))


asyncio.run(main())
