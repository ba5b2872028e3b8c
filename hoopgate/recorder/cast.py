"""A session as an asciicast, version 2 (https://docs.asciinema.org/manual/asciicast/v2/), which
asciinema 2.x plays; it rejects version 3.

Protocols with a terminal register how their bytes become one. Of all others the lines of the replay
are shown, each at its time.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Final, Protocol

from hoopgate.recorder.payload import Kind
from hoopgate.recorder.render import inert, renderer
from hoopgate.recorder.replay import Moment, Summary

WIDTH: Final = 80
HEIGHT: Final = 24

#: ``o`` output, ``i`` input, ``r`` new size (``80x24``); and what.
Event = tuple[str, str]


class Terminal(Protocol):
    """Turns the two byte streams of a session into what a terminal saw. Chunks come in any size."""

    size: tuple[int, int]  #: columns and rows, known before the first event

    def request(self, data: bytes) -> list[Event]:
        """What the client sent."""

    def response(self, data: bytes) -> list[Event]:
        """What the client was sent."""


#: protocol → makes a terminal for one session.
TERMINALS: dict[str, Callable[[], Terminal]] = {}


def register_terminal(protocol: str, make: Callable[[], Terminal]) -> None:
    TERMINALS[protocol] = make


class Lines:
    """The lines that a replay shows, of a protocol that has no terminal."""

    size = (WIDTH, HEIGHT)

    def __init__(self, protocol: str) -> None:
        self._shown = renderer(protocol)

    def request(self, data: bytes) -> list[Event]:
        return [("o", f"\x1b[1m→ {line}\x1b[0m\r\n") for line in self._shown.request(data)]

    def response(self, data: bytes) -> list[Event]:
        return [("o", f"← {line}\r\n") for line in self._shown.response(data)]


def cast(summary: Summary, moments: Iterable[Moment]) -> Iterator[str]:
    """The lines of the file, without their ends."""
    make = TERMINALS.get(summary.protocol)
    terminal = make() if make is not None else Lines(summary.protocol)
    begun = False
    screen = Screen()
    last = 0.0
    for moment in moments:
        events: list[Event] = []
        if moment.kind == Kind.REQUEST:
            events = terminal.request(moment.data)
        elif moment.kind == Kind.RESPONSE:
            events = terminal.response(moment.data)
        last = max(last, (moment.time - summary.start) / 1e6)
        for code, text in events:
            if not begun:
                begun = True
                yield _header(summary, terminal.size)
            if code == "o":
                text = screen.feed(text)
            if text:
                yield json.dumps([round(last, 6), code, text], ensure_ascii=False)
    if not begun:
        yield _header(summary, terminal.size)


def _header(summary: Summary, size: tuple[int, int]) -> str:
    header = {
        "version": 2,
        "width": size[0],
        "height": size[1],
        "timestamp": summary.start // 1_000_000,
        "title": inert(f"{summary.id}: {summary.subject} on {summary.resource}"),
        "env": {"TERM": "xterm-256color"},
    }
    return json.dumps(header, ensure_ascii=False)


class Decoder:
    """UTF-8 in any chunks; what is none becomes U+FFFD."""

    def __init__(self) -> None:
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode

    def feed(self, data: bytes) -> str:
        return self._decode(data)


#: Sequence introducers (ECMA-48 5.6, 8.3) and their eight-bit forms.
_STRINGS = frozenset("]P_^X")
_EIGHT_BIT = {"\x9b": "[", "\x9d": "]", "\x90": "P", "\x9f": "_", "\x9e": "^", "\x98": "X"}
_SEQUENCE_CHARACTERS = 256
#: CSI that draw, as ECMA-48 8.3 and xterm's ctlseqs name them: cursor, erase, insert, delete,
#: scroll, tabs, colours, margins. Others report, print, or change what keys and the mouse do.
_DRAWING = re.compile(
    r"[0-9:;]*[@A-MPXZ`adefgmrs]"
    r"|[0-9]{0,4}[STb]"  # with more numbers, T reports the mouse
    r"|\?[0-9;]*[JK]"
    r"|(?:4|20)[hl]"  # insert, new line
    # columns, colours, origin, wrap, blinking, cursor, margins, the other screen, drawing at once
    r"|\?(?:3|5|6|7|12|25|45|47|69|1047|1048|1049|2026)(?:;(?:7|12|25))*[hl]"
)
#: Of the others the same: where the cursor is kept, tabs, index, character sets, a clear screen.
_ESCAPES = re.compile(r"[78DEHMc]|#[3-8]|[()*+./-][0-9A-Z<=>]")


class Screen:
    """Lets through what draws on a terminal, and nothing else.

    Dropped are strings to the terminal itself (OSC, DCS, APC, PM, SOS: titles, the clipboard,
    files), requests that it answers by typing, what has it print or report keys and the mouse in
    another way, and what is longer than any sequence: a recording is played on somebody's own
    terminal, and its bytes may be a hostile host's.
    """

    def __init__(self) -> None:
        self._state = ""  # "", "esc", "csi", "string", "string-esc"
        self._held = ""

    def feed(self, text: str) -> str:
        """What of ``text`` may be shown. Text may be cut anywhere."""
        out: list[str] = []
        for character in text:
            self._one(character, out)
        return "".join(out)

    def _one(self, c: str, out: list[str]) -> None:
        if self._state in ("string", "string-esc"):
            # ST ends it (ESC \ or U+009C), and BEL does in practice.
            if c in "\x07\x9c" or (self._state == "string-esc" and c == "\\"):
                self._state = ""
            else:
                self._state = "string-esc" if c == "\x1b" else "string"
        elif c in "\x18\x1a":  # CAN and SUB end any sequence
            self._state, self._held = "", ""
        elif c == "\x1b":
            self._state, self._held = "esc", ""
        elif c in _EIGHT_BIT:
            self._begin(_EIGHT_BIT[c])
        elif self._state == "esc":
            self._escape(c, out)
        elif self._state == "csi":
            self._control(c, out)
        elif (c >= " " and not "\x7f" <= c <= "\x9f") or c in "\b\t\n\r\x07":
            out.append(c)

    def _begin(self, introducer: str) -> None:
        self._state = "csi" if introducer == "[" else "string"
        self._held = ""

    def _escape(self, c: str, out: list[str]) -> None:
        if c == "[" or c in _STRINGS:
            self._begin(c)
        elif " " <= c <= "/" and len(self._held) < 4:
            self._held += c
        else:
            if _ESCAPES.fullmatch(self._held + c):
                out.append(f"\x1b{self._held}{c}")
            self._state, self._held = "", ""

    def _control(self, c: str, out: list[str]) -> None:
        if " " <= c <= "?":
            self._held += c
            if len(self._held) > _SEQUENCE_CHARACTERS:
                self._state, self._held = "", ""
        else:
            if _DRAWING.fullmatch(self._held + c):
                out.append(f"\x1b[{self._held}{c}")
            self._state, self._held = "", ""
