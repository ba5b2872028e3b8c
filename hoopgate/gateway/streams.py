"""Events for other systems, sent by children: a receiver that stalls never stalls the gateway.

Each child is ``hoopgate stream --name NAME``: it reads the log's files, says a word on its standard
output when it cannot send, and is started again when it ended.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from twisted.internet import error
from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.interfaces import IDelayedCall, IProcessTransport
from twisted.internet.protocol import ProcessProtocol
from twisted.logger import Logger, LogLevel
from twisted.python.failure import Failure

from hoopgate.gateway.logging import log_event
from hoopgate.gateway.metrics import DEGRADED, FAILED, OK

if TYPE_CHECKING:
    from hoopgate.settings.model import EventStream, Settings

log = Logger()

#: Seconds before a child that ended is started again: doubled each time that it said nothing good.
_BACKOFF: Final = (1.0, 60.0)
_CODE: Final = "import sys; from hoopgate.cli.main import main; sys.exit(main())"
#: Exit status of ``hoopgate stream`` when the log is not what was signed: no use to try again.
_BAD_LOG: Final = 1


class _Child(ProcessProtocol):
    """One stream's child, started again until it is stopped."""

    transport: IProcessTransport

    def __init__(self, stream: EventStream, settings: Settings, reactor: Any) -> None:
        self.state = OK
        self.running = False
        self._stream = stream
        self._settings = settings
        self._reactor = reactor
        self._pause = _BACKOFF[0]
        self._again: IDelayedCall | None = None
        self._stopped: Deferred[None] | None = None
        self._line = b""

    def start(self) -> None:
        """Start it; it may end and be started again."""
        self._again = None
        # -I: neither the working directory nor the environment chooses the code.
        command = [sys.executable, "-I", "-c", _CODE, "stream", "--child"]
        command += ["--config", str(self._settings.path), "--name", self._stream.name]
        try:
            self._reactor.spawnProcess(self, sys.executable, command, env=self._environment())
        except OSError:
            self._ended(DEGRADED)
        else:
            self.running = True

    def _environment(self) -> Mapping[str, str]:
        names = ["PATH"]
        token = self._stream.token
        if token is not None and token.environment is not None:
            names.append(token.environment)
        given = {name: os.environ[name] for name in names if name in os.environ}
        return {"LC_ALL": "C.UTF-8", **given}

    def stop(self) -> Deferred[None]:
        """End it; fires when it has ended."""
        stopped: Deferred[None] = Deferred()
        self._stopped = stopped
        if self._again is not None:
            self._again.cancel()
            self._again = None
        if self.running:
            self._signal("TERM")
            self._again = self._reactor.callLater(5, self._signal, "KILL")
        else:
            stopped.callback(None)
        return stopped

    def _signal(self, name: str) -> None:
        try:
            self.transport.signalProcess(name)
        except error.ProcessExitedAlready:
            pass

    def outReceived(self, data: bytes) -> None:
        """Its words: ``sent`` and ``away``."""
        *words, self._line = (self._line + data).split(b"\n")
        for word in words:
            if word == b"sent":
                self._pause = _BACKOFF[0]
            self._changed(OK if word == b"sent" else DEGRADED)

    def errReceived(self, data: bytes) -> None:
        """Sentences for people, which name the other side: not for the node's log."""

    def processEnded(self, reason: Failure) -> None:
        self.running = False
        status = getattr(reason.value, "exitCode", None)
        if self._stopped is not None:
            if self._again is not None and self._again.active():
                self._again.cancel()
            self._stopped.callback(None)
            return
        log_event(log, "stream.ended", LogLevel.error, code=self._stream.name, status=str(status))
        self._ended(FAILED if status == _BAD_LOG else DEGRADED)

    def _ended(self, state: str) -> None:
        self._changed(state)
        self._again = self._reactor.callLater(self._pause, self.start)
        self._pause = min(2 * self._pause, _BACKOFF[1])

    def _changed(self, state: str) -> None:
        before, self.state = self.state, state
        if before == state:
            return
        name = self._stream.name
        if state == OK:
            log_event(log, "stream.back", LogLevel.info, code=name)
        elif state == DEGRADED:
            log_event(log, "stream.away", LogLevel.error, code=name)
        else:
            log_event(log, "stream.bad_log", LogLevel.critical, code=name)


class Streams:
    """The streams that the settings name."""

    def __init__(self, settings: Settings, reactor: Any) -> None:
        self._children = [_Child(stream, settings, reactor) for stream in settings.streams]

    def start(self) -> None:
        """Start a child for each."""
        for child in self._children:
            child.start()

    def stop(self) -> Deferred[Any]:
        """Fires when all have ended. What they had not sent is sent after the next start."""
        return DeferredList([child.stop() for child in self._children])

    def state(self) -> str:
        """Whether all send: a stream that does not is no reason to refuse sessions."""
        return OK if all(child.state == OK for child in self._children) else DEGRADED
