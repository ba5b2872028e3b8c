"""``resources.http``: what is said of a resource that speaks HTTP."""

from __future__ import annotations

import re
from typing import Final

from hoopgate.settings import urls
from hoopgate.settings.model import HTTPTarget, WebSocketTarget
from hoopgate.settings.reader import Table, defaults

FORMATS: Final = ("rest", "fhir", "mcp")
CREDENTIALS: Final = ("none", "basic", "header", "oauth")

_BASE = re.compile(r"(/[A-Za-z0-9._~-]+)*")
_HOST = re.compile(r"[A-Za-z0-9._-]+(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]+\](:[0-9]{1,5})?")
_HEADER = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,63}")
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
#: Headers that frame a message, or that the gateway makes itself.
_RESERVED: Final = frozenset(
    [
        "host",
        "connection",
        "content-length",
        "transfer-encoding",
        "upgrade",
        "te",
        "trailer",
        "expect",
        "forwarded",
    ]
)


def http_target(parent: Table) -> HTTPTarget:
    """The table ``http`` of a resource; every key has a default."""
    table = parent.table("http")
    default = defaults(HTTPTarget)
    found = HTTPTarget(
        base=table.text("base", "/").rstrip("/"),
        format=table.choice("format", FORMATS, default["format"]),
        hosts=tuple(one.lower() for one in table.texts("hosts", (), '["fhir.gw.example.org"]')),
        host=table.optional_text("host") or "",
        credential=table.choice("credential", CREDENTIALS, default["credential"]),
        header=table.text("header", default["header"]),
        prefix=table.optional_text("prefix") or "",
        token_url=table.optional_text("token_url") or "",
        token_scope=table.optional_text("token_scope") or "",
        pass_authorization=table.boolean("pass_authorization", default["pass_authorization"]),
        websocket=_websocket(table.table("websocket")) if "websocket" in table else None,
        **table.bounds(HTTPTarget),
    )
    if found.websocket is not None and found.format != "rest":
        table.wrong("websocket", f'has no meaning with format = "{found.format}"', "leave it out")
    if not _BASE.fullmatch(found.base) or "/." in found.base:
        table.wrong("base", f'"{found.base}" is no plain path', '"/fhir/R4"')
    for key, hosts in (("hosts", found.hosts), ("host", (found.host,) if found.host else ())):
        for host in hosts:
            if not _HOST.fullmatch(host):
                table.wrong(key, f'"{host}" is no host', '"fhir.example.org"')
    if not _HEADER.fullmatch(found.header) or found.header.lower() in _RESERVED:
        table.wrong("header", f'"{found.header}" may not carry a credential', '"X-Api-Key"')
    if (found.credential == "oauth") != bool(found.token_url):
        table.wrong("token_url", 'goes with credential = "oauth"', "both, or neither")
    if found.token_url and not urls.is_safe(found.token_url):
        table.wrong("token_url", f'"{found.token_url}" is no https URL', '"https://host/token"')
    if found.pass_authorization and found.credential != "none":
        table.wrong("pass_authorization", "the gateway has a credential of its own", "one of both")
    table.finish()
    return found


def _websocket(table: Table) -> WebSocketTarget:
    default = defaults(WebSocketTarget)
    found = WebSocketTarget(
        subprotocols=table.texts("subprotocols", (), '["graphql-transport-ws"]'),
        origins=urls.origins(table),
        refusal=table.choice("refusal", ("close", "message"), default["refusal"]),
        **table.bounds(WebSocketTarget),
    )
    for one in found.subprotocols:
        if not _TOKEN.fullmatch(one):
            table.wrong("subprotocols", f'"{one}" is no subprotocol', '"graphql-transport-ws"')
    table.finish()
    return found
