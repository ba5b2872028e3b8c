"""Text in what clients have sent, looked for in many recordings at once.

Sessions that overlap lie in the same bundles of leaves, so a group of them is read together, once,
and of each only what its client sent is decrypted. What is searched are the bytes of its protocol,
decoded as UTF-8: a statement stands in them as it was written.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from hoopgate.recorder.errors import BadLog
from hoopgate.recorder.files import open_file, read_whole
from hoopgate.recorder.leaf import CHUNK, decode
from hoopgate.recorder.payload import Kind, split_pieces
from hoopgate.recorder.reading import LogReader
from hoopgate.recorder.replay import Summary
from hoopgate.recorder.sealing import ReplayKey, SessionKey, unseal
from hoopgate.recorder.segments import OVERHEAD, RECORD_BYTES, segment_path
from hoopgate.recorder.tiles import WIDTH
from hoopgate.recorder.wraps import wrap_path

#: Of one session the newest so many records are looked into.
MOST_RECORDS: Final = 20_000
#: Groups of CHUNK.
_DIRECTION, _LENGTH, _OFFSET, _SEGMENT, _SEQ, _SESSION = 2, 6, 8, 10, 11, 12


def holding(
    log: LogReader, key: ReplayKey, sessions: Sequence[Summary], text: str
) -> frozenset[str]:
    """Ids of those sessions whose client sent ``text``, whatever its case.

    Where a recording was shredded, is not sealed to ``key`` or is damaged, nothing is found.

    :raises BadLog: the log's own files are damaged.
    :raises OSError: they cannot be read.
    """
    wanted = text.casefold()
    looking: dict[str, _Looking] = {}
    for one in sessions:
        try:
            wrap = read_whole(wrap_path(log.directory, one.id))
            looking[one.id] = _Looking(SessionKey(one.id, unseal(one.id, wrap, key)))
        except (BadLog, FileNotFoundError):
            continue
    found: set[str] = set()
    if not looking:
        return frozenset(found)
    first, last = min(one.first for one in sessions), max(one.last for one in sessions)
    longest = 4 * len(wanted.encode("utf-8", "replace")) + 8
    with _segments(log) as segments:
        for session, seq, place, length in _requests(log, first, last):
            here = looking.get(session)
            if here is None:
                continue
            sent = here.sent(seq, segments.read(place, length))
            if wanted in (sent + here.behind).decode("utf-8", "replace").casefold():
                found.add(session)
            here.behind = (sent + here.behind)[:longest]
            here.records += 1
            if session in found or here.records == MOST_RECORDS:
                del looking[session]
                if not looking:
                    break
    return frozenset(found)


class _Looking:
    """One session: its key, and how what follows begins: a statement may be cut in two."""

    def __init__(self, key: SessionKey) -> None:
        self.records = 0
        self.behind = b""
        self._key = key

    def sent(self, seq: int, payload: bytes) -> bytes:
        try:
            pieces = split_pieces(self._key.decrypt(seq, payload))
            return b"".join(data for kind, _, data in pieces if kind == Kind.REQUEST)
        except BadLog:
            return b""


_Place = tuple[int, int]  # segment, offset of the payload


def _requests(log: LogReader, first: int, last: int) -> Iterator[tuple[str, int, _Place, int]]:
    """Session, sequence number, place and length of records with requests, the newest first."""
    for number in range(last // WIDTH, first // WIDTH - 1, -1):
        for data in reversed(log.tiles.bundle(number)):
            if (match := CHUNK.match(data)) is not None:
                if match[_DIRECTION] == b"backend":
                    continue
                segment, offset, length = int(match[_SEGMENT]), int(match[_OFFSET]), match[_LENGTH]
                place = segment, offset + OVERHEAD + len(data)
                yield match[_SESSION].decode(), int(match[_SEQ]), place, int(length)
                continue
            leaf = decode(data)
            if leaf["type"] == "chunk" and leaf.get("direction") != "backend":
                place = leaf["segment"], leaf["offset"] + OVERHEAD + len(data)
                yield leaf["session"], leaf["seq"], place, leaf["length"]


class _Segments:
    """Segments that are open for reading."""

    def __init__(self, log: LogReader) -> None:
        self._directory = log.directory
        self._open: dict[int, int] = {}

    def read(self, place: _Place, length: int) -> bytes:
        """Unchecked: who decrypts it notices."""
        if length > RECORD_BYTES:
            raise BadLog("no record is that long", segment=place[0])
        number, offset = place
        fd = self._open.get(number)
        if fd is None:
            if len(self._open) >= 8:
                self.close()
            fd = self._open[number] = open_file(segment_path(self._directory, number))[0]
        return os.pread(fd, length, offset)

    def close(self) -> None:
        while self._open:
            os.close(self._open.popitem()[1])


@contextmanager
def _segments(log: LogReader) -> Iterator[_Segments]:
    segments = _Segments(log)
    try:
        yield segments
    finally:
        segments.close()
