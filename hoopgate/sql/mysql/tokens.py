"""Words of MariaDB's and MySQL's SQL, read strictly.

The session is pinned (utf8mb4, a ``sql_mode`` without ``ANSI_QUOTES`` or
``NO_BACKSLASH_ESCAPES``), so there is one way to cut a text; what two servers, or two versions of
one, cut differently is refused: executable comments, hints, numbers that run into words, characters
outside ASCII that are not quoted. MariaDB's and MySQL's manuals, "Language Structure".
"""

# ruff: noqa: SIM905 - word lists read better as text
from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from hoopgate.errors import Refused

#: Tokens a text may have.
MOST_TOKENS: Final = 100_000

WORD, QUOTED, STRING, NUMBER, SYMBOL, PARAMETER, SYSTEM_VARIABLE, USER_VARIABLE = range(8)

_TYPED: Final = frozenset({"date", "time", "timestamp"})
_INTRODUCERS: Final = frozenset("_utf8mb4 _utf8mb3 _utf8 _binary _ascii _latin1 _latin2".split())

#: One alternative per kind; what none of them matches is refused. Strings end at a quote that is
#: neither doubled nor escaped; a comment must not hold the beginning of another.
_TOKEN: Final = re.compile(
    r"""
    (?P<space>[ \t\n\r\f\v]+)
  | (?P<comment>--(?=[ \t\n\r\f\v]|\Z)[^\n]*|\#[^\n]*|/\*(?![!+]|[Mm]!)(?:(?!/\*|\*/)[\s\S])*\*/)
  | (?P<hexadecimal>0x[0-9A-Fa-f]+(?![0-9A-Za-z_$.\x80-\U0010ffff])
      |[xX]'(?:[0-9A-Fa-f]{2})*'
      |0b[01]+(?![0-9A-Za-z_$.\x80-\U0010ffff])
      |[bB]'[01]*')
  | (?P<number>(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)
      (?:[eE][+-]?[0-9]+)?(?![0-9A-Za-z_$.\x80-\U0010ffff]))
  | (?P<string>[nN]?(?:'(?:[^'\\]|''|\\[\s\S])*'|"(?:[^"\\]|""|\\[\s\S])*"))
  | (?P<word>[A-Za-z_$][A-Za-z0-9_$]*)
  | (?P<quoted>`(?:[^`]|``)+`)
  | (?P<system>@@(?:[A-Za-z_]+\.)?[A-Za-z_][A-Za-z0-9_$]*)
  | (?P<user>@(?:[A-Za-z0-9_$.]+|`(?:[^`]|``)*`|'[^'\\]*'|"[^"\\]*")?)
  | (?P<parameter>\?[0-9]*)
  | (?P<symbol><=>|->>|->|<=|>=|<>|!=|<<|>>|\|\||&&|:=
      |-(?!-[\x00-\x1f\x7f])|/(?!\*)|\*(?!/)|[+%=<>!~&|^(),.;])
    """,
    re.VERBOSE,
)
_KINDS: Final = {
    "hexadecimal": NUMBER,
    "number": NUMBER,
    "string": STRING,
    "word": WORD,
    "quoted": QUOTED,
    "system": SYSTEM_VARIABLE,
    "user": USER_VARIABLE,
    "symbol": SYMBOL,
    "parameter": PARAMETER,
}


@dataclass(frozen=True, slots=True)
class Token:
    """A word of the text.

    :ivar text: as written; of a word in upper case, of a quoted name what it names.
    :ivar start: of its characters in the text; ``end`` is behind it.
    :ivar space: something stands between it and the token before.
    """

    kind: int
    text: str
    start: int
    end: int
    space: bool = False


def scan(text: str) -> list[Token]:
    """The tokens of ``text``, without comments.

    :raises Refused: ``parse.syntax``, ``parse.size``.
    """
    if "\0" in text:
        raise Refused("parse.syntax", "The statement holds a NUL character.")
    found: list[Token] = []
    position, end = 0, len(text)
    space = False
    match = _TOKEN.match
    while position < end:
        one = match(text, position)
        if one is None:
            raise Refused("parse.syntax", "A part of the statement is not in the strict subset.")
        kind = one.lastgroup or ""
        position = one.end()
        if kind in ("space", "comment"):
            space = True
            continue
        word = one[0]
        number = _KINDS[kind]
        if kind == "word":
            word = word.upper()
        elif kind == "quoted":
            word = word[1:-1].replace("``", "`")
        if number == STRING and found and not space and found[-1].kind == WORD:
            before = found[-1].text.lower()
            if before not in _INTRODUCERS and before not in _TYPED:
                raise Refused("parse.syntax", "A string runs into a word.")
        if kind == "word" and found and not space and found[-1].kind == STRING:
            raise Refused("parse.syntax", "A word runs into a string.")
        found.append(Token(number, word, one.start(), position, space))
        space = False
        if len(found) > MOST_TOKENS:
            raise Refused("parse.size", "The statement has too many words.")
    return found


def match_at(text: str, position: int) -> re.Match[str] | None:
    """The token, space or comment at ``position``; its ``lastgroup`` says what it is."""
    return _TOKEN.match(text, position)


