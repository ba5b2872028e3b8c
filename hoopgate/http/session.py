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

import hmac
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from zope.interface import implementer

from hoopgate.actions import Action, Ask, Close, Decision, Forward, Reply
from hoopgate.events import Side
from hoopgate.http import requests, wire
from hoopgate.http.answering import Answering
from hoopgate.http.cors import Origins
from hoopgate.http.documents import is_lines, looks_like_json
from hoopgate.http.exchange import Exchange
from hoopgate.http.forwarding import Credential, NoCredential, Upstream, received
from hoopgate.http.gate import Gate, Opening, Refusal
from hoopgate.http.problems import Problem, refusal, remedy_of
from hoopgate.http.wire import Data, End, Malformed, RequestHead, RequestReader
from hoopgate.interfaces import IDelegatingSession
from hoopgate.phi.documents import Tokens
from hoopgate.plans import BodyPlan
from hoopgate.verdicts import Block, Hold, Mask

#: Bytes of a body that need not be seen whole which are waited for all the same, so that an
#: approval is for all of it.
_SMALL: Final = 2**20
#: A body as it is forwarded and recorded at a time.
_PIECE: Final = 64 * 1024


@implementer(IDelegatingSession)
class HTTPSession(Answering):
    """See :class:`hoopgate.interfaces.IDelegatingSession`.

    :param reader: of the connection, between two requests or behind ``head``.
    :param head: the first request's.
    :param opening: what it asks for; its token is verified.
    :param credential: the header that tells the upstream who asks.
    :param upstream: Host header for the upstream.
    :param hosts: names under which the upstream may speak of itself.
    :param mint: makes request ids.
    :param tokens: makes the tokens of what comes as tokens.
    :param again, origins: see :class:`Answering`.
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
        again: RequestHead | None = None,
        origins: Origins | None = None,
    ) -> None:
        super().__init__(
            reader,
            opening.http,
            hosts,
            mint,
            tokens,
            phi=opening.resource.phi,
            again=again,
            origins=origins or Origins(),
        )
        self._gate = gate
        self._resource = opening.resource
        self._digest = opening.digest
        self._upstream = Upstream(
            opening.http, upstream, opening.resource.phi, peer, secure, credential
        )
        self._first: tuple[RequestHead, Opening] | None = (head, opening)

    # --- IProtocolSession -------------------------------------------------------------------------

    @property
    def buffered(self) -> int:
        """Bytes held, both directions."""
        found = self._reader.buffered + self._responses.buffered
        if self._tunnel is not None:
            return found + self._tunnel.buffered
        return found + (self._exchange.buffered if self._exchange is not None else 0)

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
        working = exchange is not None and exchange.working
        if exchange is not None and not working and self._responses.ended() is not None:
            self._backend_closes = True
            self._over(exchange)
            if self._closed:
                return self._take()
            exchange = self._exchange
            working = exchange is not None and exchange.working
        if working:
            self._backend_gone = True  # what has come of it is still to be shown
            return self._take()
        # Between two requests that is its right; the next one opens another connection.
        self.keeps_client = exchange is None
        if exchange is not None and not exchange.answering:
            self._problem(exchange, exchange.gone(), close=True)
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
            block = Block("http", error.code, str(error), remedy_of(error.code))
            self._actions.append(Forward(b"", b"", (Decision(request_id, block),)))
            problem = Problem(error.status, error.code, str(error), "Fix the client.", "http")
            self._actions.append(Reply(problem.encode(close=True)))
        self._closed = True
        self._actions.append(Close("protocol.client"))

    def _open(self, head: RequestHead) -> None:
        try:
            # A browser that asks whether it may ask has no token.
            found = None if self._origins.preflight(head) else self._gate.read(head)
        except Refusal:
            found = None
        if (
            isinstance(found, Opening)
            and found.resource is self._resource
            and hmac.compare_digest(found.digest, self._digest)
            and not self._upstream.credential.stale()
        ):
            self._begin(head, found)
            return
        # Somebody else's, or for something else, or with another credential: not of this session.
        self.next_head = head
        self.keeps_client = True
        self._closed = True
        self._actions.append(Close("client.next"))

    def _begin(self, head: RequestHead, opening: Opening) -> None:
        exchange = self._exchange = Exchange(head, opening)
        exchange.request_id = self._mint()
        exchange.inspected = requests.needs_body(self._http, head)
        if head.expects:
            self._actions.append(Reply(wire.CONTINUE))
        if exchange.inspected and head.length is not None and head.length > self._http.body_bytes:
            raise Malformed(413, "body_size", "the body is larger than may be seen whole")

    def _on_body(self, exchange: Exchange, event: Data | End | object) -> None:
        if isinstance(event, Data):
            if exchange.answered:
                return  # refused; the rest is read away
            if exchange.forwarded:
                self._stream(exchange, event.data)
                return
            exchange.body += event.data
            limit = self._http.body_bytes if exchange.inspected else _SMALL
            if len(exchange.body) > limit:
                begun = bytes(exchange.body)
                like_json = looks_like_json(begun) or not begun.strip()
                if not exchange.inspected and like_json and not is_lines(begun):
                    exchange.inspected = True  # whatever it is said to be
                    return
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

    def _ask(self, exchange: Exchange) -> None:
        head = exchange.head
        body = bytes(exchange.body) if exchange.whole else None
        try:
            inquiry = requests.inquire(self._http, head, exchange.opening.target, body)
        except Malformed as error:
            block = Block("http", error.code, str(error), remedy_of(error.code))
            decision = Decision(exchange.request_id, block)
            exchange.told = error.told
            self._refuse(exchange, decision, error.status)
            return
        exchange.inquiry = inquiry
        exchange.told = inquiry.refusal
        exchange.asking = True
        self._ticket += 1
        self._actions.append(Ask(self._ticket, inquiry.operation))

    def _refuse(self, exchange: Exchange, decision: Decision, status: int = 0) -> None:
        exchange.request_id = decision.request_id
        self._actions.append(
            Forward(b"", received(exchange.head) + bytes(exchange.body), (decision,))
        )
        exchange.body.clear()
        problem = refusal(decision)
        if isinstance(decision.verdict, Hold) and not exchange.whole:
            problem = exchange.streamed(decision.verdict.rule)
        elif status:
            problem = replace(problem, status=status)
        self._problem(exchange, problem)

    def _renewed(self, credential: tuple[bytes, bytes]) -> bool:
        return self._upstream.credential.refused(credential)

    # --- to the upstream --------------------------------------------------------------------------

    def _forward(self, exchange: Exchange, decision: Decision) -> None:
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
        body = bytes(exchange.body)
        try:
            complete = body if exchange.complete else None
            written = self._upstream.written(head, inquiry, decision, complete)
        except Malformed as error:
            block = Block("http", error.code, str(error), "Leave the header out.")
            self._refuse(exchange, Decision(decision.request_id, block), error.status)
            return
        except NoCredential:
            block = Block("http", "upstream.credential", "The gateway has no credential now.")
            self._refuse(exchange, Decision(decision.request_id, block), 503)
            return
        exchange.forwarded = True
        exchange.key = written.key
        exchange.credential = written.credential
        # What a person has let through passes once.
        exchange.sent = body if exchange.complete and not decision.approval else None
        exchange.body = bytearray()
        self._responses.expect(head.method)
        self._actions.append(Forward(written.sent, received(head), (decision,), written.shown))
        if written.body is not None:
            self._actions.append(Forward(written.body, body, recorded=body))
        else:
            self._stream(exchange, body)

    def _stream(self, exchange: Exchange, data: bytes) -> None:
        chunked = exchange.head.length is None and not exchange.complete
        for at in range(0, len(data), _PIECE):
            piece = data[at : at + _PIECE]
            if chunked:
                self._actions.append(Forward(wire.chunk(piece), piece))
            else:
                self._actions.append(Forward(piece))
