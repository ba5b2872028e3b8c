"""Errors of a resource that holds PHI, reduced to what quotes no data.

1062 quotes the key, 1366 the value, 1105 what an XPath or a user's SIGNAL liked: of a report only
the number and the SQLSTATE pass. A trigger may signal any number and any five characters, so a
number that no server defines becomes 1105, and a SQLSTATE of no known class HY000.
"""

from __future__ import annotations

from typing import Final

from pymysql.constants import ER

from hoopgate.mysql.wire_results import Err

UNKNOWN: Final = 1105
_WITHHELD: Final = "the database failed the statement; its message is withheld, it may quote data"

#: Numbers that MariaDB and MySQL define (their ``errmsg`` files) beyond those PyMySQL lists.
_MORE: Final = frozenset((*range(1900, 1985), *range(3000, 3238), *range(4001, 4207)))
KNOWN: Final = (
    frozenset(
        number for name, number in vars(ER).items() if name.isupper() and isinstance(number, int)
    )
    | frozenset(range(1004, 1900))
    | _MORE
)

#: SQLSTATEs that the servers themselves give (MySQL "Server Error Message Reference").
STATES: Final = frozenset(
    b"01000 02000 07001 08000 08001 08002 08003 08004 08007 08S01 0A000 0K000 0Z002 20000 21000 "
    b"21S01 21S02 22001 22002 22003 22004 22007 22008 2200H 22012 22023 2201E 22018 22S01 23000 "
    b"24000 25000 25001 25006 26000 28000 2F003 2F005 34000 35000 3B001 3B002 3D000 40000 40001 "
    b"42000 42S01 42S02 42S12 42S21 42S22 44000 45000 70100 HV008 HY000 HY001 HY024 HY093 S1009 "
    b"XA100 XA101 XA102 XA103 XA104 XA105 XA106 XAE03 XAE04 XAE05 XAE07 XAE08 XAE09".split()
)


def scrub(error: Err) -> Err:
    """The error as a client may see it."""
    code = error.code if error.code in KNOWN else UNKNOWN
    state = error.sqlstate if error.sqlstate in STATES else b"HY000"
    return Err(code, state, f"hoopgate: {_WITHHELD} (error {code})".encode())
