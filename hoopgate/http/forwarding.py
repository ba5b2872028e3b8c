"""A request as it goes to the upstream: written anew from what was judged. Sans-I/O."""

from __future__ import annotations

import base64
import secrets
from dataclasses import dataclass, field
from typing import Protocol

from hoopgate.actions import Decision
from hoopgate.errors import HoopgateError
from hoopgate.http import headers, wire
from hoopgate.http.inquiry import Inquiry
from hoopgate.http.wire import RequestHead
from hoopgate.settings.model import HTTPTarget


class Credential(Protocol):
    """What tells the upstream who the gateway is."""

    def header(self) -> tuple[bytes, bytes] | None:
        """The header; None: it is not known now."""

    def stale(self) -> bool:
        """Whether another one has to be asked for before the next request."""

    def refused(self, header: tuple[bytes, bytes]) -> bool:
        """The upstream does not take ``header``. True: there may be another one."""


@dataclass(frozen=True, slots=True)
class Fixed:
    """A :class:`Credential` that does not change; None: there is none."""

    fixed: tuple[bytes, bytes] | None = field(default=None, repr=False)

    def header(self) -> tuple[bytes, bytes] | None:
        """See :class:`Credential`."""
        return self.fixed

    def stale(self) -> bool:
        """See :class:`Credential`."""
        return False

    def refused(self, header: tuple[bytes, bytes]) -> bool:
        """See :class:`Credential`."""
        return False


class NoCredential(HoopgateError):
    """The gateway cannot say who it is now."""


@dataclass(frozen=True, slots=True)
class Written:
    """A request for the upstream.

    :ivar sent: its head.
    :ivar shown: the head as the log has it: without credential, with tokens for their values.
    :ivar body: None: as it came.
    :ivar key: that a WebSocket is asked for with.
    :ivar credential: the header that says who the gateway is.
    """

    sent: bytes = field(repr=False)
    shown: bytes = field(repr=False)
    body: bytes | None = field(default=None, repr=False)
    key: bytes = b""
    credential: tuple[bytes, bytes] | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Upstream:
    """Writes the requests of one session.

    :ivar host: Host header.
    :ivar peer: the client's address; ``secure``: it came by TLS.
    :ivar phi: the resource holds PHI.
    """

    http: HTTPTarget
    host: str
    phi: bool
    peer: str
    secure: bool
    credential: Credential = field(repr=False)

    def written(
        self, head: RequestHead, inquiry: Inquiry, decision: Decision, body: bytes | None
    ) -> Written:
        """The request of ``head``.

        :param body: None: it is still coming.
        :raises Malformed: a header would change what is run.
        :raises NoCredential: there is none now.
        """
        fields = headers.to_upstream(
            head,
            host=self.host,
            phi=self.phi,
            fhir=self.http.format == "fhir",
            pass_authorization=self.http.pass_authorization,
            peer=self.peer,
            secure=self.secure,
            request_id=decision.request_id,
        )
        credential: tuple[bytes, bytes] | None = None
        if self.http.credential != "none":
            credential = self.credential.header()
            if credential is None:
                raise NoCredential
            name = credential[0].lower()
            fields = [pair for pair in fields if pair[0] != name]  # the client's own is no key
        if inquiry.accept is not None:
            fields = [(name, value) for name, value in fields if name != b"accept"]
            fields.append((b"Accept", inquiry.accept))
        key = b""
        if inquiry.handshake is not None:
            key = base64.b64encode(secrets.token_bytes(16))
            fields += inquiry.handshake.headers(key)
        target, filled = inquiry.target, None
        if inquiry.filled is not None and decision.values is not None:
            # What tokens stand for is for the upstream alone.
            target, filled = inquiry.filled([(value or b"").decode() for value in decision.values])
        if body is not None:
            if body or head.method in ("POST", "PUT", "PATCH"):
                size = len(body if filled is None else filled)
                fields.append((b"Content-Length", str(size).encode()))
        elif head.length is None:
            fields.append((b"Transfer-Encoding", b"chunked"))
        else:
            fields.append((b"Content-Length", str(head.length).encode()))
        line = f"{head.method} {inquiry.target.encode(self.http.base)} HTTP/1.1"
        sent_line = f"{head.method} {target.encode(self.http.base)} HTTP/1.1"
        if credential is None:
            sent, shown = wire.head(sent_line, fields), wire.head(line, fields)
        else:
            sent = wire.head(sent_line, [*fields, credential])
            shown = wire.head(line, [*fields, (credential[0], b"[credential]")])
        return Written(sent, shown, filled, key, credential)


def received(head: RequestHead) -> bytes:
    """What the client sent, for the log: its head, without credentials."""
    line = f"{head.method} {head.target.decode('ascii')} HTTP/1.1"
    return wire.head(line, headers.recorded(head))
