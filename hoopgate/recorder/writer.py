"""Group commit: every entry that waits goes to the disk with one write and one fdatasync.

Most of what is recorded is small, and becomes leaves and records in the reactor's thread, a turn's
entries at a time: two threads that take turns at the interpreter for every request cost more than
that. The writer's thread then only writes and waits for the disk. What is large is given to it
unencoded, and with it all that follows until it is durable: the log has one order.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from typing import Final, final

from hoopgate.recorder.commit import Appender, Entry, Reserve, Stream
from hoopgate.recorder.payload import Kind
from hoopgate.recorder.prepared import Preparer
from hoopgate.recorder.segments import quarantine

BATCH_BYTES: Final = 4 * 2**20  #: a commit is closed above: bounds memory, and the first one's wait
#: Entries of more bytes together are encoded by the writer.
SMALL_BYTES: Final = 16_384
CLOCK_JUMP_SECONDS: Final = 2
#: Seconds and bytes between looks at the disk's free room. The reserve covers what comes between.
_ROOM_SECONDS: Final = 0.02
_ROOM_BYTES: Final = 2**18
#: What a refusal, its answer and their leaves take besides its data, at most.
_REFUSAL_BYTES: Final = 4096

_RESPONSE: Final = int(Kind.RESPONSE)


@final
class Batch:
    """What a turn of the reactor gave, in the order of the log.

    :ivar encoded: it has become ``buffer`` and ``leaves`` already.
    """

    __slots__ = ("buffer", "encoded", "entries", "leaves", "size")

    def __init__(self, entries: list[Entry], size: int) -> None:
        self.entries = entries
        self.size = size
        self.encoded = False
        self.buffer: list[bytes] = []
        self.leaves: list[tuple[bytes, bytes]] = []


class Writer(threading.Thread):
    """Makes batches durable.

    :param durable: called from this thread with each commit's batches, their leaves and its
        seconds.
    :param refused: called from this thread with entries that the disk has no room for.
    :ivar full: the disk has no room for new requests, as of the last look.
    """

    def __init__(
        self,
        appender: Appender,
        node: Stream,
        reserve: Reserve,
        segment_bytes: int,
        directory: Path,
        *,
        durable: Callable[[list[Batch], list[tuple[bytes, bytes]], float], None],
        refused: Callable[[list[Entry]], None],
        failed: Callable[[BaseException], None],
        ended: Callable[[], None],
    ) -> None:
        super().__init__(name="hoopgate-log-writer", daemon=True)
        self.full = False
        self._queue: SimpleQueue[Batch | None] = SimpleQueue()
        self._appender = appender
        self._node = node
        self._reserve = reserve
        self._segment_bytes = segment_bytes
        self._preparer = appender.preparer = Preparer(directory, segment_bytes)
        self._directory = directory
        self._durable = durable
        self._refused = refused
        self._failed = failed
        self._ended = ended
        self._unencoded = 0  #: batches given so; only the reactor's thread counts
        self._looked = 0.0
        self._unlooked = 0
        self._spare = reserve.size // 4  #: bytes that refusals may take while it is full
        self._unlooked_bytes = min(_ROOM_BYTES, reserve.size // 4)

    # --- in the reactor's thread ------------------------------------------------------------------

    def give(self, entries: list[Entry]) -> None:
        """Have ``entries`` committed, after those given before."""
        size = 0
        for entry in entries:
            size += entry.size
        batch = Batch(entries, size)
        if (
            self._unencoded == 0
            and size <= SMALL_BYTES
            and not self._appender.ended(self._segment_bytes)
            and not self.full
            # After a pause the disk is looked at first: it may have filled up.
            and time.perf_counter() - self._looked < _ROOM_SECONDS
        ):
            self._encode(batch)
        else:
            self._unencoded += 1
        self._queue.put(batch)

    def settled(self, batches: list[Batch]) -> None:
        """``batches`` are durable: the reactor's thread has taken note."""
        for batch in batches:
            if not batch.encoded:
                self._unencoded -= 1

    def end(self) -> None:
        """Nothing is given after it."""
        self._queue.put(None)

    def room(self) -> bool:
        """True when the disk has room now; :attr:`full` is as of the last look."""
        return self._reserve.room()

    def short(self) -> bool:
        """True when a new request would be refused; the disk is looked at, except when that was
        done just now."""
        looked = time.perf_counter() - self._looked < _ROOM_SECONDS
        return (self.full or not looked) and not self.room()

    # --- in whichever has the appender ------------------------------------------------------------

    def _encode(self, batch: Batch) -> None:
        self._add(batch.entries)
        batch.buffer, batch.leaves = self._appender.take()
        batch.encoded = True

    def _add(self, entries: list[Entry]) -> None:
        appender = self._appender
        jump = appender.jump()
        if abs(jump) > CLOCK_JUMP_SECONDS * 1_000_000:
            detail = {"event": "clock.jump", "microseconds": jump}
            appender.add(Entry(self._node, "admin", extra={"detail": detail}))
        for entry in entries:
            appender.add(entry)

    # --- in its own -------------------------------------------------------------------------------

    def run(self) -> None:
        """Until :meth:`end`, or an error, after which nothing more is durable."""
        try:
            more = True
            while more:
                batches, more = self._take()
                if batches:
                    self._commit(batches)
            self._appender.segment.close()
        except Exception as error:  # noqa: BLE001 - whatever it is, nothing more is durable
            self._quarantine()
            self._failed(error)
            return
        finally:
            self._preparer.stop()
        self._ended()

    def _take(self) -> tuple[list[Batch], bool]:
        """Everything that waits, up to the size of a commit; False: the last ones."""
        queue = self._queue
        batches: list[Batch] = []
        size = 0
        batch = queue.get()
        while batch is not None:
            batches.append(batch)
            size += batch.size
            if size >= BATCH_BYTES or queue.empty():  # nobody else takes from it
                return batches, True
            batch = queue.get()
        return batches, False

    def _commit(self, batches: list[Batch]) -> None:
        began = time.perf_counter()
        self._look(began, batches)
        appender = self._appender
        buffer: list[bytes] = []
        leaves: list[tuple[bytes, bytes]] = []
        for batch in batches:
            if not batch.encoded:
                # Whose turn it is: none behind it is encoded before it is settled.
                if appender.ended(self._segment_bytes):
                    if buffer:
                        appender.write(buffer)
                        buffer = []
                    appender.rotate(self._node)
                self._add(self._refuse(batch.entries) if self.full else batch.entries)
                batch.buffer, batch.leaves = appender.take()
            buffer += batch.buffer
            leaves += batch.leaves
        appender.write(buffer)
        self._durable(batches, leaves, time.perf_counter() - began)
        self._preparer.look(appender.position)

    def _look(self, now: float, batches: list[Batch]) -> None:
        for batch in batches:
            self._unlooked += batch.size
        if (
            now - self._looked >= _ROOM_SECONDS
            or self._unlooked >= self._unlooked_bytes
            or self.full
        ):
            self.full = self._reserve.low()
            if not self.full:
                self._spare = self._reserve.size // 4
            self._looked = now
            self._unlooked = 0

    def _refuse(self, batch: list[Entry]) -> list[Entry]:
        """What of a batch is recorded on a full disk: everything except requests that would run,
        and refusals without end."""
        kept: list[Entry] = []
        refused: list[Entry] = []
        for entry in batch:
            cost = entry.size + _REFUSAL_BYTES
            if entry.essential:
                kept.append(entry)
                continue
            if entry.refusal and self._spare >= cost:
                self._spare -= cost
                kept.append(entry)
                continue
            refused.append(entry)
            if entry.released:
                seen = [piece for piece in entry.pieces if piece[0] == _RESPONSE]
                kept.append(
                    Entry(
                        entry.stream,
                        "chunk",
                        seen,
                        recording=entry.recording,
                        released=entry.released,
                        size=entry.size,
                    )
                )
        if refused:
            self._refused(refused)
        return kept

    def _quarantine(self) -> None:
        segment = self._appender.segment
        # Best effort: the disk may take nothing any more. The next start does not rely on it.
        with suppress(OSError):
            quarantine(self._directory, segment.number, segment.durable)
