"""Tools of the conformance server that ask the client before they answer (MCP 2026-07-28), and one
whose arguments are repeated in headers."""

from __future__ import annotations

from typing import Annotated, Any

from mcp.server.mcpserver import Context, MCPServer
from mcp.types import (
    CreateMessageRequest,
    CreateMessageRequestParams,
    ElicitRequest,
    ElicitRequestFormParams,
    InputRequiredResult,
    ListRootsRequest,
    SamplingMessage,
    TextContent,
)
from pydantic import Field

Asking = Context[Any, Any]


def _ask(message: str, name: str, kind: str = "string") -> ElicitRequest:
    schema = {"type": "object", "properties": {name: {"type": kind}}, "required": [name]}
    return ElicitRequest(params=ElicitRequestFormParams(message=message, requested_schema=schema))


def _sample(text: str) -> CreateMessageRequest:
    said = SamplingMessage(role="user", content=TextContent(type="text", text=text))
    return CreateMessageRequest(params=CreateMessageRequestParams(messages=[said], max_tokens=50))


def _asked(state: str | None = None, **requests: Any) -> InputRequiredResult:
    return InputRequiredResult(input_requests=requests, request_state=state)


def _answer(ctx: Asking, name: str) -> Any:
    return (ctx.input_responses or {}).get(name)


def add(server: MCPServer[Any]) -> None:
    """Give the server these tools."""

    @server.tool()
    async def test_input_required_result_elicitation(ctx: Asking) -> str | InputRequiredResult:
        """Asks for a name."""
        found = _answer(ctx, "user_name")
        if found is None or not getattr(found, "content", None):
            return _asked(user_name=_ask("What is your name?", "name"))
        return f"Hello, {found.content['name']}!"

    @server.tool()
    async def test_input_required_result_sampling(ctx: Asking) -> str | InputRequiredResult:
        """Asks the client's model."""
        found = _answer(ctx, "capital_question")
        if found is None:
            return _asked(capital_question=_sample("What is the capital of France?"))
        return str(found.content.text)

    @server.tool()
    async def test_input_required_result_list_roots(ctx: Asking) -> str | InputRequiredResult:
        """Asks for the client's roots."""
        found = _answer(ctx, "client_roots")
        if found is None:
            return _asked(client_roots=ListRootsRequest())
        return ", ".join(str(root.uri) for root in found.roots)

    @server.tool()
    async def test_input_required_result_request_state(ctx: Asking) -> str | InputRequiredResult:
        """Has the client keep its state."""
        if _answer(ctx, "confirm") is None or ctx.request_state != "begun":
            return _asked("begun", confirm=_ask("Please confirm", "ok", "boolean"))
        return "state-ok"

    @server.tool()
    async def test_input_required_result_tampered_state(ctx: Asking) -> str | InputRequiredResult:
        """As above; the library seals the state."""
        if _answer(ctx, "confirm") is None:
            return _asked("begun", confirm=_ask("Please confirm", "ok", "boolean"))
        return "state-ok"

    @server.tool()
    async def test_input_required_result_multiple_inputs(ctx: Asking) -> str | InputRequiredResult:
        """Asks three questions at once."""
        if any(_answer(ctx, one) is None for one in ("user_name", "greeting", "client_roots")):
            return _asked(
                "begun",
                user_name=_ask("What is your name?", "name"),
                greeting=_sample("Generate a greeting"),
                client_roots=ListRootsRequest(),
            )
        return "all there"

    @server.tool()
    async def test_input_required_result_multi_round(ctx: Asking) -> str | InputRequiredResult:
        """Asks one question after the other."""
        if ctx.request_state == "second" and _answer(ctx, "step2") is not None:
            return "done"
        if ctx.request_state == "first" and _answer(ctx, "step1") is not None:
            return _asked("second", step2=_ask("Step 2: What is your favorite color?", "color"))
        return _asked("first", step1=_ask("Step 1: What is your name?", "name"))

    @server.tool()
    async def test_input_required_result_capabilities(ctx: Asking) -> str | InputRequiredResult:
        """Asks what the client can answer."""
        if _answer(ctx, "capital_question") is None:
            return _asked(capital_question=_sample("What is the capital of France?"))
        return "answered"

    @server.prompt()
    async def test_input_required_result_prompt(ctx: Asking) -> str | InputRequiredResult:
        """A prompt that asks first."""
        found = _answer(ctx, "user_context")
        if found is None or not getattr(found, "content", None):
            return _asked(user_context=_ask("What context should the prompt use?", "context"))
        return f"With {found.content['context']}."

    @server.tool()
    def test_custom_headers(
        region: Annotated[str, Field(json_schema_extra={"x-mcp-header": "Region"})],
    ) -> str:
        """An argument that is repeated in a header."""
        return f"in {region}"
