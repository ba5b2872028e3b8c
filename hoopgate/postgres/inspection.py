"""What ``hoopgate phi scan`` asks a PostgreSQL server: its columns, and rows of each relation.

On side connections, so with the gateway's own account, in transactions that are rolled back.
"""

from __future__ import annotations

from typing import Final

from twisted.internet.defer import Deferred
from zope.interface import implementer

from hoopgate.errors import UnresolvableStatement
from hoopgate.events import ColumnRef
from hoopgate.phi.detectors.columns import Column, Family, IColumnSource, Relation, Sample
from hoopgate.phi.detectors.patterns import LONGEST
from hoopgate.postgres.side import SideConnections

#: Catalogues: manual 53.7 pg_attribute, 53.11 pg_class, 53.13 pg_constraint, 53.64 pg_type.
#: A partition's columns are its parent's, a generated column's label is that of what it is made of.
_COLUMNS: Final = """
SELECT n.nspname, c.relname, c.reltuples, a.attname,
    pg_catalog.format_type(a.atttypid, a.atttypmod), b.typname, b.typcategory,
    coalesce(pg_catalog.col_description(c.oid, a.attnum), ''),
    coalesce(pg_catalog.obj_description(c.oid, 'pg_class'), ''),
    EXISTS (SELECT FROM pg_catalog.pg_constraint k WHERE k.conrelid = c.oid
        AND k.contype IN ('p', 'f') AND a.attnum = ANY (k.conkey)),
    pg_catalog.has_schema_privilege(n.oid, 'USAGE')
        AND pg_catalog.has_column_privilege(c.oid, a.attnum, 'SELECT')
FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid
    JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
    JOIN pg_catalog.pg_type b ON b.oid = coalesce(nullif(t.typbasetype, 0), t.oid)
WHERE c.relkind IN ('r', 'p', 'm', 'f') AND NOT c.relispartition AND c.relpersistence <> 't'
    AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
ORDER BY n.nspname, c.relname, a.attnum
"""
_NAMED: Final = {
    **dict.fromkeys(("int2", "int4", "int8", "oid"), Family.INTEGER),
    "date": Family.DATE,
    **dict.fromkeys(("timestamp", "timestamptz"), Family.TIMESTAMP),
    **dict.fromkeys(("json", "jsonb", "xml", "hstore"), Family.DOCUMENT),
    "bytea": Family.BYTES,
}
#: Manual, table 53.65: categories of types.
_CATEGORIES: Final = {
    "S": Family.TEXT,
    "E": Family.TEXT,
    "A": Family.TEXT,
    "N": Family.NUMBER,
    "B": Family.BOOLEAN,
    "I": Family.ADDRESS,
}
#: A relation this many times the sample is sampled all over, by pages.
_LARGE: Final = 20
#: The server's own timeouts and locks: another relation may do better.
_PASSING: Final = frozenset(("resolve.57014", "resolve.55P03", "resolve.timeout"))
_FATAL: Final = frozenset(("resolve.connect", "resolve.lost", "resolve.busy"))


@implementer(IColumnSource)
class PostgresColumns:
    """One database, by a pool of its own that it closes."""

    def __init__(self, side: SideConnections) -> None:
        self._side = side

    def relations(self) -> Deferred[list[Relation]]:
        """See :class:`hoopgate.phi.detectors.columns.IColumnSource`."""
        return Deferred.fromCoroutine(self._relations())

    async def _relations(self) -> list[Relation]:
        (rows,) = await self._side.run([_COLUMNS])
        found: dict[tuple[str, str], tuple[float, list[Column], list[str]]] = {}
        for row in rows:
            schema, relation, estimate, name, type_, base, category, comment, whole, key, open_ = (
                one or "" for one in row
            )
            _, columns, closed = found.setdefault((schema, relation), (float(estimate), [], []))
            if open_ != "t":
                closed.append(name)
                continue
            column = Column(
                ColumnRef(schema, relation, name),
                type_,
                _NAMED.get(base) or _CATEGORIES.get(category, Family.OTHER),
                comment,
                whole,
                key == "t",
            )
            columns.append(column)
        return [
            Relation(schema, name, tuple(columns), estimate, tuple(closed))
            for (schema, name), (estimate, columns, closed) in found.items()
        ]

    def sample(self, relation: Relation, rows: int) -> Deferred[Sample]:
        """See :class:`hoopgate.phi.detectors.columns.IColumnSource`."""
        return Deferred.fromCoroutine(self._sample(relation, rows))

    async def _sample(self, relation: Relation, rows: int) -> Sample:
        if relation.rows > _LARGE * rows:
            percent = min(100.0, 200.0 * rows / relation.rows)
            spread = await self._rows(relation, rows, f" TABLESAMPLE SYSTEM ({percent:.6f})")
            if len(spread.values) > rows // 4:
                return spread
        return await self._rows(relation, rows, "")

    async def _rows(self, relation: Relation, rows: int, how: str) -> Sample:
        values = ", ".join(
            "NULL::pg_catalog.text"
            if column.family is Family.BYTES
            else f"pg_catalog.left({_quoted(column.reference.column)}::pg_catalog.text, {LONGEST})"
            for column in relation.columns
        )
        place = f"{_quoted(relation.schema)}.{_quoted(relation.name)}"
        try:
            text = f"SELECT {values} FROM {place}{how} LIMIT {rows}"  # noqa: S608 - names, quoted
            (found,) = await self._side.run([text])
        except UnresolvableStatement as error:
            if error.code in _FATAL:
                raise
            why = "it took too long" if error.code in _PASSING else "the database refused"
            return Sample(problem=f"{relation.schema}.{relation.name}: {why} ({error.code})")
        return Sample(tuple(found))

    def close(self) -> None:
        """See :class:`hoopgate.phi.detectors.columns.IColumnSource`."""
        self._side.stop()


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
