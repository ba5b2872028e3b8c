"""What a request of SFTP asks for, in the words of rules; sans-I/O."""

from __future__ import annotations

import posixpath
from typing import Final

from hoopgate.actions import Decision
from hoopgate.events import Command
from hoopgate.plans import MaskPlan
from hoopgate.ssh import sftp_wire as sftp
from hoopgate.ssh.sftp_files import File
from hoopgate.ssh.sftp_wire import Request
from hoopgate.ssh.wire import Reader
from hoopgate.verdicts import Mask

_KINDS: Final = {
    sftp.LSTAT: "sftp.lstat",
    sftp.STAT: "sftp.stat",
    sftp.REALPATH: "sftp.stat",
    sftp.READLINK: "sftp.readlink",
    sftp.SETSTAT: "sftp.attributes",
    sftp.OPENDIR: "sftp.list",
    sftp.REMOVE: "sftp.remove",
    sftp.RMDIR: "sftp.remove",
    sftp.MKDIR: "sftp.make",
    sftp.RENAME: "sftp.rename",
    sftp.SYMLINK: "sftp.link",
}
_EXTENDED_KINDS: Final = {
    b"posix-rename@openssh.com": "sftp.rename",
    b"statvfs@openssh.com": "sftp.stat",
    b"hardlink@openssh.com": "sftp.link",
    b"lsetstat@openssh.com": "sftp.lsetstat",
}
_WORDS: Final = {
    sftp.LSTAT: "lstat",
    sftp.STAT: "stat",
    sftp.REALPATH: "realpath",
    sftp.READLINK: "readlink",
    sftp.SETSTAT: "setstat",
    sftp.OPENDIR: "opendir",
    sftp.REMOVE: "remove",
    sftp.RMDIR: "rmdir",
    sftp.MKDIR: "mkdir",
    sftp.RENAME: "rename",
    sftp.SYMLINK: "symlink",
    sftp.OPEN: "open",
    sftp.FSETSTAT: "fsetstat",
}


def questions(request: Request, paths: list[str]) -> list[Command]:
    """What has to be allowed for a request with these paths."""
    if request.kind == sftp.OPEN:
        flags = Reader(request.rest).uint32()
        kinds = ["sftp.write"] if flags & sftp.WRITING else []
        kinds += ["sftp.read"] if flags & sftp.READING or not kinds else []
        return [Command(kind, "open", tuple(paths)) for kind in kinds]
    kind = _KINDS.get(request.kind) or _EXTENDED_KINDS[request.extension]
    word = _WORDS.get(request.kind, request.extension.decode("ascii", "replace"))
    if request.kind == sftp.SYMLINK:  # OpenSSH: where it leads to stands first
        paths = [posixpath.join(posixpath.dirname(paths[1]), paths[0]), paths[1]]
    asked = [Command(kind, word, tuple(paths))]
    if changes(request) and sftp.size_of(request.rest) is not None:
        # A size cuts the file, or makes it longer: that is writing.
        asked.append(Command("sftp.write", "truncate", tuple(paths)))
    return asked


def changes(request: Request) -> bool:
    """Whether a request is for other attributes of what is at a path."""
    return request.kind == sftp.SETSTAT or request.extension == b"lsetstat@openssh.com"


def length_of(request: Request) -> int:
    """How many bytes a READ may bring."""
    reader = Reader(request.rest)
    reader.uint64()
    return min(reader.uint32(), sftp.PACKET_BYTES)


def fits(request: Request, files: list[File | None]) -> bool:
    """Whether the handles were opened for this."""
    file, *others = files
    assert file is not None
    if request.kind == sftp.READ:
        return file.reads and not file.directory
    if request.kind in (sftp.WRITE, sftp.FSETSTAT):
        return file.writes
    if request.kind == sftp.READDIR:
        return file.directory
    if request.extension == b"copy-data":
        return file.reads and all(other is not None and other.writes for other in others)
    return True


def is_bulk(decision: Decision) -> bool:
    return any("sftp.bulk" in one.classes for one in decision.facts)


def plan_of(decisions: list[Decision]) -> MaskPlan | None:
    for decision in decisions:
        verdict = decision.verdict
        if isinstance(verdict, Mask) and "sftp.read" in decision.facts[0].classes:
            return next((plan for plan in verdict.plans if plan is not None), None)
    return None
