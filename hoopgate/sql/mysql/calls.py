"""Functions whose arguments are written in a way of their own: ``CAST(a AS CHAR)``."""

# ruff: noqa: SIM905 - word lists read better as text
from __future__ import annotations

from typing import Final

from hoopgate.sql.mysql.tokens import NUMBER, PARAMETER, QUOTED, STRING, WORD
from hoopgate.sql.mysql.tree import Expression
from hoopgate.sql.mysql.words import Words, outside

UNITS: Final = frozenset(
    """MICROSECOND SECOND MINUTE HOUR DAY WEEK MONTH QUARTER YEAR SECOND_MICROSECOND
    MINUTE_MICROSECOND MINUTE_SECOND HOUR_MICROSECOND HOUR_SECOND HOUR_MINUTE DAY_MICROSECOND
    DAY_SECOND DAY_MINUTE DAY_HOUR YEAR_MONTH""".split()
)
#: Types that CAST and CONVERT name.
_CASTS: Final = frozenset(
    """BINARY CHAR DATE DATETIME DECIMAL DOUBLE FLOAT INT INTEGER NCHAR REAL SIGNED TIME UNSIGNED
    VARCHAR YEAR JSON""".split()
)
#: Those of them that a value may be too large for, which MySQL says by an error.
_NUMBERS: Final = frozenset("DECIMAL DOUBLE FLOAT INT INTEGER REAL SIGNED UNSIGNED YEAR".split())
#: How tightly comparisons bind.
COMPARISON: Final = 5


def _binary(word: str) -> str:
    return " binary" if word.strip("'\"`").upper() == "BINARY" else ""


class Calls(Words):
    """One method for each way to write arguments; called behind the opening bracket."""

    def expression(self, binding: int = 0) -> Expression:
        """An expression whose operators bind tighter than ``binding``."""
        raise NotImplementedError

    def _arguments(self, call: Expression) -> Expression:
        raise NotImplementedError

    def _type(self) -> str:
        """A type's name in CAST; what is behind "cast" in the name of the function."""
        word = self._next()
        if word.kind != WORD or word.text not in _CASTS:
            raise outside()
        if self._took_symbol("("):
            self._count()
            if self._took_symbol(","):
                self._count()
            self._want_symbol(")")
        if word.text in ("SIGNED", "UNSIGNED"):
            self._took("INTEGER") or self._took("INT")
        charset = ""
        if self._took("CHARACTER", "SET") or self._took("CHARSET"):
            charset = self._next_word()
        if word.text in _NUMBERS:
            return " number"
        return " json" if word.text == "JSON" else _binary(charset or word.text)

    def _next_word(self) -> str:
        token = self._next()
        if token.kind not in (WORD, STRING, QUOTED):
            raise outside()
        return token.text

    def _cast(self, call: Expression) -> Expression:
        call.arguments.append(self.expression())
        self._want("AS")
        call.name = "cast" + self._type()
        self._want_symbol(")")
        return call

    def _convert(self, call: Expression) -> Expression:
        call.arguments.append(self.expression())
        if self._took("USING"):
            call.name = "cast" + _binary(self._next_word())
        else:
            self._want_symbol(",")
            call.name = "cast" + self._type()
        self._want_symbol(")")
        return call

    def _extract(self, call: Expression) -> Expression:
        if not self._is(*UNITS):
            raise outside()
        self._at += 1
        self._want("FROM")
        call.arguments.append(self.expression())
        self._want_symbol(")")
        return call

    def _trim(self, call: Expression) -> Expression:
        if self._took("LEADING") or self._took("TRAILING") or self._took("BOTH"):
            if not self._is("FROM"):
                call.arguments.append(self.expression())
            self._want("FROM")
        call.arguments.append(self.expression())
        if self._took("FROM"):
            call.arguments.append(self.expression())
        self._want_symbol(")")
        return call

    def _substring(self, call: Expression) -> Expression:
        call.name = "substr"
        call.arguments.append(self.expression())
        if self._took("FROM"):
            call.arguments.append(self.expression())
            if self._took("FOR"):
                call.arguments.append(self.expression())
        else:
            self._want_symbol(",")
            call.arguments.append(self.expression())
            if self._took_symbol(","):
                call.arguments.append(self.expression())
        self._want_symbol(")")
        return call

    def _position(self, call: Expression) -> Expression:
        call.name = "locate"
        call.arguments.append(self.expression(COMPARISON))
        self._want("IN")
        call.arguments.append(self.expression())
        self._want_symbol(")")
        return call

    def _group_concat(self, call: Expression) -> Expression:
        self._took("DISTINCT")
        call.arguments.append(self.expression())
        while self._took_symbol(","):
            call.arguments.append(self.expression())
        if self._took("ORDER", "BY"):
            call.keys = self._keys()
        if self._took("SEPARATOR") and self._next().kind != STRING:
            raise outside()
        if self._took("LIMIT"):
            self._limit()
        self._want_symbol(")")
        return call

    def _count_of(self, call: Expression) -> Expression:
        if self._took_symbol("*"):
            self._want_symbol(")")
            return call
        return self._arguments(call)

    def _char(self, call: Expression) -> Expression:
        call.arguments.append(self.expression())
        while self._took_symbol(","):
            call.arguments.append(self.expression())
        if self._took("USING"):
            self._next_word()
        self._want_symbol(")")
        return call

    def _weight_string(self, call: Expression) -> Expression:
        call.arguments.append(self.expression())
        if self._took("AS"):
            self._type()
        while self._took_symbol(","):
            self._count()
        self._want_symbol(")")
        return call

    def _unit_first(self, call: Expression) -> Expression:
        if not self._is(*UNITS, "DATE", "TIME", "DATETIME", "TIMESTAMP"):
            raise outside()
        self._at += 1
        while self._took_symbol(","):
            call.arguments.append(self.expression())
        self._want_symbol(")")
        return call

    def _match(self, start: int) -> Expression:
        """``MATCH (a, b) AGAINST (…)``; the server writes it without the first brackets."""
        self._want("MATCH")
        bracketed = self._took_symbol("(")
        call = Expression("call", start, name="match")
        call.arguments.append(self.expression(COMPARISON))
        while self._took_symbol(","):
            call.arguments.append(self.expression(COMPARISON))
        if bracketed:
            self._want_symbol(")")
        self._want("AGAINST")
        self._want_symbol("(")
        call.arguments.append(self.expression(COMPARISON))
        self._took("IN", "BOOLEAN", "MODE") or self._took("IN", "NATURAL", "LANGUAGE", "MODE")
        self._want_symbol(")")
        call.end = self._at
        return call

    # --- lists ---------------------------------------------------------------------------------

    def _keys(self) -> list[Expression]:
        found = []
        while True:
            found.append(self.expression())
            if found[-1].kind == "parameter":
                raise outside()  # it may be taken for a column's place
            self._took("ASC") or self._took("DESC")
            if not self._took_symbol(","):
                return found

    def _limit(self) -> list[Expression]:
        found = [self._count()]
        if self._took_symbol(",") or self._took("OFFSET"):
            found.append(self._count())
        return found

    def _count(self) -> Expression:
        token = self._next()
        if token.kind not in (NUMBER, PARAMETER):
            raise outside()
        kind = "literal" if token.kind == NUMBER else "parameter"
        return Expression(kind, self._at - 1, self._at)
