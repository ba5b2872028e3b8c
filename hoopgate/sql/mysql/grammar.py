"""The strict subset of MariaDB's and MySQL's SQL: queries, and modifications of one table.

It reads what clients write and what the server gives back as the text of a view. What it does not
know is refused, so it may know less than the server, never more. The tree it makes of a client's
text says which kind of statement it is and where tables stand in it; what names mean is the
server's word (:mod:`hoopgate.sql.mysql.lineage`).
"""

# ruff: noqa: SIM905 - word lists read better as text
from __future__ import annotations

from typing import Final

from hoopgate.errors import Refused
from hoopgate.sql.mysql.expressions import Expressions
from hoopgate.sql.mysql.tokens import QUOTED, RESERVED, STRING, SYMBOL, WORD, Token, scan
from hoopgate.sql.mysql.tree import (
    Common,
    Expression,
    Modification,
    Query,
    Select,
    Source,
    Statement,
    Union,
)
from hoopgate.sql.mysql.words import END, outside

_JOINS: Final = frozenset("JOIN INNER CROSS LEFT RIGHT NATURAL STRAIGHT_JOIN".split())
_OPERATIONS: Final = frozenset("UNION EXCEPT INTERSECT".split())


def parse(text: str) -> tuple[Statement, list[Token]]:
    """The tree of a query or modification, and the tokens it counts in.

    :raises Refused: ``parse.syntax`` when it is outside the subset, ``parse.size``.
    """
    tokens = scan(text)
    while tokens and tokens[-1].text == ";" and tokens[-1].kind == SYMBOL:
        tokens.pop()
    parser = _Parser(text, tokens)
    try:
        statement = parser.statement()
    except RecursionError:
        raise Refused("parse.size", "The statement is nested too deeply.") from None
    return statement, tokens


