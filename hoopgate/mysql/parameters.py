"""Values of a bound parameter, to put others in their place.

As :mod:`hoopgate.postgres.parameters` has them for PostgreSQL.

A token is text, so only a parameter that was sent as text can be one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from hoopgate.mysql.wire_values import Type

_TEXTUAL: Final = frozenset(
    {
        Type.VARCHAR,
        Type.TINY_BLOB,
        Type.MEDIUM_BLOB,
        Type.LONG_BLOB,
        Type.BLOB,
        Type.VAR_STRING,
        Type.STRING,
    }
)


def elements(type_: int, format: int, value: bytes | None) -> list[bytes | None] | None:
    """The value, as the only element there is; none of NULL.

    :param format: the type code that the client gave.
    :return: None where no token can be.
    """
    if value is None:
        return []
    return [value] if format & 0xFF in _TEXTUAL else None


def rebuilt(
    type_: int, format: int, value: bytes | None, new: Sequence[bytes | None]
) -> bytes | None:
    """``new`` in place of ``value``."""
    return None if value is None else new[0]
