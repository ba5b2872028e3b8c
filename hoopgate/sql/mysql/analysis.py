"""Facts of a statement of MariaDB's or MySQL's, by the strict subset alone.

Pure, and meant for a parser's child process (:mod:`hoopgate.sql.worker`). A text that cannot be cut
into words is refused; a statement that is none of the subset has the class ``unknown``.
"""

# ruff: noqa: SIM905 - word lists read better as text
from __future__ import annotations

import hashlib
from collections.abc import Iterator
from itertools import pairwise
from typing import Final

from hoopgate.errors import Refused
from hoopgate.events import StatementFacts
from hoopgate.sql.mysql import functions, settings
from hoopgate.sql.mysql.attestation import expressions
from hoopgate.sql.mysql.grammar import parse
from hoopgate.sql.mysql.tokens import (
    NUMBER,
    PARAMETER,
    QUOTED,
    STRING,
    SYMBOL,
    SYSTEM_VARIABLE,
    WORD,
    Token,
    scan,
)
from hoopgate.sql.mysql.tree import (
    Expression,
    Modification,
    Query,
    Select,
    Source,
    Statement,
    Union,
)

MAX_BYTES: Final = 2**20

_QUERIES: Final = frozenset({"SELECT", "WITH"})
_MODIFIES: Final = {
    "INSERT": "insert",
    "REPLACE": "insert",
    "UPDATE": "update",
    "DELETE": "delete",
}
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
    if first in _MODIFIES or first in _QUERIES or bracketed in _QUERIES:
        return _row_facts(text, tokens)
    if first in ("EXPLAIN", "DESCRIBE", "DESC"):
        return _explain(text, tokens)
    if first == "SHOW":
        return _show(text, tokens, words)
    if first == "SET":
        return _set(tokens)
    if first == "USE" and len(tokens) == 2 and tokens[1].kind in (WORD, QUOTED):
        name = _spelled(text, tokens[1])
        return _plain("session", kind="use", name=name)
    if _is_transaction(tokens, words):
        return _plain("transaction")
    if first in ("CREATE", "ALTER", "DROP", "RENAME"):
        return _definition(text, tokens)
    if first == "BEGIN":
        return _plain("do", "unknown")
    found = _CLASS_OF.get(first)
    if found is None:
        return _plain("unknown")
    return _plain(found, flags=_ROWS if found in ("maintenance", "truncate") else frozenset())


def _plain(
    *classes: str, flags: frozenset[str] = frozenset(), kind: str = "", name: str = ""
) -> StatementFacts:
    return StatementFacts(frozenset(classes), kind=kind, name=name, flags=flags)


def _spelled(text: str, token: Token) -> str:
    return token.text if token.kind == QUOTED else text[token.start : token.end]


# --- rows -----------------------------------------------------------------------------------------


def _row_facts(text: str, tokens: list[Token]) -> StatementFacts:
    verb = _MODIFIES.get(tokens[0].text if tokens[0].kind == WORD else "", "read")
    try:
        tree, tokens = parse(text)
    except Refused as refused:
        if refused.code != "parse.syntax":
            raise
        return _beyond(tokens, verb)
    seen = _Seen()
    seen.statement(tree)
    classes = {verb}
    if verb == "read" or seen.selects or (isinstance(tree, Modification) and tree.returning):
        classes.add("read")
    if isinstance(tree, Modification) and tree.kind == "replace":
        classes.add("delete")
    if isinstance(tree, Modification) and tree.duplicate:
        classes.add("update")
    flags = set(_flags(tree, tokens)) | functions.flags(seen.functions)
    if any(token.kind == PARAMETER for token in tokens):
        flags.add("parameters")
    return StatementFacts(
        frozenset(classes),
        relations=tuple(dict.fromkeys(seen.relations)),
        functions=tuple(dict.fromkeys(seen.functions)),
        fingerprint=fingerprint(text, tokens),
        flags=frozenset(flags),
    )


