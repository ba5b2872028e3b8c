"""HTTP/2 towards clients: each stream is a request on a lane, a connection of HTTP/1.1 in memory.

So there is one gate, one session and one way to answer for both versions; a lane that is free again
serves the next stream, in the same session where token and resource are the same. What a client
may have us do for next to nothing (resets, pings, settings, windows) has a budget.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    DataReceived,
    Event,
    RequestReceived,
    StreamEnded,
    StreamReset,
    WindowUpdated,
)
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes
from twisted.internet.interfaces import IPushProducer
from twisted.internet.protocol import Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from hoopgate.http import h2_messages, wire
from hoopgate.http.h2_lanes import Budget, Lane
from hoopgate.http.problems import Problem, named, remedy_of
from hoopgate.http.wire import HEAD_BYTES, Data, End, Malformed, ResponseHead, ResponseReader
from hoopgate.network import hang_up, write

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

log = Logger()

#: Streams at a time, each with an upstream connection of its own.
STREAMS: Final = 32
#: Bytes of a stream, and of the connection, that a client may be ahead of us.
STREAM_WINDOW: Final = 2**16 - 1
CONNECTION_WINDOW: Final = 2**20
#: Frames that ask for work and bring none, which a client may send beyond those it has earned: by
#: the second, by each answer taken, by each so many bytes of answers.
_CHEAP: Final = 1000.0
_PER_SECOND, _PER_ANSWER, _PER_BYTES = 50.0, 10.0, 4096
#: Streams that a client resets before they are answered, likewise (CVE-2023-44487).
_RESETS: Final = 100.0
_RESETS_PER_SECOND = 2.0


@implementer(IPushProducer)
class HTTP2Server(Protocol):
    """One client connection that speaks HTTP/2.

    :param make: a server of HTTP/1.1 for a lane.
    :param idle_seconds: without a stream, until it is closed.
    :param busy: called when the first request comes.
    """

    def __init__(
        self,
        reactor: IReactorTime,
        make: Callable[[], Any],
        idle_seconds: float,
        busy: Callable[[], None],
    ) -> None:
        self._reactor = reactor
        self._make = make
        self._idle_seconds = idle_seconds
        self._busy = busy
        self._lanes: set[Lane] = set()
        self._streams: dict[int, Lane] = {}
        self._cheap = Budget(reactor.seconds, _CHEAP, _PER_SECOND)
        self._resets = Budget(reactor.seconds, _RESETS, _RESETS_PER_SECOND)
        self._ended = False
        self._stalled = False  # the client does not read
        self._active = reactor.seconds()
        self._timer: Any = None
        config = H2Configuration(client_side=False, header_encoding=None)
        self._h2 = H2Connection(config)
        self._h2.local_settings.update(
            {
                SettingCodes.MAX_CONCURRENT_STREAMS: STREAMS,
                SettingCodes.MAX_HEADER_LIST_SIZE: HEAD_BYTES,
                SettingCodes.INITIAL_WINDOW_SIZE: STREAM_WINDOW,
                SettingCodes.ENABLE_CONNECT_PROTOCOL: 0,
            }
        )
        self._h2.decoder.max_header_list_size = HEAD_BYTES

    def connectionMade(self) -> None:
        assert self.transport is not None
        self._h2.initiate_connection()
        self._h2.increment_flow_control_window(CONNECTION_WINDOW - STREAM_WINDOW)
        self.transport.registerProducer(self, True)  # type: ignore[attr-defined]
        self._watch()
        self.send()

    def dataReceived(self, data: bytes) -> None:
        if self._ended:
            return
        try:
            events = self._h2.receive_data(data)
        except ProtocolError as error:
            # It has been told so by a GOAWAY.
            log.info("http.refused", code=f"http2.{type(error).__name__}")
            self._close()
            return
        for event in events:
            if not self._ended:
                self._on(event)
        if self._stalled and not self._ended and not self._cheap.spend():
            self._calm()
        self.send()

    # --- what the client sends ----------------------------------------------------------------

    def _on(self, event: Event) -> None:
        if isinstance(event, RequestReceived):
            self._request(event)
        elif isinstance(event, DataReceived):
            self._data(event)
        elif isinstance(event, StreamEnded):
            self._asked(event.stream_id)
        elif isinstance(event, StreamReset):
            self._reset(event.stream_id)
        else:
            if isinstance(event, WindowUpdated):
                self._flush()
            if not self._cheap.spend():
                self._calm()

    def _request(self, event: RequestReceived) -> None:
        stream = event.stream_id
        assert stream is not None and event.headers is not None
        self._active = self._reactor.seconds()
        fields = tuple((bytes(name), bytes(value)) for name, value in event.headers)
        ended = event.stream_ended is not None
        if len(self._streams) + sum(not lane.connected for lane in self._lanes) >= STREAMS:
            self._h2.reset_stream(stream, ErrorCodes.REFUSED_STREAM)
            return
        try:
            method, head, chunked = h2_messages.request(fields, ended=ended)
        except Malformed as error:
            problem = Problem(error.status, error.code, str(error), remedy_of(error.code))
            self._refuse(stream, named(problem), bodiless=ended)
            return
        self._busy()
        lane = self._lane(_key(fields))
        self._streams[stream] = lane
        lane.stream, lane.chunked = stream, chunked
        lane.asked, lane.over = ended, False
        lane.reader = ResponseReader()
        lane.reader.expect(method)
        lane.take(head)

    def _lane(self, key: bytes) -> Lane:
        """A lane that is free: with the same token and resource, a new one, or any."""
        free = [lane for lane in self._lanes if lane.connected and not lane.stream]
        for lane in free:
            if lane.key == key:
                return lane
        if free and len(self._lanes) >= STREAMS:
            free[0].key = key
            return free[0]
        lane = Lane(self, key)
        lane.server = self._make()
        self._lanes.add(lane)
        lane.server.makeConnection(lane)
        return lane

    def _data(self, event: DataReceived) -> None:
        stream, counted = event.stream_id, event.flow_controlled_length or 0
        assert stream is not None
        lane, data = self._streams.get(stream), bytes(event.data or b"")
        if not data and event.stream_ended is None and not self._cheap.spend():
            self._calm()
        elif lane is None or lane.over:
            self.taken(stream, counted)  # of a request that has been answered
        else:
            lane.asked = event.stream_ended is not None
            # All at once: the answer may come before this returns, and the lane be free.
            end = wire.LAST_CHUNK if lane.asked and lane.chunked else b""
            lane.take((wire.chunk(data) if lane.chunked else data) + end, counted)

    def _asked(self, stream: int | None) -> None:
        """The request is over; after trailers, which say nothing, this is news."""
        lane = self._streams.get(stream or 0)
        if lane is not None and not lane.asked:
            lane.asked = True
            lane.take(wire.LAST_CHUNK if lane.chunked else b"")

    def _reset(self, stream: int | None) -> None:
        lane = self._streams.pop(stream or 0, None)
        if lane is not None:
            self._drop(lane)
        if not self._resets.spend():
            self._calm()

    def taken(self, stream: int, counted: int) -> None:
        """``counted`` bytes of a request have been dealt with: the client may send more."""
        if counted and not self._ended:
            try:
                self._h2.acknowledge_received_data(counted, stream)
            except ProtocolError:
                pass  # its stream is over

    # --- what the client gets -----------------------------------------------------------------

    def answer(self, lane: Lane, data: bytes) -> None:
        """Bytes of HTTP/1.1 for the stream that a lane serves."""
        lane.reader.feed(data)
        try:
            while lane.stream and not lane.over and (event := lane.reader.next_event()) is not None:
                if isinstance(event, ResponseHead):
                    self._head(lane, event)
                elif isinstance(event, Data):
                    lane.out.append(event.data)
                    lane.waiting += len(event.data)
                else:
                    assert isinstance(event, End)
                    lane.over = True
        except (Malformed, ProtocolError):
            log.failure("http2.bug")
            self._abort(lane)
            return
        self._flush_lane(lane)
        self.send()

    def _head(self, lane: Lane, head: ResponseHead) -> None:
        if head.status == 101:
            raise Malformed(502, "upgrade", "there are no upgrades in HTTP/2")
        self._h2.send_headers(lane.stream, h2_messages.answer(head))

    def _refuse(self, stream: int, problem: Problem, *, bodiless: bool) -> None:
        """Answer what no lane was asked for."""
        reader = ResponseReader()
        reader.expect("GET")
        reader.feed(problem.encode())
        while (event := reader.next_event()) is not None:
            if isinstance(event, ResponseHead):
                self._h2.send_headers(stream, h2_messages.answer(event))
            elif isinstance(event, Data):
                self._h2.send_data(stream, event.data, end_stream=True)
        if not bodiless:
            self._h2.reset_stream(stream, ErrorCodes.NO_ERROR)
        if not self._cheap.spend():
            self._calm()

    def _flush(self) -> None:
        for lane in list(self._streams.values()):
            self._flush_lane(lane)

    def _flush_lane(self, lane: Lane) -> None:
        """Send what the windows of the stream and of the connection allow."""
        stream = lane.stream
        while lane.out and not self._stalled and not self._ended:
            piece = lane.out[0]
            room = self._h2.local_flow_control_window(stream)
            size = min(len(piece), room, self._h2.max_outbound_frame_size)
            if size <= 0:
                break
            self._h2.send_data(stream, piece[:size])
            self._cheap.earn(size / _PER_BYTES)
            lane.waiting -= size
            if size == len(piece):
                lane.out.popleft()
            else:
                lane.out[0] = piece[size:]
        if lane.over and not lane.out and stream in self._streams:
            self._h2.end_stream(stream)
            if not lane.asked:  # what still comes of the request is for nobody
                self._h2.reset_stream(stream, ErrorCodes.NO_ERROR)
            self._cheap.earn(_PER_ANSWER)
            self._active = self._reactor.seconds()
            del self._streams[stream]
            self._next(lane)
        lane.paced()

    def _next(self, lane: Lane) -> None:
        """A lane whose stream is answered is free, unless something of the request is missing."""
        if lane.asked and not lane.unread:
            lane.stream = 0
        else:
            self._drop(lane)

    def left(self, lane: Lane) -> None:
        """The server of a lane has hung up."""
        stream = lane.stream
        if stream in self._streams and not lane.over:
            self._abort(lane)
        self._reactor.callLater(0, self._gone, lane)

    def _abort(self, lane: Lane) -> None:
        """The answer of a stream cannot be completed."""
        if self._streams.pop(lane.stream, None) is not None and not self._ended:
            try:
                self._h2.reset_stream(lane.stream, ErrorCodes.INTERNAL_ERROR)
            except ProtocolError:
                pass
            self.send()
        self._drop(lane)

    def _drop(self, lane: Lane) -> None:
        """Nobody wants the lane any more."""
        lane.out.clear()
        lane.waiting = 0
        lane.stream = 0
        lane.over = True
        if lane.connected:
            lane.connected, lane.disconnected = False, True
            self._reactor.callLater(0, self._gone, lane)

    def _gone(self, lane: Lane) -> None:
        if lane in self._lanes:
            self._lanes.discard(lane)
            lane.server.connectionLost(connectionDone)

    # --- the connection -----------------------------------------------------------------------

    def send(self) -> None:
        """Write what the library has for the client."""
        if self._ended:
            return
        data = self._h2.data_to_send()
        if data:
            assert self.transport is not None
            write(self.transport, data)

    def pauseProducing(self) -> None:
        """The client does not read: what is for it waits."""
        self._stalled = True

    def resumeProducing(self) -> None:
        """It reads again."""
        self._stalled = False
        if not self._ended:
            self._flush()
            self.send()

    def stopProducing(self) -> None:
        """The transport is gone; connectionLost comes as well."""

    def _calm(self) -> None:
        """It has us work for nothing."""
        log.info("http.refused", code="http2.flood")
        self._h2.close_connection(ErrorCodes.ENHANCE_YOUR_CALM)
        self._close()

    def _watch(self) -> None:
        quiet = self._reactor.seconds() - self._active
        if self._streams or quiet < self._idle_seconds:
            left = max(self._idle_seconds - quiet, 1.0)
            self._timer = self._reactor.callLater(left, self._watch)
        else:
            self._timer = None
            self.end()

    def end(self) -> None:
        """Close it."""
        if not self._ended:
            self._h2.close_connection()
            self._close()

    def _close(self) -> None:
        self.send()
        self._ended = True
        assert self.transport is not None
        self.transport.unregisterProducer()  # type: ignore[attr-defined]
        self._leave()
        hang_up(self._reactor, self.transport)

    def _leave(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._streams.clear()
        for lane in list(self._lanes):
            self._drop(lane)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._ended = True
        self._leave()


def _key(fields: wire.Headers) -> bytes:
    """Of what makes a session: host, first part of the path, credential."""
    digest = hashlib.sha256()
    for name, value in fields:
        if name in (b":authority", b"authorization", b"hoopgate-authorization"):
            digest.update(name + b"\0" + value + b"\0")
        elif name == b":path":
            digest.update(b"/".join(value.partition(b"?")[0].split(b"/")[:2]) + b"\0")
    return digest.digest()
