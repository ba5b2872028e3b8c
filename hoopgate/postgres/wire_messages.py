"""Messages a client sends after start-up (manual 55.7, "F"), decoded.

``raw`` is the whole message as it came, header included; empty in one that was not received.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import final

# Not frozen, and their __init__ written out: these are made for every message of every session. A
# frozen dataclass takes three times as long to make, and mypyc compiles no __init__ but a written
# one. Nothing writes to them after the reader has made them.


@final
@dataclass(slots=True, init=False)
class Query:
    text: bytes = field(repr=False)
    raw: bytes = field(repr=False)

    def __init__(self, text: bytes, raw: bytes = b"") -> None:
        self.text = text
        self.raw = raw


@final
@dataclass(slots=True, init=False)
class Parse:
    name: bytes = field(repr=False)
    text: bytes = field(repr=False)
    types: tuple[int, ...]
    raw: bytes = field(repr=False)

    def __init__(self, name: bytes, text: bytes, types: tuple[int, ...], raw: bytes = b"") -> None:
        self.name = name
        self.text = text
        self.types = types
        self.raw = raw


@final
@dataclass(slots=True, init=False)
class Bind:
    """:ivar formats: as sent: none, one for all, or one per parameter."""

    portal: bytes = field(repr=False)
    statement: bytes = field(repr=False)
    formats: tuple[int, ...]
    parameters: tuple[bytes | None, ...] = field(repr=False)
    result_formats: tuple[int, ...]
    raw: bytes = field(repr=False)

    def __init__(
        self,
        portal: bytes,
        statement: bytes,
        formats: tuple[int, ...],
        parameters: tuple[bytes | None, ...],
        result_formats: tuple[int, ...],
        raw: bytes = b"",
    ) -> None:
        self.portal = portal
        self.statement = statement
        self.formats = formats
        self.parameters = parameters
        self.result_formats = result_formats
        self.raw = raw


@final
@dataclass(slots=True, init=False)
class Describe:
    """:ivar kind: ``b"S"`` for a statement, ``b"P"`` for a portal."""

    kind: bytes
    name: bytes = field(repr=False)
    raw: bytes = field(repr=False)

    def __init__(self, kind: bytes, name: bytes, raw: bytes = b"") -> None:
        self.kind = kind
        self.name = name
        self.raw = raw


@final
@dataclass(slots=True, init=False)
class Execute:
    """:ivar limit: rows at most; zero and below mean all."""

    portal: bytes = field(repr=False)
    limit: int
    raw: bytes = field(repr=False)

    def __init__(self, portal: bytes, limit: int, raw: bytes = b"") -> None:
        self.portal = portal
        self.limit = limit
        self.raw = raw


@final
@dataclass(slots=True)
class CloseMessage:
    """:ivar kind: ``b"S"`` for a statement, ``b"P"`` for a portal."""

    kind: bytes
    name: bytes = field(repr=False)
    raw: bytes = field(default=b"", repr=False)


@final
@dataclass(slots=True, init=False)
class Sync:
    raw: bytes = field(repr=False)

    def __init__(self, raw: bytes = b"") -> None:
        self.raw = raw


@final
@dataclass(slots=True)
class Flush:
    raw: bytes = field(default=b"", repr=False)


@final
@dataclass(slots=True)
class FunctionCall:
    """Never forwarded, so not decoded further."""

    raw: bytes = field(default=b"", repr=False)


@final
@dataclass(slots=True, init=False)
class CopyData:
    raw: bytes = field(repr=False)

    def __init__(self, raw: bytes = b"") -> None:
        self.raw = raw

    @property
    def data(self) -> bytes:
        return self.raw[5:]


@final
@dataclass(slots=True)
class CopyDone:
    raw: bytes = field(default=b"", repr=False)


@final
@dataclass(slots=True)
class CopyFail:
    reason: bytes = field(repr=False)
    raw: bytes = field(default=b"", repr=False)


@final
@dataclass(slots=True)
class Terminate:
    raw: bytes = field(default=b"", repr=False)


@final
@dataclass(slots=True)
class PasswordMessage:
    """PasswordMessage, SASLInitialResponse, SASLResponse: one type byte, told apart by state."""

    body: bytes = field(repr=False)
    raw: bytes = field(default=b"", repr=False)


@final
@dataclass(slots=True)
class Oversized:
    """A message above the limit, skipped.

    :ivar size: bytes of the whole message, header included.
    :ivar raw: its header alone.
    """

    type: int
    size: int
    raw: bytes = field(default=b"", repr=False)


@final
@dataclass(slots=True)
class Malformed:
    """A message with a sound frame and a body that the server would refuse too.

    :ivar why: a fixed phrase, free of payload.
    """

    type: int
    why: str
    raw: bytes = field(default=b"", repr=False)


FrontendMessage = (
    Query
    | Parse
    | Bind
    | Describe
    | Execute
    | CloseMessage
    | Sync
    | Flush
    | FunctionCall
    | CopyData
    | CopyDone
    | CopyFail
    | Terminate
    | PasswordMessage
    | Oversized
    | Malformed
)
