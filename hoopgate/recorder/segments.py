"""Segments: append-only files of records, shared by all sessions, so that one fdatasync serves
every session that waits. They are also the log's write-ahead log: each record carries its leaf.

A file is ``HGS1 ‖ number u32`` and records: ``length u32 ‖ crc32 u32 ‖ leaf length u16 ‖ leaf ‖
payload``. ``length`` counts what follows the crc, the crc covers length, leaf and payload. The
first leaf of every segment says how the segments before it ended; a file is never appended to
after the process that wrote it has ended.
"""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Iterator
from pathlib import Path
from zlib import crc32

from hoopgate.recorder.files import number_of, open_file, sync_directory, write_all, write_file
from hoopgate.recorder.leaf import LEAF_BYTES

_file = struct.Struct(">4sI")
_record = struct.Struct(">II")
_leaf = struct.Struct(">H")
MAGIC = b"HGS1"
HEADER_BYTES = _file.size
#: Bytes of a record before its payload, beside the leaf.
OVERHEAD = _record.size + _leaf.size
#: Data of a record at most. Larger requests and responses take several.
CHUNK_BYTES = 65_536
#: A record above is damage: a chunk, its pieces' heads, its tag, its leaf, a list of sessions.
RECORD_BYTES = 16 * 2**20

_BLOCK_BYTES = 2**20  # read at a time

_NAME = re.compile(r"([0-9]{8,10})\.hgs\Z")
_MOST = 2**32 - 2  # a file's head has 32 bits for its number, and there is one more to come


def segment_name(number: int) -> str:
    return f"{number:08d}.hgs"


def segment_path(directory: Path, number: int) -> Path:
    return directory / "seg" / segment_name(number)


def segment_numbers(directory: Path) -> list[int]:
    """Numbers of the segments there are, ascending. A name that no segment gets is none."""
    matches = (_NAME.match(name) for name in os.listdir(directory / "seg"))
    numbers = ((match[0], int(match[1])) for match in matches if match)
    return sorted(n for name, n in numbers if n <= _MOST and name == segment_name(n))


def encode_record(leaf: bytes, payload: bytes) -> tuple[bytes, bytes, bytes]:
    """The parts of a record, to be written one after the other."""
    length = _leaf.size + len(leaf) + len(payload)
    head = _leaf.pack(len(leaf)) + leaf
    crc = crc32(payload, crc32(head, length))
    return _record.pack(length, crc), head, payload


class Segment:
    """The segment that is being written.

    :param zeros: a file of zeros that becomes it, see :mod:`hoopgate.recorder.prepared`.
    """

    def __init__(self, directory: Path, number: int, zeros: Path | None = None) -> None:
        self.number = number
        self.path = segment_path(directory, number)
        self.prepared = zeros is not None
        if zeros is None:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
            self._fd = os.open(self.path, flags, 0o640)
        else:
            os.link(zeros, self.path)  # fails where there is such a segment already
            zeros.unlink()
            self._fd = os.open(self.path, os.O_WRONLY | os.O_CLOEXEC)
        write_all(self._fd, _file.pack(MAGIC, number))
        sync_directory(self.path.parent)
        self.offset = HEADER_BYTES  #: where the next record begins
        self.durable = 0  #: bytes known to be on the disk

    def write(self, view: memoryview) -> int:
        """Write what fits behind what was written; how much that was."""
        written = os.write(self._fd, view)
        self.offset += written
        return written

    def sync(self) -> None:
        """Make everything written durable. After an error here nothing may be written any more:
        the next call would report success without the data."""
        os.fdatasync(self._fd)
        self.durable = self.offset

    def close(self) -> None:
        """End it; it is as long as its records are before another one begins."""
        if self.prepared:
            os.ftruncate(self._fd, self.offset)
            os.fsync(self._fd)
        os.close(self._fd)


def quarantine(directory: Path, number: int, durable: int) -> None:
    """Mark a segment whose end may not have reached the disk: an empty file, whose name alone
    says how much is known to have, because a disk that fails or is full may take no content."""
    marker = segment_path(directory, number).with_suffix(f".{durable}.quarantine")
    write_file(marker, b"")
    sync_directory(marker.parent)


def quarantined(directory: Path, number: int) -> int | None:
    """Bytes of a quarantined segment that are known to be durable; None: no quarantine."""
    stem = segment_name(number).removesuffix(".hgs")
    markers = [name.split(".") for name in os.listdir(directory / "seg") if name.startswith(stem)]
    known = [number_of(m[1]) for m in markers if len(m) == 3 and m[2] == "quarantine"]
    return min((number for number in known if number >= 0), default=None)


class Scan:
    """Reads a segment's records in order, up to its end or the first that is damaged.

    :ivar end: after iterating: where the last good record ends (0: not even the header).
    """

    def __init__(self, directory: Path, number: int, limit: int | None = None) -> None:
        self.number = number
        self.path = segment_path(directory, number)
        self.end = 0
        self._limit = limit

    def __iter__(self) -> Iterator[tuple[int, bytes, bytes]]:
        """(offset, leaf, payload) of each record."""
        fd, size = open_file(self.path)
        with open(fd, "rb", buffering=min(max(size, 512), _BLOCK_BYTES)) as file:
            if file.read(HEADER_BYTES) != _file.pack(MAGIC, self.number):
                return
            self.end = HEADER_BYTES
            while True:
                head = file.read(_record.size)
                if len(head) < _record.size:
                    return
                length, crc = _record.unpack(head)
                if not _leaf.size <= length <= RECORD_BYTES:
                    return
                after = self.end + _record.size + length
                if self._limit is not None and after > self._limit:
                    return
                body = file.read(length)
                if len(body) < length or crc32(body, length) != crc:
                    return
                leaf_end = _leaf.size + _leaf.unpack_from(body)[0]
                if leaf_end > length or leaf_end > _leaf.size + LEAF_BYTES:
                    return
                offset = self.end
                self.end = after
                yield offset, body[_leaf.size : leaf_end], body[leaf_end:]


def read_record(directory: Path, number: int, offset: int, length: int) -> tuple[bytes, bytes]:
    """The leaf and the payload of the record at ``offset``, whose payload has ``length`` bytes.

    :raises ValueError: no such record there.
    :raises OSError: the segment cannot be read.
    """
    if not 0 <= length <= RECORD_BYTES:
        raise ValueError("no record is that long")
    fd, _ = open_file(segment_path(directory, number))
    with open(fd, "rb") as file:
        file.seek(offset)
        data = file.read(OVERHEAD + LEAF_BYTES + length)
    if len(data) < OVERHEAD:
        raise ValueError("the segment ends before the record")
    stated, crc = _record.unpack_from(data)
    end = _record.size + stated
    leaf_end = OVERHEAD + _leaf.unpack_from(data, _record.size)[0]
    if end > len(data) or end - leaf_end != length or leaf_end > OVERHEAD + LEAF_BYTES:
        raise ValueError("the record's lengths are wrong")
    if crc32(data[_record.size : end], stated) != crc:
        raise ValueError("the record's checksum is wrong")
    return data[OVERHEAD:leaf_end], data[leaf_end:end]
