"""Query trees as PostgreSQL prints them for who debugs it: for where no procedure can be created.

On a standby nothing can be created, and an account may lack the privilege. There a statement is
only parsed (``Parse`` of the extended protocol) with ``debug_print_parse`` on: the server sends the
analysed tree, the one that a procedure would hold, as the detail of a LOG message. It writes it to
its own log, too, unless the account may set ``log_min_messages`` (manual 20.8.2 and 20.8.3).
"""

from __future__ import annotations

from typing import Final

from hoopgate.errors import UnresolvableStatement

_LOCALLY: Final = "pg_catalog.set_config('{}', '{}', true)"


def _local(*settings: tuple[str, str]) -> str:
    return "SELECT " + ", ".join(_LOCALLY.format(*setting) for setting in settings)


#: Statement that has the client told of trees until the transaction ends.
TELL: Final = _local(
    ("debug_print_plan", "off"),
    ("debug_print_rewritten", "off"),
    ("debug_pretty_print", "off"),
    ("client_min_messages", "log"),
    ("debug_print_parse", "on"),
)
#: Statement that keeps them out of the server's log, for whom :data:`MAY_KEEP_OUT` says ``t``.
KEEP_OUT: Final = _local(("log_min_messages", "fatal"))
#: PostgreSQL 15; an error before.
MAY_KEEP_OUT: Final = "SELECT pg_catalog.has_parameter_privilege('log_min_messages', 'SET')"

#: Lines have 78 bytes in the server's encoding, at most; in UTF-8 they are no shorter than half.
_UNBROKEN: Final = 39


def tree(fields: dict[bytes, bytes]) -> str | None:
    """The tree in a NoticeResponse of these fields, as ``prosqlbody`` would hold it; None when it
    is about something else.

    ``format_node_dump()`` in ``backend/nodes/print.c`` breaks the tree at spaces, which it leaves
    out, or, where a line has none, inside of a word.

    :raises UnresolvableStatement: ``resolve.unknown`` for a word that was broken, or may have been.
    """
    detail = fields.get(b"D", b"")
    named = fields.get(b"V") == b"LOG" and fields.get(b"M", b"").startswith(b"parse tree")
    if not named or not detail.startswith(b"{QUERY "):
        return None
    lines = detail.rstrip(b"\n").split(b"\n")
    if any(len(line) >= _UNBROKEN and b" " not in line[1:] for line in lines):
        raise UnresolvableStatement("resolve.unknown", "The query tree cannot be read.")
    return f"(({b' '.join(lines).decode()}))"
