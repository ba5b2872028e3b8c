"""The log's head, kept outside of its directory: compared and swapped before each checkpoint.

A directory that was restored from a copy is noticed at the next start, one that is written
elsewhere meanwhile at once. The file in the state directory notices it on this machine; a database
that several machines share (:mod:`hoopgate.state.heads`), wherever the copy is.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Protocol

from hoopgate.errors import HeadAway
from hoopgate.recorder.errors import BadLog
from hoopgate.recorder.files import read_whole, replace_file

_LOCK = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC


class Head(Protocol):
    """Where the newest checkpoint of one log is kept. Blocks; used by one thread at a time.

    :ivar place: for messages: what it is and where.
    """

    @property
    def place(self) -> str: ...

    def read(self) -> bytes:
        """The signed note that is kept; empty: none is yet.

        :raises HeadAway: it cannot be read now.
        """

    def swap(self, old: bytes, new: bytes) -> bool:
        """Put ``new`` in the place of ``old``; False, and nothing changes, when ``old`` is not
        what is kept.

        :raises HeadAway: it is not known whether it was done.
        """


class FileHead:
    """The head in a file, under a lock of its own."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def place(self) -> str:
        return str(self._path)

    def read(self) -> bytes:
        try:
            return read_whole(self._path)
        except FileNotFoundError:
            return b""

    def swap(self, old: bytes, new: bytes) -> bool:
        """:raises OSError: the file cannot be written."""
        lock = os.open(self._path.with_name(f"{self._path.name}.lock"), _LOCK, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if self.read() != old:
                return False
            replace_file(self._path, new)
        finally:
            os.close(lock)
        return True


class Heads:
    """All places where the head of a log is kept, moved on together.

    Where the first was moved and a later one could not be reached, the next swap finds it behind:
    at a checkpoint that this process signed itself, and nowhere else.
    """

    def __init__(self, heads: list[Head]) -> None:
        """:raises HeadAway: one cannot be read."""
        self._heads = heads
        self._tried = b""  #: put into one that did not answer
        self._kept = [head.read() for head in heads]

    @property
    def notes(self) -> list[tuple[str, bytes]]:
        """Place and signed note of each that has one."""
        return [(h.place, kept) for h, kept in zip(self._heads, self._kept, strict=True) if kept]

    def swap(self, note: bytes) -> None:
        """Move all to ``note``.

        :raises BadLog: one was moved by another process: two logs would be signed by one key.
        :raises HeadAway: may be called again after it.
        """
        for number, head in enumerate(self._heads):
            if self._kept[number] == note:
                continue
            try:
                moved = head.swap(self._kept[number], note)
            except HeadAway:
                # Perhaps it was done before the answer was lost: then it holds this note.
                self._tried = note
                raise
            if not moved and not self._was_ours(number, head, note):
                raise BadLog(
                    f"{head.place} was changed by another process: a copy of this log is written, "
                    "too; stop one of the nodes, and keep both directories"
                )
            self._kept[number] = note

    def _was_ours(self, number: int, head: Head, note: bytes) -> bool:
        """A swap whose answer was lost had been done."""
        tried, self._tried = self._tried, b""
        if not tried or head.read() != tried:
            return False
        return tried == note or head.swap(tried, note)
