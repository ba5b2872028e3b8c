"""A new key for the log. The log goes on; its next epoch begins with what the old key signed last.

Retired keys are remembered beside the new one, in the node's state, for one purpose: that the node
takes up the log where the old key left it. Nobody else trusts them: a policy names the new one.
"""

from __future__ import annotations

import fcntl
import os
from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path

from hoopgate.errors import RecorderFailed
from hoopgate.recorder.errors import BadNote
from hoopgate.recorder.files import make_directory, read_whole, replace_file, sync_directory
from hoopgate.recorder.note import Checkpoint, Note, Verifier
from hoopgate.recorder.signer import FileSigner
from hoopgate.recorder.tiles import CHECKPOINT

SIGNER_KEY = "keys/log-signer.key"
RETIRED = "keys/log-signer.retired"


def retired_keys(state_dir: Path) -> list[Verifier]:
    """Keys that this log had before, the latest first.

    :raises BadNote: the file is damaged.
    """
    try:
        lines = (state_dir / RETIRED).read_text().splitlines()
    except FileNotFoundError:
        return []
    return [Verifier.parse(line) for line in reversed(lines)]


def taken_up(
    directory: Path, verifier: Verifier, retired: list[Verifier]
) -> tuple[Checkpoint | None, dict[str, Mapping[str, object]]]:
    """The log's checkpoint, and what its next epoch says of a key that signed it and no longer
    signs.

    Only the key that was retired last may have: an older one's word ended before.

    :raises BadNote: malformed, or signed by another key.
    """
    try:
        note = Note.parse(read_whole(directory / CHECKPOINT))
    except FileNotFoundError:
        return None, {}
    signed = note.verified([verifier, *retired[:1]])
    checkpoint = Checkpoint.parse(note.text)
    if verifier in signed:
        return checkpoint, {}
    previous = {
        "key": str(signed[0]),
        "root": b64encode(checkpoint.root).decode(),
        "size": checkpoint.size,
    }
    return checkpoint, {"previous": previous}


def rotate(directory: Path, state_dir: Path, origin: str) -> tuple[Verifier, Verifier]:
    """Make a new key and destroy the old one; both verifier keys, the old one first.

    :raises RecorderFailed: the node runs, or there is no key of this log to replace.
    :raises OSError: a file cannot be written; the old key is still there.
    """
    path = state_dir / SIGNER_KEY
    try:
        lock = os.open(directory / "lock", os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        raise RecorderFailed(f"there is no log in {directory}") from None
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise RecorderFailed("the node runs: stop it, rotate, and start it again") from None
        try:
            old = FileSigner.load(path).verifier
        except (OSError, BadNote) as error:
            raise RecorderFailed(f"no key to replace: {error}") from None
        checkpoint, previous = taken_up(directory, old, retired_keys(state_dir))
        if previous or checkpoint is None:
            raise RecorderFailed(
                "the present key has not signed yet: start the node once before another rotation"
            )
        new = state_dir / "keys/log-signer.next"
        make_directory(new.parent, 0o700)
        new.unlink(missing_ok=True)
        verifier = FileSigner.create(new, origin).verifier
        lines = [str(key) for key in reversed(retired_keys(state_dir))]
        # First: with the new key in place and no word of the old one, the node would not start.
        replace_file(state_dir / RETIRED, "".join(f"{key}\n" for key in [*lines, old]).encode())
        os.replace(new, path)
        sync_directory(path.parent)
        return old, verifier
    finally:
        os.close(lock)
