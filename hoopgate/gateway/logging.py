"""JSON lines for the operator, in which nothing of a client's can appear.

``twisted.logger``'s own JSON observer writes every keyword of an event, and its text observer
writes formatted messages and whole tracebacks with exception texts: all of these can hold SQL,
parameters, tokens. This observer goes the other way round: it writes an allow-list of keys, each
checked against what its values may look like, the *template* of a message but never its filled-in
form, and of an exception its type and where it happened.
"""

from __future__ import annotations

import datetime
import json
import os
import re
import signal
import sys
from collections.abc import Iterator, Mapping, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, TextIO

from twisted.logger import ILogObserver, LogEvent, Logger, LogLevel
from twisted.python.failure import Failure
from zope.interface import implementer

from hoopgate.errors import Refused

_WORD = re.compile(r"[A-Za-z0-9_.:/@+*%()\[\],=-]{1,200}")
_SENTENCE_CHARACTERS = 400
_FRAMES = 30

#: Keys whose values are one word: names of the settings, ids we minted, codes, addresses.
WORDS = frozenset(
    {
        *("session", "request_id", "approval", "resource", "listener", "protocol", "database"),
        *("rule", "code", "verdict", "state", "peer", "rules_digest", "error", "version"),
        *("issuer", "subject", "client", "address", "jti", "status", "step", "cipher"),
    }
)
#: Keys whose values are sentences of our own: a problem in the settings, why a start failed.
SENTENCES = frozenset({"reason"})
#: Keys whose values are numbers or truth values.
NUMBERS = frozenset({"seconds", "count", "bytes", "size", "pid", "sessions", "full", "index"})


def log_event(log: Logger, event: str, level: LogLevel = LogLevel.info, **values: object) -> None:
    """Log ``event``, a dotted word, with values for keys of the allow-list.

    Other keys, and values that are not what their key may hold, are left out of the line. Rooms
    below this one log the same by ``Logger().info("event.word", code=…)``.
    """
    log.emit(level, event, **values)