class _Parser(Expressions):
    """One method for each rule of the grammar."""

    # --- statements ---------------------------------------------------------------------------

    def statement(self) -> Statement:
        """The one statement there is."""
        found: Statement
        if self._is("INSERT", "REPLACE"):
            found = self._insert()
        elif self._is("UPDATE"):
            found = self._update()
        elif self._is("DELETE"):
            found = self._delete()
        else:
            found = self._query()
        if self._peek() is not END:
            raise outside()
        return found

    def _query(self) -> Query:
        """``[WITH …] SELECT … [UNION …] [ORDER BY …] [LIMIT …] [FOR UPDATE]``."""
        self._enter()
        query = Query(self._at)
        if self._took("WITH"):
            self._with(query)
        query.body = self._body(query)
        self._order_and_limit(query)
        if (
            self._took("FOR", "UPDATE")
            or self._took("LOCK", "IN", "SHARE", "MODE")
            or self._took("FOR", "SHARE")
        ):
            query.locking = True
        if query.locking and not self._took("NOWAIT"):
            self._took("SKIP", "LOCKED")
        query.end = self._at
        self._leave()
        return query

    def _with(self, query: Query) -> None:
        recursive = self._took("RECURSIVE")
        while True:
            name = self._name()
            columns: list[str] = []
            if self._took_symbol("("):
                columns.append(self._name())
                while self._took_symbol(","):
                    columns.append(self._name())
                self._want_symbol(")")
            self._want("AS")
            self._want_symbol("(")
            inner = self._query()
            self._want_symbol(")")
            query.common.append(Common(name, columns, inner, recursive))
            if not self._took_symbol(","):
                return

    def _body(self, query: Query) -> Select | Union | Query:
        left = self._term(query)
        while self._is(*_OPERATIONS):
            operation = self._next().text
            if self._took("ALL"):
                operation += " ALL"
            else:
                self._took("DISTINCT")
            right = self._term(query)
            left = Union(operation, left, right)
        return left

    def _term(self, query: Query) -> Select | Union | Query:
        if self._took_symbol("("):
            inner = self._query()
            self._want_symbol(")")
            return inner
        self._want("SELECT")
        return self._select()

    def _select(self) -> Select:
        select = Select()
        while True:
            if self._took("DISTINCT") or self._took("DISTINCTROW"):
                select.distinct = True
            elif not (self._took("ALL") or self._took("SQL_NO_CACHE")):
                break
        while True:
            select.items.append(self._item())
            if not self._took_symbol(","):
                break
        if self._took("FROM") and not self._took("DUAL"):
            select.sources.append(self._join())
            while self._took_symbol(","):
                select.sources.append(self._join())
        if self._took("WHERE"):
            select.where = self.expression()
        if self._took("GROUP", "BY"):
            select.group = self._keys()
            self._took("WITH", "ROLLUP")
        if self._took("HAVING"):
            select.having = self.expression()
        if self._took("WINDOW"):
            while True:
                name = self._name()
                self._want("AS")
                select.windows[name.lower()] = self._window()
                if not self._took_symbol(","):
                    break
        return select

    def _item(self) -> tuple[Expression, str]:
        star = self._star()
        if star is not None:
            return star, ""
        found = self.expression()
        return found, self._alias(strings=True)

    def _star(self) -> Expression | None:
        start = self._at
        if self._took_symbol("*"):
            return Expression("star", start, self._at)
        length = 0
        while self._peek(length).kind in (WORD, QUOTED) and self._symbol(".", length + 1):
            length += 2
        if not length or not self._symbol("*", length):
            return None
        parts = []
        while not self._took_symbol("*"):
            parts.append(self._name())
            self._want_symbol(".")
        return Expression("star", start, self._at, parts=tuple(parts))

    def _alias(self, *, strings: bool = False) -> str:
        explicit = self._took("AS")
        token = self._peek()
        if token.kind == QUOTED or (token.kind == WORD and token.text not in RESERVED):
            return self._name()
        if strings and explicit and token.kind == STRING:
            self._at += 1
            return token.text[1:-1]
        if explicit:
            raise outside()
        return ""

    def _order_and_limit(self, query: Query) -> None:
        if self._took("ORDER", "BY"):
            query.order = self._keys()
        if self._took("LIMIT"):
            query.limited = True
            query.limit = self._limit()

    # --- FROM ---------------------------------------------------------------------------------

    def _join(self) -> Source:
        start = self._at
        left = self._source()
        while self._is(*_JOINS):
            natural = self._took("NATURAL")
            outer = self._took("LEFT") or self._took("RIGHT")
            if outer:
                self._took("OUTER")
            else:
                self._took("INNER") or self._took("CROSS")
            if natural or outer or not self._took("STRAIGHT_JOIN"):
                self._want("JOIN")
            joined = Source("join", start, left=left, right=self._source(), natural=natural)
            if not natural and self._took("ON"):
                joined.on = self.expression()
            elif not natural and self._took("USING"):
                self._want_symbol("(")
                joined.using.append(self._name())
                while self._took_symbol(","):
                    joined.using.append(self._name())
                self._want_symbol(")")
            left = joined
        return left

    def _source(self) -> Source:
        self._enter()
        start = self._at
        if self._symbol("("):
            found = self._derived(start)
        else:
            name = self._dotted(2)
            named = self._at
            alias = self._alias()
            found = Source("table", start, name=name, alias=alias, named=named, place=self._at)
        self._leave()
        return found

    def _derived(self, start: int) -> Source:
        inside = 1
        while self._symbol("(", inside):
            inside += 1
        if self._is("SELECT", "WITH", ahead=inside) and self._is_query():
            self._want_symbol("(")
            query = self._query()
            self._want_symbol(")")
            alias = self._alias()
            if not alias:
                raise outside()
            columns: list[str] = []
            if self._took_symbol("("):
                columns.append(self._name())
                while self._took_symbol(","):
                    columns.append(self._name())
                self._want_symbol(")")
            return Source("derived", start, alias=alias, columns=columns, query=query)
        self._want_symbol("(")
        joined = self._join()
        while self._took_symbol(","):
            joined = Source("join", start, left=joined, right=self._join())
        self._want_symbol(")")
        return joined

    def _is_query(self) -> bool:
        """Whether the bracket here holds a query, not a join whose first member is one."""
        depth = 0
        index = self._at
        while index < len(self._tokens):
            token = self._tokens[index]
            if token.kind == SYMBOL and token.text == "(":
                depth += 1
            elif token.kind == SYMBOL and token.text == ")":
                depth -= 1
                if depth == 1:
                    behind = self._tokens[index + 1] if index + 1 < len(self._tokens) else END
                    word = behind.text if behind.kind in (WORD, SYMBOL) else ""
                    if self._symbol("(", 1) and word not in (*_OPERATIONS, ")", "ORDER", "LIMIT"):
                        return False
                if depth == 0:
                    return True
            index += 1
        raise outside()

    # --- data modification --------------------------------------------------------------------

    def _insert(self) -> Modification:
        found = Modification(self._next().text.lower(), ())
        found.ignoring = self._took("IGNORE")
        self._took("INTO")
        found.table = self._dotted(2)
        if self._took("SET"):
            self._assignments(found)
            found.rows = [len(found.values)]
        else:
            if self._symbol("(") and not self._starts_query(1):
                self._at += 1
                if not self._took_symbol(")"):
                    found.columns.append(self._dotted(3))
                    while self._took_symbol(","):
                        found.columns.append(self._dotted(3))
                    self._want_symbol(")")
            if self._took("VALUES") or self._took("VALUE"):
                self._rows(found)
            else:
                found.query = self._query()
        if found.query is None and self._took("AS"):
            found.given = self._name()
        if self._took("ON", "DUPLICATE", "KEY", "UPDATE"):
            found.duplicate = True
            while True:
                name = self._dotted(3)
                self._want_symbol("=")
                found.updates.append((name, self.expression()))
                if not self._took_symbol(","):
                    break
        self._returning(found)
        return found

    def _rows(self, found: Modification) -> None:
        while True:
            self._want_symbol("(")
            count = 0
            if not self._took_symbol(")"):
                while True:
                    found.values.append(self._value())
                    count += 1
                    if not self._took_symbol(","):
                        break
                self._want_symbol(")")
            found.rows.append(count)
            if not self._took_symbol(","):
                return

    def _value(self) -> Expression:
        if self._is("DEFAULT") and not self._symbol("(", 1):
            self._at += 1
            return Expression("literal", self._at - 1, self._at, name="DEFAULT")
        return self.expression()

    def _assignments(self, found: Modification) -> None:
        while True:
            found.columns.append(self._dotted(3))
            self._want_symbol("=")
            found.values.append(self._value())
            if not self._took_symbol(","):
                return

    def _update(self) -> Modification:
        found = Modification("update", ())
        self._want("UPDATE")
        found.ignoring = self._took("IGNORE")
        found.table = self._dotted(2)
        found.alias = self._alias()
        self._want("SET")
        self._assignments(found)
        self._where(found)
        return found

    def _delete(self) -> Modification:
        found = Modification("delete", ())
        self._want("DELETE")
        found.ignoring = self._took("IGNORE")
        self._want("FROM")
        found.table = self._dotted(2)
        found.alias = self._alias()
        self._where(found)
        self._returning(found)
        return found

    def _where(self, found: Modification) -> None:
        if self._took("WHERE"):
            found.where = self.expression()
        if self._took("ORDER", "BY"):
            found.order = self._keys()
        if self._took("LIMIT"):
            found.limit = [self._count()]

    def _returning(self, found: Modification) -> None:
        if not self._took("RETURNING"):
            return
        start = self._at
        while True:
            found.returning.append(self._item())
            if not self._took_symbol(","):
                break
        found.returned = start, self._at
