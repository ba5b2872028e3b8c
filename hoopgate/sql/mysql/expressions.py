"""Expressions of the strict subset."""

# ruff: noqa: SIM905 - word lists read better as text
from __future__ import annotations

import re
from typing import Final

from hoopgate.sql.mysql import comparisons
from hoopgate.sql.mysql.calls import UNITS, Calls
from hoopgate.sql.mysql.tokens import (
    NUMBER,
    PARAMETER,
    QUOTED,
    RESERVED,
    STRING,
    SYMBOL,
    SYSTEM_VARIABLE,
    WORD,
    introduces,
)
from hoopgate.sql.mysql.tree import Expression, Query
from hoopgate.sql.mysql.words import END, outside

#: Binary operators: how tightly they bind. (MariaDB's manual, "Operator Precedence".)
_BINDING: Final = {
    **dict.fromkeys(("OR", "||"), 1),
    "XOR": 2,
    **dict.fromkeys(("AND", "&&"), 3),
    **dict.fromkeys(
        "= <=> >= > <= < <> != IS LIKE REGEXP RLIKE IN BETWEEN NOT SOUNDS MEMBER".split(), 5
    ),
    "|": 6,
    "&": 7,
    **dict.fromkeys(("<<", ">>"), 8),
    **dict.fromkeys(("+", "-"), 9),
    **dict.fromkeys(("*", "/", "DIV", "%", "MOD"), 10),
    "^": 11,
    "COLLATE": 13,
    **dict.fromkeys(("->", "->>"), 14),
}
#: Negated, it stays a number of its type.
_DECIMAL: Final = re.compile(r"[0-9]{1,18}(?:\.[0-9]{1,18})?")
_COMPARED: Final = frozenset("= <=> >= > <= < <> !=".split())
_NOT, _COMPARISON, _UNARY = 4, 5, 12
_SYNONYMS: Final = {
    "||": "or",
    "&&": "and",
    "!=": "<>",
    "RLIKE": "regexp",
    "%": "mod",
}
#: Functions that are called without brackets.
_BARE: Final = frozenset(
    """CURRENT_DATE CURRENT_TIME CURRENT_TIMESTAMP CURRENT_USER LOCALTIME LOCALTIMESTAMP UTC_DATE
    UTC_TIME UTC_TIMESTAMP""".split()
)
#: Reserved words that are functions when a bracket follows.
_CALLED: Final = _BARE | frozenset(
    """CHAR COALESCE DATABASE SCHEMA DEFAULT IF INSERT INTERVAL LEFT MOD REPEAT REPLACE RIGHT
        VALUES CUME_DIST DENSE_RANK FIRST_VALUE LAG LAST_VALUE LEAD NTH_VALUE NTILE PERCENT_RANK
        RANK ROW_NUMBER GROUPING""".split()
)


