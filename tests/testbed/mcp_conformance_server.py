"""A server of MCP with what the protocol's conformance package asks for, made with PyPI ``mcp``.

python mcp_conformance_server.py PORT
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import mcp_asking_tools
from mcp.server.mcpserver import Audio, Context, Image, MCPServer
from mcp.server.mcpserver.prompts.base import UserMessage
from mcp.server.streamable_http import EventStore
from mcp.types import (
    CallToolResult,
    Completion,
    EmbeddedResource,
    ImageContent,
    SamplingMessage,
    TextContent,
    TextResourceContents,
)
from pydantic import BaseModel, Field

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c63000100"
    "000500010d0a2db40000000049454e44ae426082"
)
WAV = b"RIFF$\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0@\x1f\0\0\x80>\0\0\x02\0\x10\0data\0\0\0\0"


class Kept(EventStore):
    """Events of every stream, so that a client can go on where it was."""

    def __init__(self) -> None:
        self._events: list[tuple[str, Any]] = []

    async def store_event(self, stream_id: str, message: Any) -> str:
        """See :class:`EventStore`."""
        self._events.append((stream_id, message))
        return str(len(self._events))

    async def replay_events_after(self, last_event_id: str, send_callback: Any) -> str | None:
        """See :class:`EventStore`."""
        if not last_event_id.isdigit() or not 0 < int(last_event_id) <= len(self._events):
            return None
        from mcp.server.streamable_http import EventMessage

        stream = self._events[int(last_event_id) - 1][0]
        for number, (one, message) in enumerate(self._events, 1):
            if one == stream and number > int(last_event_id) and message is not None:
                await send_callback(EventMessage(message, str(number)))
        return stream


server = MCPServer("conformance")


@server.tool()
def test_simple_text() -> str:
    """Text."""
    return "This is a simple text response for testing."


@server.tool()
def test_image_content() -> Image:
    """An image."""
    return Image(data=PNG, format="png")


@server.tool()
def test_audio_content() -> Audio:
    """Sound."""
    return Audio(data=WAV, format="wav")


def _resource(uri: str, text: str) -> EmbeddedResource:
    inner = TextResourceContents(uri=uri, mime_type="text/plain", text=text)
    return EmbeddedResource(type="resource", resource=inner)


@server.tool()
def test_embedded_resource() -> list[EmbeddedResource]:
    """A resource within a result."""
    return [_resource("test://embedded-resource", "This is an embedded resource content.")]


@server.tool()
def test_multiple_content_types() -> list[Any]:
    """Text, image, resource."""
    return [
        TextContent(type="text", text="Multiple content types test:"),
        Image(data=PNG, format="png"),
        _resource("test://mixed-content-resource", '{"test":"data","value":123}'),
    ]


@server.tool()
async def test_tool_with_logging(ctx: Context[Any, Any]) -> str:
    """Says something beside its result."""
    for text in ("Tool execution started", "Tool processing data", "Tool execution completed"):
        await ctx.info(text)
        await asyncio.sleep(0.05)
    return "Tool with logging executed successfully"


@server.tool()
async def test_tool_with_progress(ctx: Context[Any, Any]) -> str:
    """Says how far it is."""
    for progress in (0, 50, 100):
        await ctx.report_progress(progress, 100, f"Completed step {progress} of 100")
        await asyncio.sleep(0.05)
    return "Tool with progress executed successfully"


@server.tool()
def test_error_handling() -> str:
    """Fails."""
    raise ValueError("This tool intentionally returns an error for testing")


@server.tool()
async def test_sampling(prompt: str, ctx: Context[Any, Any]) -> str:
    """Asks the client's model."""
    asked = SamplingMessage(role="user", content=TextContent(type="text", text=prompt))
    result = await ctx.session.create_message(
        [asked], max_tokens=100, related_request_id=ctx.request_id
    )
    text = result.content.text if isinstance(result.content, TextContent) else ""
    return f"LLM response: {text}"


class Answer(BaseModel):
    """What a person is asked for."""

    username: str = Field(description="User's name")
    email: str = Field(description="User's email address")


@server.tool()
async def test_elicitation(message: str, ctx: Context[Any, Any]) -> str:
    """Asks the client's person."""
    result = await ctx.elicit(message, Answer)
    return f"User response: {result.action}"


@server.tool()
async def test_reconnection(ctx: Context[Any, Any]) -> CallToolResult:
    """Hangs up before it answers."""
    await ctx.close_sse_stream()
    await asyncio.sleep(0.2)
    text = "Reconnection test completed successfully"
    return CallToolResult(content=[TextContent(type="text", text=text)])


@server.resource("test://static-text", mime_type="text/plain")
def static_text() -> str:
    """Text."""
    return "This is the content of the static text resource."


@server.resource("test://static-binary", mime_type="image/png")
def static_binary() -> bytes:
    """An image."""
    return PNG


@server.resource("test://template/{id}/data", mime_type="application/json")
def template(id: str) -> str:
    """A document per id."""
    return f'{{"id":"{id}","templateTest":true,"data":"Data for ID: {id}"}}'


@server.prompt()
def test_simple_prompt() -> str:
    """A prompt."""
    return "This is a simple prompt for testing."


@server.prompt()
def test_prompt_with_arguments(arg1: str, arg2: str) -> str:
    """A prompt that is filled in."""
    return f"Prompt with arguments: arg1='{arg1}', arg2='{arg2}'"


@server.prompt()
def test_prompt_with_embedded_resource(resourceUri: str) -> list[UserMessage]:
    """A prompt about a resource."""
    return [
        UserMessage(_resource(resourceUri, "Embedded resource content for testing.")),
        UserMessage("Please process the embedded resource above."),
    ]


@server.prompt()
def test_prompt_with_image() -> list[UserMessage]:
    """A prompt about an image."""
    import base64

    data = base64.b64encode(PNG).decode()
    return [
        UserMessage(ImageContent(type="image", data=data, mime_type="image/png")),
        UserMessage("Please analyze the image above."),
    ]


@server.completion()
async def complete(ref: Any, argument: Any, context: Any) -> Completion:
    """Nothing comes to mind."""
    return Completion(values=["paris", "park", "party"], total=150, has_more=True)


if __name__ == "__main__":
    mcp_asking_tools.add(server)
    server.run("streamable-http", port=int(sys.argv[1]), event_store=Kept(), retry_interval=100)
