"""Events as they are signed: read from the log's files, sent on at least once.

It runs beside the node, or anywhere else that sees the log's directory. What a signed checkpoint
covers is sent, in order; the cursor moves when the other side has it. The cursor holds the
checkpoint that it rests on, so that a log which was rolled back or rewritten meanwhile is noticed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from hoopgate import __version__
from hoopgate.errors import HoopgateError
from hoopgate.evidence.derived import leaves
from hoopgate.evidence.facts import Session
from hoopgate.evidence.ocsf import Event, event_of
from hoopgate.recorder.errors import BadLog, BadNote
from hoopgate.recorder.files import make_directory, replace_file
from hoopgate.recorder.known import check_known
from hoopgate.recorder.leaf import Leaf, decode
from hoopgate.recorder.note import Checkpoint, Note, Verifier
from hoopgate.recorder.reading import LogReader

#: Events of a batch at most: what is sent again when its receipt was not heard of.
BATCH = 500


class NotSent(HoopgateError):
    """The other side did not take the events; they will be sent again."""


class Sink(Protocol):
    """Where events go."""

    def send(self, events: list[Event]) -> None:
        """Hand events over; returns when the other side has them.

        :raises NotSent: it does not have all of them, as far as is known.
        """

    def close(self) -> None:
        """Let go of what is held."""


@dataclass(slots=True)
class Cursor:
    """What was sent, in a file.

    :ivar next: index of the next leaf.
    :ivar note: the signed checkpoint under which the leaves before it were sent; "" at first.
    :ivar open: session → index of its first leaf, for sessions that have not ended.
    """

    path: Path
    next: int = 0
    note: str = ""
    open: dict[str, int] = field(default_factory=dict)

    @classmethod
    def load(cls, path: Path) -> Cursor:
        """:raises HoopgateError: the file is no cursor."""
        try:
            given = json.loads(path.read_bytes())
            running = {str(id): int(index) for id, index in given["open"].items()}
            found = cls(path, int(given["next"]), str(given["note"]), running)
            if not 0 <= found.next <= found.size():
                raise ValueError
            return found
        except FileNotFoundError:
            make_directory(path.parent, 0o700)
            return cls(path)
        except (
            ValueError,
            KeyError,
            TypeError,
            AttributeError,
            RecursionError,
            OverflowError,
            BadNote,
        ):
            raise HoopgateError(
                f"{path} is no cursor: remove it to send everything again"
            ) from None

    def size(self) -> int:
        """Leaves under its checkpoint: more cannot have been sent.

        :raises BadNote: it is none.
        """
        return Checkpoint.parse(Note.parse(self.note.encode()).text).size if self.note else 0

    def save(self) -> None:
        about = {"next": self.next, "note": self.note, "open": self.open}
        replace_file(self.path, json.dumps(about).encode())


class Stream:
    """Sends what is new of a log.

    :param sink: where to.
    :param retired: keys that the log had before: what they signed last, the cursor may rest on.
    """

    def __init__(self, cursor: Cursor, sink: Sink, retired: Sequence[Verifier] = ()) -> None:
        self._retired = tuple(retired)
        self._cursor = cursor
        self._sink = sink
        self._sessions: dict[str, Session] = {}

    def skip(self, log: LogReader) -> None:
        """Begin after what the log holds now. Sessions that are open are known by their id only."""
        self._cursor.next = log.size
        self._cursor.note = log.note.decode()
        self._cursor.save()

    def advance(self, log: LogReader) -> int:
        """Send what a checkpoint newly covers; how many events that were.

        :raises BadLog: the log is not the one that the cursor was made on.
        :raises NotSent: the cursor stands behind the last events that were taken.
        """
        cursor = self._cursor
        if cursor.note:
            note = f"the checkpoint in {cursor.path}", cursor.note.encode()
            check_known(log, [note], self._retired)
        self._remember(log)
        sent = 0
        while cursor.next < log.size:
            events: list[Event] = []
            last = cursor.next
            for leaf, hashed in leaves(log, cursor.next, log.size - 1):
                last = leaf["index"]
                self._begin(leaf)
                session = self._sessions.get(leaf["session"])
                event = event_of(log.checkpoint.origin, leaf, hashed, session, __version__)
                if event is not None:
                    events.append(event)
                self._end(leaf)
                if len(events) == BATCH:
                    break
            if events:
                self._sink.send(events)
            sent += len(events)
            cursor.next = last + 1
            cursor.note = log.note.decode()
            cursor.save()
        return sent

    def _remember(self, log: LogReader) -> None:
        """Sessions that were open when another process stopped here."""
        for id, index in self._cursor.open.items():
            if id not in self._sessions:
                leaf = decode(log.entry(index))
                if leaf["session"] != id or leaf["type"] != "session.open":
                    raise BadLog("the session of the cursor is not there", index=index)
                self._sessions[id] = Session(id, leaf, leaf["time"], True)

    def _begin(self, leaf: Leaf) -> None:
        if leaf["type"] == "session.open":
            id = leaf["session"]
            self._sessions[id] = Session(id, leaf, leaf["time"], False)
            self._cursor.open[id] = leaf["index"]

    def _end(self, leaf: Leaf) -> None:
        if leaf["type"] == "session.close":
            self._cursor.open.pop(leaf["session"], None)
            self._sessions.pop(leaf["session"], None)


def lines(events: list[Event]) -> Iterator[bytes]:
    """Events as NDJSON in ASCII."""
    for event in events:
        yield json.dumps(event, sort_keys=True, separators=(",", ":")).encode() + b"\n"
