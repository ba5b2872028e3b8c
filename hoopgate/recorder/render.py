"""A recording made readable. Protocol folders register how their bytes are shown.

What comes out is safe on a terminal: a recording may hold escape sequences that a hostile backend
or client put there.
"""

from __future__ import annotations

import struct
import unicodedata
from collections.abc import Callable
from typing import Protocol

LINE = 4000  #: characters of a line at most
_MESSAGE_BYTES = 64 * 2**20


class Renderer(Protocol):
    """Turns the two byte streams of a session into lines. Chunks arrive in any size."""

    def request(self, data: bytes) -> list[str]:
        """Lines for what the client sent."""

    def response(self, data: bytes) -> list[str]:
        """Lines for what the client was sent."""


#: protocol → makes a renderer for one session.
RENDERERS: dict[str, Callable[[], Renderer]] = {}


def register(protocol: str, make: Callable[[], Renderer]) -> None:
    RENDERERS[protocol] = make


def renderer(protocol: str) -> Renderer:
    """The protocol's renderer, or one that shows text as it is."""
    return RENDERERS.get(protocol, PlainRenderer)()


def inert(text: str, longest: int = LINE) -> str:
    """Text no terminal interprets: control, invisible and bidirectional characters escaped.

    :param longest: characters that are shown; of a longer text, how many it has.
    """
    shown = text[:longest]
    if not shown.isascii() or not shown.isprintable():
        shown = "".join(
            c if c.isprintable() and unicodedata.category(c) != "Cf" else _escape(c) for c in shown
        )
    return shown if len(text) <= longest else f"{shown}… ({len(text)} characters)"


def _escape(character: str) -> str:
    known = {"\n": "\\n", "\t": "\\t", "\r": "\\r"}.get(character)
    return known or character.encode("unicode_escape").decode("ascii")


def text(data: bytes) -> str:
    """Bytes as inert text; what is not UTF-8 as ``\\xNN``."""
    return inert(data[: 4 * LINE].decode("utf-8", "backslashreplace"))


class PlainRenderer:
    """Lines of text."""

    def request(self, data: bytes) -> list[str]:
        return [text(line) for line in data.splitlines()]

    response = request


class _Messages:
    """Splits a PostgreSQL stream (protocol 3, section 55.7): type byte, length, body."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._broken = False

    def feed(self, data: bytes) -> list[tuple[str, bytes]]:
        if self._broken:
            return []
        buffer = self._buffer
        buffer += data
        messages: list[tuple[str, bytes]] = []
        at = 0
        while len(buffer) - at >= 5:
            start = at + (buffer[at] != 0)  # a start-up packet has no type
            (length,) = struct.unpack_from(">I", buffer, start)
            if not 4 <= length <= _MESSAGE_BYTES:
                self._broken = True
                return [*messages, ("?", b"")]
            if len(buffer) < start + length:
                break
            kind = chr(buffer[at]) if start > at else "startup"
            messages.append((kind, bytes(buffer[start + 4 : start + length])))
            at = start + length
        del buffer[:at]
        return messages


_QUIET_REQUESTS = {
    "F": "function call",
    "X": "terminate",
    "c": "copy done",
    "f": "copy failed",
    "p": "(credentials)",
    "?": "(not PostgreSQL)",
}
_QUIET_ANSWERS = {"I": "(empty query)", "s": "(suspended)", "?": "(not PostgreSQL)"}


class PostgresRenderer:
    """Statements, bound values, rows, tags and errors of a PostgreSQL session."""

    def __init__(self) -> None:
        self._client = _Messages()
        self._server = _Messages()
        self._formats: list[int] = []

    def request(self, data: bytes) -> list[str]:
        return _lines(self._client.feed(data), self._frontend)

    def response(self, data: bytes) -> list[str]:
        return _lines(self._server.feed(data), self._backend)

    def _frontend(self, kind: str, body: bytes) -> str | None:
        if kind == "Q":
            return text(body.rstrip(b"\0"))
        if kind == "P":
            name, query, _ = body.split(b"\0", 2)
            return f"parse {text(name) or '(unnamed)'}: {text(query)}"
        if kind == "B":
            return _bind(body)
        if kind == "E":
            return f"execute {text(body.split(bytes(1), 1)[0]) or '(unnamed)'}"
        if kind == "d":
            return f"copy: {text(body.rstrip(bytes([10])))}"
        return _QUIET_REQUESTS.get(kind)

    def _backend(self, kind: str, body: bytes) -> str | None:
        if kind == "T":
            names, self._formats = _columns(body)
            return "columns: " + " | ".join(names)
        if kind == "D":
            return "row: " + " | ".join(_values(body, self._formats))
        if kind == "C":
            return text(body.rstrip(b"\0"))
        if kind in "EN":
            fields = {part[:1]: text(part[1:]) for part in body.split(b"\0") if part}
            word = fields.get(b"S", "ERROR")
            return f"{word} {fields.get(b'C', '')}: {fields.get(b'M', '')}"
        if kind == "d":
            return f"copy: {text(body.rstrip(bytes([10])))}"
        return _QUIET_ANSWERS.get(kind)


def _lines(
    messages: list[tuple[str, bytes]], show: Callable[[str, bytes], str | None]
) -> list[str]:
    lines = []
    for kind, body in messages:
        try:
            line = show(kind, body)
        except (ValueError, IndexError, struct.error):
            line = f"(malformed {inert(kind)} message)"
        if line is not None:
            lines.append(line)
    return lines


def _value(data: bytes, code: int) -> str:
    """A value in text format as it is, in binary format as hexadecimal digits."""
    return text(data) if code == 0 else f"0x{data[:LINE].hex()}"


def _bind(body: bytes) -> str:
    portal, name, rest = body.split(b"\0", 2)
    (count,) = struct.unpack_from(">H", rest)
    codes = list(struct.unpack_from(f">{count}H", rest, 2))
    values = _values(rest[2 + 2 * count :], codes)
    return f"bind {text(portal) or '(unnamed)'} to {text(name) or '(unnamed)'}: " + ", ".join(
        values
    )


def _values(data: bytes, codes: list[int]) -> list[str]:
    (count,) = struct.unpack_from(">H", data)
    at = 2
    values = []
    for column in range(count):
        (length,) = struct.unpack_from(">i", data, at)
        at += 4
        if length < 0:
            values.append("NULL")
            continue
        code = codes[column] if column < len(codes) else codes[0] if len(codes) == 1 else 0
        values.append(_value(data[at : at + length], code))
        at += length
    return values


def _columns(body: bytes) -> tuple[list[str], list[int]]:
    (count,) = struct.unpack_from(">H", body)
    at = 2
    names, codes = [], []
    for _ in range(count):
        end = body.index(0, at)
        names.append(text(body[at:end]))
        codes.append(struct.unpack_from(">H", body, end + 17)[0])
        at = end + 19
    return names, codes


register("postgres", PostgresRenderer)
