"""Facts of a statement of MariaDB's or MySQL's, by the strict subset alone.

Pure, and meant for a parser's child process (:mod:`hoopgate.sql.worker`). A text that cannot be cut
into words is refused; a statement that is none of the subset has the class ``unknown``.
"""

# ruff: noqa: SIM905 - word lists read better as text
from __future__ import annotations

from typing import Final

from hoopgate.errors import Refused
from hoopgate.events import StatementFacts
from hoopgate.sql.mysql import settings
from hoopgate.sql.mysql.assignments import setting
from hoopgate.sql.mysql.row_facts import MODIFIES, QUERIES, plain, row_facts, spelled
from hoopgate.sql.mysql.tokens import (
    QUOTED,
    STRING,
    SYMBOL,
    WORD,
    Token,
    scan,
)

MAX_BYTES: Final = 2**20

#: The class of what begins with this word and has none of its own below.
_CLASS_OF: Final = {
    **dict.fromkeys("CREATE ALTER DROP RENAME".split(), "ddl"),
    "TRUNCATE": "truncate",
    "CALL": "call",
    **dict.fromkeys("PREPARE EXECUTE DEALLOCATE DO SIGNAL RESIGNAL GET".split(), "do"),
    **dict.fromkeys("GRANT REVOKE".split(), "grant"),
    "LOCK": "lock",
    "UNLOCK": "transaction",
    **dict.fromkeys(
        """ANALYZE OPTIMIZE REPAIR CHECK CHECKSUM FLUSH RESET KILL SHUTDOWN INSTALL UNINSTALL CACHE
        BACKUP RESTART CLONE IMPORT PURGE""".split(),
        "maintenance",
    ),
    **dict.fromkeys("CHANGE START STOP BINLOG".split(), "replication"),
    "XA": "two_phase",
    "LOAD": "copy.file",
}
_ROWS: Final = frozenset({"stored_rows"})
#: CREATE of what holds code.
_CODE: Final = frozenset("PROCEDURE FUNCTION TRIGGER EVENT PACKAGE".split())
_RIGHTS: Final = frozenset("USER ROLE".split())
#: SHOW of what says nothing of data.
_SHOWN: Final = frozenset(
    "DATABASES SCHEMAS TABLES COLLATION CHARSET ENGINES STORAGE PLUGINS PRIVILEGES".split()
)
#: SHOW whose answer is masked in a part, by the word for it.
_COLUMNS: Final = frozenset({"COLUMNS", "FIELDS"})
_INDEXES: Final = frozenset({"INDEX", "INDEXES", "KEYS"})


def analyze(text: str, max_bytes: int = MAX_BYTES) -> tuple[StatementFacts, ...]:
    """Facts of the one statement in ``text``; an empty text has none.

    :raises Refused: ``parse.size``, ``parse.syntax``; ``parse.session`` for what would change how
        later statements have to be read.
    """
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        raise Refused("parse.syntax", "The statement is not valid Unicode.") from None
    if size > max_bytes:
        raise Refused("parse.size", "The statement is too long.")
    tokens = scan(text)
    while tokens and tokens[-1].kind == SYMBOL and tokens[-1].text == ";":
        tokens.pop()
    if not tokens:
        return ()
    if any(token.kind == SYMBOL and token.text == ";" for token in tokens):
        raise Refused("parse.syntax", "Several statements in one request cannot be judged.")
    return (_facts(text, tokens),)


def _facts(text: str, tokens: list[Token]) -> StatementFacts:
    words = [token.text if token.kind == WORD else "" for token in tokens[:6]]
    words += [""] * (6 - len(words))
    first = words[0]
    bracketed = next((t.text for t in tokens if t.text != "(" or t.kind != SYMBOL), "")
    if first in MODIFIES or first in QUERIES or bracketed in QUERIES:
        return row_facts(text, tokens)
    if first in ("EXPLAIN", "DESCRIBE", "DESC"):
        return _explain(text, tokens)
    if first == "SHOW":
        return _show(text, tokens, words)
    if first == "SET":
        return setting(tokens)
    if first == "USE" and len(tokens) == 2 and tokens[1].kind in (WORD, QUOTED):
        name = spelled(text, tokens[1])
        return plain("session", kind="use", name=name)
    if _is_transaction(tokens, words):
        return plain("transaction")
    if first in ("CREATE", "ALTER", "DROP", "RENAME"):
        return _definition(text, tokens)
    if first == "BEGIN":
        return plain("do", "unknown")
    found = _CLASS_OF.get(first)
    if found is None:
        return plain("unknown")
    return plain(found, flags=_ROWS if found in ("maintenance", "truncate") else frozenset())


# --- EXPLAIN, SHOW --------------------------------------------------------------------------------


def _explain(text: str, tokens: list[Token]) -> StatementFacts:
    index = 1
    while index < len(tokens) and tokens[index].text in ("EXTENDED", "PARTITIONS"):
        index += 1
    rest = tokens[index:]
    if len(rest) > 2 and rest[0].text == "FORMAT" and rest[1].text == "=":
        rest = rest[3:]
    first = rest[0].text if rest and rest[0].kind in (WORD, SYMBOL) else ""
    if first in QUERIES or first in MODIFIES or first == "(":
        inner = text[rest[0].start :]
        facts = row_facts(inner, scan(inner))
        if "unknown" in facts.classes:
            return plain("explain", "unknown")
        return StatementFacts(
            frozenset({"explain"}),
            relations=facts.relations,
            functions=facts.functions,
            inner=inner,
            fingerprint=facts.fingerprint,
            flags=facts.flags & {"parameters"},
        )
    name, length = _dotted(text, rest)
    if name and len(rest) in (length, length + 1):
        return _shown_part("columns", (name,), text)
    return plain("explain", "unknown")


