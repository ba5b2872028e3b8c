"""The gateway's own SFTP session beside the clients': where a path leads is the server's word.

Only REALPATH, LSTAT and READLINK are asked. One connection serves all sessions of a resource; it is
made when it is first needed, and anew when it was lost.
"""

from __future__ import annotations

import posixpath
import stat
from typing import TYPE_CHECKING, Final

from twisted.internet.defer import CancelledError, Deferred

from hoopgate.errors import Refused, RemoteProtocolError, UnresolvableStatement
from hoopgate.ssh import wire
from hoopgate.ssh.backend import BackendTransport, connect, session_channel
from hoopgate.ssh.channels import FRAME_BYTES, Channel, OpenRefused
from hoopgate.ssh.wire import Reader, string, uint32

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

    from hoopgate.events import Principal
    from hoopgate.interfaces import ISecretSource
    from hoopgate.settings.model import Resource

_INIT: Final = 1
_VERSION: Final = 2
_LSTAT: Final = 7
_REALPATH: Final = 16
_READLINK: Final = 19
_STATUS: Final = 101
_NAME: Final = 104
_ATTRS: Final = 105

_PACKET_BYTES: Final = 2**18
_SECONDS: Final = 10.0
_PATH_BYTES: Final = 4096
_NO_SUCH_FILE: Final = 2
_SIZE, _OWNER, _PERMISSIONS = 0x01, 0x02, 0x04  # which attributes there are
_CANNOT: Final = "the server cannot resolve it"


class _Failed(Exception):
    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class _Session:
    """An SFTP session on a channel of its own (draft-ietf-secsh-filexfer-02)."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._frames = wire.Frames(FRAME_BYTES)
        self._buffer = bytearray()
        self._waiting: dict[int, Deferred[Reader]] = {}
        self._next = 0
        self.ready: Deferred[None] = Deferred()
        self.lost = False
        channel.deliver, channel.lost = self._deliver, self._gone
        subsystem = wire.request(b"subsystem", string(b"sftp"), want_reply=True)
        channel.write(subsystem + wire.data(uint32(5) + bytes((_INIT,)) + uint32(3)))

    def ask(self, kind: int, path: str) -> Deferred[Reader]:
        """The answer's fields; fails with :class:`_Failed`."""
        answer: Deferred[Reader] = Deferred(lambda _: None)
        if self.lost:
            answer.errback(_Failed(-1))
            return answer
        self._next = (self._next + 1) & 0xFFFFFFFF
        self._waiting[self._next] = answer
        body = bytes((kind,)) + uint32(self._next) + string(path.encode("utf-8", "surrogateescape"))
        self._channel.write(wire.data(string(body)))
        return answer

    def _deliver(self, data: bytes) -> None:
        try:
            for number, body in self._frames.feed(data):
                if number == wire.CHANNEL_DATA:
                    self._buffer += Reader(body).string()
                elif number == wire.CHANNEL_FAILURE:
                    self._channel.abortConnection()
            self._packets()
        except RemoteProtocolError:
            self._channel.abortConnection()
            self._gone()

    def _packets(self) -> None:
        while len(self._buffer) >= 4:
            length = int.from_bytes(self._buffer[:4], "big")
            if not 1 <= length <= _PACKET_BYTES:
                raise RemoteProtocolError("a packet of SFTP has a wrong length")
            if len(self._buffer) < 4 + length:
                return
            packet = bytes(self._buffer[4 : 4 + length])
            del self._buffer[: 4 + length]
            self._packet(packet[0], Reader(packet[1:]))

    def _packet(self, kind: int, reader: Reader) -> None:
        if kind == _VERSION:
            if not self.ready.called:
                self.ready.callback(None)
            return
        waiting = self._waiting.pop(reader.uint32(), None)
        if waiting is None or waiting.called:
            return
        if kind == _STATUS:
            waiting.errback(_Failed(reader.uint32()))
        elif kind in (_NAME, _ATTRS):
            waiting.callback(reader)
        else:
            waiting.errback(_Failed(-1))

    def _gone(self) -> None:
        self.lost = True
        if not self.ready.called:
            self.ready.errback(_Failed(-1))
        waiting, self._waiting = self._waiting, {}
        for one in waiting.values():
            if not one.called:
                one.errback(_Failed(-1))


