"""How a WebSocket is opened (RFC 6455 4), and what its messages say to rules. Sans-I/O."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass
from typing import Final

from hoopgate.events import Operation, OperationFacts, Side
from hoopgate.http import documents
from hoopgate.http.frames import Message
from hoopgate.http.headers import Written
from hoopgate.http.inquiry import Inquiry, Pairs, attributes, canonical
from hoopgate.http.targets import Target
from hoopgate.http.wire import Malformed, RequestHead, ResponseHead
from hoopgate.settings.model import HTTPTarget, WebSocketTarget

#: RFC 6455 4.2.2.
_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
#: 16 bytes in base64 (RFC 6455 4.1): the last character of 22 holds four bits.
_KEY: Final = re.compile(rb"[A-Za-z0-9+/]{21}[AQgw]==")
_TOKEN: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_SUBPROTOCOLS: Final = 32
CLASS: Final = "http.websocket"


@dataclass(frozen=True, slots=True)
class Handshake:
    """A WebSocket that a client asks for.

    :ivar target: of its request, below the resource.
    :ivar subprotocols: those that it offers and that may be spoken, in its order.
    """

    settings: WebSocketTarget
    head: RequestHead
    target: Target
    subprotocols: tuple[str, ...]

    def headers(self, key: bytes) -> Written:
        """What asks the upstream for it. Extensions are not offered, so none can be chosen.

        :param key: 16 random bytes in base64: the gateway's own, for the upstream to prove that it
            speaks WebSocket to nobody else.
        """
        asked = [
            (b"Connection", b"Upgrade"),
            (b"Upgrade", b"websocket"),
            (b"Sec-WebSocket-Version", b"13"),
            (b"Sec-WebSocket-Key", key),
        ]
        if self.subprotocols:
            asked.append((b"Sec-WebSocket-Protocol", ", ".join(self.subprotocols).encode("ascii")))
        return asked

    def accepted(self, head: ResponseHead, key: bytes) -> Written:
        """What tells the client that the upstream has accepted.

        :raises Malformed: it has not, or agrees to what nobody offered.
        """
        options = (head.get(b"connection") or b"").lower().replace(b" ", b"").split(b",")
        if (head.get(b"upgrade") or b"").lower() != b"websocket" or b"upgrade" not in options:
            raise Malformed(502, "upgrade", "the server switches to another protocol")
        proofs = [value for name, value in head.headers if name == b"sec-websocket-accept"]
        if proofs != [proof(key)]:
            raise Malformed(502, "upgrade", "the server's Sec-WebSocket-Accept is wrong")
        if head.get(b"sec-websocket-extensions") is not None:
            raise Malformed(502, "upgrade", "the server uses an extension that nobody offered")
        chosen = [value for name, value in head.headers if name == b"sec-websocket-protocol"]
        if len(chosen) > 1 or (chosen and chosen[0].decode("latin-1") not in self.subprotocols):
            raise Malformed(502, "upgrade", "the server speaks a subprotocol that nobody offered")
        own = self.head.get(b"sec-websocket-key") or b""
        written = [
            (b"Upgrade", b"websocket"),
            (b"Connection", b"Upgrade"),
            (b"Sec-WebSocket-Accept", proof(own)),
        ]
        return written + [(b"Sec-WebSocket-Protocol", one) for one in chosen]

    def message(self, side: Side, message: Message, *, phi: bool) -> Operation:
        """A message as rules see it.

        :param phi: where PHI is, what a server sends is written anew, and whether somebody's name
            has a control character in it, or half a surrogate pair, is not told.
        :raises Malformed: it looks like JSON, and readers may read it in two ways.
        """
        leaves: Pairs = ()
        if message.text and documents.looks_like_json(message.data):
            if phi and side is Side.BACKEND:
                leaves = documents.leaves(documents.forgiving(message.data))
            else:
                leaves = documents.leaves(documents.strict(message.data))
        kind = f"{'client' if side is Side.CLIENT else 'server'}.{_form(message)}"
        body = message.data.decode() if message.text else hashlib.sha256(message.data).hexdigest()
        text = f"WEBSOCKET {self.target.encode()}\n{kind}\n\n{body}"
        return Operation(text, (_facts(self.head, self.target, kind, leaves),), waits=False)


def inquire(http: HTTPTarget, head: RequestHead, target: Target) -> Inquiry:
    """Understand a request for a WebSocket.

    :raises Malformed: there is none to be had, or it is not asked for as it must be.
    """
    settings = http.websocket
    if settings is None:
        raise Malformed(501, "upgrade", "this resource has no WebSockets")
    if head.get(b"sec-websocket-version") != b"13":
        raise Malformed(426, "websocket_version", "only version 13 of WebSocket is spoken")
    if _KEY.fullmatch(head.get(b"sec-websocket-key") or b"") is None:
        raise Malformed(400, "websocket_key", "Sec-WebSocket-Key must be 16 bytes in base64")
    origin = head.get(b"origin")
    if origin is not None and origin.decode("ascii").lower() not in settings.origins:
        raise Malformed(403, "origin", "pages of this origin may not open a WebSocket here")
    offered = [
        one.strip(" \t")
        for name, value in head.headers
        if name == b"sec-websocket-protocol"
        for one in value.decode("ascii").split(",")
    ]
    if (
        len(offered) > _SUBPROTOCOLS
        or len(set(offered)) < len(offered)
        or not all(_TOKEN.fullmatch(one) for one in offered)
    ):
        raise Malformed(400, "subprotocol", "Sec-WebSocket-Protocol is malformed")
    chosen = tuple(one for one in offered if one in settings.subprotocols)
    if offered and not chosen:
        raise Malformed(400, "subprotocol", "none of these subprotocols may be spoken here")
    operation = Operation(
        canonical(head, target, None), (_facts(head, target, "open", ()),), waits=False
    )
    return Inquiry(operation, target, handshake=Handshake(settings, head, target, chosen))


def proof(key: bytes) -> bytes:
    """Sec-WebSocket-Accept for a Sec-WebSocket-Key (RFC 6455 4.2.2)."""
    return base64.b64encode(hashlib.sha1(key + _GUID, usedforsecurity=False).digest())


def _form(message: Message) -> str:
    return "text" if message.text else "binary"


def _facts(head: RequestHead, target: Target, kind: str, leaves: Pairs) -> OperationFacts:
    said = attributes(head, target, body=leaves)
    return OperationFacts(frozenset({CLASS}), attributes={**said, "http.message": ((kind, ""),)})
