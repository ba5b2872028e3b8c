"""What an MCP server says, without PHI and without tools that the client may not call."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from hoopgate.http.headers import Links
from hoopgate.http.mcp_members import NOTICES, PLAIN, ROLE, TASK, is_id, is_media, is_uri, kept
from hoopgate.phi import documents
from hoopgate.phi.documents import JSONMasker, Tokens, Unreadable
from hoopgate.phi.fhir import FHIRMasker
from hoopgate.phi.fhir_types import is_resource
from hoopgate.phi.texts import TextMasker
from hoopgate.plans import BodyPlan

#: Of results that speak of the server, not of patients: the members that do.
_DEFINITIONS: Final[Mapping[str, frozenset[str]]] = {
    "initialize": frozenset({"protocolVersion", "capabilities", "serverInfo", "instructions"}),
    "server/discover": frozenset(
        {"supportedVersions", "protocolVersion", "capabilities", "serverInfo", "instructions"}
    ),
    "tools/list": frozenset({"tools", "nextCursor"}),
    "prompts/list": frozenset({"prompts", "nextCursor"}),
    "resources/templates/list": frozenset({"resourceTemplates", "nextCursor"}),
    **dict.fromkeys(
        ("ping", "logging/setLevel", "resources/subscribe", "resources/unsubscribe"), frozenset()
    ),
}
#: Tools on one page of a list: rules judge each of them.
_TOOLS: Final = 5000
#: By which a client knows its subscription (2026-07-28, basic/utilities/subscriptions).
_SUBSCRIPTION: Final = "io.modelcontextprotocol/subscriptionId"
#: In the place of an address that is none.
_HIDDEN: Final = "urn:hoopgate:hidden"
#: Makes one value of the tools on a page, where somebody else decides which of them are shown.
Listed = Callable[[list[dict[str, Any]]], Any]


class MCPMasker:
    """Masks the messages of one answer.

    :param asked: id (as JSON) → method of the requests that are answered.
    :param listed: None: the plan says which tools are shown.
    """

    def __init__(
        self,
        plan: BodyPlan,
        asked: Mapping[str, str],
        links: Links,
        year: int,
        tokens: Tokens | None = None,
        listed: Listed | None = None,
    ) -> None:
        self._plan = plan
        self._asked = asked
        self._listed = listed
        self._fhir = FHIRMasker(plan.paths, links.url, year, tokens=tokens)
        self._json = JSONMasker(plan.paths, unlabelled=plan.unlabelled, tokens=tokens)
        self._text = TextMasker(plan.paths, unlabelled=plan.unlabelled)

    def __call__(self, data: bytes) -> bytes:
        """A message or a batch of them; b"" when nothing of it may be shown.

        :raises Unreadable: it is none.
        """
        document = documents.decode(data)
        if isinstance(document, list):
            shown = [one for one in map(self._message, document) if one is not None]
            return documents.encode(shown) if shown else b""
        message = self._message(document)
        return b"" if message is None else documents.encode(message)

    def _message(self, message: Any) -> dict[str, Any] | None:
        if not isinstance(message, dict) or message.get("jsonrpc") != "2.0":
            raise Unreadable("the content is no JSON-RPC 2.0 message")
        if "method" in message:
            return message if self._plan.clear else self._notice(message)
        own = message.get("id")
        key = json.dumps(own, default=str)
        method = self._asked.get(key, "")
        if not (own is None or is_id(own) or method or self._plan.clear):
            raise Unreadable("the message has an id that nobody asked with")
        found: dict[str, Any] = {"jsonrpc": "2.0", "id": own}
        if "error" in message:
            return {**found, "error": self._error(message["error"])}
        result = message.get("result")
        if not isinstance(result, dict):
            raise Unreadable("the message has no result")
        return {**found, "result": self._result(method, result)}

    def _error(self, error: Any) -> Any:
        if self._plan.clear:
            return error
        code = error.get("code") if isinstance(error, dict) else None
        text = "The server answered with an error; its text is not shown."
        return {"code": code if isinstance(code, int) else -32603, "message": text}

    def _result(self, method: str, result: dict[str, Any]) -> dict[str, Any]:
        # Of an answer that is taken up again (Last-Event-ID) nobody knows what it answers.
        if method == "tools/list" or (not method and isinstance(result.get("tools"), list)):
            result = {**result, "tools": self._tools(result.get("tools"))}
        if self._plan.clear:
            return result
        said = _DEFINITIONS.get(method)
        if said is not None:
            return {
                name: value for name, value in result.items() if name not in PLAIN and name in said
            } | kept(result, PLAIN)
        if result.get("resultType") == "input_required":
            return _unasked(method)
        found = kept(result, PLAIN)
        if method.startswith("tasks/") and "taskId" in result:
            found |= kept(result, TASK)
        for name, value in result.items():
            if name in ("content", "contents") and isinstance(value, list):
                found[name] = [self._content(one) for one in value if isinstance(one, dict)]
            elif name == "structuredContent":
                found[name] = self._document(value)
            elif name == "messages" and isinstance(value, list):
                found[name] = [
                    {
                        "role": one["role"] if ROLE(one.get("role")) else "user",
                        "content": self._content(one.get("content", {})),
                    }
                    for one in value
                    if isinstance(one, dict) and isinstance(one.get("content"), dict)
                ]
            elif name == "resources" and isinstance(value, list):
                found[name] = [self._link(one) for one in value if isinstance(one, dict)]
            elif name == "completion":
                found[name] = {"values": []}
            elif name == "task" and isinstance(value, dict):
                found[name] = kept(value, TASK)
            elif name == "tasks" and isinstance(value, list):
                found[name] = [kept(one, TASK) for one in value if isinstance(one, dict)]
        return {**found, **_subscription(result)}

    def _tools(self, tools: Any) -> Any:
        """Those that the client may call, or ask for."""
        if not isinstance(tools, list):
            raise Unreadable("the list of tools is none")
        if len(tools) > _TOOLS:
            raise Unreadable("the list of tools is too long")
        named = [one for one in tools if isinstance(one, dict) and isinstance(one.get("name"), str)]
        if not self._plan.clear:
            # What is masked need not be what the schema of a tool's results says.
            named = [
                {name: value for name, value in tool.items() if name != "outputSchema"}
                for tool in named
            ]
        if self._listed is not None:
            return self._listed(named)
        permits = self._plan.permits or (lambda name: False)
        return [tool for tool in named if permits(tool["name"])]

    def _content(self, part: dict[str, Any]) -> dict[str, Any]:
        kind = part.get("type", "resource" if "uri" in part else "")
        if kind == "text":
            return {"type": "text", "text": self._words(part.get("text"))}
        if kind == "resource_link":
            return {"type": kind, **self._link(part)}
        if kind == "resource":
            inner = part.get("resource", part)
            shown = {**self._link(inner if isinstance(inner, dict) else {})}
            if isinstance(inner, dict):
                shown["text"] = self._words(inner.get("text")) if "text" in inner else "[BLOB]"
            shown.pop("name", None)
            return {"type": "resource", "resource": shown} if "resource" in part else shown
        # Images and sound hold what nobody has looked at.
        return {"type": "text", "text": "[BLOB]"}

    def _link(self, part: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = {"name": "[TEXT]"}
        uri, media = part.get("uri"), part.get("mimeType")
        if isinstance(uri, str):
            found["uri"] = uri if is_uri(uri) else _HIDDEN
        if is_media(media):
            found["mimeType"] = media
        return found

    def _words(self, text: Any) -> str:
        """Text, which is often a document."""
        if not isinstance(text, str):
            return "[TEXT]"
        if text.lstrip()[:1] in ("{", "["):
            try:
                document = documents.decode(text.encode())
            except (Unreadable, UnicodeEncodeError):
                return self._text.mask(text)
            if not self._plan.paths and not _is_structured(document):
                return self._text.mask(text)  # "[7]" may be words as well as a list
            return documents.encode(self._document(document)).decode()
        return self._text.mask(text)

    def _document(self, document: Any) -> Any:
        if isinstance(document, dict) and is_resource(document.get("resourceType")):
            return self._fhir.mask(document)
        return self._json.mask(document)

    def _notice(self, message: dict[str, Any]) -> dict[str, Any] | None:
        """A message that the server begins; one that could carry text is not passed on."""
        tests = NOTICES.get(str(message["method"]))
        if tests is None:
            return None
        params = message.get("params")
        found: dict[str, Any] = {"jsonrpc": "2.0", **kept(message, {"id": is_id})}
        found["method"] = message["method"]
        if isinstance(params, dict):
            found["params"] = kept(params, tests)
            found["params"].update(_subscription(params))
            if message["method"] == "notifications/message":
                found["params"]["data"] = "[TEXT]"
        return found


def _is_structured(document: Any) -> bool:
    return isinstance(document, dict) or any(isinstance(one, dict | list) for one in document)


def _subscription(part: dict[str, Any]) -> dict[str, Any]:
    """What of an answer's or notice's ``_meta`` says to which subscription it belongs."""
    meta = part.get("_meta")
    identity = meta.get(_SUBSCRIPTION) if isinstance(meta, dict) else None
    if isinstance(identity, str | int) and not isinstance(identity, bool):
        return {"_meta": {_SUBSCRIPTION: identity}}
    return {}


def _unasked(method: str) -> dict[str, Any]:
    """What stands in the place of a question to the client, which would be text."""
    text = "The server asks for input; its questions hold text and are not passed on here."
    if method == "prompts/get":
        return {"messages": [], "description": text, "resultType": "complete"}
    if method == "resources/read":
        return {"contents": [], "resultType": "complete"}
    return {"content": [{"type": "text", "text": text}], "isError": True, "resultType": "complete"}
