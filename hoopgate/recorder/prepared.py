"""The next segment, filled with zeros before it is needed.

What makes a file longer is not its data alone: length and blocks are the file system's own, and an
``fdatasync`` waits until they are in the journal, behind whatever else is being journaled. A file
whose blocks were all written before is only overwritten, and nothing waits but for the data.

The zeros behind the last record are cut off when a segment ends, or by the next start.
"""

from __future__ import annotations

import os
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from hoopgate.recorder.files import sync_directory, write_all

NAME: Final = "next"
#: Before the present segment has as many, none is prepared: a quiet log would keep it for years.
WORTH_BYTES = 2**20
#: Zeros at most: what is written beyond them makes the file longer, as in any other.
MOST_BYTES: Final = 256 * 2**20
_BLOCK_BYTES: Final = 2**18
#: Between blocks: the commits of the present segment go to the same disk.
PAUSE_SECONDS = 0.01
#: Room that must be left, in segments: a disk that fills up needs it for what is recorded.
_ROOM_SEGMENTS: Final = 4


class Preparer:
    """Prepares one segment at a time, each on a thread of its own. Used by the log's writer.

    :param size: of a segment in bytes.
    :ivar ready: one is prepared. May be read from any thread.
    """

    def __init__(self, directory: Path, size: int) -> None:
        self.ready = False
        self._path = directory / "seg" / NAME
        self._size = min(size, MOST_BYTES)
        self._thread: threading.Thread | None = None
        self._stopping = False
        self._failed = False

    def look(self, position: int) -> None:
        """The present segment has ``position`` bytes: prepare the next one, if it is time."""
        if self._thread is None and position > WORTH_BYTES:
            self._thread = threading.Thread(
                target=self._prepare, name="hoopgate-log-preparer", daemon=True
            )
            self._thread.start()

    def take(self) -> Path | None:
        """The prepared file, to be given its name; None: there is none."""
        if self._thread is None or (not self.ready and (self._failed or self._thread.is_alive())):
            return None
        self._thread.join()
        self._thread = None  # where there was no room, it is tried again in the next segment
        ready, self.ready = self.ready, False
        return self._path if ready else None

    def stop(self) -> None:
        """Leave nothing behind."""
        self._stopping = True
        if self._thread is not None:
            self._thread.join()
        self.ready = False
        with suppress(OSError):
            self._path.unlink(missing_ok=True)

    def _prepare(self) -> None:
        try:
            self._path.unlink(missing_ok=True)
            stats = os.statvfs(self._path.parent)
            if stats.f_bavail * stats.f_frsize < _ROOM_SEGMENTS * self._size:
                return
            self._fill()
            sync_directory(self._path.parent)
        except OSError:
            # It was to save time, and now it is the disk's own to say what is wrong. A file whose
            # synchronisation failed is never used; nor is another one prepared.
            self._failed = True
            with suppress(OSError):
                self._path.unlink(missing_ok=True)
            return
        self.ready = True

    def _fill(self) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        fd = os.open(self._path, flags, 0o640)
        try:
            left = self._size
            zeros = bytes(min(left, _BLOCK_BYTES))
            while left and not self._stopping:
                write_all(fd, zeros[:left])
                left -= min(left, _BLOCK_BYTES)
                os.fdatasync(fd)
                time.sleep(PAUSE_SECONDS)
            os.fsync(fd)
        finally:
            os.close(fd)


def content_end(path: Path, start: int, most: int) -> int:
    """Where a file's content ends, from ``start`` on: behind the last byte that is not zero.

    :param most: bytes that are looked at; of a longer file, its size.
    """
    with path.open("rb") as file:
        end = file.seek(0, os.SEEK_END)
        if end - start > most:
            return end
        while end > start:
            begin = max(start, end - _BLOCK_BYTES)
            file.seek(begin)
            if content := file.read(end - begin).rstrip(b"\0"):
                return begin + len(content)
            end = begin
    return start


def cut_off(path: Path, end: int) -> None:
    """Make a file ``end`` bytes long, durably."""
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.ftruncate(fd, end)
        os.fsync(fd)
    finally:
        os.close(fd)
