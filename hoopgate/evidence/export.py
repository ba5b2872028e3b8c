"""Writes a bundle: the part of the log that proves a period, and everything made of it."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from pathlib import Path

from hoopgate import __version__
from hoopgate.errors import HoopgateError
from hoopgate.evidence.derived import documents, entries, facts_of
from hoopgate.evidence.disclosures import NAME as INDEX
from hoopgate.evidence.facts import Facts
from hoopgate.evidence.manifest import MANIFEST, Manifest, walk
from hoopgate.evidence.partial import paths_of, provable
from hoopgate.evidence.period import Selection, select
from hoopgate.evidence.rules import rules_path
from hoopgate.recorder.cosigning import WITNESSED
from hoopgate.recorder.errors import BadLog, BadNote
from hoopgate.recorder.files import read_whole, sync_directory
from hoopgate.recorder.leaf import SESSION_ID, Leaf, decode
from hoopgate.recorder.note import open_checkpoint
from hoopgate.recorder.reading import LogReader, proof_text
from hoopgate.recorder.segments import MAGIC, encode_record, segment_name
from hoopgate.recorder.timestamping import TIMESTAMPS, timestamps
from hoopgate.recorder.wraps import wrap_path

LOG = "log"

#: Makes the index of patients of a bundle's own log.
MakeIndex = Callable[[LogReader, Manifest, Facts], bytes]


class ExportFailed(HoopgateError):
    """The bundle cannot be written."""


class Writer:
    """Writes a bundle's files and notes their hashes; nothing is ever overwritten."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.files: dict[str, tuple[int, str]] = {}

    def write(self, path: str, parts: Iterator[bytes]) -> None:
        """One file, a part at a time."""
        target = self.base / path
        target.parent.mkdir(parents=True, exist_ok=True)
        digest, size = sha256(), 0
        with target.open("xb") as file:
            for part in parts:
                file.write(part)
                digest.update(part)
                size += len(part)
            file.flush()
            os.fsync(file.fileno())
        self.files[path] = (size, digest.hexdigest())

    def whole(self, path: str, data: bytes) -> None:
        self.write(path, iter([data]))


def export(
    log: LogReader,
    out: Path,
    start: int,
    end: int,
    *,
    recordings: bool = True,
    extra: Sequence[tuple[str, bytes]] = (),
    rules: Path | None = None,
    disclosures: MakeIndex | None = None,
    created: int | None = None,
) -> Manifest:
    """Write the bundle of ``[start, end)`` (µs since the epoch) into the new directory ``out``.

    :param recordings: with the encrypted records and the sealed keys of their sessions.
    :param extra: further files: path in the bundle, content.
    :param rules: where rules that were in force are kept.
    :param disclosures: makes the index of patients of what was copied.
    :raises ExportFailed: ``out`` is there already.
    :raises NothingThere: nothing was recorded in the period.
    :raises BadLog: the log is not what was signed.
    :raises OSError: a file cannot be read or written.
    """
    if out.exists():
        raise ExportFailed(f"{out} is there already: name a new directory")
    chosen = select(log, start, end)
    witnessed = _witnessed(log)
    if witnessed is not None:
        chosen.witnessed = open_checkpoint(witnessed, log.verifiers).size
    manifest = Manifest(
        log.checkpoint.origin,
        log.size,
        chosen,
        time.time_ns() // 1000 if created is None else created,
        __version__,
        recordings,
    )
    working = out.with_name(f"{out.name}.part")
    shutil.rmtree(working, ignore_errors=True)
    working.mkdir(parents=True, mode=0o700)
    try:
        writer = Writer(working)
        if witnessed is not None:
            writer.whole(f"{LOG}/{WITNESSED}", witnessed)
        _fill(log, manifest, writer, extra, rules, disclosures)
        sync_directory(working)
        working.rename(out)
    except BaseException:
        shutil.rmtree(working, ignore_errors=True)
        raise
    sync_directory(out.parent)
    return manifest


def _timestamps(log: LogReader, chosen: Selection, writer: Writer) -> None:
    """Those of checkpoints that cover leaves of the range and that the bundle's tiles prove."""
    for size, note, token in timestamps(log.directory):
        try:
            signed = open_checkpoint(note, log.verifiers).size == size
        except BadNote:
            continue  # by a key that is retired
        if signed and size > chosen.first and provable(chosen, log.size, size):
            writer.whole(f"{LOG}/{TIMESTAMPS}/{size}.checkpoint", note)
            writer.whole(f"{LOG}/{TIMESTAMPS}/{size}.tsr", token)


