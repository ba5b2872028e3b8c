"""Facts of a statement of MariaDB's or MySQL's, by the strict subset alone.

Pure, and meant for a parser's child process (:mod:`hoopgate.sql.worker`). A text that cannot be cut
into words is refused; a statement that is none of the subset has the class ``unknown``.
"""

# ruff: noqa: SIM905 - word lists read better as text
from __future__ import annotations

from typing import Final

from hoopgate.errors import Refused
from hoopgate.events import StatementFacts
from hoopgate.sql.mysql.assignments import setting
from hoopgate.sql.mysql.row_facts import MODIFIES, QUERIES, plain, row_facts, spelled
from hoopgate.sql.mysql.showing import described, showing
from hoopgate.sql.mysql.tokens import (
    QUOTED,
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
        return showing(text, tokens, words)
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


# --- EXPLAIN --------------------------------------------------------------------------------


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
    return described(text, rest) or plain("explain", "unknown")


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
