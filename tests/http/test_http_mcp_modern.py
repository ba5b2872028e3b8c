"""MCP without sessions (2026-07-28): the official client, and a client that logs in by itself."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, TypeVar

import httpx
import httpx2
import mcp
import pytest
from mcp.client.auth.extensions.client_credentials import ClientCredentialsOAuthProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.types import ElicitResult
from testbed.certificates import Certificates
from testbed.mcpconformance import Conformance, running_conformance
from testbed.oidcprovider import OIDCProvider, program
from testbed.webrequest import read

from hoopgate.http import masking_work, mcp_messages, targets
from hoopgate.http.bodies import INLINE_BYTES
from hoopgate.http.codings import Identity
from hoopgate.http.headers import Links
from hoopgate.http.inquiry import Inquiry
from hoopgate.http.rewriting import Recipe
from hoopgate.http.wire import Malformed
from hoopgate.plans import BodyPlan

T = TypeVar("T")
VERSION = "2026-07-28"
ROBOT = "the-robots-own-secret"


@pytest.fixture(scope="module")
def provider(
    tmp_path_factory: pytest.TempPathFactory, certificates: Certificates
) -> Iterator[OIDCProvider]:
    """An issuer that a client finds by asking the gateway."""
    robot = program("robot", ROBOT, scope="hoopgate:open")
    directory = tmp_path_factory.mktemp("provider")
    with OIDCProvider(directory, certificates, [robot], scopes=["hoopgate:open"]) as running:
        yield running


@pytest.fixture(scope="module")
def conformance(
    tmp_path_factory: pytest.TempPathFactory, certificates: Certificates, provider: OIDCProvider
) -> Iterator[Conformance]:
    """A server with tools of all kinds: ``open`` holds no PHI, ``closed`` does."""

    def adjust(settings: dict[str, Any]) -> None:
        port = settings["listeners"][0]["endpoint"].split(":")[1]
        issuer = {
            "name": "provider",
            "url": provider.url,
            "audiences": [f"http://127.0.0.1:{port}/open"],
            "ca_file": str(certificates.ca),
        }
        settings["issuers"].insert(0, issuer)
        settings["directory"]["groups"]["agents"].append("robot")

    directory = tmp_path_factory.mktemp("modern")
    with running_conformance(directory, certificates, adjust=adjust) as running:
        yield running


async def answered(context: Any, question: Any) -> Any:
    return ElicitResult(action="accept", content={"name": "Ann"})


def talk(conformance: Conformance, resource: str, steps: Callable[[mcp.Client], Awaitable[T]]) -> T:
    """What the official client makes of the newest version."""

    async def run() -> T:
        token = conformance.issuer.token("executor", resources=["hoopgate"])
        url = f"http://127.0.0.1:{conformance.gateway.port}/{resource}/mcp"
        headers = {"Authorization": f"Bearer {token}"}
        async with httpx2.AsyncClient(headers=headers, timeout=60) as http:
            transport = streamable_http_client(url, http_client=http)
            async with mcp.Client(transport, elicitation_callback=answered) as client:
                assert client.protocol_version == VERSION
                return await steps(client)

    return asyncio.run(asyncio.wait_for(run(), 60))


def text(result: Any) -> str:
    return str(result.content[0].text)


async def everything(client: mcp.Client) -> dict[str, Any]:
    async with client.listen(tools_list_changed=True) as subscription:
        acknowledged = subscription.honored
    return {
        "tools": {tool.name for tool in (await client.list_tools()).tools},
        "simple": await client.call_tool("test_simple_text", {}),
        "headers": await client.call_tool("test_custom_headers", {"region": "Zürich"}),
        "asking": await client.call_tool("test_input_required_result_elicitation", {}),
        "resource": await client.read_resource("test://static-text"),
        "listening": acknowledged,
    }


def test_everything_goes_through_without_phi(conformance: Conformance) -> None:
    found = talk(conformance, "open", everything)
    assert {"test_simple_text", "test_custom_headers"} <= found["tools"]
    assert text(found["simple"]) == "This is a simple text response for testing."
    assert text(found["headers"]) == "in Zürich"
    assert text(found["asking"]) == "Hello, Ann!"
    assert "content" in found["resource"].contents[0].text
    assert found["listening"].tools_list_changed


def test_with_phi_texts_are_masked_and_questions_are_told_of(conformance: Conformance) -> None:
    found = talk(conformance, "closed", everything)
    assert {"test_simple_text", "test_custom_headers"} <= found["tools"]
    assert text(found["simple"]) == text(found["headers"]) == "[UNLABELLED]"
    assert found["asking"].is_error
    assert "not passed on" in text(found["asking"])
    assert found["resource"].contents[0].text == "[UNLABELLED]"
    assert found["listening"].tools_list_changed


class Kept:
    """Where the client keeps its token."""

    def __init__(self) -> None:
        self.tokens: Any = None
        self.client: Any = None

    async def get_tokens(self) -> Any:
        return self.tokens

    async def set_tokens(self, tokens: Any) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> Any:
        return self.client

    async def set_client_info(self, client_info: Any) -> None:
        self.client = client_info


def test_a_client_learns_from_the_gateway_where_to_log_in(
    conformance: Conformance, certificates: Certificates, provider: OIDCProvider
) -> None:
    url = f"http://127.0.0.1:{conformance.gateway.port}/open/mcp"

    async def run() -> str:
        context = ssl.create_default_context(cafile=str(certificates.ca))
        login = ClientCredentialsOAuthProvider(url, Kept(), "robot", ROBOT, issuer=provider.url)
        async with httpx2.AsyncClient(auth=login, verify=context, timeout=60) as http:
            transport = streamable_http_client(url, http_client=http)
            async with mcp.Client(transport) as client:
                return text(await client.call_tool("test_simple_text", {}))

    assert asyncio.run(asyncio.wait_for(run(), 60)).startswith("This is a simple text")


def call(name: str = "test_custom_headers", **arguments: Any) -> dict[str, Any]:
    meta = {
        "io.modelcontextprotocol/protocolVersion": VERSION,
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    params = {"name": name, "arguments": arguments, "_meta": meta}
    return {"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": params}


@pytest.mark.parametrize(
    "headers",
    [
        {"MCP-Protocol-Version": "2025-11-25"},
        {"Mcp-Method": "tools/list"},
        {"Mcp-Name": "test_simple_text"},
        {"Mcp-Name": "=?base64?dGVzdF9zaW1wbGVfdGV4dA==?="},
        {"Mcp-Name": "=?base64?dGVzdA?="},
        {"Mcp-Param-Region": "elsewhere"},
        {"Mcp-Param-Region": "=?base64?ZWxzZXdoZXJl?="},
        {"Mcp-Param-Other": "also"},
    ],
)
def test_headers_say_what_the_body_says(conformance: Conformance, headers: dict[str, str]) -> None:
    token = conformance.issuer.token("executor", resources=["hoopgate"])
    good = {
        "Authorization": f"Bearer {token}",
        "Accept": "application/json, text/event-stream",
        "MCP-Protocol-Version": VERSION,
        "Mcp-Method": "tools/call",
        "Mcp-Name": "test_custom_headers",
        "Mcp-Param-Region": "here",
    }
    url = f"http://127.0.0.1:{conformance.gateway.port}/open/mcp"
    body = call(region="here")
    assert httpx.post(url, json=body, headers=good).status_code == 200
    answer = httpx.post(url, json=body, headers={**good, **headers})
    assert answer.status_code == 400
    assert answer.json()["id"] == 7
    assert answer.json()["error"]["code"] == -32020  # HeaderMismatch
    assert answer.json()["error"]["data"]["reason"] == "http.mcp"


# --- without a server --------------------------------------------------------------------------


def inquired(*messages: Any, **headers: str) -> Inquiry:
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    head = read("POST", "/", "Content-Type: application/json", *lines)
    body = json.dumps(messages[0] if len(messages) == 1 else messages).encode()
    return mcp_messages.inquire(head, targets.parse(b"/"), body)


def request(identity: Any, method: str, **params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": identity, "method": method, "params": params}


@pytest.mark.parametrize("other", [1, "1", -0 + 1])
def test_an_id_stands_for_one_message(other: Any) -> None:
    with pytest.raises(Malformed):
        inquired(request(1, "tools/call", name="x"), request(other, "ping"))
    assert inquired(request(1, "tools/call", name="x"), request(2, "ping")).asked["2"] == "ping"


@pytest.mark.parametrize(
    ("method", "params", "named"),
    [
        ("resources/read", {"uri": "a://b", "name": "harmless"}, "a://b"),
        ("resources/subscribe", {"uri": "a://b", "name": "harmless"}, "a://b"),
        ("tools/call", {"name": "tool", "uri": "harmless"}, "tool"),
        ("prompts/get", {"name": "prompt", "uri": "harmless"}, "prompt"),
        ("tasks/get", {"taskId": "t", "name": "harmless"}, "t"),
        ("completion/complete", {"ref": {"type": "ref/prompt", "name": "p"}, "name": "x"}, "p"),
        ("completion/complete", {"ref": {"type": "ref/resource", "uri": "a://b"}}, "a://b"),
    ],
)
def test_rules_see_the_name_that_the_server_goes_by(
    method: str, params: dict[str, Any], named: str
) -> None:
    facts = inquired(request(1, method, **params)).operation.facts
    assert facts is not None
    assert facts[0].attributes["http.tool"] == ((named, ""),)


def result(method: str, shown: dict[str, Any], *, clear: bool = False) -> Any:
    """What a client gets of a server's result."""
    plan = BodyPlan((), clear=clear, permits=lambda name: name.startswith("good"))
    links = Links(("h",), "", "https://g/r")
    recipe = Recipe("mcp", plan, b"application/json", links, asked={"1": method}, limit=2**24)
    made = recipe.made(Identity(), None)
    assert made is not None
    message = {"jsonrpc": "2.0", "id": 1, "result": shown}
    return json.loads(made.show(json.dumps(message).encode()))["result"]


