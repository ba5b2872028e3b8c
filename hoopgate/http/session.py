"""An HTTP session, sans-I/O: the requests of one identity for one resource on one connection.

1. One exchange at a time: the next request is read when the answer to this one is out, so no answer
   can reach another request than its own. What a client pipelines waits, bounded.
2. A request goes on when it was judged, written anew from what was judged (``requests.py``).
3. A refusal is an answer (``problems.py``) and leaves the connection as it was.
4. An answer is written anew, too: head (``headers.py``) and body (``bodies.py``).
5. A request with another token, or for another resource, ends the session and is handed back
   (``next_head``): it begins another one on the same connection.
"""

from __future__ import annotations

import base64
import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from zope.interface import implementer

from hoopgate.errors import RemoteProtocolError
from hoopgate.events import Action, Ask, Close, Decision, Forward, Reply, Side
from hoopgate.http import headers, requests, wire
from hoopgate.http.bodies import BodyRefused, Rewriter
from hoopgate.http.gate import Gate, Metadata, Opening, Refusal
from hoopgate.http.headers import Links, Written
from hoopgate.http.inquiry import Inquiry
from hoopgate.http.problems import Problem, answer, refusal, status_line
from hoopgate.http.rewriting import mask_message, rewriter
from hoopgate.http.tunnel import Tunnel
from hoopgate.http.wire import Data, End, Malformed, RequestHead, RequestReader, ResponseReader
from hoopgate.interfaces import IProtocolSession
from hoopgate.phi.documents import Tokens
from hoopgate.plans import BodyPlan
from hoopgate.verdicts import Block, Hold, Mask

#: Bytes of a body that need not be seen whole which are waited for all the same, so that an
#: approval is for all of it.
_SMALL: Final = 2**20
#: A body as it is forwarded and recorded at a time.
_PIECE: Final = 64 * 1024

#: What the upstream must send first to be told who the gateway is; None: it is not known now.
Credential = Callable[[], "tuple[bytes, bytes] | None"]


@dataclass(slots=True)
class _Exchange:
    """A request and its answer."""

    head: RequestHead
    opening: Opening
    body: bytearray = field(default_factory=bytearray)
    asking: bool = False
    complete: bool = False  # the request has been read to its end
    whole: bool = True  # its body is in ``body``
    inspected: bool = False  # it has to be
    inquiry: Inquiry | None = None
    forwarded: bool = False
    request_id: str = ""
    plan: BodyPlan | None = None
    rewriter: Rewriter | None = None
    status: int = 0
    written: Written = field(default_factory=list)
    chunked: bool = False  # the answer to the client is
    answering: bool = False  # its head is out
    answered: bool = False
    skipping: bool = False  # what still comes of the answer is not shown
    key: bytes = b""  # that a WebSocket was asked for with


