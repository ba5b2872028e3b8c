"""The sealed keys of sessions: ``wraps/<session>.json``, outside the log, named by its leaves."""

from __future__ import annotations

import errno
import os
import threading
from base64 import b64encode
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path
from queue import Empty, SimpleQueue

from hoopgate.errors import LocalProtocolError
from hoopgate.recorder.commit import Entry, Stream
from hoopgate.recorder.files import sync_directory, write_file
from hoopgate.recorder.sealing import Recipient, SessionKey, new_key, seal


def wrap_path(directory: Path, session: str) -> Path:
    """Where a session's sealed key is."""
    return directory / "wraps" / f"{session}.json"


class Sealer(threading.Thread):
    """Makes a new session's key and writes its wrap, so that a login delays no commit."""

    def __init__(
        self,
        directory: Path,
        recipients: Sequence[Recipient],
        *,
        room: Callable[[], bool],
        ready: Callable[[list[Entry]], None],
        refused: Callable[[Entry, Exception | None], None],
        failed: Callable[[BaseException], None],
    ) -> None:
        super().__init__(name="hoopgate-log-sealer", daemon=True)
        self.queue: SimpleQueue[Entry | None] = SimpleQueue()
        self._directory = directory
        self._recipients = recipients
        self._room = room
        self._ready = ready
        self._refused = refused
        self._failed = failed

    def run(self) -> None:
        try:
            while (entry := self.queue.get()) is not None:
                batch: list[Entry | None] = [entry]
                try:
                    while batch[-1] is not None and len(batch) < 64:
                        batch.append(self.queue.get_nowait())
                except Empty:
                    pass
                self._seal([entry for entry in batch if entry is not None])
                if batch[-1] is None:
                    return
        except Exception as error:  # noqa: BLE001 - a session whose key is lost must not begin
            self._failed(error)

    def _seal(self, batch: list[Entry]) -> None:
        ready = []
        for entry in batch:
            session = entry.stream.id
            if not self._room():
                self._refused(entry, None)
                continue
            try:
                entry.vital = {
                    **(entry.vital or {}),
                    **seal_stream(self._directory, entry.stream, self._recipients),
                }
            except FileExistsError:
                error = LocalProtocolError(f"the session id {session} was used before")
                self._refused(entry, error)
            except OSError as error:
                if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                    raise
                wrap_path(self._directory, session).unlink(missing_ok=True)
                self._refused(entry, None)
            else:
                ready.append(entry)
        if ready:
            sync_directory(self._directory / "wraps")
            self._ready(ready)


def seal_stream(
    directory: Path, stream: Stream, recipients: Sequence[Recipient]
) -> dict[str, object]:
    """Give a stream its key and write the wrap; the fields that commit its first leaf to both.

    :raises FileExistsError: there was such a session before.
    """
    key = new_key()
    stream.key = SessionKey(stream.id, key)
    wrap = seal(stream.id, key, recipients)
    write_file(wrap_path(directory, stream.id), wrap, os.O_EXCL)
    return {
        "commitment": b64encode(stream.key.commitment).decode(),
        "wrap": b64encode(sha256(wrap).digest()).decode(),
    }
