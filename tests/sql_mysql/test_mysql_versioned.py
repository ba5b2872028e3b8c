"""Comments that servers run are written out before anything is judged."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hoopgate.sql.mysql.tokens import match_at
from hoopgate.sql.mysql.versioned import number, written_out

MARIADB, MYSQL = 101_106, 90_704


@pytest.mark.parametrize(
    ("text", "mariadb", "mysql"),
    [
        ("SELECT 1 /* plain */", None, None),
        ("/*!40100 SET @@SQL_MODE='' */", "SET @@SQL_MODE=''", "SET @@SQL_MODE=''"),
        ("/*!80000 SET a=0 */", "", "SET a=0"),
        ("/*M!100100 SET a=0 */", "SET a=0", ""),
        ("/*!999999 SET a=0 */", "", ""),
        (
            "SELECT /*!40001 SQL_NO_CACHE */ * FROM `a`",
            "SELECT SQL_NO_CACHE * FROM `a`",
            "SELECT SQL_NO_CACHE * FROM `a`",
        ),
        (
            "LOCK TABLES `a` READ /*!32311 LOCAL */,`v` READ /*!32311 LOCAL */",
            "LOCK TABLES `a` READ LOCAL ,`v` READ LOCAL",
            "LOCK TABLES `a` READ LOCAL ,`v` READ LOCAL",
        ),
        # What is not understood stays, and is refused where it is judged.
        ("SELECT /*! 1 */", None, None),
        ("SELECT /*!5 1 */", None, None),
        ("SELECT /*!4010011 */", None, None),
        ("SELECT /*!40100 1", None, None),
        ("SELECT /*!40100 '*/'*/", None, None),
        ("SELECT /*!40100 1 /* x */ */", None, None),
        ("SELECT /*!40100 1 # */ 2\n */", None, None),
        ("SELECT '/*!40100 2 */'", None, None),
        ('SELECT "/*!40100 2 */", `/*!40100 3 */` -- /*!40100 4 */', None, None),
    ],
)
def test_versions(text: str, mariadb: str | None, mysql: str | None) -> None:
    for wanted, release, oracle in ((mariadb, MARIADB, False), (mysql, MYSQL, True)):
        found = written_out(text, release, mysql=oracle)
        if wanted is None:
            assert found == text
        else:
            assert " ".join(found.replace("/* */", "").split()) == wanted


_PIECES = st.sampled_from(
    ["/*!40100 ", "/*M!100100 ", "/*!80000 ", "/*!", "*/", "/*", "'", '"', "`", "a", " ", "--", "#"]
)


@given(st.lists(_PIECES, max_size=12), st.booleans())
def test_what_is_written_out_holds_no_such_comment(pieces: list[str], mysql: bool) -> None:
    """All of it, or nothing is touched."""
    text = "".join(pieces)
    found = written_out(text, MYSQL if mysql else MARIADB, mysql=mysql)
    if found == text:
        return
    position = 0
    while position < len(found):
        one = match_at(found, position)
        assert one is not None
        position = one.end()


def test_numbers_of_releases() -> None:
    assert number("10.11.6-MariaDB-0+deb12u1") == 101_106
    assert number("9.7.4") == 90_704
    assert number("") == number("next") == 0
