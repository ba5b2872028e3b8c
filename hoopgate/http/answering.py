"""The upstream's half of an HTTP session, sans-I/O: an answer is written anew, head and body.

What is a lot is masked by another process (``masking_work.py``): the session gives out work, has
the upstream paused meanwhile, and goes on when it is done.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from hoopgate.actions import Action, Close, Pause, Reply, Work
from hoopgate.errors import RemoteProtocolError
from hoopgate.events import Side
from hoopgate.http import headers, masking_work, wire
from hoopgate.http.bodies import BodyRefused
from hoopgate.http.cors import Origins
from hoopgate.http.exchange import Exchange
from hoopgate.http.headers import Links
from hoopgate.http.problems import Problem, answer, status_line
from hoopgate.http.rewriting import mask_message, rewriter
from hoopgate.http.tunnel import Tunnel
from hoopgate.http.wire import Data, Malformed, RequestHead, RequestReader, ResponseReader
from hoopgate.phi.documents import Tokens

if TYPE_CHECKING:
    from hoopgate.settings.model import HTTPTarget


class Answering:
    """What both halves of a session share, and the half that answers.

    :param reader: of the client's connection.
    :param hosts: names under which the upstream may speak of itself.
    :param mint: makes request ids.
    :param tokens: makes the tokens of what comes as tokens.
    :param origins: whose pages may read the answers.
    :param again: the head of a request that has been sent before, with another credential.
    :ivar keeps_client: the client's connection goes on when the session is over.
    :ivar next_head: the request that ended the session; None: none did.
    :ivar begins_again: that request has been sent before.
    """

    def __init__(
        self,
        reader: RequestReader,
        http: HTTPTarget,
        hosts: tuple[str, ...],
        mint: Callable[[], str],
        tokens: Tokens | None,
        *,
        phi: bool,
        again: RequestHead | None,
        origins: Origins,
    ) -> None:
        self._again = again
        self._origins = origins
        self._reader = reader
        self._http = http
        self._hosts = hosts
        self._mint = mint
        self._tokens = tokens
        self._phi = phi
        self._responses = ResponseReader()
        self._actions: list[Action] = []
        self._ticket = 0
        self._exchange: Exchange | None = None
        self._tunnel: Tunnel | None = None
        self._closed = False
        self._close_after = False
        self._backend_closes = False
        self._backend_gone = False
        self.keeps_client = self.begins_again = False
        self.next_head: RequestHead | None = None

    def _renewed(self, credential: tuple[bytes, bytes]) -> bool:
        """The upstream does not take a credential: whether there may be another one."""
        raise NotImplementedError

    def _take(self) -> list[Action]:
        actions, self._actions = self._actions, []
        return actions

    def _read(self) -> None:
        """Read on in the client's bytes."""
        raise NotImplementedError

    def lost(self, side: Side) -> list[Action]:
        """See :class:`hoopgate.interfaces.IProtocolSession`."""
        raise NotImplementedError

    def _answer(self) -> None:
        exchange = self._exchange
        try:
            while not self._closed and (exchange is None or not exchange.working):
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

    def _upgrade(self, exchange: Exchange, head: wire.ResponseHead) -> None:
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

    def _upstream_broken(self, exchange: Exchange | None, code: str) -> None:
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

    def _on_head(self, exchange: Exchange, head: wire.ResponseHead) -> None:
        assert exchange.inquiry is not None
        self._backend_closes = head.close
        if not exchange.complete:
            self._close_after = True  # what still comes of the request is for nobody
        if exchange.answered:
            exchange.skipping = True
            return
        if head.status == 407 or (head.status == 401 and not self._http.pass_authorization):
            # It is about the gateway's credential, and the client would take it for its own.
            if head.status == 401 and self._renews(exchange):
                return
            self._unshown(
                exchange, 502, "upstream.unauthorised", "The upstream refused the gateway."
            )
            return
        links = Links(self._hosts, self._http.base, exchange.opening.public)
        exchange.status = head.status
        exchange.written = headers.to_client(
            head,
            phi=self._phi,
            links=links,
            request_id=exchange.request_id,
            mcp=exchange.inquiry.answers == "mcp",
        )
        exchange.written += self._origins.headers(exchange.head)
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
        if head.length is not None and exchange.plan is None:
            exchange.written.append((b"Content-Length", str(head.length).encode()))
        else:
            exchange.written.append((b"Transfer-Encoding", b"chunked"))
            exchange.chunked = True
        self._start(exchange)

    def _renews(self, exchange: Exchange) -> bool:
        """The upstream does not take the gateway's credential, which can be another one: the
        request is begun once more, in a session that has asked for it."""
        credential = exchange.credential
        if credential is None or not self._renewed(credential):
            return False
        if exchange.sent is None or exchange.head is self._again:
            return False
        self._reader.again(exchange.sent)
        self.next_head = replace(exchange.head, expects=False)
        self.keeps_client = self.begins_again = True
        self._closed = True
        self._actions.append(Close("credential.renewed"))
        return True

    def _start(self, exchange: Exchange) -> None:
        if exchange.head.close or self._close_after:
            exchange.written.append((b"Connection", b"close"))
        exchange.answering = True
        self._actions.append(Reply(wire.head(status_line(exchange.status), exchange.written)))

    def _show(self, exchange: Exchange, data: bytes) -> None:
        if exchange.rewriter is None:
            return
        try:
            shown = exchange.rewriter.feed(data)
        except BodyRefused as refused:
            self._unshown(exchange, 502, refused.code, str(refused))
            return
        if exchange.rewriter.pending:
            self._give_out(exchange)
        elif shown:
            self._actions.append(Reply(wire.chunk(shown) if exchange.chunked else shown))

    def _give_out(self, exchange: Exchange) -> None:
        """It is a lot: another process masks it, and nothing more is read meanwhile."""
        rewriter = exchange.rewriter
        assert rewriter is not None
        parts, rewriter.pending = rewriter.pending, ()
        exchange.working = True
        self._ticket += 1
        asked = masking_work.request(rewriter.recipe, parts, tokens=self._tokens is not None)
        self._actions += [Pause(on=True), Work(self._ticket, asked)]

    def worked(self, ticket: int, answer: bytes | None) -> list[Action]:
        """See :class:`hoopgate.interfaces.IDelegatingSession`."""
        exchange = self._exchange
        if self._closed or exchange is None or not exchange.working or ticket != self._ticket:
            return []
        exchange.working = False
        self._actions.append(Pause(on=False))
        rewriter = exchange.rewriter
        assert rewriter is not None
        try:
            permits = exchange.plan.permits if exchange.plan is not None else None
            shown, rewriter.etag = masking_work.read(answer, self._tokens, permits)
        except BodyRefused as refused:
            self._unshown(exchange, 502, refused.code, str(refused))
            if exchange.ending and not self._closed and self._exchange is exchange:
                self._next(exchange)
        else:
            if exchange.ending:
                self._shown(exchange, shown)
            elif shown:
                self._actions.append(Reply(wire.chunk(shown) if exchange.chunked else shown))
        self._answer()
        self._read()
        if self._backend_gone and not self._closed:
            self._actions += self.lost(Side.BACKEND)
        return self._take()

    def _unshown(self, exchange: Exchange, status: int, code: str, message: str) -> None:
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

    def _over(self, exchange: Exchange) -> None:
        """The upstream's answer is complete."""
        if not exchange.skipping and exchange.rewriter is not None:
            try:
                rest = exchange.rewriter.finish()
            except BodyRefused as refused:
                self._unshown(exchange, 502, refused.code, str(refused))
                if not self._closed and self._exchange is exchange:
                    self._next(exchange)
                return
            if exchange.rewriter.pending:
                exchange.ending = True
                self._give_out(exchange)
                return
            self._shown(exchange, rest)
            return
        exchange.answered = True
        self._next(exchange)

    def _shown(self, exchange: Exchange, rest: bytes) -> None:
        """``rest`` is the last of what may be seen of the answer."""
        assert exchange.rewriter is not None
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

    def _next(self, exchange: Exchange) -> None:
        """The exchange is over, on both sides."""
        if self._closed:
            return
        if exchange.head.close or self._close_after or not exchange.complete:
            self._closed = True
            self._actions.append(Close("client.done"))
            return
        self._exchange = None
        self._reader.next_request()
        if self._backend_closes:
            self.keeps_client = True  # the next request opens another one
            self._closed = True
            self._actions.append(Close("backend.done"))

    def _problem(self, exchange: Exchange, problem: Problem, *, close: bool = False) -> None:
        """Answer by the gateway itself."""
        # Only little is read away of a body that nobody wants.
        close = close or exchange.head.close or not exchange.whole
        own = exchange.told(problem) if exchange.told is not None else None
        more = self._origins.headers(exchange.head)
        if own is not None:
            data = answer(*own, problem.request_id, close=close, more=more)
        else:
            only = exchange.head.method == "HEAD"
            data = problem.encode(head_only=only, close=close, more=more)
        self._actions.append(Reply(data))
        exchange.answering = exchange.answered = True
        self._close_after = self._close_after or close
        if close:
            self._closed = True
            self._actions.append(Close("client.done"))
        elif exchange.complete and not self._responses.waiting:
            self._next(exchange)
