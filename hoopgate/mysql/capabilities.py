"""Which capabilities are offered to clients, and which are asked of a backend (PROTOCOLS B8, B9).

What is not offered, and why: compression (judged text and recorded rows are plain), LOCAL_FILES,
MULTI_STATEMENTS (a text that two parsers cut differently runs as one statement or not at all),
OPTIONAL_METADATA and CACHE_METADATA (rows without their description cannot be masked),
SESSION_TRACK (values of variables may be data), QUERY_ATTRIBUTES, MULTI_FACTOR, PROGRESS,
IGNORE_SPACE (changes how text is read).
"""

from __future__ import annotations

from typing import Final

from hoopgate.mysql.wire_handshake import Capability as C

_COMMON: Final = (
    C.FOUND_ROWS
    | C.LONG_FLAG
    | C.CONNECT_WITH_DB
    | C.ODBC
    | C.PROTOCOL_41
    | C.INTERACTIVE
    | C.TRANSACTIONS
    | C.SECURE_CONNECTION
    | C.MULTI_RESULTS
    | C.PS_MULTI_RESULTS
    | C.PLUGIN_AUTH
    | C.CONNECT_ATTRS
    | C.LENENC_AUTH_DATA
    | C.DEPRECATE_EOF
)
#: What clients are offered, TLS aside.
OFFERED: Final = {
    "mysql": _COMMON | C.MYSQL,
    "mariadb": _COMMON | C.BULK_OPERATIONS | C.EXTENDED_TYPES,
}
#: Agreed with a client, these are asked of the backend: answers are framed by them.
_PASSED: Final = (
    C.FOUND_ROWS
    | C.MULTI_RESULTS
    | C.PS_MULTI_RESULTS
    | C.DEPRECATE_EOF
    | C.BULK_OPERATIONS
    | C.EXTENDED_TYPES
)
_ALWAYS: Final = (
    C.LONG_FLAG
    | C.CONNECT_WITH_DB
    | C.PROTOCOL_41
    | C.TRANSACTIONS
    | C.SECURE_CONNECTION
    | C.PLUGIN_AUTH
    | C.CONNECT_ATTRS
    | C.LENENC_AUTH_DATA
    | C.SESSION_TRACK
)


def agreed(client: int, protocol: str) -> int:
    """What a client and the gateway have in common.

    :param client: the capabilities of its handshake response.
    :param protocol: ``mysql`` or ``mariadb``.
    """
    return client & OFFERED[protocol]


def wanted(agreed_: int, protocol: str, *, phi: bool) -> int:
    """What the backend must have for a client with which ``agreed_`` was agreed.

    ``FOUND_ROWS`` always where there is PHI: the number of rows *changed* says which of them had
    the new value before.
    """
    flags = agreed_ & _PASSED | _ALWAYS
    if protocol == "mysql":
        flags |= C.MYSQL
    return flags | C.FOUND_ROWS if phi else flags
