"""Server-sent events (WHATWG HTML 9.2): each is looked at when all of it is there."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from hoopgate.http import codings
from hoopgate.http.bodies import LINE_BYTES, BodyRefused, Decoding, masked

_BLANK: Final = re.compile(rb"\r\n\r\n|\n\n|\r\r|\n\r\n|\r\n\n|\r\n\r")
_LINE: Final = re.compile(rb"\r\n|\n|\r")
_PLAIN: Final = re.compile(rb"[A-Za-z0-9_.:/+=-]{0,200}")


class EventStream(Decoding):
    """Rewrites a stream of events.

    :param mask: of an event's data; b"" drops the event.
    """

    whole = False

    def __init__(self, decoder: codings.Decoder, mask: Callable[[bytes], bytes]) -> None:
        super().__init__(b"text/event-stream", decoder, 2 * LINE_BYTES)
        self._mask = mask
        self._begun = False

    def feed(self, data: bytes) -> bytes:
        """See :class:`hoopgate.http.bodies.Rewriter`."""
        self._take(data)
        return self._events(final=False)

    def finish(self) -> bytes:
        """See :class:`hoopgate.http.bodies.Rewriter`. An event without its blank line is none."""
        self._end()
        shown = self._events(final=True)
        self._held.clear()
        return shown

    def _events(self, *, final: bool) -> bytes:
        if not self._begun and (len(self._held) >= 3 or final):
            self._begun = True
            if self._held.startswith(b"\xef\xbb\xbf"):
                del self._held[:3]
        blocks = []
        at = 0
        while (found := _BLANK.search(self._held, at)) is not None:
            # A CR at the very end may be the first half of a CRLF.
            if not final and found.end() == len(self._held) and found[0].endswith(b"\r"):
                break
            blocks.append(bytes(self._held[at : found.start()]))
            at = found.end()
        del self._held[:at]
        if len(self._held) > LINE_BYTES:
            raise BodyRefused("body.size", "An event of the answer is too long.")
        return self._shown(blocks)

    def show(self, part: bytes) -> bytes:
        """See :class:`hoopgate.http.bodies.Rewriter`."""
        data: list[bytes] = []
        head: list[bytes] = []
        for line in _LINE.split(part):
            name, _, value = line.partition(b":")
            value = value.removeprefix(b" ")
            if name == b"data":
                data.append(value)
            elif name in (b"event", b"id", b"retry") and _PLAIN.fullmatch(value):
                head.append(name + b": " + value)
        if not data:
            # Comments keep connections open; what they say is not shown.
            return b"\n".join([*head, b":"]) + b"\n\n"
        whole = b"\n".join(data)
        shown = masked(self._mask, whole) if whole.strip() else b""
        if not shown and whole.strip():
            return b""
        return b"\n".join([*head, *(b"data: " + one for one in shown.split(b"\n"))]) + b"\n\n"
