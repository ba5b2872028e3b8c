"""Statements that nobody wrote: a grammar over the twins' schema, drawn from by Hypothesis.

Two moods. A *careful* statement takes secrets to its output by functions that cannot fail, and
chooses rows by public columns: it should be answered, and masked wherever a secret has gone. A
*wild* one puts secrets anywhere. Either is bounded in the rows it makes, so that thousands can run.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from hypothesis import strategies as st
from twin_judge import Case
from twin_modes import modes_of
from twin_terms import FALLIBLE, FIRST, LITERALS, TABLES, TOTAL, TYPES, WHOLE, WRITTEN, Column
from twin_wire import queries

_T = TypeVar("_T")
_HOLE = re.compile(r"\{(text|char|int|bool|date|ts|jsonb|texts|num|n)\}")
_DEPTH = 3
#: A type's expression of a column of any other type.
_MADE_OF_ANY = {
    "text": "({})::text",
    "int": "length(({})::text)",
    "bool": "({} IS NULL)",
    "texts": "ARRAY[({})::text]",
    "num": "length(({})::text)::numeric",
}


@dataclass
class Source:
    """A member of FROM."""

    alias: str
    columns: list[Column]
    stored: bool = False


@dataclass
class Scope:
    """What a name may mean where an expression stands."""

    sources: list[Source] = field(default_factory=list)
    outer: Scope | None = None

    def columns(self) -> list[tuple[str, Column]]:
        own = [(f"{s.alias}.{c.name}", c) for s in self.sources for c in s.columns]
        return own + (self.outer.columns() if self.outer else [])

    def rows(self) -> list[str]:
        return [source.alias for source in self.sources]


class Maker:
    """Draws one statement.

    :param careful: the mood.
    """

    def __init__(self, draw: Callable[[st.SearchStrategy[int]], int], careful: bool) -> None:
        self._draw = draw
        self._careful = careful
        self._names = 0
        self._stored: dict[str, str] = {}

    # --- choices --------------------------------------------------------------------------------

    def pick(self, things: Sequence[_T]) -> _T:
        return things[self._draw(st.integers(0, len(things) - 1))]

    def often(self, percent: int) -> bool:
        """True in about ``percent`` of a hundred; shrinks to False."""
        return self._draw(st.integers(0, 99)) >= 100 - percent

    def name(self) -> str:
        self._names += 1
        return f"t{self._names}"

    # --- expressions ----------------------------------------------------------------------------

    def term(self, type_: str, scope: Scope, depth: int, *, secret: bool) -> str:
        """An expression.

        :param secret: a secret may be in it.
        """
        wild = not self._careful
        if depth <= 0 or self.often(35):
            return self._leaf(type_, scope, secret)
        templates = TOTAL[type_]
        if (wild and self.often(30)) or not secret:
            templates = (*templates, *FALLIBLE[type_])
        if self.often(8):
            return self._subquery(type_, scope, depth, secret)
        if type_ == "jsonb" and wild and scope.sources and self.often(15):
            return f"to_jsonb({self.pick(scope.rows())})"
        return self._filled(self.pick(templates), scope, depth, secret)

    def _filled(self, template: str, scope: Scope, depth: int, secret: bool) -> str:
        def hole(found: re.Match[str]) -> str:
            word = found[1]
            if word == "n":
                return str(self.pick((1, 2, 3, 5)))
            # What a CASE or AND looks at decides what runs: careful ones look at what is total.
            return self.term(word, scope, depth - 1, secret=secret)

        return _HOLE.sub(hole, template)

    def _leaf(self, type_: str, scope: Scope, secret: bool) -> str:
        fitting = [(n, c) for n, c in scope.columns() if c.type == type_]
        hidden = [n for n, c in fitting if c.secret]
        plain = [n for n, c in fitting if not c.secret]
        if secret and hidden and self.often(80):
            return self.pick(hidden)
        if plain and self.often(85):
            return self.pick(plain)
        others = [n for n, c in scope.columns() if c.secret]
        if secret and others and type_ in _MADE_OF_ANY and self.often(80):
            return _MADE_OF_ANY[type_].format(self.pick(others))
        return self.pick(LITERALS[type_])

    def _subquery(self, type_: str, scope: Scope, depth: int, secret: bool) -> str:
        if self._careful and secret:
            return f"(SELECT {self.term(type_, scope, depth - 1, secret=True)})"
        inner = Scope([self._base(self.name())], scope)
        value = self.term(type_, inner, depth - 2, secret=secret)
        bound = self._bound(inner.sources[0], exact=True)
        return f"(SELECT {value} FROM {self._from_text(inner.sources[0])}{bound} LIMIT 1)"

    def condition(self, scope: Scope, depth: int = 1) -> str:
        """A predicate: over public columns, or wild."""
        secret = not self._careful and self.often(25)
        if not self._careful and self.often(15):
            return self._membership(scope, secret)
        text = self.term("bool", scope, depth, secret=secret)
        # Most predicates of random words hold for no row: half of them get a way to hold.
        public = [n for n, c in scope.columns() if c.type == "int" and not c.secret]
        if public and self.often(50):
            return f"({text} OR {self.pick(public)} {self.pick(('> 0', '<> 2', '% 2 = 1'))})"
        return text

    def _membership(self, scope: Scope, secret: bool) -> str:
        inner = Scope([self._base(self.name())], scope)
        source = inner.sources[0]
        own = self.term("bool", inner, 1, secret=secret)
        text = f"FROM {self._from_text(source)}{self._bound(source)} AND {own}"
        if self.often(50):
            return f"{self.pick(('', 'NOT '))}EXISTS (SELECT 1 {text})"
        left = self.term("text", scope, 1, secret=secret)
        inside = self.term("text", inner, 1, secret=secret)
        return f"{left} {self.pick(('IN', 'NOT IN', '= ANY', '< ALL'))} (SELECT {inside} {text})"

    # --- FROM -----------------------------------------------------------------------------------

    def _base(self, alias: str) -> Source:
        table = self.pick(list(TABLES))
        self._stored[alias] = table
        return Source(alias, TABLES[table], stored=True)

    def _from_text(self, source: Source) -> str:
        return f"{self._stored[source.alias]} {source.alias}"

    def _bound(self, source: Source, *, exact: bool = False) -> str:
        """A WHERE that keeps results small."""
        key = next((c.name for c in source.columns if c.type == "int" and not c.secret), None)
        if key is None:
            return " WHERE true"
        most = self.pick((1, 2, 5, 7)) + FIRST.get(self._stored[source.alias], 1) - 1
        return f" WHERE {source.alias}.{key} {'=' if exact else '<='} {most}"

    def members(self, scope: Scope, depth: int) -> tuple[str, list[str]]:
        """A FROM clause, with what keeps it small; fills ``scope``."""
        text, bounds = self._member(scope, depth)
        for _ in range(self.pick((0, 0, 1, 1, 2))):
            kind = self.pick(("JOIN", "LEFT JOIN", "CROSS JOIN", ",", "FULL JOIN", "RIGHT JOIN"))
            before = Scope(list(scope.sources), scope.outer)
            more, others = self._member(scope, depth)
            bounds += others
            if kind in ("CROSS JOIN", ","):
                text = f"{text} {kind} {more}"
            elif kind == "FULL JOIN" or (kind == "RIGHT JOIN" and "LATERAL" in more):
                text = f"{text} JOIN {more} ON true"
            else:
                on = self.condition(scope if self.often(80) else before)
                text = f"{text} {kind} {more} ON {on}"
        return text, bounds

    def _member(self, scope: Scope, depth: int) -> tuple[str, list[str]]:
        alias = self.name()
        kind = self.pick(("base",) * 8 + ("query", "query", "lateral", "values", "function"))
        if kind == "base" or depth <= 0:
            source = self._base(alias)
            scope.sources.append(source)
            text = self._from_text(source)
            table = self._stored[alias]
            if table in WHOLE and self.often(20):
                names = [f"{alias}_{i}" for i in range(len(source.columns))]
                renamed = [
                    Column(n, c.type, c.secret) for n, c in zip(names, source.columns, strict=True)
                ]
                source.columns = renamed
                text = f"{text}({', '.join(names)})"
            elif not table.startswith("v_") and self.often(5):
                text += " TABLESAMPLE SYSTEM (100)"
            return text, [self._bound(source).removeprefix(" WHERE ")]
        if kind == "values":
            first, second = (
                f"({self.term('text', scope, 1, secret=True)},"
                f" {self.term('int', scope, 1, secret=True)})"
                for _ in range(2)
            )
            scope.sources.append(
                Source(alias, [Column("a", "text", True), Column("b", "int", True)])
            )
            return f"LATERAL (VALUES {first}, {second}) {alias}(a, b)", []
        if kind == "function":
            return self._function(alias, scope)
        inner, columns = self.query(Scope([], scope) if kind == "lateral" else Scope(), depth - 1)
        scope.sources.append(Source(alias, columns))
        word = "LATERAL " if kind == "lateral" else ""
        return f"{word}({inner}) {alias}", []

    def _function(self, alias: str, scope: Scope) -> tuple[str, list[str]]:
        secret = not self._careful and self.often(60)
        texts = self.term("texts", scope, 1, secret=secret)
        number = self.term("int", scope, 1, secret=secret)
        json = self.term("jsonb", scope, 1, secret=secret)
        text, columns = self.pick(
            [
                (f"unnest({texts})", [Column("x", "text", True)]),
                (f"generate_series(1, least({number}, 5))", [Column("x", "int", secret)]),
                (
                    f"jsonb_each_text({json})",
                    [Column("x", "text", True), Column("y", "text", True)],
                ),
                (
                    f"ROWS FROM (unnest({texts}), generate_series(1, 3))",
                    [Column("x", "text", True), Column("y", "int", False)],
                ),
            ]
        )
        names = [column.name for column in columns]
        if self.often(30):
            columns = [*columns, Column("o", "int", secret)]
            names.append("o")
            text += " WITH ORDINALITY"
        scope.sources.append(Source(alias, columns))
        return f"LATERAL {text} AS {alias}({', '.join(names)})", []

    # --- queries --------------------------------------------------------------------------------

    def query(self, scope: Scope, depth: int) -> tuple[str, list[Column]]:
        """A query and the columns it has, which are named ``c1`` and so on."""
        kind = self.pick(
            ("select",) * 6 + ("with", "with", "set", "grouped", "grouped", "recursive")
        )
        if depth <= 0 or kind == "select":
            return self._select(scope, depth)
        if kind == "grouped":
            return self._grouped(scope, depth)
        if kind == "recursive":
            return self._recursive()
        if kind == "with":
            return self._with(scope, depth)
        left, columns = self._select(Scope([], scope.outer), depth - 1)
        base = self._base(self.name())
        other = Scope([base], scope.outer)
        right = ", ".join(self.term(c.type, other, 1, secret=True) for c in columns)
        operation = "UNION ALL"
        if not self._careful and self.often(70):
            operation = self.pick(("UNION", "EXCEPT", "INTERSECT", "EXCEPT ALL", "INTERSECT ALL"))
        names = ", ".join(column.name for column in columns)
        left = f"SELECT {names} FROM ({left}) {self.name()}"
        text = f"{left} {operation} SELECT {right} FROM {self._from_text(base)}{self._bound(base)}"
        return text, [Column(c.name, c.type, True) for c in columns]

    def _select(self, scope: Scope, depth: int) -> tuple[str, list[Column]]:
        own = Scope([], scope.outer if not scope.sources else scope)
        members, bounds = self.members(own, depth)
        columns: list[Column] = []
        targets: list[str] = []
        for index in range(self.pick((1, 2, 2, 3))):
            type_ = self.pick(TYPES)
            hidden = [(n, c.type) for n, c in own.columns() if c.secret]
            if hidden and index == 0 and self.often(60):
                text, type_ = self.pick(hidden)
            else:
                text = self.term(type_, own, self.pick((0, 1, 2)), secret=True)
            if self.often(8):
                text = self._window(own, type_)
            targets.append(f"{text} AS c{index + 1}")
            columns.append(Column(f"c{index + 1}", type_, True))
        rows = own.rows()
        if rows and self.often(10):
            row = self.pick(rows)
            targets.append(
                self.pick((f"{row} AS w", f"{row}.*", f"({row}).*", f"({row})::text AS w"))
            )
        where = [bound for bound in bounds if bound != "true"]
        if self.often(50):
            where.append(self.condition(own, 2))
        text = f"SELECT {', '.join(targets)} FROM {members}"
        if where:
            text += " WHERE " + " AND ".join(f"({one})" for one in where)
        return text + self._tail(own), columns

    def _tail(self, scope: Scope) -> str:
        """ORDER BY by every public column, so that LIMIT is decided by them; or wild."""
        if not self.often(40):
            return ""
        keys = [name for name, column in scope.columns() if not column.secret]
        if not self._careful and self.often(30):
            keys = [self.term(self.pick(("text", "int")), scope, 1, secret=True)]
        if not keys:
            return ""
        way = self.pick(("", " DESC", " NULLS FIRST"))
        text = f" ORDER BY {', '.join(keys)}{way}"
        if self.often(50):
            text += self.pick(
                (" LIMIT 3", " OFFSET 1", " LIMIT 2 OFFSET 1", " FETCH FIRST 2 ROWS WITH TIES")
            )
        return text

    def _window(self, scope: Scope, type_: str) -> str:
        public = [n for n, c in scope.columns() if not c.secret] or ["1"]
        order, part = self.pick(public), self.pick(public)
        if not self._careful and self.often(40):
            order = self.term("text", scope, 0, secret=True)
        value = self.term(type_, scope, 1, secret=True)
        call = self.pick(("lag", "lead", "first_value", "last_value"))
        frame = self.pick(("", " ROWS BETWEEN 1 PRECEDING AND CURRENT ROW"))
        return f"{call}({value}) OVER (PARTITION BY {part} ORDER BY {order}{frame})"

    def _grouped(self, scope: Scope, depth: int) -> tuple[str, list[Column]]:
        own = Scope([], scope.outer if not scope.sources else scope)
        members, bounds = self.members(own, depth - 1)
        secret = not self._careful and self.often(30)
        keys = [
            f"({self.term('text', own, 1, secret=secret)})::text",
            f"({self.term('int', own, 0, secret=secret)})::int",
        ]
        inner = not self._careful and self.often(60)
        value = self.term("text", own, 1, secret=inner)
        number = self.term("int", own, 1, secret=inner)
        measure, type_ = self.pick(
            [
                ("count(*)", "int"),
                (f"count({value})", "int"),
                (f"max({value})", "text"),
                (f"min({number})", "int"),
                (f"sum({number})", "int"),
                (f"string_agg({value}, ',' ORDER BY {number})", "text"),
                (f"count(*) FILTER (WHERE {self.condition(own)})", "int"),
                (f"to_jsonb(array_agg({value} ORDER BY {number}))", "jsonb"),
            ]
        )
        by = self.pick(
            (
                "{0}, {1}",
                "ROLLUP ({0}, {1})",
                "CUBE ({0}, {1})",
                "GROUPING SETS (({0}, {1}), ({1}), ())",
            )
        )
        where = " AND ".join(f"({b})" for b in bounds if b != "true") or "true"
        text = (
            f"SELECT {keys[0]} AS c1, {measure} AS c2 FROM {members} WHERE {where}"
            f" GROUP BY {by.format(*keys)}"
        )
        if self.often(30):
            text += f" HAVING count(*) > {self.pick((0, 1))}"
        text = f"{text} ORDER BY {', '.join(keys)}"
        return text, [Column("c1", "text", True), Column("c2", type_, True)]

    def _recursive(self) -> tuple[str, list[Column]]:
        base, other = self._base(self.name()), Source("r", [Column("x", "text", True)])
        start = Scope([base])
        first = self.term("text", start, 1, secret=True)
        again = self._base(self.name())
        step = Scope([other, again])
        following = self.pick((f"left({self.term('text', step, 0, secret=True)}, 9)", "r.x"))
        stop = self.condition(step) if self.often(40) else "true"
        extra = self.pick(
            (
                *("", "", " SEARCH DEPTH FIRST BY n SET o", " SEARCH BREADTH FIRST BY n SET o"),
                *(" CYCLE n SET y USING p", " CYCLE x SET y USING p"),
            )
        )
        if self._careful and "CYCLE x" in extra:
            extra = ""
        name = self.name()
        text = (
            f"WITH RECURSIVE r(n, x) AS (SELECT 1, {first} FROM {self._from_text(base)}"
            f"{self._bound(base)} UNION ALL SELECT r.n + 1, {following} FROM r,"
            f" {self._from_text(again)}{self._bound(again, exact=True)} AND r.n < 3 AND {stop})"
            f"{extra} SELECT {name}.x AS c1, {name}.n AS c2 FROM r {name}"
        )
        return text, [Column("c1", "text", True), Column("c2", "int", False)]

    def _with(self, scope: Scope, depth: int) -> tuple[str, list[Column]]:
        name, alias = self.name(), self.name()
        inner, columns = self.query(Scope(), depth - 1)
        if not self._careful and self.often(15):
            base = self.pick(("patients", "encounters", "members"))
            given = TABLES[base]
            changed = {
                "patients": "sex = 'F'",
                "encounters": "dept = 'x'",
                "members": "plain = 'x'",
            }
            inner = f"UPDATE {base} SET {changed[base]} WHERE id < 3 RETURNING *"
            columns = [Column(c.name, c.type, c.secret) for c in given]
            if base == "members":
                columns = [Column("id", "int", False), Column("plain", "text", False)]
        source = Source(alias, columns)
        own = Scope([source], scope.outer)
        how = self.pick(("", "", "MATERIALIZED ", "NOT MATERIALIZED "))
        outputs = []
        made: list[Column] = []
        for index in range(self.pick((1, 2))):
            type_ = self.pick(TYPES)
            outputs.append(f"{self.term(type_, own, 1, secret=True)} AS c{index + 1}")
            made.append(Column(f"c{index + 1}", type_, True))
        where = f" WHERE {self.condition(own)}" if self.often(30) else ""
        text = (
            f"WITH {name} AS {how}({inner}) SELECT {', '.join(outputs)} FROM {name} {alias}{where}"
        )
        return text, made

    # --- statements -----------------------------------------------------------------------------

    def statement(self) -> str:
        """One statement, or several with ``;;`` between them."""
        kind = self.pick(
            ("query",) * 8 + ("write", "write", "merge", "copy", "several", "prepared")
        )
        if kind == "write":
            return self._write()
        if kind == "merge":
            return self._merge()
        text, _ = self.query(Scope(), _DEPTH - 1)
        if kind == "copy":
            options = self.pick(
                (
                    *("", " (FORMAT csv, HEADER)", " (FORMAT binary)"),
                    *(" (DELIMITER ';', NULL 'x')", " (FORMAT csv, FORCE_QUOTE *)"),
                )
            )
            return f"COPY ({text}) TO STDOUT{options}"
        if kind == "prepared":
            base = self._base(self.name())
            scope = Scope([base])
            value = self.term("text", scope, 1, secret=True)
            own = f"SELECT {value}, $1::text FROM {self._from_text(base)}{self._bound(base)}"
            if not self._careful and self.often(60):
                own += f" AND {self.term('text', scope, 0, secret=True)} {self.pick('<>=')} $1"
            return f"PREPARE q(text) AS {own} ;; EXECUTE q('N') ;; EXECUTE q('5')"
        if kind == "several":
            change = self._write()
            look = self.pick(("codes", "patients", "encounters"))
            return f"{change} ;; {text} ;; SELECT * FROM {look} ORDER BY 1 LIMIT 4"
        return text

    def _write(self) -> str:
        table = self.pick(WRITTEN)
        base = Source("w", TABLES[table], stored=True)
        self._stored["w"] = table
        scope = Scope([base])
        target = self.pick(base.columns if self.often(5) else base.columns[1:])
        value = (
            self.pick(LITERALS[target.type])
            if self._careful or self.often(50)
            else self.term(target.type, scope, 1, secret=True)
        )
        key = base.columns[0].name
        where = f"w.{key} {self.pick(('=', '<'))} {self.pick((1, 3, 7))}"
        if not self._careful and self.often(40):
            where += f" AND {self.condition(scope)}"
        returning = ""
        if self.often(70):
            returning = " RETURNING " + self.pick(
                ("w.*", "w", self.term("text", scope, 1, secret=True), f"w.{key}")
            )
        kind = self.pick(("update", "update", "insert", "delete", "upsert", "using"))
        if kind == "update":
            return f"UPDATE {table} w SET {target.name} = {value} WHERE {where}{returning}"
        if kind == "delete":
            return f"DELETE FROM {table} w WHERE {where}{returning}"
        if kind == "using":
            other = self._base(self.name())
            both = Scope([base, other])
            where = f"{where} AND {self.condition(both)}{returning}"
            return (
                f"UPDATE {table} w SET {target.name} = {value} FROM {self._from_text(other)}"
                f"{self._bound(other, exact=True)} AND {where}"
            )
        inner, columns = self._select(Scope(), 0)
        columns = [c for c in columns if c.type == target.type]
        if columns and not self._careful and "*" not in inner and self.often(50):
            given = f"SELECT 900 + row_number() OVER (), {columns[0].name} FROM ({inner}) q"
        else:
            given = f"VALUES ({self.pick((1, 901))}, {value if ' ' not in value else 'NULL'})"
        if target.name == key:
            given = f"VALUES ({self.pick((1, 901))})"
            names = key
        else:
            names = f"{key}, {target.name}"
        text = f"INSERT INTO {table} AS w ({names}) {given}"
        if kind == "upsert":
            text += self.pick(
                (
                    " ON CONFLICT DO NOTHING",
                    f" ON CONFLICT ({key}) DO UPDATE SET {target.name} = excluded.{target.name}",
                    f" ON CONFLICT ({key}) DO UPDATE SET {target.name} = {value}"
                    f" WHERE {self.condition(scope)}",
                )
            )
        return text + returning

    def _merge(self) -> str:
        other = self._base(self.name())
        target = Source("m", TABLES["codes"])
        both = Scope([target, other])
        on = "m.dx = 'E1'"
        if not self._careful and self.often(30):
            on += f" AND {self.condition(both)}"
        value = "'x'" if self._careful else self.term("text", both, 1, secret=True)
        extra = "" if self._careful else f" AND {self.condition(both)}"
        action = self.pick(("UPDATE SET descr = " + value, "DELETE", "DO NOTHING"))
        text = (
            f"MERGE INTO codes m USING (SELECT * FROM {self._from_text(other)}"
            f"{self._bound(other, exact=True)} LIMIT 1) {other.alias} ON {on}"
            f" WHEN MATCHED{extra} THEN {action}"
            f" WHEN NOT MATCHED THEN INSERT VALUES ('M1', {value if 'm.' not in value else 'NULL'})"
        )
        if self.often(40):
            returning = self.term("text", both, 1, secret=True)
            text += f" RETURNING merge_action(), {returning}"
        return text + ("" if self.often(50) else " ;; SELECT * FROM codes ORDER BY dx")


@st.composite
def statements(draw: st.DrawFn) -> tuple[str, str]:
    """Family (the mood) and source."""
    careful = draw(st.booleans())
    return "careful" if careful else "wild", Maker(draw, careful).statement()


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """A statement, in one of the ways to run it."""
    family, source = draw(statements())
    if ";;" in source:
        return Case(family, source, tuple(queries(source.split(" ;; "))))
    modes = modes_of(source)
    name = draw(st.sampled_from([*modes, *["simple"] * len(modes)]))
    return Case(family, source, tuple(modes[name](source)), name)