def _beyond(tokens: list[Token], verb: str) -> StatementFacts:
    """Of a statement that is not in the subset: what its words give away."""
    words = {token.text for token in tokens if token.kind == WORD}
    classes = {verb, "unknown"}
    if words & {"OUTFILE", "DUMPFILE", "LOAD_FILE"}:
        classes.add("copy.file")
    for word, its in _MODIFIES.items():
        if word in words:
            classes.add(its)
    called = {
        token.text.lower()
        for token, behind in pairwise(tokens)
        if token.kind == WORD and behind.kind == SYMBOL and behind.text == "("
    }
    return StatementFacts(
        frozenset(classes),
        functions=tuple(sorted(called)),
        flags=frozenset({"no_where", "no_limit"} | functions.flags(called)),
    )


class _Seen:
    """Relations and functions that a tree names."""

    def __init__(self) -> None:
        self.relations: list[str] = []
        self.functions: list[str] = []
        self.selects = False

    def statement(self, tree: Statement) -> None:
        if isinstance(tree, Query):
            self.query(tree)
            return
        self.relations.append(".".join(tree.table))
        for one in (*tree.values, *tree.order, *(e for _, e in tree.updates)):
            self.expression(one)
        for one, _ in tree.returning:
            self.expression(one)
        if tree.where is not None:
            self.expression(tree.where)
        if tree.query is not None:
            self.query(tree.query)

    def query(self, query: Query) -> None:
        self.selects = True
        names = {common.name.lower() for common in query.common}
        before = len(self.relations)
        for common in query.common:
            self.query(common.query)
        self._body(query.body)
        for one in query.order:
            self.expression(one)
        self.relations[before:] = [
            name for name in self.relations[before:] if name.lower() not in names
        ]

    def _body(self, body: Select | Union | Query | None) -> None:
        if isinstance(body, Query):
            self.query(body)
        elif isinstance(body, Union):
            self._body(body.left)
            self._body(body.right)
        elif body is not None:
            for one in expressions(body):
                self.expression(one)
            for source in body.sources:
                self._source(source)

    def _source(self, source: Source | None) -> None:
        if source is None:
            return
        if source.kind == "table":
            self.relations.append(".".join(source.name))
        elif source.query is not None:
            self.query(source.query)
        self._source(source.left)
        self._source(source.right)
        if source.on is not None:
            self.expression(source.on)

    def expression(self, expression: Expression) -> None:
        if expression.kind == "call":
            self.functions.append(expression.name.removeprefix("."))
        if expression.query is not None:
            self.query(expression.query)
        for one in (*expression.arguments, *expression.keys):
            self.expression(one)


def _flags(tree: Statement, tokens: list[Token]) -> Iterator[str]:
    if isinstance(tree, Modification):
        if tree.kind in ("update", "delete"):
            if tree.where is None:
                yield "no_where"
            elif trivial(tree.where, tokens):
                yield "trivial_where"
        return
    if tree.locking:
        yield "locking"
    if not tree.limited:
        yield "no_limit"
    body = tree.body
    if isinstance(body, Select) and body.sources:
        unfiltered = body.where is None or trivial(body.where, tokens)
        if unfiltered:
            yield "unfiltered"
        if unfiltered and not tree.limited and not _aggregated(body):
            yield "bulk"
    elif not isinstance(body, Select) and not tree.limited:
        yield "bulk"


def _aggregated(select: Select) -> bool:
    return bool(select.items) and all(
        item.kind == "literal"
        or (item.kind == "call" and functions.classify(item.name) == functions.AGGREGATE)
        for item, _ in select.items
    )


def trivial(condition: Expression, tokens: list[Token]) -> bool:
    """A condition that holds for every row, as far as the words can tell."""
    if not _reads(condition):
        return True
    if condition.kind != "operator":
        return False
    if condition.name == "or":
        return any(trivial(one, tokens) for one in condition.arguments)
    if condition.name == "and":
        return all(trivial(one, tokens) for one in condition.arguments)
    if len(condition.arguments) == 2:
        left, right = condition.arguments
        if right.kind == "column" and left.kind == "column":
            return left.parts[-1].lower() == right.parts[-1].lower()
    return (
        condition.name in ("is null", "like")
        and _reads(condition) == 1
        and (condition.name == "is null" or _everything(condition, tokens))
    )


