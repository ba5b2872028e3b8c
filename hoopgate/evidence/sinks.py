"""Where events go: a file, an HTTP server, a syslog server over TLS."""

from __future__ import annotations

import fcntl
import http.client
import os
import socket
import ssl
import struct
import termios
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, urlsplit

from hoopgate.errors import HoopgateError
from hoopgate.evidence.ocsf import Event
from hoopgate.evidence.stream import NotSent, Sink, lines
from hoopgate.recorder.files import make_directory, write_all
from hoopgate.settings.endpoints import is_loopback

SECONDS: Final = 30.0
_ANSWER_BYTES = 65_536
_AUDIT: Final = 13  #: syslog facility "log audit", RFC 5424 table 1
#: OCSF severity_id → syslog severity, RFC 5424 table 2
_SEVERITY = {1: 6, 2: 5, 3: 4, 4: 3, 5: 2, 6: 1}
_SIOCOUTQ = getattr(termios, "TIOCOUTQ", 0x5411)


class FileSink:
    """Appends lines to a file, synchronised before the cursor moves."""

    def __init__(self, path: Path) -> None:
        make_directory(path.parent)
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        self._path = path
        self._fd = os.open(path, flags, 0o640)

    def send(self, events: list[Event]) -> None:
        try:
            size = os.fstat(self._fd).st_size
            # A line that a crash has torn is ended; its event comes again.
            torn = size and os.pread(self._fd, 1, size - 1) != b"\n"
            write_all(self._fd, (b"\n" if torn else b"") + b"".join(lines(events)))
            os.fdatasync(self._fd)
        except OSError as error:
            raise NotSent(f"{self._path}: {error.strerror}") from None

    def close(self) -> None:
        os.close(self._fd)


class HTTPSink:
    """Posts batches of lines (``application/x-ndjson``); any 2xx is a receipt.

    :param token: makes the bearer token, read anew for each batch; None: none is sent.
    """

    def __init__(
        self, url: SplitResult, context: ssl.SSLContext | None, token: Callable[[], str] | None
    ) -> None:
        self._url = url
        self._context = context
        self._token = token
        self._connection: http.client.HTTPConnection | None = None

    def _connect(self) -> http.client.HTTPConnection:
        host, port = self._url.hostname or "", self._url.port
        if self._context is None:
            return http.client.HTTPConnection(host, port, timeout=SECONDS)
        return http.client.HTTPSConnection(host, port, timeout=SECONDS, context=self._context)

    def send(self, events: list[Event]) -> None:
        headers = {"Content-Type": "application/x-ndjson", "User-Agent": "hoopgate"}
        if self._token is not None:
            headers["Authorization"] = f"Bearer {self._token()}"
        path = self._url.path or "/"
        if self._url.query:
            path += f"?{self._url.query}"
        if self._connection is None:
            self._connection = self._connect()
        try:
            self._connection.request("POST", path, b"".join(lines(events)), headers)
            answer = self._connection.getresponse()
            answer.read(_ANSWER_BYTES)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise NotSent(f"{self._url.hostname}: {type(error).__name__}") from None
        if answer.will_close or not answer.isclosed():
            self.close()
        if not 200 <= answer.status < 300:
            raise NotSent(f"{self._url.hostname}: status {answer.status}")

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class SyslogSink:
    """RFC 5424 messages over TLS, octet counted (RFC 5425).

    Syslog has no receipt. The cursor moves when the other side's TCP has acknowledged every byte
    and has not hung up: what it then loses, it loses.
    """

    def __init__(self, host: str, port: int, context: ssl.SSLContext, origin: str) -> None:
        self._place = (host, port)
        self._context = context
        self._name = _word(origin.split("/")[0], 255)
        self._socket: ssl.SSLSocket | None = None

    def send(self, events: list[Event]) -> None:
        try:
            if self._socket is None:
                plain = socket.create_connection(self._place, timeout=SECONDS)
                try:
                    self._socket = self._context.wrap_socket(plain, server_hostname=self._place[0])
                except BaseException:
                    plain.close()
                    raise
            self._check_open()
            self._socket.sendall(b"".join(self._frame(event) for event in events))
            self._wait_for_acknowledgement()
            self._check_open()
        except OSError as error:
            self.close()
            why = error.strerror if error.errno else type(error).__name__
            raise NotSent(f"{self._place[0]}: {why}") from None

    def _frame(self, event: Event) -> bytes:
        message = syslog_message(event, self._name)
        return b"%d %s" % (len(message), message)

    def _wait_for_acknowledgement(self) -> None:
        assert self._socket is not None
        end = time.monotonic() + SECONDS
        while True:
            waiting = fcntl.ioctl(self._socket.fileno(), _SIOCOUTQ, b"\0" * 4)
            if struct.unpack("i", waiting)[0] == 0:
                return
            if time.monotonic() > end:
                raise TimeoutError
            time.sleep(0.005)

    def _check_open(self) -> None:
        """A server says nothing; when it hangs up there is something to read: the end."""
        assert self._socket is not None
        self._socket.settimeout(0)
        try:
            if self._socket.recv(1024) == b"":
                raise ConnectionResetError
        except (ssl.SSLWantReadError, BlockingIOError):
            pass
        finally:
            self._socket.settimeout(SECONDS)

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def syslog_message(event: Event, host: str) -> bytes:
    """An event as a message of RFC 5424, section 6; its text is ASCII JSON."""
    priority = _AUDIT * 8 + _SEVERITY.get(event["severity_id"], 6)
    when = datetime.fromtimestamp(event["time"] / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3]
    kind = _word(event["metadata"]["event_code"], 32)
    (text,) = lines([event])
    head = f"<{priority}>1 {when}Z {host} hoopgate - {kind} - "
    return head.encode("ascii") + text.rstrip(b"\n")


def _word(text: str, size: int) -> str:
    """PRINTUSASCII without spaces, or ``-``."""
    return "".join(c for c in text if "!" <= c <= "~")[:size] or "-"


def open_sink(
    to: str, *, origin: str, ca_file: Path | None = None, token: Callable[[], str] | None = None
) -> Sink:
    """The sink of ``file:/PATH``, ``https://HOST[:PORT]/PATH``, ``http://`` on loopback, or
    ``syslog://HOST[:6514]``.

    :param ca_file: authorities of the other side; None: the system's.
    :raises HoopgateError: it is none of these, or not safe.
    :raises OSError: a file cannot be opened.
    """
    try:
        url = urlsplit(to)
        port = url.port
    except ValueError:
        raise HoopgateError(f"{to!r} is no place for events") from None
    if url.scheme == "file" and url.path.startswith("/") and not url.netloc:
        return FileSink(Path(url.path))
    if not url.hostname or url.username is not None:
        raise HoopgateError(f"{to!r} is none of file:/PATH, https://HOST/PATH, syslog://HOST")
    if url.scheme == "http":
        if not is_loopback(url.hostname):
            raise HoopgateError(f"{to!r}: events leave the machine by https only")
        return HTTPSink(url, None, token)
    context = ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if url.scheme == "https":
        return HTTPSink(url, context, token)
    if url.scheme == "syslog":
        return SyslogSink(url.hostname, port or 6514, context, origin)
    raise HoopgateError(f"{to!r} is none of file:/PATH, https://HOST/PATH, syslog://HOST")