def _witnessed(log: LogReader) -> bytes | None:
    """The log's cosigned checkpoint, unless it is newer than what is exported."""
    try:
        note = read_whole(log.directory / WITNESSED)
    except FileNotFoundError:
        return None
    return note if open_checkpoint(note, log.verifiers).size <= log.size else None


def _fill(
    log: LogReader,
    manifest: Manifest,
    writer: Writer,
    extra: Sequence[tuple[str, bytes]],
    rules: Path | None,
    disclosures: MakeIndex | None,
) -> None:
    chosen = manifest.selection
    writer.whole(f"{LOG}/checkpoint", log.note)
    for path in paths_of(chosen, log.size):
        writer.whole(f"{LOG}/{path}", tile_content(log.directory, path))
    _timestamps(log, chosen, writer)
    if manifest.recordings:
        _segments(log, chosen, writer)
        _wraps(log, chosen, writer)
    for index in sorted({chosen.first, chosen.last}):
        entry, proof = log.prove(index)
        text = proof_text(log.note, index, entry, proof).encode()
        writer.whole(f"proofs/{index}.tlog-proof", text)
    for path, data in extra:
        writer.whole(path, data)
    # A reader of the bundle itself: what is made of it is made of what was copied.
    copied = LogReader(writer.base / LOG, log.verifiers)
    facts = facts_of(copied, manifest)
    if rules is not None:
        for digest in facts.rules:
            kept = rules_path(rules, digest)
            if kept.exists():  # not in the time before they were kept
                writer.whole(f"config/rules/{digest}.json", read_whole(kept))
    if disclosures is not None:
        writer.whole(INDEX, disclosures(copied, manifest, facts))
    for path, make in documents(copied, manifest, facts).items():
        writer.write(path, make())
    manifest.files = writer.files
    data = manifest.encode()
    assert walk(writer.base) == sorted(writer.files)
    Writer(writer.base).whole(MANIFEST, data)


def tile_content(directory: Path, path: str) -> bytes:
    """A tile; a partial one may have been outgrown by the running node meanwhile."""
    try:
        return read_whole(directory / path)
    except FileNotFoundError:
        full, _, width = path.partition(".p/")
        if not width:
            raise
        data = read_whole(directory / full)
        if "/entries/" not in path:
            return data[: int(width) * 32]
        at = 0
        for _ in range(int(width)):
            at += 2 + int.from_bytes(data[at : at + 2], "big")
        return data[:at]


def _segments(log: LogReader, chosen: Selection, writer: Writer) -> None:
    """The records of the range, each segment's in a file of the segment's own format."""
    running: list[tuple[Leaf, bytes]] = []
    for index, data in entries(log, chosen.first, chosen.last):
        leaf = decode(data)
        if leaf["index"] != index:
            raise BadLog("the leaf belongs to another place", index=index)
        if running and running[0][0]["segment"] != leaf["segment"]:
            _segment(log, running, writer)
            running = []
        running.append((leaf, data))
    _segment(log, running, writer)


def _segment(log: LogReader, running: list[tuple[Leaf, bytes]], writer: Writer) -> None:
    number = running[0][0]["segment"]

    def records() -> Iterator[bytes]:
        yield MAGIC + number.to_bytes(4, "big")
        for leaf, data in running:
            yield from encode_record(data, log.payload(leaf, data))

    writer.write(f"{LOG}/seg/{segment_name(number)}", records())


def _wraps(log: LogReader, chosen: Selection, writer: Writer) -> None:
    """The sealed keys of the sessions, but of those that were shredded."""
    wanted = dict.fromkeys(chosen.opened)
    for _, data in entries(log, chosen.first, chosen.last):
        leaf = decode(data)
        if leaf["type"] in ("session.open", "epoch.start"):
            wanted[leaf["session"]] = None
    for session in wanted:
        if SESSION_ID.match(session) is None:
            raise BadLog("a leaf's session id is malformed")
        if session not in chosen.purged:
            data = read_whole(wrap_path(log.directory, session))
            writer.whole(f"{LOG}/wraps/{session}.json", data)