def _everything(condition: Expression, tokens: list[Token]) -> bool:
    pattern = condition.arguments[1]
    return pattern.kind == "literal" and not tokens[pattern.start].text.strip("'\"%")


def _reads(expression: Expression) -> int:
    """How many columns and queries are in it."""
    own = 1 if expression.kind in ("column", "query") else 0
    return own + sum(map(_reads, (*expression.arguments, *expression.keys)))


def fingerprint(text: str, tokens: list[Token]) -> str:
    """Equal for statements that differ in the literals of conditions only (hex)."""
    parts = []
    conditions = False
    before = ""
    for token in tokens:
        word = text[token.start : token.end]
        if token.kind == WORD:
            if token.text == "SELECT":
                conditions = False
            elif token.text in ("WHERE", "ON", "VALUES"):
                conditions = True
        if conditions and token.kind == STRING and before in _BEFORE_VALUE:
            word = "\1s"
        elif conditions and token.kind == NUMBER and before in _BEFORE_VALUE and word.isdigit():
            word = "\1n"
        parts.append(word)
        before = token.text if token.kind in (WORD, SYMBOL) else ""
    return hashlib.blake2b("\0".join(parts).encode(), digest_size=16).hexdigest()


_BEFORE_VALUE: Final = frozenset("= <=> >= > <= < <> != ( ,".split())


# --- EXPLAIN, SHOW --------------------------------------------------------------------------------


def _explain(text: str, tokens: list[Token]) -> StatementFacts:
    index = 1
    while index < len(tokens) and tokens[index].text in ("EXTENDED", "PARTITIONS"):
        index += 1
    rest = tokens[index:]
    if len(rest) > 2 and rest[0].text == "FORMAT" and rest[1].text == "=":
        rest = rest[3:]
    first = rest[0].text if rest and rest[0].kind in (WORD, SYMBOL) else ""
    if first in _QUERIES or first in _MODIFIES or first == "(":
        inner = text[rest[0].start :]
        facts = _row_facts(inner, scan(inner))
        if "unknown" in facts.classes:
            return _plain("explain", "unknown")
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
    return _plain("explain", "unknown")


def _dotted(text: str, tokens: list[Token]) -> tuple[str, int]:
    """A table's name at the beginning, and how many tokens it has."""
    parts: list[str] = []
    index = 0
    while index < len(tokens) and tokens[index].kind in (WORD, QUOTED) and len(parts) < 2:
        parts.append(_spelled(text, tokens[index]))
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
        return _plain("show", "unknown")
    if first == "VARIABLES":
        name = rest[1].text[1:-1].lower() if len(rest) == 2 and rest[0].text == "LIKE" else ""
        name = name.replace("\\_", "_")
        return _plain("show") if name in settings.READABLE else _plain("show", "unknown")
    if first in _COLUMNS | _INDEXES and rest and rest[0].text in ("FROM", "IN"):
        name, length = _dotted(text, rest[1:])
        rest = rest[1 + length :]
        if name and rest and rest[0].text in ("FROM", "IN") and len(rest) > 1 and "." not in name:
            name, rest = f"{_spelled(text, rest[1])}.{name}", rest[2:]
        if name and (not rest or (rest[0].text == "LIKE" and len(rest) == 2)):
            what = "columns" if first in _COLUMNS else "indexes"
            return _shown_part(what, (name,), text)
        return _plain("show", "unknown")
    if first == "CREATE" and rest and rest[0].text in ("TABLE", "VIEW"):
        name, length = _dotted(text, rest[1:])
        if name and len(rest) == 1 + length and name.count(".") == length // 2:
            return _shown_part("create", (name,), text)
    if first == "TABLE" and rest and rest[0].text == "STATUS" and _from_and_like(rest[1:]):
        return _shown_part("status", (), text)
    if first == "TRIGGERS" and _from_and_like(rest):
        return _shown_part("triggers", (), text)
    if first in _SHOWN and _from_and_like(rest):
        return _plain("show")
    return _plain("show", "unknown")