class SidePaths:
    """Where paths of one resource lead.

    :param itself: on whose behalf the account's secret is read.
    """

    def __init__(
        self, reactor: IReactorTime, resource: Resource, secrets: ISecretSource, itself: Principal
    ) -> None:
        self._reactor = reactor
        self._resource = resource
        self._secrets = secrets
        self._itself = itself
        self._backend: BackendTransport | None = None
        self._session: _Session | None = None
        self._home: tuple[_Session | None, str] | None = None
        self._connecting: list[Deferred[_Session]] | None = None
        self._stopped = False

    def stop(self) -> None:
        """End the connection."""
        self._stopped = True
        if self._backend is not None:
            self._backend.loseConnection()

    async def resolve(self, path: str, *, follow: bool) -> str:
        """The absolute path without links, ``.`` and ``..``.

        :param follow: False: of the last component the name itself, where it is a link or nothing.
        :raises UnresolvableStatement: ``resolve.path``: the server cannot say.
        """
        if not path or "\0" in path or len(path.encode("utf-8", "surrogateescape")) > _PATH_BYTES:
            raise UnresolvableStatement("resolve.path", "that is no path")
        if not follow:
            return await self._parent_and_name(path)
        try:
            return await self._realpath(path)
        except _Failed as failed:
            if failed.code != _NO_SUCH_FILE:
                raise UnresolvableStatement("resolve.path", _CANNOT) from None
        # What is not there yet is made in its directory; a link into nowhere is refused.
        if await self._exists(path):
            raise UnresolvableStatement("resolve.path", "it is a link that leads nowhere")
        return await self._parent_and_name(path)

    async def is_directory(self, path: str) -> bool:
        """Whether a resolved path is a directory.

        :raises UnresolvableStatement: ``resolve.path``: the server cannot say.
        """
        return await self.kind(path) == "directory"

    async def kind(self, path: str) -> str:
        """Of what is at a resolved path: ``directory``, ``file``, or "" where nothing is.

        :raises UnresolvableStatement: ``resolve.path``: the server cannot say.
        """
        mode = await self._mode(path)
        if mode is None:
            return ""
        return "directory" if stat.S_ISDIR(mode) else "file"

    async def link(self, path: str) -> str:
        """What a link at a resolved path says, as it stands there; "" where none is.

        :raises UnresolvableStatement: ``resolve.path``: the server cannot say.
        """
        mode = await self._mode(path)
        if mode is None or not stat.S_ISLNK(mode):
            return ""
        try:
            reader = await self._ask(_READLINK, path)
            if reader.uint32() != 1:
                raise UnresolvableStatement("resolve.path", _CANNOT)
            return reader.string().decode()
        except (_Failed, UnicodeDecodeError):
            raise UnresolvableStatement("resolve.path", _CANNOT) from None

    async def _mode(self, path: str) -> int | None:
        """None: nothing is there."""
        try:
            reader = await self._ask(_LSTAT, path)
        except _Failed as failed:
            if failed.code == _NO_SUCH_FILE:
                return None
            raise UnresolvableStatement("resolve.path", _CANNOT) from None
        flags = reader.uint32()
        if not flags & _PERMISSIONS:
            raise UnresolvableStatement("resolve.path", _CANNOT)
        for field in (_SIZE, _SIZE, _OWNER, _OWNER):  # size is a uint64; owner and group
            if flags & field:
                reader.uint32()
        return reader.uint32()

    async def home(self) -> str:
        """The directory in which the account's sessions begin, with a slash at its end.

        :raises UnresolvableStatement: ``resolve.path``: the server cannot say.
        """
        if self._home is None or self._home[0] is not self._session:
            path = await self.resolve(".", follow=True)
            self._home = self._session, path.rstrip("/") + "/"
        return self._home[1]

    async def _parent_and_name(self, path: str) -> str:
        directory, name = posixpath.split(path.rstrip("/"))
        if name in ("", ".", ".."):
            try:
                return await self._realpath(path)
            except _Failed:
                raise UnresolvableStatement("resolve.path", _CANNOT) from None
        try:
            parent = await self._realpath(directory or ".")
        except _Failed:
            raise UnresolvableStatement("resolve.path", "its directory is not there") from None
        return posixpath.join(parent, name)

    async def _realpath(self, path: str) -> str:
        reader = await self._ask(_REALPATH, path)
        if reader.uint32() != 1:
            raise _Failed(-1)
        try:
            found = reader.string().decode()
        except UnicodeDecodeError:
            raise _Failed(-1) from None
        if not found.startswith("/") or posixpath.normpath(found) not in (found, found[1:]):
            raise _Failed(-1)
        return found

    async def _exists(self, path: str) -> bool:
        try:
            await self._ask(_LSTAT, path)
        except _Failed as failed:
            if failed.code == _NO_SUCH_FILE:
                return False
            raise UnresolvableStatement("resolve.path", _CANNOT) from None
        return True

    async def _ask(self, kind: int, path: str) -> Reader:
        session = await self._connected()
        answer = session.ask(kind, path)
        timer = self._reactor.callLater(_SECONDS, answer.cancel)
        try:
            return await answer
        except CancelledError:
            raise _Failed(-1) from None
        finally:
            if timer.active():
                timer.cancel()

    def _connected(self) -> Deferred[_Session]:
        found: Deferred[_Session] = Deferred()
        if self._session is not None and not self._session.lost:
            found.callback(self._session)
            return found
        if self._connecting is not None:
            self._connecting.append(found)
            return found
        self._connecting = [found]
        connecting = Deferred.fromCoroutine(self._connect())
        connecting.addCallbacks(self._have, self._have_not)
        return found

    async def _connect(self) -> _Session:
        if self._stopped:
            raise UnresolvableStatement("resolve.path", "the node is being stopped")
        if self._backend is not None:
            self._backend.loseConnection()
        password = None
        if self._resource.password is not None:
            password = await self._secrets.password(self._resource, self._itself)
        self._backend = backend = await connect(self._reactor, self._resource, password)
        if self._stopped:
            backend.loseConnection()
        session = _Session(await session_channel(backend))
        timer = self._reactor.callLater(_SECONDS, backend.loseConnection)
        try:
            await session.ready
        finally:
            if timer.active():
                timer.cancel()
        return session

    def _have(self, session: _Session) -> None:
        self._session = session
        waiting, self._connecting = self._connecting or [], None
        for one in waiting:
            one.callback(session)

    def _have_not(self, failure: object) -> None:
        waiting, self._connecting = self._connecting or [], None
        why = UnresolvableStatement("resolve.path", "the server has no SFTP to ask for paths")
        for one in waiting:
            one.errback(why)


#: What may go wrong when a path is asked for.
SideFailed = (UnresolvableStatement, OpenRefused, Refused)
