"""The rules that were in force, kept by the digest that sessions' first leaves name them by."""

from __future__ import annotations

import os
from hashlib import sha256
from pathlib import Path

from hoopgate.recorder.files import make_directory, sync_directory, write_file


def rules_path(directory: Path, digest: str) -> Path:
    """Where rules are kept.

    :param directory: ``rules`` in the node's state directory.
    """
    return directory / f"{digest}.json"


def keep_rules(directory: Path, text: str) -> None:
    """Keep rules before they come into force.

    :param text: their canonical form, whose SHA-256 is their digest.
    :raises OSError: they cannot be kept.
    """
    data = text.encode()
    path = rules_path(directory, sha256(data).hexdigest())
    if path.exists():
        return
    make_directory(directory, 0o700)
    temporary = path.with_name(f"{path.name}.new")
    write_file(temporary, data, os.O_TRUNC, 0o600)
    temporary.rename(path)
    sync_directory(directory)