@pytest.mark.parametrize(
    "method", ["ping", "initialize", "tools/list", "resources/subscribe", "server/discover", "x"]
)
def test_no_method_shows_what_is_not_its_own(method: str) -> None:
    secret = {"type": "text", "text": "Canary"}
    shown = result(
        method,
        {
            "content": [secret],
            "structuredContent": {"name": "Canary"},
            "contents": [{"uri": "a://b", "text": "Canary", "mimeType": "Canary of Ann"}],
            "isError": "Canary",
            "resultType": "Canary",
            "ttlMs": "Canary",
            "cacheScope": "Canary",
            "tools": [{"name": "bad"}],
            "_meta": {"x": "Canary", "io.modelcontextprotocol/subscriptionId": 7},
            "Canary": 1,
        },
    )
    assert "Canary" not in json.dumps(shown)


def test_many_tools_are_masked_by_a_child_and_chosen_here() -> None:
    tools = [
        {"name": f"{kind}{number}", "description": 'd"[0]\\' * 40, "outputSchema": {}}
        for number in range(400)
        for kind in ("good", "bad")
    ]
    message: Any = {"jsonrpc": "2.0", "id": 1, "result": {"tools": tools, "nextCursor": "c"}}
    data = json.dumps(message).encode()
    assert len(data) > INLINE_BYTES
    links = Links(("h",), "", "https://g/r")
    for clear in (True, False):
        plan = BodyPlan((), clear=clear)
        recipe = Recipe(
            "mcp", plan, b"application/json", links, asked={"1": "tools/list"}, limit=2**24
        )
        said = masking_work.answer(masking_work.request(recipe, [data], tokens=False))
        shown = json.loads(masking_work.read(said, None, lambda name: name.startswith("good"))[0])
        assert shown["result"] == result("tools/list", message["result"], clear=clear)
        assert [one["name"] for one in shown["result"]["tools"]] == [f"good{n}" for n in range(400)]
        assert json.loads(masking_work.read(said, None)[0])["result"]["tools"] == []


def test_a_list_of_too_many_tools_is_not_shown() -> None:
    with pytest.raises(Exception, match="too long"):
        result("tools/list", {"tools": [{"name": "good"}] * 5001})