class ReopenedFile:
    """A log file for its owner only, which others rotate (logrotate) and we open again.

    :raises OSError: it cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = self._open()

    def _open(self) -> TextIO:
        descriptor = os.open(
            self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600
        )
        return os.fdopen(descriptor, "w", encoding="ascii")

    def write(self, text: str) -> int:
        """See :class:`io.TextIOBase`."""
        return self._file.write(text)

    def flush(self) -> None:
        """See :class:`io.TextIOBase`."""
        self._file.flush()

    def close(self) -> None:
        """See :class:`io.TextIOBase`."""
        self._file.close()

    def reopen(self) -> None:
        """Open the path again; where that fails, the open file stays."""
        try:
            file = self._open()
        except OSError:
            return
        self._file, old = file, self._file
        old.close()

    def reopen_soon(self, number: int, frame: FrameType | None) -> None:
        """A signal handler: opens the path again when the reactor comes round."""
        from twisted.internet import reactor

        reactor.callFromThread(self.reopen)  # type: ignore[attr-defined]


@implementer(ILogObserver)
class JSONObserver:
    """Writes one line of JSON per event.

    :param file: text file; flushed after every line.
    """

    def __init__(self, file: TextIO | ReopenedFile) -> None:
        self._file = file

    def __call__(self, event: LogEvent) -> None:
        """See :class:`ILogObserver`. Never raises: a log line is not worth a session."""
        if _says_nothing(event):
            return
        try:
            line = json.dumps(shown(event))
        except Exception as error:  # noqa: BLE001
            line = json.dumps({"event": "log.failed", "error": type(error).__name__})
        try:
            # One write per line, so that lines of two processes do not mix.
            self._file.write(line + "\n")
            self._file.flush()
        except (OSError, ValueError):
            pass


def shown(event: Mapping[str, Any]) -> dict[str, object]:
    """What of an event may be written: ASCII only once it is JSON, so no control characters."""
    level = event.get("log_level")
    moment = datetime.datetime.fromtimestamp(event.get("log_time", 0.0), datetime.UTC)
    line: dict[str, object] = {
        "time": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "level": getattr(level, "name", "info"),
        "namespace": _word(event.get("log_namespace")) or "?",
        "event": _title(event),
    }
    if _room(event) == "hoopgate":
        # Others use the same words for other things: Twisted's "reason" is an exception's text.
        for key, value in event.items():
            if (allowed := _allowed(key, value)) is not None:
                line[key] = allowed
    if _is_warning(event):
        line.update(_warning(event))
    failure = event.get("log_failure", event.get("failure"))  # the second is log.err()'s
    if isinstance(failure, Failure):
        line["exception"] = _exception(failure)
    return line


def _says_nothing(event: Mapping[str, Any]) -> bool:
    """Of Twisted's chatter nothing may be written but that there was some: a legacy message is a
    finished text, and a client of HTTP is started and stopped for every question to an issuer."""
    name = str(event.get("log_namespace", ""))
    if name != "log_legacy" and not name.startswith("twisted.web.client."):
        return False
    return event.get("log_level") in (None, LogLevel.debug, LogLevel.info) and not (
        event.get("isError") or "log_failure" in event or "failure" in event
    )


def _room(event: Mapping[str, Any]) -> str:
    return str(event.get("log_namespace", "")).partition(".")[0]


def _title(event: Mapping[str, Any]) -> str:
    """The template of the message where it is known to be a constant of the code.

    That is so for Twisted's and ours (a test reads all of ours). A legacy message and what was
    printed are finished texts.
    """
    if _is_warning(event):
        return "warning"
    template = event.get("log_format")
    if isinstance(template, str) and _room(event) in {"twisted", "hoopgate"}:
        return template[:200]
    return "stdio" if "log_io" in event else "message"


def _allowed(key: str, value: object) -> object:
    if key in NUMBERS and isinstance(value, bool | int | float):
        return value
    if key in WORDS:
        return _word(value)
    if key in SENTENCES and isinstance(value, str):
        return value[:_SENTENCE_CHARACTERS]
    return None


def _word(value: object) -> str | None:
    if isinstance(value, str) and _WORD.fullmatch(value):
        return str(value)
    return None


def _is_warning(event: Mapping[str, Any]) -> bool:
    return "warning" in event and "category" in event


def _warning(event: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    """Of a Python warning: its category and place, not its text."""
    if (category := _word(event["category"])) is not None:
        yield "category", category
    filename, line = event.get("filename"), event.get("lineno")
    if isinstance(filename, str) and isinstance(line, int):
        yield "at", f"{_short(filename)}:{line}"


def _exception(failure: Failure) -> dict[str, object]:
    """Type and place, of an exception and of its cause. Its text may quote anything."""
    error: BaseException | None = failure.value
    kind = failure.type
    told: dict[str, object] = {
        "type": f"{kind.__module__}.{kind.__qualname__}" if kind else "?",
        "at": [
            f"{_short(filename)}:{line} {function}"
            for function, filename, line, *_ in failure.frames[-_FRAMES:]
        ],
    }
    if isinstance(error, Refused) and (code := _word(error.code)) is not None:
        told["code"] = code
    cause = error and (error.__cause__ or error.__context__)
    if cause is not None:
        told["cause"] = f"{type(cause).__module__}.{type(cause).__qualname__}"
    return told


def _short(filename: str) -> str:
    return "/".join(Path(filename).parts[-3:])


# --- under twistd ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Destination:
    """Where ``twistd`` was told to log to."""

    logfile: str = "-"
    foreground: bool = True

    def open(self) -> TextIO | ReopenedFile:
        if self.logfile == "-" and not self.foreground:
            sys.exit("Daemons cannot log to stdout, exiting!")
        if self.logfile == "-" or (self.foreground and not self.logfile):
            return sys.stdout
        file = ReopenedFile(Path(self.logfile or "twistd.log").absolute())
        if not signal.getsignal(signal.SIGUSR1):  # default action: nobody else wants it
            signal.signal(signal.SIGUSR1, file.reopen_soon)
        return file


#: ``twistd`` calls its observer's factory by name and without arguments, hence a variable.
_destination = _Destination()


def observer() -> JSONObserver:
    """The JSON observer of this ``twistd``: ``--logger hoopgate.gateway.logging.observer``."""
    return JSONObserver(_destination.open())


def install(options: MutableMapping[str, Any]) -> None:
    """Make JSON the log of this ``twistd``, from its first line.

    For ``postOptions`` of our command's options, with the options of ``twistd`` itself
    (``self.parent``): ``makeService`` comes too late, ``twistd`` has chosen its observer by then.
    Where it goes follows ``twistd``: ``--logfile``, else the standard output in the foreground,
    else ``twistd.log``; SIGUSR1 opens the file again after it was rotated. An explicit
    ``--logger`` or ``--syslog`` stays.
    """
    global _destination
    _destination = _Destination(options.get("logfile") or "", bool(options.get("nodaemon")))
    if not options.get("logger") and not options.get("syslog"):
        options["logger"] = f"{__name__}.{observer.__name__}"
