"""What ``hoopgate phi scan`` asks a MariaDB or MySQL server: its columns, and rows of each table.

On side connections, so with the gateway's own account; it reads, and changes nothing.
"""

from __future__ import annotations

from typing import Final

from twisted.internet.defer import Deferred
from zope.interface import implementer

from hoopgate.errors import UnresolvableStatement
from hoopgate.events import ColumnRef
from hoopgate.mysql.side import SideConnections
from hoopgate.phi.detectors.columns import Column, Family, IColumnSource, Relation, Sample
from hoopgate.phi.detectors.patterns import LONGEST
from hoopgate.sql.mysql.resolver import Ask
from hoopgate.sql.mysql.tokens import quote

#: A generated column's label is that of what it is made of, a view's columns' of what it reads.
_COLUMNS: Final = """
SELECT c.TABLE_SCHEMA, c.TABLE_NAME, coalesce(t.TABLE_ROWS, -1), c.COLUMN_NAME, c.COLUMN_TYPE,
    c.DATA_TYPE, c.COLUMN_COMMENT, t.TABLE_COMMENT,
    c.COLUMN_KEY = 'PRI' OR EXISTS (SELECT 1 FROM information_schema.KEY_COLUMN_USAGE k
        WHERE k.TABLE_SCHEMA = c.TABLE_SCHEMA AND k.TABLE_NAME = c.TABLE_NAME
        AND k.COLUMN_NAME = c.COLUMN_NAME AND k.REFERENCED_TABLE_NAME IS NOT NULL)
FROM information_schema.COLUMNS c JOIN information_schema.TABLES t
    ON t.TABLE_SCHEMA = c.TABLE_SCHEMA AND t.TABLE_NAME = c.TABLE_NAME
WHERE t.TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED')
    AND c.TABLE_SCHEMA NOT IN ('mysql', 'information_schema', 'performance_schema', 'sys')
    AND coalesce(c.GENERATION_EXPRESSION, '') = '' AND c.PRIVILEGES LIKE '%select%'
ORDER BY c.TABLE_SCHEMA, c.TABLE_NAME, c.ORDINAL_POSITION
"""
_FAMILIES: Final = {
    **dict.fromkeys(("tinyint", "smallint", "mediumint", "int", "bigint"), Family.INTEGER),
    **dict.fromkeys(("decimal", "float", "double", "year", "bit"), Family.NUMBER),
    "date": Family.DATE,
    **dict.fromkeys(("datetime", "timestamp"), Family.TIMESTAMP),
    "json": Family.DOCUMENT,
    **dict.fromkeys(("inet4", "inet6"), Family.ADDRESS),
    **dict.fromkeys(
        ("binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob"), Family.BYTES
    ),
    **dict.fromkeys(
        ("char", "varchar", "tinytext", "text", "mediumtext", "longtext", "enum", "set", "uuid"),
        Family.TEXT,
    ),
}
#: Of a table this many times the sample every 20th row is looked at.
_LARGE: Final = 40
_FATAL: Final = frozenset(("resolve.connect", "resolve.lost", "resolve.busy"))
_SLOW: Final = frozenset(("resolve.timeout", "resolve.1205"))


@implementer(IColumnSource)
class MysqlColumns:
    """One server's databases, by a pool of its own that it closes."""

    def __init__(self, side: SideConnections, scratch: str) -> None:
        """:param scratch: the gateway's own schema: nobody's data."""
        self._side = side
        self._scratch = scratch

    def relations(self) -> Deferred[list[Relation]]:
        """See :class:`hoopgate.phi.detectors.columns.IColumnSource`."""
        return Deferred.fromCoroutine(self._relations())

    async def _relations(self) -> list[Relation]:
        (rows,) = await self._side.run("", [Ask(_COLUMNS)])
        found: dict[tuple[str, str], tuple[float, list[Column]]] = {}
        for row in rows:
            schema, table, estimate, name, type_, data, comment, whole, key = (
                "" if one is None else str(one) for one in row
            )
            if schema == self._scratch:
                continue
            family = _FAMILIES.get(data.lower(), Family.OTHER)
            if type_.lower() == "tinyint(1)":
                family = Family.BOOLEAN
            reference = ColumnRef(schema, table, name)
            column = Column(reference, type_, family, comment, whole, key == "1")
            found.setdefault((schema, table), (float(estimate), []))[1].append(column)
        return [
            Relation(schema, name, tuple(columns), estimate)
            for (schema, name), (estimate, columns) in found.items()
        ]

    def sample(self, relation: Relation, rows: int) -> Deferred[Sample]:
        """See :class:`hoopgate.phi.detectors.columns.IColumnSource`."""
        return Deferred.fromCoroutine(self._sample(relation, rows))

    async def _sample(self, relation: Relation, rows: int) -> Sample:
        values = ", ".join(
            "NULL"
            if column.family is Family.BYTES
            else f"left(cast({quote(column.reference.column)} AS char), {LONGEST})"
            for column in relation.columns
        )
        place = f"{quote(relation.schema)}.{quote(relation.name)}"
        spread = " WHERE rand() < 0.05" if relation.rows > _LARGE * rows else ""
        text = f"SELECT {values} FROM {place}{spread} LIMIT {rows}"  # noqa: S608 - names, quoted
        try:
            (found,) = await self._side.run("", [Ask(text)])
        except UnresolvableStatement as error:
            if error.code in _FATAL:
                raise
            why = "it took too long" if error.code in _SLOW else "the database refused"
            return Sample(problem=f"{relation.schema}.{relation.name}: {why} ({error.code})")
        return Sample(tuple(tuple(row) for row in found))

    def close(self) -> None:
        """See :class:`hoopgate.phi.detectors.columns.IColumnSource`."""
        self._side.stop()
