"""Comments that a server runs, ``/*!40100 … */``, written out.

Programs that dump a database put into them what older servers do not know. The strict subset has
none: which of them a server runs depends on its kind and its version. Those are known of a session,
so what runs is written out and what does not is dropped before anything is judged: what is judged
is what is sent. MySQL's manual, "Comments"; MariaDB's, "Comment Syntax".
"""

from __future__ import annotations

import re
from typing import Final

from hoopgate.sql.mysql.tokens import match_at

#: ``!`` is run by both, ``M!`` by MariaDB alone.
_HEAD: Final = re.compile(r"/\*([Mm]?)!([0-9]{5,6})(?=[ \t\r\n])")
_RELEASE: Final = re.compile(r"([0-9]+)\.([0-9]+)\.([0-9]+)")
#: Versions of MySQL that MariaDB does not take for its own.
_OF_MYSQL: Final = range(50_700, 100_000)


def number(release: str) -> int:
    """``10.11.6-MariaDB`` → 101106; 0 when it is none."""
    found = _RELEASE.match(release)
    if found is None:
        return 0
    major, minor, patch = map(int, found.groups())
    return major * 10_000 + minor * 100 + patch


def written_out(text: str, release: int, *, mysql: bool) -> str:
    """``text`` without comments that are run.

    :param release: see :func:`number`.
    :return: ``text`` itself where one of them is not understood: there are few ways to write them
        that cannot be read in two.
    """
    if "/*!" not in text and "/*M!" not in text and "/*m!" not in text:
        return text
    parts: list[str] = []
    position = 0
    while position < len(text):
        head = _HEAD.match(text, position)
        if head is None:
            one = match_at(text, position)
            if one is None:
                return text
            parts.append(one[0])
            position = one.end()
            continue
        end = text.find("*/", head.end())
        if end < 0 or not _closed(text[head.end() : end]):
            return text
        run = _runs(int(head[2]), release, mysql=mysql, own=bool(head[1]))
        parts.append(f" {text[head.end() : end]} " if run else "/* */")
        position = end + 2
    return "".join(parts)


def _runs(since: int, release: int, *, mysql: bool, own: bool) -> bool:
    if mysql:
        return not own and since <= release
    return since <= release and (own or since not in _OF_MYSQL)


def _closed(content: str) -> bool:
    """Whether it is words that end where it ends: no string and no comment runs out of it."""
    position = 0
    while position < len(content):
        one = match_at(content, position)
        if one is None or one.lastgroup == "comment":
            return False
        position = one.end()
    return True