class Expressions(Calls):
    """One method for each rule of the grammar of expressions."""

    def _query(self) -> Query:
        raise NotImplementedError

    def expression(self, binding: int = 0) -> Expression:
        """An expression whose operators bind tighter than ``binding``."""
        self._enter()
        left = self._operand()
        while True:
            token = self._peek()
            if token.kind not in (WORD, SYMBOL) or token is END:
                break
            tight = _BINDING.get(token.text)
            if tight is None or tight <= binding:
                break
            if (
                token.kind == WORD
                and token.text == "NOT"
                and not self._is("LIKE", "IN", "BETWEEN", "REGEXP", "RLIKE", ahead=1)
            ):
                break
            left = self._binary(left, tight)
        left.end = self._at
        self._leave()
        return left

    def _binary(self, left: Expression, tight: int) -> Expression:
        word = self._next().text
        if word == "NOT":
            word = self._next().text
        if word == "IS":
            return self._is_what(left)
        if word == "IN":
            return self._in(left)
        if word == "BETWEEN":
            low = self.expression(_COMPARISON)
            self._want("AND")
            high = self.expression(_COMPARISON)
            return self._operation("between", left, low, high)
        if word == "SOUNDS":
            self._want("LIKE")
            return self._operation("sounds like", left, self.expression(tight))
        if word == "MEMBER":
            raise outside()
        if word == "LIKE":
            arguments = [left, self.expression(tight)]
            if self._took("ESCAPE"):
                arguments.append(self.expression(tight))
                return self._operation(
                    "like" if arguments[-1].kind == "literal" else "like escape", *arguments
                )
            return self._operation("like", *arguments)
        if word == "COLLATE":
            token = self._next()
            if token.kind not in (WORD, QUOTED, STRING):
                raise outside()
            found = self._operation("collate", left)
            found.parts = (token.text.strip("'\"").lower(),)
            return found
        if word in ("->", "->>"):
            right = self._operand()
            return self._operation("json_extract", left, right)
        if word in ("=", "<=>", ">=", ">", "<=", "<", "<>", "!=") and self._is(
            "ALL", "ANY", "SOME"
        ):
            self._next()
            return self._operation(_name_of(word), left, self._bracketed_query("any"))
        return self._operation(_name_of(word), left, self.expression(tight))

    def _operation(self, name: str, *arguments: Expression) -> Expression:
        start = arguments[0].start
        return Expression("operator", start, self._at, name=name, arguments=list(arguments))

    def _is_what(self, left: Expression) -> Expression:
        self._took("NOT")
        if self._took("NULL"):
            return self._operation("is null", left)
        if self._took("TRUE") or self._took("FALSE") or self._took("UNKNOWN"):
            return self._operation("is true", left)
        raise outside()

    def _in(self, left: Expression) -> Expression:
        if self._symbol("(") and self._starts_query(1):
            return self._operation("in", left, self._bracketed_query("in"))
        self._want_symbol("(")
        arguments = [left, self.expression()]
        while self._took_symbol(","):
            arguments.append(self.expression())
        self._want_symbol(")")
        return self._operation("in", *arguments)

    def _starts_query(self, ahead: int) -> bool:
        while self._symbol("(", ahead):
            ahead += 1
        return self._is("SELECT", "WITH", ahead=ahead)

    def _bracketed_query(self, use: str) -> Expression:
        start = self._at
        self._want_symbol("(")
        query = self._query()
        self._want_symbol(")")
        return Expression("query", start, self._at, name=use, query=query)

    def _operand(self) -> Expression:
        token = self._peek()
        start = self._at
        if token.kind == SYMBOL:
            return self._symbolic(start)
        if token.kind in (NUMBER, STRING):
            self._at += 1
            while token.kind == STRING and self._peek().kind == STRING:
                self._at += 1
            return Expression("literal", start, self._at, name=token.text)
        if token.kind == PARAMETER:
            self._at += 1
            return Expression("parameter", start, self._at)
        if token.kind == SYSTEM_VARIABLE:
            self._at += 1
            return Expression("variable", start, self._at, name=token.text.lower())
        if token.kind == WORD:
            found = self._worded(start)
            if found is not None:
                return found
        elif token.kind != QUOTED:
            raise outside()
        return self._column_or_call(start)

    def _symbolic(self, start: int) -> Expression:
        if self._symbol("("):
            if self._starts_query(1):
                return self._bracketed_query("scalar")
            self._at += 1
            inner = self.expression()
            if self._symbol(","):
                inner = self._operation("row", inner)
                while self._took_symbol(","):
                    inner.arguments.append(self.expression())
            self._want_symbol(")")
            inner.start = start
            return inner
        for symbol, name in (("-", "negate"), ("+", "plus"), ("~", "~"), ("!", "not")):
            if self._took_symbol(symbol):
                inner = self.expression(_UNARY)
                if symbol == "-" and inner.kind == "literal" and _DECIMAL.fullmatch(inner.name):
                    # No operation that might fail. MySQL writes -1 as -(1).
                    return Expression("literal", start, self._at, name="-" + inner.name)
                return Expression("operator", start, self._at, name=name, arguments=[inner])
        raise outside()

    def _worded(self, start: int) -> Expression | None:
        """What begins with a word of its own; None when the word is a name."""
        token = self._peek()
        word = token.text
        if introduces(token) and self._peek(1).kind in (STRING, NUMBER):
            self._at += 2
            name = word.lower() + self._tokens[start + 1].text
            return Expression("literal", start, self._at, name=name)
        if word in ("NULL", "TRUE", "FALSE"):
            self._at += 1
            return Expression("literal", start, self._at, name=word)
        if word in ("DATE", "TIME", "TIMESTAMP") and self._peek(1).kind == STRING:
            self._at += 2
            return Expression("literal", start, self._at)
        if word == "NOT":
            self._at += 1
            inner = self.expression(_NOT)
            return Expression("operator", start, self._at, name="not", arguments=[inner])
        if word == "BINARY":
            self._at += 1
            inner = self.expression(_UNARY)
            return Expression("operator", start, self._at, name="cast binary", arguments=[inner])
        if word == "EXISTS":
            self._at += 1
            return self._bracketed_query("exists")
        if word == "CASE":
            return self._case(start)
        if word == "MATCH":
            return self._match(start)
        if word == "INTERVAL":
            return self._interval(start)
        if word in _BARE and not self._symbol("(", 1):
            self._at += 1
            return Expression("call", start, self._at, name=word.lower())
        if word == "ROW" and self._symbol("(", 1):
            self._at += 2
            return self._arguments(Expression("operator", start, name="row"))
        special = {
            "CAST": self._cast,
            "CONVERT": self._convert,
            "EXTRACT": self._extract,
            "TRIM": self._trim,
            "SUBSTRING": self._substring,
            "SUBSTR": self._substring,
            "MID": self._substring,
            "POSITION": self._position,
            "GROUP_CONCAT": self._group_concat,
            "COUNT": self._count_of,
            "CHAR": self._char,
            "WEIGHT_STRING": self._weight_string,
            "TIMESTAMPDIFF": self._unit_first,
            "TIMESTAMPADD": self._unit_first,
            "GET_FORMAT": self._unit_first,
        }.get(word)
        if special is not None and self._symbol("(", 1) and not self._peek(1).space:
            self._at += 2
            found = special(Expression("call", start, name=word.lower()))
            found.end = self._at
            return self._over(found)
        return None

    def _column_or_call(self, start: int) -> Expression:
        token = self._peek()
        if token.kind == WORD and self._symbol("(", 1):
            if self._peek(1).space or (token.text in RESERVED and token.text not in _CALLED):
                raise outside()  # whether it is a function of the server's depends on the space
            self._at += 2
            found = self._arguments(Expression("call", start, name=token.text.lower()))
            if token.text == "NULLIF" and (number := self._numbered(found)):
                return Expression("parameter", start, self._at, name=number)
            return self._over(found)
        parts = self._dotted(3)
        if self._took_symbol("("):
            # A routine of somebody's, whatever a name in quotes is like.
            return self._arguments(Expression("call", start, name="." + ".".join(parts).lower()))
        return Expression("column", start, self._at, parts=parts)

    def _numbered(self, call: Expression) -> str:
        """The number of a parameter that is compared, see :func:`comparisons.mark`."""
        if len(call.arguments) != 2 or call.arguments[0].name != "NULL":
            return ""
        text = call.arguments[1]
        token = self._tokens[text.end - 1]
        return comparisons.marked(token.text) if text.kind == "literal" else ""

    def _arguments(self, call: Expression) -> Expression:
        """Behind the bracket: arguments, to the closing one."""
        if self._took("DISTINCT"):
            call.keys = call.arguments
        if not self._took_symbol(")"):
            call.arguments.append(self.expression())
            while self._took_symbol(","):
                call.arguments.append(self.expression())
            self._want_symbol(")")
        call.end = self._at
        return call

    def _over(self, call: Expression) -> Expression:
        if self._took("OVER"):
            call.windowed = True
            if self._symbol("("):
                call.keys = [*call.keys, *self._window()]
            else:
                call.parts = (self._name().lower(),)
        call.end = self._at
        return call

    def _window(self) -> list[Expression]:
        self._want_symbol("(")
        keys: list[Expression] = []
        if self._took("PARTITION", "BY"):
            keys += self._keys()
        if self._took("ORDER", "BY"):
            keys += self._keys()
        if self._is("ROWS", "RANGE"):
            self._at += 1
            if self._took("BETWEEN"):
                self._bound(keys)
                self._want("AND")
            self._bound(keys)
        self._want_symbol(")")
        return keys

    def _bound(self, keys: list[Expression]) -> None:
        if self._took("UNBOUNDED") or self._took("CURRENT"):
            if self._took("ROW"):
                return
        else:
            keys.append(self.expression(_COMPARISON))
        if not (self._took("PRECEDING") or self._took("FOLLOWING")):
            raise outside()

    def _case(self, start: int) -> Expression:
        self._want("CASE")
        arguments = []
        if not self._is("WHEN"):
            arguments.append(self.expression())
        while self._took("WHEN"):
            arguments.append(self.expression())
            self._want("THEN")
            arguments.append(self.expression())
        if self._took("ELSE"):
            arguments.append(self.expression())
        self._want("END")
        return Expression("operator", start, self._at, name="case", arguments=arguments)

    def _interval(self, start: int) -> Expression:
        self._want("INTERVAL")
        inner = self.expression()
        if self._is(*UNITS):
            self._at += 1
            return Expression("operator", start, self._at, name="interval", arguments=[inner])
        if inner.kind == "operator" and inner.name == "row":
            # INTERVAL(n, a, b …), the function.
            return Expression("call", start, self._at, name="interval", arguments=inner.arguments)
        raise outside()


def _name_of(word: str) -> str:
    return _SYNONYMS.get(word, word.lower())