@implementer(IProtocolSession)
class HTTPSession:
    """See :class:`hoopgate.interfaces.IProtocolSession`.

    :param reader: of the connection, between two requests or behind ``head``.
    :param head: the first request's.
    :param opening: what it asks for; its token is verified.
    :param credential: the header that tells the upstream who asks.
    :param upstream: Host header for the upstream.
    :param hosts: names under which the upstream may speak of itself.
    :param mint: makes request ids.
    :param tokens: makes the tokens of what comes as tokens.
    :param response_limit: bytes of a response's head and of what is held of it.
    """

    def __init__(
        self,
        *,
        gate: Gate,
        reader: RequestReader,
        head: RequestHead,
        opening: Opening,
        credential: Credential,
        upstream: str,
        hosts: tuple[str, ...],
        peer: str,
        secure: bool,
        mint: Callable[[], str],
        tokens: Tokens | None = None,
    ) -> None:
        self._gate = gate
        self._reader = reader
        self._resource = opening.resource
        self._http = opening.http
        self._digest = opening.digest
        self._phi = opening.resource.phi
        self._credential = credential
        self._upstream = upstream
        self._hosts = hosts
        self._peer = peer
        self._secure = secure
        self._mint = mint
        self._tokens = tokens
        self._responses = ResponseReader()
        self._actions: list[Action] = []
        self._ticket = 0
        self._first: tuple[RequestHead, Opening] | None = (head, opening)
        self._exchange: _Exchange | None = None
        self._tunnel: Tunnel | None = None
        self._closed = False
        self._close_after = False
        self._backend_closes = False
        self.next_head: RequestHead | None = None
        self.keeps_client = False

    # --- IProtocolSession -------------------------------------------------------------------------

    @property
    def buffered(self) -> int:
        """Bytes held, both directions."""
        found = self._reader.buffered + self._responses.buffered
        if self._tunnel is not None:
            return found + self._tunnel.buffered
        if self._exchange is not None:
            found += len(self._exchange.body)
            if self._exchange.rewriter is not None:
                found += self._exchange.rewriter.buffered
        return found

    @property
    def read_ahead(self) -> int:
        """Bytes of the client's that wait for a verdict, or for an answer of the server."""
        exchange = self._exchange
        if self._tunnel is not None:
            return self._tunnel.read_ahead
        if exchange is None or not (exchange.asking or exchange.complete):
            return 0
        return self._reader.buffered

    def received(self, side: Side, data: bytes) -> list[Action]:
        """See :class:`hoopgate.interfaces.IProtocolSession`."""
        if self._closed:
            return []
        if self._tunnel is not None:
            return self._through(self._tunnel.received(side, data))
        if side is Side.CLIENT:
            self._reader.feed(data)
        else:
            self._responses.feed(data)
            self._answer()
        self._read()
        return self._take()

    def decided(self, ticket: int, decision: Decision) -> list[Action]:
        """See :class:`hoopgate.interfaces.IProtocolSession`."""
        if self._tunnel is not None and not self._closed:
            return self._through(self._tunnel.decided(ticket, decision))
        exchange = self._exchange
        if self._closed or exchange is None or ticket != self._ticket:
            return []
        exchange.asking = False
        if isinstance(decision.verdict, Block | Hold):
            self._refuse(exchange, decision)
        else:
            self._forward(exchange, decision)
        self._read()
        return self._take()

    def held(self, ticket: int, request_id: str, hold: Hold) -> list[Action]:
        """Nothing is told: a held request is answered at once."""
        return []

    def lost(self, side: Side) -> list[Action]:
        """See :class:`hoopgate.interfaces.IProtocolSession`."""
        if self._closed:
            return []
        if self._tunnel is not None:
            return self._through(self._tunnel.lost(side))
        if side is Side.CLIENT:
            return self._end("client.gone")
        exchange = self._exchange
        if exchange is not None and self._responses.ended() is not None:
            self._backend_closes = True
            self._over(exchange)
            if self._closed:
                return self._take()
            exchange = self._exchange
        # Between two requests that is its right; the next one opens another connection.
        self.keeps_client = exchange is None
        if exchange is not None and not exchange.answering:
            self._problem(exchange, _gone(exchange), close=True)
        return self._end("backend.gone")

    def expire(self, reason: str, message: str) -> list[Action]:
        """See :class:`hoopgate.interfaces.IProtocolSession`."""
        if self._closed:
            return []
        if self._tunnel is not None:
            return self._through(self._tunnel.expire(reason))
        exchange = self._exchange
        if exchange is not None and not exchange.answering:
            status = 401 if reason.startswith("identity.") else 503
            problem = Problem(status, reason, message, request_id=exchange.request_id)
            self._problem(exchange, problem, close=True)
        return self._end(reason)

    @property
    def over(self) -> bool:
        """True once it takes nothing more."""
        return self._closed

    def idle(self) -> bool:
        """True when nothing is being asked or answered."""
        return self._exchange is None or (self._tunnel is not None and self._tunnel.idle())

    # --- the client's side ------------------------------------------------------------------------

    def _take(self) -> list[Action]:
        actions, self._actions = self._actions, []
        return actions

    def _end(self, reason: str) -> list[Action]:
        self._closed = True
        self._actions.append(Close(reason))
        return self._take()

    def _read(self) -> None:
        """Read on in the client's bytes until something has to be waited for."""
        try:
            while not self._closed:
                exchange = self._exchange
                if exchange is not None and (exchange.asking or exchange.complete):
                    return
                if exchange is None and self._first is not None:
                    (head, opening), self._first = self._first, None
                    self._begin(head, opening)
                    continue
                event = self._reader.next_event()
                if event is None:
                    return
                if isinstance(event, RequestHead):
                    self._open(event)
                elif exchange is not None:
                    self._on_body(exchange, event)
        except Malformed as error:
            self._malformed(error)

    def _malformed(self, error: Malformed) -> None:
        """What comes next cannot be told any more: an answer, and the end."""
        exchange = self._exchange
        if exchange is None or not exchange.answering:
            request_id = self._mint()
            block = Block("http", error.code, str(error), "Fix the client.")
            self._actions.append(Forward(b"", b"", (Decision(request_id, block),)))
            problem = Problem(error.status, error.code, str(error), "Fix the client.", "http")
            self._actions.append(Reply(problem.encode(close=True)))
        self._closed = True
        self._actions.append(Close("protocol.client"))

    def _open(self, head: RequestHead) -> None:
        try:
            found = self._gate.read(head)
        except Refusal:
            found = None
        if (
            isinstance(found, Opening)
            and found.resource is self._resource
            and hmac.compare_digest(found.digest, self._digest)
        ):
            self._begin(head, found)
            return
        # Somebody else's, or for something else: not of this session.
        self.next_head = head
        self.keeps_client = True
        self._closed = True
        self._actions.append(Close("client.next"))

    def _begin(self, head: RequestHead, opening: Opening) -> None:
        exchange = self._exchange = _Exchange(head, opening)
        exchange.request_id = self._mint()
        exchange.inspected = requests.needs_body(self._http, head)
        if head.expects:
            self._actions.append(Reply(wire.CONTINUE))
        if exchange.inspected and head.length is not None and head.length > self._http.body_bytes:
            raise Malformed(413, "body_size", "the body is larger than may be seen whole")

    def _on_body(self, exchange: _Exchange, event: Data | End | object) -> None:
        if isinstance(event, Data):
            if exchange.answered:
                return  # refused; the rest is read away
            if exchange.forwarded:
                self._stream(exchange, event.data)
                return
            exchange.body += event.data
            limit = self._http.body_bytes if exchange.inspected else _SMALL
            if len(exchange.body) > limit:
                if exchange.inspected:
                    raise Malformed(413, "body_size", "the body is larger than may be seen whole")
                exchange.whole = False
                self._ask(exchange)
            return
        exchange.complete = True
        if exchange.answered:
            self._next(exchange)
        elif exchange.forwarded:
            if exchange.head.length is None:
                self._actions.append(Forward(wire.LAST_CHUNK))
        else:
            self._ask(exchange)

    def _ask(self, exchange: _Exchange) -> None:
        head = exchange.head
        body = bytes(exchange.body) if exchange.whole else None
        try:
            inquiry = requests.inquire(self._http, head, exchange.opening.target, body)
        except Malformed as error:
            block = Block("http", error.code, str(error), "Fix the request.")
            decision = Decision(exchange.request_id, block)
            self._refuse(exchange, decision, error.status)
            return
        exchange.inquiry = inquiry
        exchange.asking = True
        self._ticket += 1
        self._actions.append(Ask(self._ticket, inquiry.operation))

    def _received(self, exchange: _Exchange) -> bytes:
        """What the client sent, for the log."""
        head = exchange.head
        line = f"{head.method} {head.target.decode('ascii')} HTTP/1.1"
        return wire.head(line, headers.recorded(head)) + bytes(exchange.body)

    def _refuse(self, exchange: _Exchange, decision: Decision, status: int = 0) -> None:
        exchange.request_id = decision.request_id
        self._actions.append(Forward(b"", self._received(exchange), (decision,)))
        exchange.body.clear()
        problem = refusal(decision)
        if isinstance(decision.verdict, Hold) and not exchange.whole:
            problem = Problem(
                403,
                "approval.streamed",
                "A body as long as this one cannot be approved.",
                "Send it in parts.",
                decision.verdict.rule,
                decision.request_id,
            )
        elif status:
            problem = _with_status(problem, status)
        self._problem(exchange, problem)

    def _problem(self, exchange: _Exchange, problem: Problem, *, close: bool = False) -> None:
        """Answer by the gateway itself."""
        # Only little is read away of a body that nobody wants.
        close = close or self._wants_close(exchange) or not exchange.whole
        own = exchange.inquiry.refusal(problem) if exchange.inquiry is not None else None
        if own is not None:
            data = answer(*own, problem.request_id, close=close)
        else:
            data = problem.encode(head_only=exchange.head.method == "HEAD", close=close)
        self._actions.append(Reply(data))
        exchange.answering = exchange.answered = True
        self._close_after = self._close_after or close
        if close:
            self._closed = True
            self._actions.append(Close("client.done"))
        elif exchange.complete and not self._responses.waiting:
            self._next(exchange)

    def _wants_close(self, exchange: _Exchange) -> bool:
        return exchange.head.close

    # --- to the upstream --------------------------------------------------------------------------

    def _forward(self, exchange: _Exchange, decision: Decision) -> None:
        head, inquiry = exchange.head, exchange.inquiry
        assert inquiry is not None
        exchange.request_id = decision.request_id
        verdict = decision.verdict
        plan = verdict.plans[0] if isinstance(verdict, Mask) and verdict.plans else None
        exchange.plan = plan if isinstance(plan, BodyPlan) else None
        if self._phi and exchange.plan is None:
            block = Block("http", "gateway.error", "There is no plan how to mask the answer.")
            self._refuse(exchange, Decision(decision.request_id, block))
            return
        try:
            written = headers.to_upstream(
                head,
                host=self._upstream,
                phi=self._phi,
                pass_authorization=self._http.pass_authorization,
                peer=self._peer,
                secure=self._secure,
                request_id=decision.request_id,
            )
        except Malformed as error:
            block = Block("http", error.code, str(error), "Leave the header out.")
            self._refuse(exchange, Decision(decision.request_id, block), error.status)
            return
        credential: tuple[bytes, bytes] | None = None
        if self._http.credential != "none":
            credential = self._credential()
            if credential is None:
                block = Block("http", "upstream.credential", "The gateway has no credential now.")
                self._refuse(exchange, Decision(decision.request_id, block), 503)
                return
            name = credential[0].lower()
            written = [pair for pair in written if pair[0] != name]  # the client's own is no key
        if inquiry.accept is not None:
            written = [(name, value) for name, value in written if name != b"accept"]
            written.append((b"Accept", inquiry.accept))
        if inquiry.handshake is not None:
            exchange.key = base64.b64encode(secrets.token_bytes(16))
            written += inquiry.handshake.headers(exchange.key)
        target, body = inquiry.target, bytes(exchange.body)
        with_tokens: bytes | None = None
        if inquiry.filled is not None and decision.values is not None:
            # What tokens stand for is for the upstream alone.
            target, filled = inquiry.filled([(value or b"").decode() for value in decision.values])
            body, with_tokens = body if filled is None else filled, body
        if exchange.complete:
            if exchange.body or head.method in ("POST", "PUT", "PATCH"):
                written.append((b"Content-Length", str(len(body)).encode()))
        elif head.length is None:
            written.append((b"Transfer-Encoding", b"chunked"))
        else:
            written.append((b"Content-Length", str(head.length).encode()))
        line = f"{head.method} {inquiry.target.encode(self._http.base)} HTTP/1.1"
        sent_line = f"{head.method} {target.encode(self._http.base)} HTTP/1.1"
        shown = wire.head(line, written)
        sent = shown if target is inquiry.target else wire.head(sent_line, written)
        if credential is not None:
            sent = wire.head(sent_line, [*written, credential])
            shown = wire.head(line, [*written, (credential[0], b"[credential]")])
        exchange.forwarded = True
        self._responses.expect(head.method)
        received = self._received_head(exchange)
        self._actions.append(Forward(sent, received, (decision,), shown))
        exchange.body = bytearray()
        if body and with_tokens is not None:
            self._actions.append(Forward(body, with_tokens, recorded=with_tokens))
        elif body:
            self._stream(exchange, body)

    def _received_head(self, exchange: _Exchange) -> bytes:
        head = exchange.head
        line = f"{head.method} {head.target.decode('ascii')} HTTP/1.1"
        return wire.head(line, headers.recorded(head))

    def _stream(self, exchange: _Exchange, data: bytes) -> None:
        chunked = exchange.head.length is None and not exchange.complete
        for at in range(0, len(data), _PIECE):
            piece = data[at : at + _PIECE]
            if chunked:
                self._actions.append(Forward(wire.chunk(piece), piece))
            else:
                self._actions.append(Forward(piece))

    # --- the answer -------------------------------------------------------------------------------

    def _answer(self) -> None:
        exchange = self._exchange
        try:
            while not self._closed:
                event = self._responses.next_event()
                if event is None:
                    return
                assert exchange is not None  # the reader takes nothing that is not due
                if isinstance(event, wire.ResponseHead):
                    if event.status >= 200:
                        self._on_head(exchange, event)
                    elif event.status == 101:
                        self._upgrade(exchange, event)
                        return
                elif isinstance(event, Data):
                    if not exchange.skipping:
                        self._show(exchange, event.data)
                else:
                    self._over(exchange)
                    exchange = self._exchange
        except RemoteProtocolError as error:
            code = error.code if isinstance(error, Malformed) else "http.response"
            self._upstream_broken(exchange, code)

    def _upgrade(self, exchange: _Exchange, head: wire.ResponseHead) -> None:
        """From here on both sides send frames."""
        assert exchange.inquiry is not None
        handshake = exchange.inquiry.handshake
        if handshake is None or not exchange.complete:
            raise Malformed(502, "upgrade", "an upgrade that nobody asked for")
        written = handshake.accepted(head, exchange.key)
        written.append((b"Hoopgate-Request", exchange.request_id.encode("ascii")))
        self._actions.append(Reply(wire.head(status_line(101), written)))
        exchange.answering = True
        self._tunnel = tunnel = Tunnel(
            handshake,
            phi=self._phi,
            mask=lambda plan, data: mask_message(plan, data, self._tokens),
            ticket=self._ticket,
            mint=self._mint,
        )
        for side, reader in ((Side.BACKEND, self._responses), (Side.CLIENT, self._reader)):
            self._actions += self._through(tunnel.received(side, reader.rest()))

    def _through(self, actions: list[Action]) -> list[Action]:
        assert self._tunnel is not None
        self._closed = self._closed or self._tunnel.closed
        return actions

    def _upstream_broken(self, exchange: _Exchange | None, code: str) -> None:
        # What came behind an answer is nobody's; the client opens another connection to the server.
        self.keeps_client = exchange is None
        if exchange is not None and not exchange.answering:
            problem = Problem(
                502,
                f"upstream.{code.removeprefix('http.')}",
                "The upstream's answer is not valid HTTP.",
                "Tell the operator.",
                request_id=exchange.request_id,
            )
            self._problem(exchange, problem, close=True)
        self._closed = True
        self._actions.append(Close("protocol.backend"))

    def _on_head(self, exchange: _Exchange, head: wire.ResponseHead) -> None:
        assert exchange.inquiry is not None
        self._backend_closes = head.close
        if not exchange.complete:
            self._close_after = True  # what still comes of the request is for nobody
        if exchange.answered:
            exchange.skipping = True
            return
        if head.status in (401, 407):
            # It is about the gateway's credential, and the client would take it for its own.
            self._unshown(
                exchange, 502, "upstream.unauthorised", "The upstream refused the gateway."
            )
            return
        links = Links(self._hosts, self._http.base, exchange.opening.public)
        exchange.status = head.status
        exchange.written = headers.to_client(
            head, phi=self._phi, links=links, request_id=exchange.request_id
        )
        if self._phi and exchange.inquiry.filled is not None:
            exchange.written = [
                pair for pair in exchange.written if pair[0] not in headers.OF_THE_SEARCH
            ]
        bodiless = exchange.head.method == "HEAD" or head.status in (204, 304)
        if bodiless:
            if not self._phi and head.length is not None and head.status != 204:
                exchange.written.append((b"Content-Length", str(head.length).encode()))
            exchange.rewriter = None
            self._start(exchange)
            return
        try:
            exchange.rewriter = rewriter(
                exchange.plan,
                exchange.inquiry,
                head,
                links,
                self._http.body_bytes,
                self._http.expansion,
                self._tokens,
            )
        except BodyRefused as refused:
            self._unshown(exchange, refused.status, refused.code, str(refused))
            return
        media = exchange.rewriter.media
        if media is not None:
            exchange.written = [
                pair for pair in exchange.written if pair[0] not in headers.OF_THE_BODY
            ]
            exchange.written.append((b"Content-Type", media))
        if exchange.rewriter.whole:
            return
        if head.length is not None and self._unchanged(exchange):
            exchange.written.append((b"Content-Length", str(head.length).encode()))
        else:
            exchange.written.append((b"Transfer-Encoding", b"chunked"))
            exchange.chunked = True
        self._start(exchange)

    def _unchanged(self, exchange: _Exchange) -> bool:
        return exchange.plan is None

    def _start(self, exchange: _Exchange) -> None:
        if self._wants_close(exchange) or self._close_after:
            exchange.written.append((b"Connection", b"close"))
        exchange.answering = True
        self._actions.append(Reply(wire.head(status_line(exchange.status), exchange.written)))

    def _show(self, exchange: _Exchange, data: bytes) -> None:
        if exchange.rewriter is None:
            return
        try:
            shown = exchange.rewriter.feed(data)
        except BodyRefused as refused:
            self._unshown(exchange, 502, refused.code, str(refused))
            return
        if shown:
            self._actions.append(Reply(wire.chunk(shown) if exchange.chunked else shown))

    def _unshown(self, exchange: _Exchange, status: int, code: str, message: str) -> None:
        """The answer cannot be shown: nothing more of it is."""
        exchange.skipping = True
        if exchange.answering:
            # Its beginning is out; the client sees that the rest is missing.
            self._closed = True
            self._actions.append(Close(code))
            return
        problem = Problem(
            status,
            code,
            message,
            "Ask for another format, or tell the operator.",
            request_id=exchange.request_id,
        )
        # How long the rest of it is, is the upstream's to say.
        self._problem(exchange, problem, close=not exchange.complete)

    def _over(self, exchange: _Exchange) -> None:
        """The upstream's answer is complete."""
        if not exchange.skipping and exchange.rewriter is not None:
            try:
                rest = exchange.rewriter.finish()
            except BodyRefused as refused:
                self._unshown(exchange, 502, refused.code, str(refused))
                if not self._closed and self._exchange is exchange:
                    self._next(exchange)
                return
            if exchange.rewriter.whole:
                exchange.written.append((b"Content-Length", str(len(rest)).encode()))
                if exchange.rewriter.etag:
                    exchange.written.append((b"ETag", exchange.rewriter.etag))
                self._start(exchange)
                self._actions.append(Reply(rest))
            else:
                shown = wire.chunk(rest) if exchange.chunked else rest
                if exchange.chunked:
                    shown += wire.LAST_CHUNK
                self._actions.append(Reply(shown))
        exchange.answered = True
        self._next(exchange)

    def _next(self, exchange: _Exchange) -> None:
        """The exchange is over, on both sides."""
        if self._closed:
            return
        if self._wants_close(exchange) or self._close_after or not exchange.complete:
            self._closed = True
            self._actions.append(Close("client.done"))
            return
        self._exchange = None
        self._reader.next_request()
        if self._backend_closes:
            self.keeps_client = True  # the next request opens another one
            self._closed = True
            self._actions.append(Close("backend.done"))


def _gone(exchange: _Exchange) -> Problem:
    return Problem(
        502,
        "upstream.gone",
        "The upstream closed the connection before it answered.",
        "Send the request again if it may run twice.",
        request_id=exchange.request_id,
    )


def _with_status(problem: Problem, status: int) -> Problem:
    return Problem(
        status, problem.code, problem.message, problem.remedy, problem.rule, problem.request_id
    )


__all__ = ["HTTPSession", "Metadata"]