def _from_and_like(tokens: list[Token]) -> bool:
    """Nothing, or ``FROM name``, ``LIKE 'pattern'``."""
    if tokens and tokens[0].text in ("FROM", "IN") and len(tokens) > 1:
        if tokens[1].kind not in (WORD, QUOTED):
            return False
        tokens = tokens[2:]
    if tokens and tokens[0].text == "LIKE" and len(tokens) == 2:
        return tokens[1].kind == STRING
    return not tokens


# --- SET ------------------------------------------------------------------------------------------


def _set(tokens: list[Token]) -> StatementFacts:
    words = [token.text if token.kind == WORD else "" for token in tokens]
    if words[1:2] == ["NAMES"]:
        return _names(tokens[2:])
    rest = words[1:]
    if rest[:1] in (["SESSION"], ["LOCAL"]):
        rest = rest[1:]
    if rest[:1] == ["TRANSACTION"]:
        return _plain("transaction")
    if words[1:2] == ["CHARACTER"] or words[1:2] == ["CHARSET"]:
        raise _other_session()
    if words[1:2] in (["PASSWORD"], ["ROLE"], ["DEFAULT"]):
        return _plain("role", "session", flags=_UNLISTED)
    flags: frozenset[str] = frozenset()
    for assignment in _split(tokens[1:]):
        flags |= _assignment(assignment)
    return _plain("session", flags=flags)


_UNLISTED: Final = frozenset({"unlisted_setting"})


def _other_session() -> Refused:
    return Refused(
        "parse.session", "The session speaks UTF-8 and reads texts by the server's default mode."
    )


def _split(tokens: list[Token]) -> Iterator[list[Token]]:
    part: list[Token] = []
    depth = 0
    for token in tokens:
        if token.kind == SYMBOL and token.text in "()":
            depth += 1 if token.text == "(" else -1
        if token.kind == SYMBOL and token.text == "," and not depth:
            yield part
            part = []
        else:
            part.append(token)
    yield part


def _assignment(tokens: list[Token]) -> frozenset[str]:
    while tokens and tokens[0].kind == WORD and tokens[0].text in ("SESSION", "LOCAL"):
        tokens = tokens[1:]
    if len(tokens) < 3 or tokens[1].text not in ("=", ":=") or tokens[0].text == "GLOBAL":
        return _UNLISTED
    name = _variable(tokens[0])
    value = tokens[2:]
    if name == "sql_mode":
        modes = set(filter(None, _text(value).upper().split(",")))
        if not modes <= settings.MODES or not _is_text(value):
            raise _other_session()
        return frozenset()
    if name in settings.CHARACTER_SET or name == "names":
        given = _text(value).lower()
        stored = name == "character_set_results" and given in settings.AS_STORED
        if given not in settings.CHARACTER_SETS and not stored:
            raise _other_session()
        return frozenset()
    if name == "collation_connection":
        if not _text(value).lower().startswith("utf8"):
            raise _other_session()
        return frozenset()
    if name in settings.PLANNER:
        return frozenset({"planner_setting"})
    if name in settings.HARMLESS and _constant(value):
        return frozenset()
    return _UNLISTED


def _variable(token: Token) -> str:
    if token.kind == SYSTEM_VARIABLE:
        scope, _, name = token.text[2:].lower().rpartition(".")
        return name if scope in ("", "session", "local") else ""
    return token.text.lower() if token.kind in (WORD, QUOTED) else ""


def _is_text(value: list[Token]) -> bool:
    return len(value) == 1 and value[0].kind in (STRING, WORD)


def _text(value: list[Token]) -> str:
    if not _is_text(value):
        return "?"
    return value[0].text[1:-1] if value[0].kind == STRING else value[0].text


def _constant(value: list[Token]) -> bool:
    if len(value) == 2 and value[0].text in ("-", "+"):
        value = value[1:]
    return len(value) == 1 and value[0].kind in (STRING, NUMBER, WORD)


def _names(rest: list[Token]) -> StatementFacts:
    if not rest or _text(rest[:1]).lower() not in settings.CHARACTER_SETS:
        raise _other_session()
    if len(rest) > 1:
        collation = _text(rest[2:]).lower() if rest[1].text == "COLLATE" else ""
        if not collation.startswith("utf8"):
            raise _other_session()
    return _plain("session")


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
