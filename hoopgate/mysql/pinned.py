"""Session variables that must stay as they are: by them statements were judged (PROTOCOLS B17)."""

from __future__ import annotations

from typing import Final

from hoopgate.errors import RemoteProtocolError

#: Characters sets that have ASCII as it is, so that judged text is the server's text.
_CHARSETS: Final = frozenset({b"utf8mb4", b"utf8mb3", b"utf8", b"binary", b"", b"ascii", b"latin1"})
_CLIENT_CHARSETS: Final = frozenset({b"utf8mb4", b"utf8mb3", b"utf8"})
#: Modes by which the server reads text otherwise than it was judged.
_READING_MODES: Final = frozenset(
    b"ANSI_QUOTES ANSI NO_BACKSLASH_ESCAPES PIPES_AS_CONCAT IGNORE_SPACE HIGH_NOT_PRECEDENCE "
    b"ORACLE MSSQL DB2 MAXDB POSTGRESQL EMPTY_STRING_IS_NULL".split()
)


def check_variable(name: bytes, value: bytes) -> None:
    """A variable was changed.

    :raises RemoteProtocolError: to a value by which texts are read otherwise.
    """
    lower = name.lower()
    if lower == b"sql_mode":
        wrong = not _READING_MODES.isdisjoint(value.upper().split(b","))
    elif lower in (b"character_set_client", b"character_set_connection"):
        wrong = value.lower() not in _CLIENT_CHARSETS
    elif lower == b"character_set_results":
        wrong = value.lower() not in _CHARSETS
    else:
        return
    if wrong:
        raise RemoteProtocolError("a pinned session variable was changed")
