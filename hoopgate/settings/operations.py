"""Words for operations of protocols without SQL: classes, flags and attributes that rules match.

A protocol's words begin with its name. What a statement of SQL does is in ``sql/classes.py``.
"""

from __future__ import annotations

from typing import Final

CLASSES: Final = {
    "http.read": "GET, HEAD or OPTIONS of something that is not FHIR",
    "http.write": "POST, PUT or PATCH of something that is not FHIR",
    "http.delete": "DELETE of something that is not FHIR",
    "http.websocket": "a message to the server in a WebSocket, and its opening",
    "fhir.capabilities": "GET /metadata and the like: what the server can do",
    "fhir.read": "read of one resource, or of one version of it",
    "fhir.history": "versions of a resource, of a type, of all",
    "fhir.search": "search by GET or by POST _search",
    "fhir.create": "create, also conditional",
    "fhir.update": "update, also conditional",
    "fhir.patch": "patch, also conditional",
    "fhir.delete": "delete, also conditional",
    "fhir.operation": "an operation ($everything, $validate …); rules name it in functions",
    "fhir.export": "bulk data: $export, its status, its files",
    "fhir.batch": "a batch or transaction (with the classes of its entries)",
    "mcp.session": "initialize, ping, notifications, answers to the server, end of the session",
    "mcp.list": "tools/list, resources/list, prompts/list",
    "mcp.call": "tools/call; rules name the tool in functions",
    "mcp.read": "resources/read, resources/subscribe",
    "mcp.prompt": "prompts/get, completion/complete",
    "mcp.task": "tasks/get and the like: results of earlier calls",
    "mcp.unknown": "a method that this version does not know",
}

FLAGS: Final = {
    "phi_predicate": "searches, sorts or tests by something that holds PHI",
    "opaque": "cannot be known beforehand what it reads: an unknown operation or parameter",
    "sink": "makes the server send data elsewhere (Subscription), or copies PHI",
    "redacted": "writes back a value that the gateway has masked",
    "conditional": "create, update, patch or delete of what a search finds",
}

#: Table of ``match`` → its keys.
ATTRIBUTES: Final = {
    "http": {
        "method": "the method, in capitals",
        "path": "the path below the resource, normalised; * is any text, also with slashes",
        "template": "the path with ids as {id}: /Patient/{id}/_history/{id}",
        "parameter": "query (and form) parameters: name, or name=value",
        "header": "headers, in lower case: name, or name=value",
        "body": "JSON bodies: a pointer, or pointer=value; tool arguments as /params/arguments/…",
        "tool": "the MCP tool, prompt or URI of a resource",
    },
}