def without_comments(text: str) -> str:
    """``text`` with a space in place of each comment.

    :raises Refused: as :func:`scan`.
    """
    parts = []
    position = 0
    while position < len(text):
        one = _TOKEN.match(text, position)
        if one is None:
            raise Refused("parse.syntax", "A part of the statement is not in the strict subset.")
        parts.append(" " if one.lastgroup == "comment" else one[0])
        position = one.end()
    return "".join(parts)


def quote(name: str) -> str:
    """``name`` as a quoted identifier."""
    return "`" + name.replace("`", "``") + "`"


def literal(text: str) -> str:
    """``text`` as a string literal, for a connection of ours."""
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


def introduces(token: Token) -> bool:
    """Whether the word says which character set the string behind it has."""
    return token.kind == WORD and token.text.lower() in _INTRODUCERS


#: Words that MariaDB 10.11 or MySQL 9 reserves. As a name they must be quoted.
RESERVED: Final = frozenset(
    """
    ACCESSIBLE ADD ALL ALTER ANALYZE AND AS ASC ASENSITIVE BEFORE BETWEEN BIGINT BINARY BLOB BOTH BY
    CALL CASCADE CASE CHANGE CHAR CHARACTER CHECK COLLATE COLUMN CONDITION CONSTRAINT CONTINUE
    CONVERT CREATE CROSS CUBE CUME_DIST CURRENT_DATE CURRENT_ROLE CURRENT_TIME CURRENT_TIMESTAMP
    CURRENT_USER CURSOR DATABASE DATABASES DAY_HOUR DAY_MICROSECOND DAY_MINUTE DAY_SECOND DEC
    DECIMAL DECLARE DEFAULT DELAYED DELETE DENSE_RANK DESC DESCRIBE DETERMINISTIC DISTINCT
    DISTINCTROW DIV DO_DOMAIN_IDS DOUBLE DROP DUAL EACH ELSE ELSEIF EMPTY ENCLOSED ESCAPED EXCEPT
    EXISTS EXIT EXPLAIN FALSE FETCH FIRST_VALUE FLOAT FLOAT4 FLOAT8 FOR FORCE FOREIGN FROM FULLTEXT
    FUNCTION GENERATED GET GRANT GROUP GROUPING GROUPS HAVING HIGH_PRIORITY HOUR_MICROSECOND
    HOUR_MINUTE HOUR_SECOND IF IGNORE IGNORE_DOMAIN_IDS IN INDEX INFILE INNER INOUT INSENSITIVE
    INSERT INT INT1 INT2 INT3 INT4 INT8 INTEGER INTERSECT INTERVAL INTO IO_AFTER_GTIDS
    IO_BEFORE_GTIDS IS ITERATE JOIN JSON_TABLE KEY KEYS KILL LAG LAST_VALUE LATERAL LEAD LEADING
    LEAVE LEFT LIKE LIMIT LINEAR LINES LOAD LOCALTIME LOCALTIMESTAMP LOCK LONG LONGBLOB LONGTEXT
    LOOP LOW_PRIORITY MANUAL MASTER_BIND MASTER_HEARTBEAT_PERIOD MASTER_SSL_VERIFY_SERVER_CERT MATCH
    MAXVALUE MEDIUMBLOB MEDIUMINT MEDIUMTEXT MIDDLEINT MINUTE_MICROSECOND MINUTE_SECOND MOD MODIFIES
    NATURAL NOT NO_WRITE_TO_BINLOG NTH_VALUE NTILE NULL NUMERIC OF OFFSET ON OPTIMIZE
    OPTIMIZER_COSTS OPTION OPTIONALLY OR ORDER OUT OUTER OUTFILE OVER PAGE_CHECKSUM PARALLEL
    PARSE_VCOL_EXPR PARTITION PERCENT_RANK PRECISION PRIMARY PROCEDURE PURGE QUALIFY RANGE RANK READ
    READS READ_WRITE REAL RECURSIVE REFERENCES REF_SYSTEM_ID REGEXP RELEASE RENAME REPEAT REPLACE
    REQUIRE RESIGNAL RESTRICT RETURN RETURNING REVOKE RIGHT RLIKE ROW ROWS ROW_NUMBER SCHEMA SCHEMAS
    SECOND_MICROSECOND SELECT SENSITIVE SEPARATOR SET SHOW SIGNAL SMALLINT SPATIAL SPECIFIC SQL
    SQLEXCEPTION SQLSTATE SQLWARNING SQL_BIG_RESULT SQL_CALC_FOUND_ROWS SQL_SMALL_RESULT SSL
    STARTING STATS_AUTO_RECALC STATS_PERSISTENT STATS_SAMPLE_PAGES STORED STRAIGHT_JOIN SYSTEM TABLE
    TABLESAMPLE TERMINATED THEN TINYBLOB TINYINT TINYTEXT TO TRAILING TRIGGER TRUE UNDO UNION UNIQUE
    UNLOCK UNSIGNED UPDATE USAGE USE USING UTC_DATE UTC_TIME UTC_TIMESTAMP VALUES VARBINARY VARCHAR
    VARCHARACTER VARYING VIRTUAL WHEN WHERE WHILE WINDOW WITH WRITE XOR YEAR_MONTH ZEROFILL
    """.split()
)
