"""Opening the log of a node: keys, lock, recovery, a new epoch, a signed checkpoint."""

from __future__ import annotations

import errno
import fcntl
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThreadPool

from hoopgate import __version__
from hoopgate.errors import HeadAway, RecorderFailed, RecorderFull
from hoopgate.recorder.commit import Appender, Clock, Entry, Reserve, Stream
from hoopgate.recorder.errors import BadLog, BadNote
from hoopgate.recorder.files import make_directory, replace_file, sync_directory
from hoopgate.recorder.gate import Log, Reactor
from hoopgate.recorder.head import FileHead, Head, Heads
from hoopgate.recorder.integrate import Integrator, discard_unsigned
from hoopgate.recorder.note import open_checkpoint
from hoopgate.recorder.prepared import NAME, cut_off
from hoopgate.recorder.recover import recover
from hoopgate.recorder.rotation import SIGNER_KEY, retired_keys, taken_up
from hoopgate.recorder.sealing import REPLAY_KEY, Recipient, ReplayKey
from hoopgate.recorder.segments import Segment
from hoopgate.recorder.signer import FileSigner, Signer
from hoopgate.recorder.signer_process import ProcessSigner
from hoopgate.recorder.wraps import seal_stream
from hoopgate.settings.model import Recording

HEAD = "log-head"


def open_log(recording: Recording, state_dir: Path, reactor: Any) -> Deferred[Log]:
    """Open the log of this node, make it if there is none, recover it if the node crashed.

    Keys are made at the first start, in ``state_dir``/keys. Fires with the log, running; fails as
    :func:`open_log_blocking` does.
    """
    return deferToThreadPool(
        reactor, reactor.getThreadPool(), open_log_blocking, recording, state_dir, reactor
    )


def open_log_blocking(
    recording: Recording,
    state_dir: Path,
    reactor: Reactor,
    clock: Clock | None = None,
    *,
    apart: bool = False,
    shared: Sequence[Head] = (),
) -> Log:
    """:func:`open_log` for callers that may wait for the disk.

    :param apart: have the key in a process of its own.
    :param shared: where the head is kept beside the state directory.

    :raises RecorderFailed: another process has the log, it is not what was signed, or a key is
        missing: what, where and what to do.
    :raises RecorderFull: not even the reserve fits on the disk.
    """
    directory = recording.directory
    try:
        for name in ("", "seg", "wraps", "tile"):
            make_directory(directory / name)
        lock = _lock(directory)
        try:
            signer = _signer(state_dir / SIGNER_KEY, recording, apart)
            try:
                return _open(recording, state_dir, reactor, clock or Clock(), lock, signer, shared)
            except BaseException:
                signer.close()
                raise
        except BaseException:
            os.close(lock)
            raise
    except (BadLog, BadNote) as error:
        raise RecorderFailed(
            f"the log in {directory} is not what was signed: {error}. It is left as it is. Run "
            f"'hoopgate audit verify --directory {directory}', keep it as evidence, and restore "
            "it or configure a new recording.directory"
        ) from error
    except HeadAway as error:
        raise RecorderFailed(
            f"{error}: without it nobody knows whether the log in {directory} is the newest; make "
            "it reachable, or take recording.head out of the settings"
        ) from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise RecorderFull(
                f"the log in {directory} needs {recording.reserve_bytes} bytes of reserve and the "
                "disk has no room: make room, or lower recording.reserve_size"
            ) from error
        where = error.filename or directory
        raise RecorderFailed(f"the log cannot be opened: {where}: {error.strerror}") from error


def _lock(directory: Path) -> int:
    fd = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(fd)
        raise RecorderFailed(
            f"another process writes the log in {directory}: one node, one log"
        ) from None
    return fd


def _signer(path: Path, recording: Recording, apart: bool) -> Signer:
    signer: Signer
    if recording.signer is not None:
        signer, path = ProcessSigner.connect(recording.signer), recording.signer
    else:
        if not path.exists():
            if (recording.directory / "checkpoint").exists():
                raise RecorderFailed(
                    f"{path}, the key that signed the log in {recording.directory}, is missing: "
                    "restore it, or configure a new recording.directory"
                )
            FileSigner.create(path, recording.origin)
        signer = ProcessSigner.spawn(path) if apart else FileSigner.load(path)
    if signer.name != recording.origin:
        signer.close()
        raise RecorderFailed(
            f"{path} signs for {signer.name}, recording.origin is {recording.origin}: "
            "set it back, or start a new log with a new directory and state_dir"
        )
    return signer


def _recipients(recording: Recording, path: Path) -> list[Recipient]:
    """Whom recordings are sealed to: the auditors, or a key of the node's own."""
    if recording.auditors:
        return [Recipient.load(auditor) for auditor in recording.auditors]
    return [(ReplayKey.load(path) if path.exists() else ReplayKey.create(path)).recipient]


def _open(
    recording: Recording,
    state_dir: Path,
    reactor: Reactor,
    clock: Clock,
    lock: int,
    signer: Signer,
    shared: Sequence[Head],
) -> Log:
    directory = recording.directory
    recipients = _recipients(recording, state_dir / REPLAY_KEY)
    heads = Heads([FileHead(state_dir / HEAD), *shared])
    retired = retired_keys(state_dir)
    checkpoint, rotated = taken_up(directory, signer.verifier, retired)
    trusted = [signer.verifier, *retired]
    known = [(place, open_checkpoint(note, trusted)) for place, note in heads.notes]
    found = recover(directory, checkpoint, known)
    if checkpoint is not None and all(head.size < checkpoint.size for _, head in known):
        # A head is moved on before its checkpoint is published: it is never behind.
        what = "is older than the log" if known else "is missing"
        raise RecorderFailed(
            f"{state_dir / HEAD}, which says how far the log in {directory} had come, {what}: "
            "nobody knows whether the log was rolled back. Restore it; or compare the log with a "
            "checkpoint kept elsewhere ('hoopgate audit verify --known') and copy its checkpoint "
            "there"
        )
    discard_unsigned(directory, found.size)
    if found.zeros is not None:
        cut_off(*found.zeros)
    replace_file(directory / "vkey", f"{signer.verifier}\n".encode())
    reserve = Reserve(directory, recording.reserve_bytes)
    reserve.hold()

    integrator = Integrator(directory, signer, found.edge, found.tree, heads)
    integrator.add(found.tail)
    (directory / "seg" / NAME).unlink(missing_ok=True)
    segment = Segment(directory, found.next_segment)
    index = found.size + len(found.tail)
    appender = Appender(directory, segment, index, reserve, clock)
    appender.open = found.open
    stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime(clock.wall() // 10**9))
    node = Stream(f"epoch-{stamp}-{os.urandom(4).hex()}", None)
    fields = seal_stream(directory, node, recipients)
    sync_directory(directory / "wraps")
    stated = {"version": __version__, "retention": int(recording.retention_seconds), **rotated}
    appender.first(node, "epoch.start", found.sealed, {**fields, **stated})
    for number, offset, length in found.gaps:
        detail = {"segment": number, "offset": offset, "length": length}
        appender.add(Entry(node, "gap.recovered", extra={"detail": detail}))
    for stream in [s for s in appender.open.values() if s is not node]:
        appender.add(Entry(stream, "session.close", extra={"reason": "crash"}))
    integrator.add(appender.commit())
    integrator.checkpoint()
    return Log(
        directory, recording, reactor, clock, recipients, lock, appender, node, reserve, integrator
    )
