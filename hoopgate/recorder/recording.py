"""The recording of one session, as the gateway uses it, in the reactor's thread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final, final

from twisted.internet.defer import Deferred, fail, succeed
from zope.interface import classImplements

from hoopgate.actions import Decision
from hoopgate.errors import LocalProtocolError
from hoopgate.events import SessionFacts
from hoopgate.interfaces import ISessionRecording
from hoopgate.recorder.commit import Entry, Stream, Waiter
from hoopgate.recorder.leaf import OWN, TYPES, encode
from hoopgate.recorder.payload import Kind, Piece
from hoopgate.recorder.segments import CHUNK_BYTES
from hoopgate.verdicts import Block

if TYPE_CHECKING:
    from hoopgate.recorder.gate import Log

#: What a piece costs beside its data; counted so that many tiny ones are bounded, too.
PIECE_BYTES: Final = 32

_RESPONSE: Final = int(Kind.RESPONSE)
_REQUEST: Final = int(Kind.REQUEST)
_FORWARDED: Final = int(Kind.FORWARDED)


@final
class SessionRecording:
    """The recording of one session, see :class:`ISessionRecording`."""

    def __init__(self, log: Log, stream: Stream) -> None:
        self.unreleased = 0
        self._log = log
        self._stream = stream
        self._pieces: list[Piece] = []
        self._size = 0  #: of the pieces, with what each costs
        self._held = 0  #: response bytes in the pieces
        self._accepted = 0
        self._durable = 0
        self._flushes: list[tuple[int, Deferred[None]]] = []
        self._closed = False

    def _now(self) -> int:
        return self._log.clock.monotonic() // 1000

    def full(self) -> bool:
        return self._log.full()

    def request(
        self, data: bytes, forwarded: bytes | None, decisions: Sequence[Decision]
    ) -> Deferred[int]:
        if self._closed:
            return fail(LocalProtocolError("the recording is closed"))
        return self._log.submit_waiting(self._request(data, forwarded, decisions))

    def request_for(
        self,
        waiter: Waiter,
        data: bytes,
        forwarded: bytes | None,
        decisions: Sequence[Decision],
    ) -> Entry:
        """As :meth:`request`; ``waiter`` is told with the entry, never before this returns.

        :raises LocalProtocolError: the recording is closed.
        :raises RecorderFailed: the log takes nothing more.
        """
        if self._closed:
            raise LocalProtocolError("the recording is closed")
        entry = self._request(data, forwarded, decisions)
        self._log.submit_for(entry, waiter)
        return entry

    def _request(
        self, data: bytes, forwarded: bytes | None, decisions: Sequence[Decision]
    ) -> Entry:
        now = self._now()
        self._pieces.append((_REQUEST, now, data))
        self._size += len(data) + PIECE_BYTES
        if forwarded is not None:
            self._pieces.append((_FORWARDED, now, forwarded))
            self._size += len(forwarded)
        entry = self._entry("chunk")
        entry.decisions = decisions
        entry.essential = False
        entry.refusal = bool(decisions) and all(_refused(one) for one in decisions)
        return entry

    def response(self, data: bytes) -> None:
        """:raises LocalProtocolError: the recording is closed."""
        if self._closed:
            raise LocalProtocolError("the recording is closed")
        if not data:
            return
        size = len(data)
        self._pieces.append((_RESPONSE, self._now(), data))
        self._size += size + PIECE_BYTES
        self._held += size
        self._accepted += size
        self.unreleased += size
        if self._size >= CHUNK_BYTES:
            self.flush()
        else:
            self._log.dirty(self)

    def flush(self) -> None:
        """Hand the response bytes held back to the writer."""
        if self._pieces:
            self._log.submit(self._entry("chunk"))

    def flushed(self, behind: int = 0) -> Deferred[None]:
        wanted = self._accepted - behind
        if self._durable >= wanted:
            return succeed(None)
        if self._log.failed():
            return fail(self._log.failure())
        waiting: Deferred[None] = Deferred()
        self._log.waiting.add(waiting)
        self._flushes.append((wanted, waiting))
        if self._held > behind:
            self.flush()
        return waiting

    def note(self, type: str, detail: Mapping[str, object]) -> Deferred[int]:
        check_type(type)
        return self._submit(type, {"detail": dict(detail)})

    def close(self, reason: str) -> Deferred[int]:
        closing = self._submit("session.close", {"reason": reason})
        self._closed = True
        self._log.recordings.discard(self)
        return closing

    def released(self, size: int) -> None:
        """Response bytes have become durable."""
        self.unreleased -= size
        self._durable += size
        if self._flushes:
            due = [waiting for wanted, waiting in self._flushes if wanted <= self._durable]
            self._flushes = [one for one in self._flushes if one[0] > self._durable]
            for waiting in due:
                if waiting in self._log.waiting:
                    self._log.waiting.discard(waiting)
                    waiting.callback(None)

    def _entry(self, type: str) -> Entry:
        entry = Entry(
            self._stream,
            type,
            self._pieces,
            recording=self,
            released=self._held,
            size=self._size,
        )
        self._pieces = []
        self._size = 0
        self._held = 0
        return entry

    def _submit(self, type: str, extra: Mapping[str, object]) -> Deferred[int]:
        if self._closed:
            return fail(LocalProtocolError("the recording is closed"))
        self.flush()
        return self._log.submit_waiting(Entry(self._stream, type, extra=extra))


def _refused(decision: Decision) -> bool:
    return isinstance(decision.verdict, Block)


# No decorator: mypyc makes a decorated class slow.
classImplements(SessionRecording, ISessionRecording)


def check_type(type: str) -> None:
    if type not in TYPES or type in OWN:
        raise LocalProtocolError(f"{type!r} is not a type of leaf that may be noted")


def session_fields(session: SessionFacts) -> tuple[dict[str, object], dict[str, object], bytes]:
    """What of a session goes into its leaf for certain, what as far as it fits, and all of it."""
    who = session.principal
    vital: dict[str, object] = {
        "subject": who.subject[:96],
        "resource": session.resource[:96],
        "protocol": session.protocol[:32],
        "rules": session.rules_digest[:64],
    }
    extra: dict[str, object] = {
        "issuer": who.issuer,
        "groups": sorted(who.groups),
        "actors": list(who.actors),
        "owner": who.owner,
        "client": who.client_id,
        "peer": session.peer,
        "listener": session.listener,
        "database": session.database,
        "tls": dict(session.tls),
    }
    whole = {
        **vital,
        **extra,
        "subject": who.subject,
        "resource": session.resource,
        "scopes": sorted(who.scopes),
        "token": who.token_id,
        "expires": int(who.expires_at),
        "application": session.application,
    }
    return vital, {name: value for name, value in extra.items() if value}, encode(whole)
