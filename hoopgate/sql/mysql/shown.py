"""What SHOW may say of tables: parts of it are masked, and some of it is not said.

A table's definition holds values where it has defaults, checks, partitions; a view's where it has
literals.
"""

# ruff: noqa: SIM905 - word lists read better as text
from __future__ import annotations

import re
from typing import Final

from hoopgate.errors import UnresolvableStatement
from hoopgate.events import ColumnRef, OutputColumn, Resolution
from hoopgate.sql.mysql.catalogue import HIDDEN, QUOTED_NAME, Relation, Rows, mentioned, text_of
from hoopgate.sql.mysql.tokens import scan

#: Of a Describe: names and type codes of columns, None when there are none.
Outputs = list[tuple[str, int]] | None

#: Columns of SHOW CREATE TABLE, and of what it says of a view.
_OF_TABLE: Final = ("Table", "Create Table")
_OF_VIEW: Final = ("View", "Create View", "character_set_client", "collation_connection")
_OF_WARNINGS: Final = ("Level", "Code", "Message")
_TEXT: Final = 253  # MYSQL_TYPE_VAR_STRING
#: Columns that may have to do with data.
_OF_DATA: Final = frozenset(
    """
    default cardinality expression rows avg_row_length data_length max_data_length index_length
    data_free auto_increment create_time update_time check_time checksum statement created
    modified
    """.split()
)
#: What holds a value: a default but for NULL and now.
_DEFAULT: Final = re.compile(r" DEFAULT (?!NULL\b|CURRENT_TIMESTAMP\b)", re.IGNORECASE)
#: What may hold one: generated columns, checks, indexes on expressions.
_EXPRESSION: Final = re.compile(r" AS \(.*|\bCHECK\b.*| KEY .*\(\(.*", re.IGNORECASE)


def shown(outputs: Outputs) -> Resolution:
    """Of SHOW COLUMNS, INDEX, STATUS, TRIGGERS, EVENTS: what says something of data is masked."""
    if not outputs:
        raise UnresolvableStatement("resolve.unknown", "The columns are not known.")
    hidden = frozenset({HIDDEN})
    nothing: frozenset[ColumnRef] = frozenset()
    return Resolution(
        columns=tuple(
            OutputColumn(name, type_, hidden if name.lower() in _OF_DATA else nothing, True)
            for name, type_ in outputs
        )
    )


def warnings(text: str) -> Resolution:
    """Of SHOW WARNINGS and ERRORS, which is answered, and says nothing: an answer told that there
    were none."""
    columns = (OutputColumn(name, _TEXT, frozenset(), True) for name in _OF_WARNINGS)
    return Resolution(tuple(columns), edits=((2, len(scan(text)), "LIMIT 0"),))


def of_table(relation: Relation, rows: Rows) -> Resolution:
    """Of SHOW CREATE TABLE, whose answer is ``rows``: columns about whose values it may say
    something decide whether it is answered.

    :raises UnresolvableStatement: there is no such table.
    """
    if len(rows) != 1:
        raise UnresolvableStatement("resolve.failed", "The table is not known.")
    told = map(relation.ref, _told(text_of(rows[0][1]), relation))
    return _created(_OF_TABLE, relation, frozenset(told))


def of_view(relation: Relation, read: Resolution | None) -> Resolution:
    """As :func:`of_table`, of a view.

    :param read: what a query of all the view's columns reads, where its text holds a literal.
    """
    if read is None:
        return _created(_OF_VIEW, relation, frozenset())
    outputs = [one.sources for one in read.columns or ()]
    told = read.influences.union(read.aggregated, *read.flows.values(), *outputs)
    return _created(_OF_VIEW, relation, told)


def _created(names: tuple[str, ...], relation: Relation, told: frozenset[ColumnRef]) -> Resolution:
    columns = tuple(OutputColumn(name, _TEXT, frozenset(), True) for name in names)
    return Resolution(columns, told, frozenset({relation.qualified}))


def _told(created: str, relation: Relation) -> list[str]:
    """Columns (lower case) about whose values SHOW CREATE TABLE may say something."""
    found = list(relation.partitioned)
    for line in created.splitlines():
        expression = _EXPRESSION.search(line)
        if (
            _DEFAULT.search(line)
            or " AUTO_INCREMENT" in line
            or (expression is not None and holds_literals(expression[0]))
        ):
            found += mentioned(line, relation.columns)
    return found


def holds_literals(definition: str) -> bool:
    """Whether a view's text may hold a value: a number or a string."""
    return re.search(r"['\"0-9]", QUOTED_NAME.sub("", definition)) is not None
