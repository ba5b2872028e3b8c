"""Errors, notices and notifications of a resource that holds PHI, reduced to what quotes no data.

22P02 quotes the value, 23505 the key, 23514 the row, RAISE whatever its author liked: of a report
only severity and SQLSTATE pass. A function may raise any five characters as SQLSTATE, so a code
that PostgreSQL does not define becomes the general one of its class.
"""

from __future__ import annotations

from hoopgate.errors import LocalProtocolError, RemoteProtocolError
from hoopgate.postgres import wire

_SEVERITIES = frozenset(
    {b"ERROR", b"FATAL", b"PANIC", b"WARNING", b"NOTICE", b"DEBUG", b"INFO", b"LOG"}
)

#: SQLSTATE classes (manual, appendix A; ``errcodes.txt`` of 15 to 18): name, codes in the class.
_CLASSES = {
    "00": ("successful completion", "000"),
    "01": ("warning", "000 003 004 006 007 008 00C P01"),
    "02": ("no data", "000 001"),
    "03": ("statement not yet complete", "000"),
    "08": ("connection exception", "000 001 003 004 006 007 P01"),
    "09": ("triggered action exception", "000"),
    "0A": ("feature not supported", "000"),
    "0B": ("invalid transaction initiation", "000"),
    "0F": ("locator exception", "000 001"),
    "0L": ("invalid grantor", "000 P01"),
    "0P": ("invalid role specification", "000"),
    "0Z": ("diagnostics exception", "000 002"),
    "20": ("case not found", "000"),
    "21": ("cardinality violation", "000"),
    "22": (
        "data exception",
        "000 001 002 003 004 005 007 008 009 00B 00C 00D 00F 00G 00H 00L 00M 00N 00S 00T 010 011 "
        "012 013 014 015 016 018 019 01B 01E 01F 01G 01W 01X 021 022 023 024 025 026 027 02E 02G "
        "02H 030 031 032 033 034 035 036 037 038 039 03A 03B 03C 03D 03E 03F 03G P01 P02 P03 P04 "
        "P05 P06",
    ),
    "23": ("integrity constraint violation", "000 001 502 503 505 514 P01"),
    "24": ("invalid cursor state", "000"),
    "25": ("invalid transaction state", "000 001 002 003 004 005 006 007 008 P01 P02 P03 P04"),
    "26": ("invalid statement name", "000"),
    "27": ("triggered data change violation", "000"),
    "28": ("invalid authorization specification", "000 P01"),
    "2B": ("dependent privilege descriptors still exist", "000 P01"),
    "2D": ("invalid transaction termination", "000"),
    "2F": ("SQL routine exception", "000 002 003 004 005"),
    "34": ("invalid cursor name", "000"),
    "38": ("external routine exception", "000 001 002 003 004"),
    "39": ("external routine invocation exception", "000 001 004 P01 P02 P03"),
    "3B": ("savepoint exception", "000 001"),
    "3D": ("invalid catalog name", "000"),
    "3F": ("invalid schema name", "000"),
    "40": ("transaction rollback", "000 001 002 003 P01"),
    "42": (
        "syntax error or access rule violation",
        "000 501 601 602 611 622 701 702 703 704 710 712 723 725 803 804 809 830 846 883 8C9 939 "
        "P01 P02 P03 P04 P05 P06 P07 P08 P09 P10 P11 P12 P13 P14 P15 P16 P17 P18 P19 P20 P21 P22",
    ),
    "44": ("WITH CHECK OPTION violation", "000"),
    "53": ("insufficient resources", "000 100 200 300 400"),
    "54": ("program limit exceeded", "000 001 011 023"),
    "55": ("object not in prerequisite state", "000 006 P02 P03 P04"),
    "57": ("operator intervention", "000 014 P01 P02 P03 P04 P05"),
    "58": ("system error", "000 030 P01 P02"),
    "72": ("snapshot failure", "000"),
    "F0": ("configuration file error", "000 001"),
    "HV": (
        "foreign data wrapper error",
        "000 001 002 004 005 006 007 008 009 00A 00B 00C 00D 00J 00K 00L 00M 00N 00P 00Q 00R 010 "
        "014 021 024 090 091",
    ),
    "P0": ("PL/pgSQL error", "000 001 002 003 004"),
    "XX": ("internal error", "000 001 002"),
}

_NAMES = {class_: name for class_, (name, _) in _CLASSES.items()}
_KNOWN = frozenset(
    class_ + code for class_, (_, codes) in _CLASSES.items() for code in codes.split()
)

_ERROR, _NOTICE, _NOTIFICATION = ord("E"), ord("N"), ord("A")


def scrub(message: bytes) -> bytes:
    """An ErrorResponse, NoticeResponse or NotificationResponse without anything that quotes data.

    The first two keep severity and SQLSTATE and get a message of the gateway's; a notification
    keeps process and channel and loses its payload.

    :raises RemoteProtocolError: it is malformed.
    """
    type_ = message[0] if message else 0
    if type_ == _NOTIFICATION:
        return _scrub_notification(message)
    if type_ not in (_ERROR, _NOTICE):
        raise LocalProtocolError("neither an error, a notice nor a notification")
    fields = wire.error_fields(message)
    code = known_sqlstate(fields.get(b"C", b""))
    severity = fields.get(b"V", fields.get(b"S", b""))
    if severity not in _SEVERITIES:
        severity = b"ERROR" if type_ == _ERROR else b"NOTICE"
    build = wire.error_response if type_ == _ERROR else wire.notice_response
    text = f"{_NAMES[code[:2]]} (hoopgate withholds the server's message: it may quote data)"
    return build(severity.decode(), code, text)


def known_sqlstate(code: bytes) -> str:
    """``code`` if PostgreSQL defines it, else the general code of its class, else ``XX000``."""
    text = code.decode("ascii", "replace")
    if text in _KNOWN:
        return text
    return f"{text[:2]}000" if text[:2] in _NAMES and len(text) == 5 else "XX000"


def _scrub_notification(message: bytes) -> bytes:
    channel_end = message.find(0, 9)
    if channel_end < 0 or message.find(0, channel_end + 1) != len(message) - 1:
        raise RemoteProtocolError("malformed NotificationResponse")
    body = message[5 : channel_end + 1] + b"\0"
    return b"A" + (len(body) + 4).to_bytes(4, "big") + body
