"""From what a client asks for to an operation that rules can judge."""

# ruff: noqa: SIM905 - word lists read better as text
from __future__ import annotations

import posixpath
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from twisted.internet.defer import Deferred
from zope.interface import implementer

from hoopgate.errors import HoopgateError, Refused
from hoopgate.events import Command, Operation, OperationFacts
from hoopgate.interfaces import ICommandExaminer
from hoopgate.shell.line import Line
from hoopgate.shell.readers import looks_here
from hoopgate.shell.transfers import Transfer, transfer
from hoopgate.shell.words import literal_words, quote, value_of
from hoopgate.ssh.side import SidePaths

if TYPE_CHECKING:
    from hoopgate.settings.model import Resource

#: Operations on the name itself: a link is not followed.
NAMES: Final = frozenset(
    """
    sftp.lstat sftp.readlink sftp.lsetstat sftp.remove sftp.rename sftp.link sftp.make
    """.split()
)
#: Those that give what is there another name.
_NAMING: Final = frozenset(["sftp.rename", "sftp.link"])
#: Classes that change what is at a path.
_WRITES: Final = frozenset("sftp.write sftp.attributes sftp.make sftp.rename sftp.link".split())
#: Kinds that belong to another class.
_CLASSES: Final = {
    "sftp.lstat": "sftp.stat",
    "sftp.readlink": "sftp.stat",
    "sftp.lsetstat": "sftp.attributes",
}
#: Words of a command line that are resolved at most.
_MOST_WORDS: Final = 32
_NO_PATH: Final = (("", ""),)
_NOT_LITERAL: Final = Line((), frozenset({"not_literal"}))


