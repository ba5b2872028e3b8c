"""The data dictionary compiled: which label a column has."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from fnmatch import translate
from typing import Final

from hoopgate.events import ColumnRef
from hoopgate.plans import Method
from hoopgate.settings.model import UNLABELLED, Label, LabelClass

#: Relations of PostgreSQL itself that hold values, texts or secrets of others.
_SECRET_CATALOGUES: Final = (
    "pg_catalog.pg_statistic.*",
    "pg_catalog.pg_statistic_ext_data.*",
    "pg_catalog.pg_stats*.*",
    # Sizes, which are lengths added up; and of a partial index, how many rows its condition holds.
    "pg_catalog.pg_class.relpages",
    "pg_catalog.pg_class.reltuples",
    "pg_catalog.pg_class.relall*",
    "pg_catalog.pg_stat_activity.*",
    "pg_catalog.pg_largeobject.*",
    "pg_catalog.pg_authid.*",
    "pg_catalog.pg_shadow.*",
    "pg_catalog.pg_user_mapping*.*",
    "pg_catalog.pg_subscription.*",
    "pg_catalog.pg_hba_file_rules.*",
    "pg_catalog.pg_file_settings.*",
    "pg_catalog.pg_foreign_server.srvoptions",
    "information_schema.user_mapping_options.*",
    "pg_toast.*.*",
    "*.pg_stat_statements*.*",
    # Stands for what MariaDB's and MySQL's information_schema says of data.
    "mysql.catalogue.*",
)
#: Of these, the columns that say which object a row is about: catalogue queries join on them.
_PUBLIC_CATALOGUES: Final = (
    "pg_catalog.pg_authid.oid",
    "pg_catalog.pg_authid.rol[!p]*",
    "pg_catalog.pg_subscription.oid",
    "pg_catalog.pg_subscription.subname",
    "pg_catalog.pg_subscription.subdbid",
    "pg_catalog.pg_user_mapping.oid",
)
_STRENGTH: Final = {LabelClass.PUBLIC: 0, LabelClass.QUASI: 1, LabelClass.SECRET: 2}
_WILD: Final = re.compile(r"[*?\[]")
_Names = tuple[str, ...]


class LabelSet:
    """The labels of one resource. Lookups are remembered: columns are few, statements many.

    The most specific line of the dictionary wins: one without wildcards, then the one with the
    longest literal text; between equals, the strictest.

    :param unlabelled: what a column of the users' own counts as that no line names.
    :param fold: upper and lower case are the same, as in MariaDB's and MySQL's names of columns.
    """

    def __init__(
        self,
        resource: str,
        labels: Iterable[Label],
        unlabelled: LabelClass = LabelClass.PUBLIC,
        *,
        fold: bool = False,
    ) -> None:
        own = [label for label in labels if label.resource == resource]
        self._fold = fold
        if fold:
            # Of lines that are one now the strictest stands.
            own.sort(key=lambda label: _STRENGTH[label.level])
            own = [replace(label, column=label.column.lower()) for label in own]
        builtin = [
            Label(resource, column, "CATALOGUE", level, Method.NULL)
            for columns, level in (
                (_PUBLIC_CATALOGUES, LabelClass.PUBLIC),
                (_SECRET_CATALOGUES, LabelClass.SECRET),
            )
            for column in columns
        ]
        self._exact = {
            _three(label.column): label for label in own if not _WILD.search(label.column)
        }
        wild = sorted(
            (label for label in own if _WILD.search(label.column)),
            key=lambda label: (-len(_WILD.sub("", label.column)), -_STRENGTH[label.level]),
        )
        self._patterns = [(_compiled(label.column), label) for label in (*wild, *builtin)]
        for label in builtin:
            if not _WILD.search(label.column):
                self._exact.setdefault(_three(label.column), label)
        self._tokenised = [
            re.compile(translate(label.column.rpartition(".")[2]))
            for label in own
            if label.method is Method.TOKEN
        ]
        self._unlabelled = (
            None
            if unlabelled is LabelClass.PUBLIC
            else Label(resource, "*.*.*", UNLABELLED, unlabelled)
        )
        self._known: dict[ColumnRef, Label | None] = {}

    def lookup(self, column: ColumnRef) -> Label | None:
        """The column's label; None when it has none."""
        try:
            return self._known[column]
        except KeyError:
            pass
        if len(self._known) > 100_000:
            self._known.clear()
        found = self._known[column] = self._search(column)
        return found

    def strictest(self, columns: Iterable[ColumnRef]) -> Label | None:
        """The strictest label among ``columns`` that is not public; None when there is none."""
        found: Label | None = None
        for column in columns:
            label = self.lookup(column)
            if label is None or label.level is LabelClass.PUBLIC:
                continue
            if found is None or (-_STRENGTH[label.level], label.kind, label.column) < (
                -_STRENGTH[found.level],
                found.kind,
                found.column,
            ):
                found = label
        return found

    def tokenises(self, name: str) -> bool:
        """Whether a column of this name comes as tokens in some table."""
        return any(pattern.fullmatch(name) for pattern in self._tokenised)

    @property
    def tokens(self) -> bool:
        """Whether any column comes as tokens."""
        return bool(self._tokenised)

    def secrets(self, columns: Iterable[ColumnRef]) -> list[ColumnRef]:
        """Those of ``columns`` that are secret, in order of name."""
        return sorted(
            (
                column
                for column in columns
                if (label := self.lookup(column)) and label.level is LabelClass.SECRET
            ),
            key=str,
        )

    def _search(self, column: ColumnRef) -> Label | None:
        names: _Names = (column.schema, column.relation, column.column)
        if self._fold:
            names = tuple(name.lower() for name in names)
        found = self._exact.get(names)
        if found is not None:
            return found
        for patterns, label in self._patterns:
            if len(patterns) == len(names) and all(
                pattern.match(name) for pattern, name in zip(patterns, names, strict=True)
            ):
                return label
        if column.derived or column.schema in ("pg_catalog", "information_schema"):
            return None
        return self._unlabelled


def _three(column: str) -> _Names:
    """Names of a label; with fewer or more (a place of another protocol's) it is no column's."""
    return tuple(column.split("."))


def _compiled(column: str) -> tuple[re.Pattern[str], ...]:
    """Name by name: a wildcard matches no part of its neighbour, whatever dots are in names."""
    return tuple(re.compile(translate(name)) for name in _three(column))
