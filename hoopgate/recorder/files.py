"""Durable files: what must survive a power loss is synchronised, and so is its directory."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

#: No file of a log is larger except segments, which are never read whole.
WHOLE_BYTES = 256 * 65_537


def open_file(path: Path | str) -> tuple[int, int]:
    """A descriptor to read a file, and the file's size.

    Who wants a verification to hang puts a pipe or a device where a file was.

    :raises OSError: unreadable, or no regular file.
    """
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    try:
        about = os.fstat(fd)
        if not stat.S_ISREG(about.st_mode):
            raise OSError(errno.EINVAL, "not a regular file", str(path))
    except BaseException:
        os.close(fd)
        raise
    return fd, about.st_size


def number_of(name: str) -> int:
    """The number that a name is in decimal digits; -1: it is none. Whoever may write into a log's
    directory may choose names, too."""
    return int(name) if name.isascii() and name.isdecimal() and len(name) < 20 else -1


def read_whole(path: Path | str) -> bytes:
    """A small file's content.

    :raises OSError: unreadable, or larger than any file this is meant for.
    """
    fd, size = open_file(path)
    try:
        if size > WHOLE_BYTES:
            raise OSError(errno.EFBIG, "too large", str(path))
        data = os.read(fd, size + 1)
        while len(data) < size and (more := os.read(fd, size - len(data))):
            data += more
        return data
    finally:
        os.close(fd)


def write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def sync_directory(path: Path) -> None:
    """Make the names in a directory durable."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def write_file(path: Path, data: bytes, flags: int = os.O_TRUNC, mode: int = 0o640) -> None:
    """Write and synchronise a file; its name is durable after :func:`sync_directory`."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | flags, mode)
    try:
        write_all(fd, data)
        os.fsync(fd)
    finally:
        os.close(fd)


def replace_file(path: Path, data: bytes) -> None:
    """Replace a file atomically and durably."""
    temporary = path.with_name(path.name + ".new")
    write_file(temporary, data)
    temporary.rename(path)
    sync_directory(path.parent)


def make_directory(path: Path, mode: int = 0o750) -> None:
    """Create a directory and its missing parents, durably."""
    missing = []
    while not path.is_dir():
        missing.append(path)
        path = path.parent
    for directory in reversed(missing):
        directory.mkdir(mode=mode, exist_ok=True)
        sync_directory(directory.parent)


def create_secret(path: Path, data: bytes) -> None:
    """Write a new file that only its owner may read; it is there whole or not at all.

    :raises FileExistsError: a secret is never overwritten.
    """
    make_directory(path.parent, 0o700)
    temporary = path.with_name(path.name + ".new")
    temporary.unlink(missing_ok=True)
    write_file(temporary, data, os.O_EXCL, 0o600)
    os.link(temporary, path)
    temporary.unlink()
    sync_directory(path.parent)


def read_secret(path: Path) -> bytes:
    """:raises PermissionError: others than the owner may read the file."""
    with path.open("rb") as file:
        if os.fstat(file.fileno()).st_mode & 0o077:
            raise PermissionError(f"{path} may be read by others than its owner: chmod 600 it")
        return file.read(WHOLE_BYTES)