@implementer(ICommandExaminer)
class SSHExaminer:
    """For one resource.

    :param parse: parses a command line in a child process; fails with Refused.
    """

    def __init__(
        self, resource: Resource, side: SidePaths, parse: Callable[[str], Deferred[Line]]
    ) -> None:
        self._side = side
        self._parse = parse
        settings = resource.ssh
        assert settings is not None
        self._literal = settings.commands == "allow"
        self._phi = resource.phi

    def examine(self, command: Command) -> Deferred[Operation]:
        """See :class:`hoopgate.interfaces.ICommandExaminer`."""
        return Deferred.fromCoroutine(self._examine(command))

    async def _examine(self, command: Command) -> Operation:
        try:
            if command.kind == "exec":
                return await self._line(command)
            if command.kind == "shell":
                return _operation("ssh.shell", "an interactive shell", command)
            if command.kind == "sftp":
                return _operation("sftp.session", "SFTP", command)
            if command.kind.startswith("sftp."):
                return await self._files(command)
        except Refused as refused:
            return Operation(command.text, None, refused.code)
        except HoopgateError:
            return Operation(command.text, None, "resolve.path")
        return Operation(command.text, None, "command.unknown")

    async def _files(self, command: Command) -> Operation:
        follow = command.kind not in NAMES
        paths = [await self._side.resolve(path, follow=follow) for path in command.paths]
        if command.text == "symlink":
            # Through links that are there already: what it leads to is what is judged.
            paths[0] = await self._side.resolve(command.paths[0], follow=True)
        elif command.kind in _NAMING and (said := await self._side.link(paths[0])):
            # A link says where it leads from where it is: elsewhere it may lead out.
            target = posixpath.join(posixpath.dirname(paths[1]), said)
            paths.append(await self._side.resolve(target, follow=True))
        kind = _CLASSES.get(command.kind, command.kind)
        whole = False
        if kind == "sftp.rename":
            # With a directory all that is in it goes elsewhere.
            whole = await self._side.is_directory(paths[0])
        # What a path is labelled does not follow a file to another path.
        phi = "phi.sink" if self._phi and kind in _NAMING else ""
        found = tuple(paths)
        if kind in _WRITES:
            await self._may_begin(found, below=whole)
        return _operation(kind, command.text, command, paths=found, phi=phi, whole=whole)

    async def _may_begin(self, paths: Sequence[str], *, below: bool = False) -> None:
        """Where commands are a list, nobody writes what decides which programs run: what shells,
        sshd and their like read of hidden files in the account's home.

        :param below: what is in the paths is written, too.
        :raises Refused: ``command.startup``.
        """
        if not self._literal:
            return
        home = await self._side.home()
        for path in paths:
            around = below and home.startswith(path.rstrip("/") + "/")
            if around or path.startswith(f"{home}."):
                raise Refused("command.startup", "hidden files in the home are not written")

    async def _line(self, command: Command) -> Operation:
        line = _NOT_LITERAL
        if not self._literal or literal_words(command.text) is not None:
            # The grammar has crashed on odd texts: where only words count, it sees nothing else.
            line = await self._parse(command.text)
        found = transfer(line.words) if line.words else None
        if found is not None:
            return await self._transfer(command, found)
        words = line.words[1 : _MOST_WORDS + 1] if self._literal or self._phi else ()
        # Of an option its value where that is a path; without a slash it is taken for none.
        maybe = [value_of(word) if word.startswith("-") else word for word in words]
        chosen = [one for one, word in zip(maybe, words, strict=True) if one is word or "/" in one]
        asked = [(one, Deferred.fromCoroutine(self._named(one))) for one in dict.fromkeys(chosen)]
        named = [(one, *await found) for one, found in asked]
        here = (self._literal or self._phi) and bool(line.words) and looks_here(line.words)
        text = quote(line.words) if line.words else command.text
        known = here or (self._literal and any(path for _, path, _ in named))
        home = await self._side.home() if known else ""
        files = [(path, kind) for _, path, kind in named if kind]
        if here:
            files.append((home.rstrip("/") or "/", "directory"))
        return _operation("ssh.exec", text, command, line=line, named=named, files=files, home=home)

    async def _named(self, word: str) -> tuple[str, str]:
        """Where a word leads if it is a path, and what is there: "" when the server cannot say,
        and where nothing is. What it cannot say of what is there may be either."""
        try:
            path = await self._side.resolve(word, follow=True)
        except (HoopgateError, UnicodeEncodeError):
            return "", ""
        try:
            return path, await self._side.kind(path)
        except HoopgateError:
            return path, "directory"

    async def _transfer(self, command: Command, found: Transfer) -> Operation:
        paths = tuple([await self._side.resolve(path, follow=True) for path in found.paths])
        if found.options[0] == "scp" and found.writes and await self._side.is_directory(paths[0]):
            # Below it scp follows whatever link has the name that the client will send.
            raise Refused("command.directory", "scp -O may not copy into a directory")
        if found.writes:
            await self._may_begin(paths, below=found.options[0] == "rsync")
        words = found.words_for(paths)
        line = Line(words, found.flags)
        kind = "sftp.write" if found.writes else "sftp.read"
        # rsync removes files on either side: what is sent (--remove-source-files) and what is not.
        more = frozenset({"sftp.remove"} if "destructive" in found.flags else ())
        return _operation(
            kind, quote(words), command, more=more, line=line, paths=paths, program=words[0]
        )


def _operation(
    kind: str,
    text: str,
    command: Command,
    *,
    more: frozenset[str] = frozenset(),
    whole: bool = False,
    line: Line | None = None,
    paths: tuple[str, ...] = (),
    named: Sequence[tuple[str, str, str]] = (),
    files: Sequence[tuple[str, str]] = (),
    home: str = "",
    program: str = "",
    phi: str = "",
) -> Operation:
    words = line.words if line is not None else ()
    flags = line.flags if line is not None else frozenset()
    if command.terminal:
        flags |= {"terminal"}
    if whole:
        flags |= {"recursive"}
    if phi:
        flags |= {"sink"}
    shown = " ".join([text, *map(repr, paths)]) if kind.startswith("sftp.") else text
    if named:
        shown += " -- " + " ".join(path for _, path, _ in named if path)
    facts = OperationFacts(
        classes=more | {kind},
        text=command.text if line is not None else text,
        kind=program,
        flags=flags,
        attributes={
            "ssh.command": ((words[0] if words else "", ""),),
            "ssh.path": tuple((path, "") for path in paths) or _NO_PATH,
            "ssh.word": tuple((word, "") for word in words),
            "ssh.resolved": tuple((word, path) for word, path, _ in named),
            "ssh.there": tuple((word, kind) for word, _, kind in named if kind),
            "ssh.file": tuple(files),
            "ssh.home": ((home, ""),),
        },
        phi=phi,
    )
    return Operation(shown, (facts,))