def _dotted(text: str, tokens: list[Token]) -> tuple[str, int]:
    """A table's name at the beginning, and how many tokens it has."""
    parts: list[str] = []
    index = 0
    while index < len(tokens) and tokens[index].kind in (WORD, QUOTED) and len(parts) < 2:
        parts.append(spelled(text, tokens[index]))
        index += 1
        if index < len(tokens) and tokens[index].text == "." and tokens[index].kind == SYMBOL:
            index += 1
        else:
            return ".".join(parts), index
    return "", 0


def _shown_part(name: str, relations: tuple[str, ...], text: str) -> StatementFacts:
    return StatementFacts(
        frozenset({"show"}), relations=relations, name=name, inner=text, fingerprint="=" + text
    )


_ADVERBS: Final = frozenset("FULL STORAGE SESSION LOCAL".split())


def _show(text: str, tokens: list[Token], words: list[str]) -> StatementFacts:
    words = [
        word
        for word in words[1:]
        if word not in ("FULL", "EXTENDED", "STORAGE", "SESSION", "LOCAL")
    ]
    first = words[0]
    start = next(i for i, token in enumerate(tokens) if token.text == first)
    rest = tokens[start + 1 :]
    if first == "CHARACTER" and words[1] == "SET":
        first, rest = "CHARSET", rest[1:]
    if first == "GLOBAL":
        return plain("show", "unknown")
    if first == "VARIABLES":
        name = rest[1].text[1:-1].lower() if len(rest) == 2 and rest[0].text == "LIKE" else ""
        name = name.replace("\\_", "_")
        return plain("show") if name in settings.READABLE else plain("show", "unknown")
    if first in _COLUMNS | _INDEXES and rest and rest[0].text in ("FROM", "IN"):
        name, length = _dotted(text, rest[1:])
        rest = rest[1 + length :]
        if name and rest and rest[0].text in ("FROM", "IN") and len(rest) > 1 and "." not in name:
            name, rest = f"{spelled(text, rest[1])}.{name}", rest[2:]
        if name and (not rest or (rest[0].text == "LIKE" and len(rest) == 2)):
            what = "columns" if first in _COLUMNS else "indexes"
            return _shown_part(what, (name,), text)
        return plain("show", "unknown")
    if first == "CREATE" and rest and rest[0].text in ("TABLE", "VIEW"):
        name, length = _dotted(text, rest[1:])
        if name and len(rest) == 1 + length and name.count(".") == length // 2:
            return _shown_part("create", (name,), text)
    if first == "TABLE" and rest and rest[0].text == "STATUS" and _from_and_like(rest[1:]):
        return _shown_part("status", (), text)
    if first == "TRIGGERS" and _from_and_like(rest):
        return _shown_part("triggers", (), text)
    if first in _SHOWN and _from_and_like(rest):
        return plain("show")
    return plain("show", "unknown")


def _from_and_like(tokens: list[Token]) -> bool:
    """Nothing, or ``FROM name``, ``LIKE 'pattern'``."""
    if tokens and tokens[0].text in ("FROM", "IN") and len(tokens) > 1:
        if tokens[1].kind not in (WORD, QUOTED):
            return False
        tokens = tokens[2:]
    if tokens and tokens[0].text == "LIKE" and len(tokens) == 2:
        return tokens[1].kind == STRING
    return not tokens


# --- the rest -------------------------------------------------------------------------------------

_ENDS: Final = frozenset({"COMMIT", "ROLLBACK"})
_ABOUT_TRANSACTIONS: Final = frozenset(
    """BEGIN START COMMIT ROLLBACK SAVEPOINT RELEASE WORK TRANSACTION TO AND NO CHAIN READ ONLY
    WRITE WITH CONSISTENT SNAPSHOT""".split()
)


def _is_transaction(tokens: list[Token], words: list[str]) -> bool:
    first = words[0]
    if first == "BEGIN":
        return len(tokens) == 1 or (len(tokens) == 2 and words[1] == "WORK")
    if first == "START":
        return words[1] == "TRANSACTION" and all(
            token.text in _ABOUT_TRANSACTIONS or token.text == "," for token in tokens
        )
    if first in _ENDS or first in ("SAVEPOINT", "RELEASE"):
        return len(tokens) <= 5 and all(token.kind in (WORD, QUOTED) for token in tokens)
    return False


def _definition(text: str, tokens: list[Token]) -> StatementFacts:
    words = [token.text for token in tokens if token.kind == WORD]
    classes = {"ddl"}
    flags = set()
    head = set(words[:12])
    if head & _CODE:
        classes.add("do")
    if head & _RIGHTS and not head & {"TABLE", "VIEW"}:
        classes.add("grant")
    if "TEMPORARY" in words[:4]:
        flags.add("temporary")
    if "SELECT" in words and "VIEW" not in words[:8]:
        flags.add("into")
        classes |= {"read"}
    if "SERVER" in words[:4] or "TABLESPACE" in words[:4] or "INSTANCE" in words[:3]:
        classes.add("maintenance")
    if not words[1:2]:
        classes.add("unknown")
    if words[0] == "ALTER" or words[0] == "RENAME" or "INDEX" in words[:6]:
        flags.add("stored_rows")
    return StatementFacts(frozenset(classes), flags=frozenset(flags))
