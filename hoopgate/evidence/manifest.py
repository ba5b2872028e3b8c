"""The manifest of a bundle: every file with its size and SHA-256, and what the bundle claims.

It is no proof of anything by itself: what it claims is checked against the signed log.
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from hoopgate.errors import HoopgateError
from hoopgate.evidence.period import Selection
from hoopgate.recorder.files import open_file
from hoopgate.recorder.leaf import encode

FORMAT: Final = "hoopgate-evidence/1"
MANIFEST: Final = "manifest.json"
_MANIFEST_BYTES = 64 * 2**20
_FILES = 2_000_000
#: One part of a path: no beginning dot, so neither ``..`` nor a hidden file.
_PART = r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}"
_PATH = re.compile(rf"{_PART}(/{_PART}){{0,15}}\Z")
#: Nobody signs a manifest, and people read it: it holds what is checked.
_KEYS: Final = {"format", "origin", "size", "created", "version", "recordings", "period"} | {
    *("leaves", "opened_before", "purged", "witnessed", "files")
}
_HASH = re.compile(r"[0-9a-f]{64}\Z")
#: It stands in the report, which nobody has signed: a number, not a text of the bearer's.
_VERSION = re.compile(r"[0-9][0-9A-Za-z.+!-]{0,63}\Z")


class BadBundle(HoopgateError):
    """A bundle is not what its manifest, its log or the policy says. Quotes no payload."""


@dataclass(slots=True)
class Manifest:
    """What a bundle holds.

    :ivar origin: the log's name.
    :ivar size: leaves under the bundle's checkpoint.
    :ivar created: µs since the epoch.
    :ivar files: path → (bytes, SHA-256 in hex).
    """

    origin: str
    size: int
    selection: Selection
    created: int
    version: str
    recordings: bool
    files: dict[str, tuple[int, str]] = field(default_factory=dict)

    def encode(self) -> bytes:
        chosen = self.selection
        return (
            encode(
                {
                    "format": FORMAT,
                    "origin": self.origin,
                    "size": self.size,
                    "created": self.created,
                    "version": self.version,
                    "recordings": self.recordings,
                    "period": [chosen.start, chosen.end],
                    "leaves": [chosen.first, chosen.last],
                    "opened_before": chosen.opened,
                    "purged": chosen.purged,
                    "witnessed": chosen.witnessed,
                    "files": {path: list(about) for path, about in self.files.items()},
                }
            )
            + b"\n"
        )

    @classmethod
    def decode(cls, data: bytes) -> Manifest:
        """:raises BadBundle: malformed, or it names a file outside of the bundle."""
        try:
            given = json.loads(data, object_pairs_hook=_once)
            if given["format"] != FORMAT:
                raise BadBundle(f"{MANIFEST}: another format than {FORMAT}")
            if given.keys() != _KEYS or type(given["recordings"]) is not bool:
                raise ValueError
            start, end = _whole(given["period"][0]), _whole(given["period"][1])
            first, last = _whole(given["leaves"][0]), _whole(given["leaves"][1])
            opened, purged = _indices(given["opened_before"]), _indices(given["purged"])
            witnessed = _whole(given["witnessed"])
            files = {
                str(path): (_whole(size), str(digest))
                for path, (size, digest) in given["files"].items()
            }
            found = cls(
                str(given["origin"]),
                _whole(given["size"]),
                Selection(start, end, first, last, opened, purged, witnessed),
                _whole(given["created"]),
                str(given["version"]),
                given["recordings"],
                files,
            )
        except (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError):
            raise BadBundle(f"{MANIFEST} is malformed") from None
        if _VERSION.match(found.version) is None:
            raise BadBundle(f"{MANIFEST} names no version of hoopgate")
        if len(files) > _FILES:
            raise BadBundle(f"{MANIFEST} names too many files")
        for path, (_, digest) in files.items():
            if _PATH.match(path) is None:
                raise BadBundle(f"{MANIFEST} names {path[:80]!r}: no path within a bundle")
            if _HASH.match(digest) is None:
                raise BadBundle(f"{MANIFEST}: {path}: not a SHA-256")
        if not 0 <= first <= last < found.size:
            raise BadBundle(f"{MANIFEST}: the range of leaves is not within the log")
        if witnessed > found.size:
            raise BadBundle(f"{MANIFEST}: the cosigned checkpoint is of more leaves than the log")
        if any(index >= first for index in opened.values()):
            raise BadBundle(f"{MANIFEST}: a session opened before the period is within it")
        return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Of a key that stands twice, another reader may take the other value."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError
    return found


def _whole(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 2**63:
        raise ValueError
    return value


def _indices(given: Mapping[str, Any]) -> dict[str, int]:
    return {str(name): _whole(index) for name, index in given.items()}


def hash_file(path: Path, expected: int) -> tuple[int, str]:
    """Size and SHA-256 (hex) of a regular file.

    :param expected: its size; one of another is not read.
    :raises BadBundle: a symbolic link or another thing that is no file.
    :raises OSError: it cannot be read.
    """
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(fd, "rb") as file:
        about = os.fstat(fd)
        if not stat.S_ISREG(about.st_mode):
            raise BadBundle(f"{path.name} is not a regular file")
        if about.st_size != expected:
            return about.st_size, ""
        digest, size = sha256(), 0
        while block := file.read(2**20):
            digest.update(block)
            size += len(block)
    return size, digest.hexdigest()


def walk(bundle: Path) -> list[str]:
    """Paths of all files of a bundle but the manifest, sorted.

    :raises BadBundle: it holds something else than directories and files.
    :raises OSError: a directory cannot be read: nobody knows what is in it.
    """

    def unreadable(error: OSError) -> None:
        raise error

    found: list[str] = []
    for base, directories, names in os.walk(bundle, onerror=unreadable, followlinks=False):
        for name in (*directories, *names):
            mode = (Path(base) / name).lstat().st_mode
            if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
                raise BadBundle(f"{name[:80]!r} is neither a file nor a directory")
        found += [str((Path(base) / name).relative_to(bundle)) for name in names]
    return sorted(path for path in found if path != MANIFEST)


def read_manifest(bundle: Path) -> Manifest:
    """The manifest of the bundle in a directory.

    :raises BadBundle: there is none, or it is malformed.
    """
    path = bundle / MANIFEST
    try:
        if path.is_symlink():
            raise BadBundle(f"{MANIFEST} is not one")
        fd, size = open_file(path)
        with open(fd, "rb") as file:
            if size > _MANIFEST_BYTES:
                raise BadBundle(f"{MANIFEST} is not one")
            data = file.read(_MANIFEST_BYTES)
    except OSError as error:
        raise BadBundle(f"{MANIFEST}: {error.strerror}") from None
    return Manifest.decode(data)


def check_files(bundle: Path, manifest: Manifest) -> None:
    """Every file is there and is the one that the manifest names; there is no other.

    :raises BadBundle: the first that is not.
    """
    there = set(walk(bundle))
    for path, expected in sorted(manifest.files.items()):
        if path not in there:
            raise BadBundle(f"{path} is missing")
        try:
            found = hash_file(bundle / path, expected[0])
        except OSError as error:
            raise BadBundle(f"{path}: {error.strerror}") from None
        if found != expected:
            raise BadBundle(f"{path} is not the file that the manifest names")
    if more := sorted(there - manifest.files.keys()):
        raise BadBundle(f"{more[0][:80]!r} is not in the manifest")
