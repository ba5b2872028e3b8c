"""What is known of relations: their columns, indexes and what else decides which rows there are.

The questions are asked on a side connection, by :mod:`hoopgate.sql.mysql.resolver`.
"""

# ruff: noqa: S608 - word lists read better as text; names are put into SQL quoted
from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from hoopgate.errors import UnresolvableStatement
from hoopgate.events import ColumnRef
from hoopgate.sql.mysql.tokens import literal, quote
from hoopgate.sql.mysql.widths import ANY, SHORT

Row = Sequence[object]
Rows = Sequence[Row]

#: Schemas of the server's own.
SYSTEM: Final = frozenset({"information_schema", "mysql", "performance_schema", "sys"})
#: Columns of information_schema that say nothing of data. Others are masked.
PUBLIC: Final = {
    "schemata": "catalog_name schema_name default_character_set_name default_collation_name",
    "tables": """table_catalog table_schema table_name table_type engine version row_format
        table_collation table_comment temporary""",
    "columns": """table_catalog table_schema table_name column_name ordinal_position is_nullable
        data_type character_maximum_length character_octet_length numeric_precision numeric_scale
        datetime_precision character_set_name collation_name column_type column_key extra
        privileges column_comment is_generated srs_id""",
    "statistics": """table_catalog table_schema table_name non_unique index_schema index_name
        seq_in_index column_name collation sub_part packed nullable index_type comment
        index_comment ignored is_visible""",
    "key_column_usage": """constraint_catalog constraint_schema constraint_name table_catalog
        table_schema table_name column_name ordinal_position position_in_unique_constraint
        referenced_table_schema referenced_table_name referenced_column_name""",
    "table_constraints": """constraint_catalog constraint_schema constraint_name table_schema
        table_name constraint_type enforced""",
    "referential_constraints": """constraint_catalog constraint_schema constraint_name
        unique_constraint_catalog unique_constraint_schema unique_constraint_name match_option
        update_rule delete_rule table_name referenced_table_name""",
    "views": """table_catalog table_schema table_name check_option is_updatable definer
        security_type character_set_client collation_connection algorithm""",
    "triggers": """trigger_catalog trigger_schema trigger_name event_manipulation
        event_object_catalog event_object_schema event_object_table action_order action_orientation
        action_timing definer character_set_client collation_connection database_collation""",
    "character_sets": "character_set_name default_collate_name description maxlen",
    "collations": "collation_name character_set_name id is_default is_compiled sortlen",
    "check_constraints": "constraint_catalog constraint_schema constraint_name table_name level",
    "routines": """specific_name routine_catalog routine_schema routine_name routine_type data_type
        character_maximum_length character_octet_length numeric_precision numeric_scale
        datetime_precision character_set_name collation_name dtd_identifier routine_body
        external_name external_language parameter_style is_deterministic sql_data_access sql_path
        security_type sql_mode routine_comment definer character_set_client collation_connection
        database_collation""",
    "parameters": """specific_catalog specific_schema specific_name ordinal_position parameter_mode
        parameter_name data_type character_maximum_length character_octet_length numeric_precision
        numeric_scale datetime_precision character_set_name collation_name dtd_identifier
        routine_type""",
    "events": """event_catalog event_schema event_name definer time_zone event_body event_type
        interval_value interval_field sql_mode status on_completion event_comment originator
        character_set_client collation_connection database_collation""",
    "partitions": """table_catalog table_schema table_name partition_name subpartition_name
        partition_ordinal_position subpartition_ordinal_position partition_method
        subpartition_method partition_expression subpartition_expression partition_comment nodegroup
        tablespace_name""",
    "user_privileges": "grantee table_catalog privilege_type is_grantable",
    "schema_privileges": "grantee table_catalog table_schema privilege_type is_grantable",
    "table_privileges": """grantee table_catalog table_schema table_name privilege_type
        is_grantable""",
    "engines": "engine support comment transactions xa savepoints",
}
_PUBLIC: Final = {table: frozenset(names.split()) for table, names in PUBLIC.items()}
QUOTED_NAME: Final = re.compile(r"`((?:[^`]|``)+)`")
#: How SHOW CREATE VIEW begins; the list of columns is MySQL's.
_HEAD: Final = re.compile(
    r"CREATE (?:ALGORITHM=\w+ )?(?:DEFINER=`(?:[^`]|``)*`(?:@`(?:[^`]|``)*`)? )?"
    r"(?:SQL SECURITY \w+ )?VIEW `(?:[^`]|``)+`(?:\.`(?:[^`]|``)+`)?"
    r"(?P<columns> \((?:`(?:[^`]|``)+`,?)+\))? AS "
)
#: A default of MariaDB's that is a text. MySQL's has no quotes, and may be taken for a name.
_LITERAL: Final = re.compile(r"'(?:[^'\\]|''|\\.)*'", re.DOTALL)
#: Types of bytes that may not be read as text.
_BINARY: Final = re.compile(r"blob|binary|^bit|geom|point|linestring|polygon|vector", re.IGNORECASE)
#: Character sets that have every character, and what has none.
_EVERY_CHARACTER: Final = frozenset({"", "utf8mb4", "utf16", "utf16le", "utf32", "binary"})
_WORD: Final = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*")


@dataclass(frozen=True, slots=True)
class Key:
    """A foreign key's column and the one it refers to: (schema, relation, column)."""

    own: tuple[str, str, str]
    other: tuple[str, str, str]
    cascades: bool


@dataclass(slots=True)
class Relation:
    """A table or view.

    :ivar columns: names as created, by the name in lower case, in order.
    :ivar generated: columns (lower case) that are computed → the columns they are computed of.
    :ivar defaults: columns (lower case) whose default is computed → the columns of the row that it
        is computed of.
    :ivar whole: columns (lower case) that hold whole numbers.
    :ivar widths: columns (lower case) → bytes that a value of theirs may have.
    :ivar binary: columns (lower case) that hold bytes, not text.
    :ivar narrow: columns (lower case) whose character set does not have every character.
    :ivar counted: columns (lower case) that the server numbers: AUTO_INCREMENT.
    :ivar definition: a view's text as the server writes it, all names with their schema.
    :ivar renamed: the view's columns have other names than its text gives them.
    :ivar indexes: name → columns (lower case); PRIMARY among them.
    :ivar clustered: columns by whose values the rows are stored.
    :ivar unique: names of unique indexes.
    :ivar partitioned: columns that decide which partition a row is in.
    :ivar checks: sets of columns that constraints are about.
    :ivar keys: foreign keys of its own and on it.
    :ivar touched: columns that are set by the server when a row changes.
    :ivar triggers: names; they are known, with checks and keys, once it was to be modified.
    """

    schema: str
    name: str
    columns: dict[str, str]
    generated: dict[str, list[str]] = field(default_factory=dict)
    defaults: dict[str, list[str]] = field(default_factory=dict)
    whole: list[str] = field(default_factory=list)
    binary: list[str] = field(default_factory=list)
    narrow: list[str] = field(default_factory=list)
    counted: list[str] = field(default_factory=list)
    widths: dict[str, int] = field(default_factory=dict)
    definition: str = ""
    renamed: bool = False
    indexes: dict[str, list[str]] = field(default_factory=dict)
    clustered: list[str] = field(default_factory=list)
    unique: list[str] = field(default_factory=list)
    partitioned: list[str] = field(default_factory=list)
    touched: list[str] = field(default_factory=list)
    checks: list[list[str]] = field(default_factory=list)
    keys: list[Key] = field(default_factory=list)
    triggers: list[str] = field(default_factory=list)

    @property
    def qualified(self) -> str:
        return f"{self.schema}.{self.name}"

    def ref(self, column: str) -> ColumnRef:
        """The column of that name (lower case)."""
        return ColumnRef(
            self.schema,
            self.name,
            self.columns[column],
            bool(self.definition) or column in self.generated,
        )

    def export(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)


def load(content: dict[str, Any]) -> Relation:
    """What :meth:`Relation.export` has made."""
    keys = [
        Key(tuple(one["own"]), tuple(one["other"]), one["cascades"]) for one in content.pop("keys")
    ]
    return Relation(**content, keys=keys)


def system_column(relation: str, column: str) -> ColumnRef | None:
    """A column of information_schema; None when the table is not on the list."""
    known = _PUBLIC.get(relation.lower())
    if known is None:
        return None
    if column.lower() in known:
        return ColumnRef("information_schema", relation.lower(), column.lower(), True)
    return HIDDEN


#: What stands for columns of the server's own tables that may say something of data.
HIDDEN: Final = ColumnRef("mysql", "catalogue", "hidden", True)


def questions(schema: str, name: str) -> list[str]:
    """What to ask about a relation that is read."""
    where = f"TABLE_SCHEMA = {literal(schema)} AND TABLE_NAME = {literal(name)}"
    return [
        f"SHOW CREATE TABLE {quote(schema)}.{quote(name)}",
        "SELECT COLUMN_NAME, GENERATION_EXPRESSION, EXTRA, COLUMN_DEFAULT, DATA_TYPE,"
        " CHARACTER_OCTET_LENGTH, CHARACTER_SET_NAME"
        " FROM information_schema.COLUMNS"
        f" WHERE {where} ORDER BY ORDINAL_POSITION",
        "SELECT INDEX_NAME, COLUMN_NAME, NON_UNIQUE, NULLABLE FROM information_schema.STATISTICS"
        f" WHERE {where} ORDER BY INDEX_NAME, SEQ_IN_INDEX",
        "SELECT DISTINCT PARTITION_EXPRESSION, SUBPARTITION_EXPRESSION"
        f" FROM information_schema.PARTITIONS WHERE {where} AND PARTITION_NAME IS NOT NULL",
    ]


def learn(schema: str, name: str, answers: Sequence[Rows]) -> tuple[Relation, str]:
    """The relation, and what tells a later look whether it is still the same.

    :raises UnresolvableStatement: it is not there, or is of a kind that is not known.
    """
    created, columns, statistics, partitions = answers
    if len(created) != 1 or not columns:
        raise UnresolvableStatement("resolve.failed", "The table is not known.")
    text = text_of(created[0][1])
    names = {text_of(row[0]).lower(): text_of(row[0]) for row in columns}
    relation = Relation(schema, name, names)
    kind = text.partition(" TABLE ")[0] if text.startswith("CREATE TABLE") else text[:200]
    if " VIEW " in kind:
        relation.definition = definition(text)
        relation.renamed = _HEAD.match(text)["columns"] is not None  # type: ignore[index]
        return relation, digest(text)
    if not text.startswith("CREATE TABLE"):
        raise UnresolvableStatement("resolve.unknown", "This kind of relation is not known.")
    for row in columns:
        if text_of(row[1]):
            relation.generated[text_of(row[0]).lower()] = mentioned(text_of(row[1]), names)
        computed = mentioned(text_of(row[3]), names)
        if computed and not _LITERAL.fullmatch(text_of(row[3])):
            relation.defaults[text_of(row[0]).lower()] = computed
        octets = text_of(row[5])
        relation.widths[text_of(row[0]).lower()] = int(octets) if octets.isdigit() else SHORT
        if text_of(row[4]).lower() == "json":
            relation.widths[text_of(row[0]).lower()] = ANY
        if text_of(row[4]).lower().endswith("int"):
            relation.whole.append(text_of(row[0]).lower())
        elif _BINARY.search(text_of(row[4])):
            relation.binary.append(text_of(row[0]).lower())
        if text_of(row[6]).lower() not in _EVERY_CHARACTER:
            relation.narrow.append(text_of(row[0]).lower())
        if "auto_increment" in text_of(row[2]).lower():
            relation.counted.append(text_of(row[0]).lower())
        if "on update" in text_of(row[2]).lower():
            relation.touched.append(text_of(row[0]).lower())
    nullable = False
    candidates: dict[str, bool] = {}
    for index, column, duplicates, null in statistics:
        found = relation.indexes.setdefault(text_of(index), [])
        # An index on an expression has no column: it may be about any.
        found += [text_of(column).lower()] if column is not None else list(names)
        nullable = text_of(null).upper() == "YES" or column is None
        unique = text_of(duplicates) == "0"
        candidates[text_of(index)] = (
            candidates.get(text_of(index), True) and unique and not nullable
        )
        if unique and text_of(index) not in relation.unique:
            relation.unique.append(text_of(index))
    if "PRIMARY" in relation.indexes:
        relation.clustered = relation.indexes["PRIMARY"]
    else:
        # InnoDB takes the first unique key without NULLs; which is the first is not said here.
        relation.clustered = [
            column
            for index, fits in candidates.items()
            if fits
            for column in relation.indexes[index]
        ]
    for expressions in partitions:
        for expression in expressions:
            relation.partitioned += mentioned(text_of(expression), names)
    return relation, digest(text)


def effect_questions(schema: str, name: str, *, mysql: bool) -> list[str]:
    """What to ask besides about a relation that is to be modified."""
    s, n = literal(schema), literal(name)
    checks = (
        "SELECT CHECK_CLAUSE FROM information_schema.CHECK_CONSTRAINTS"
        f" WHERE CONSTRAINT_SCHEMA = {s} AND TABLE_NAME = {n}"
    )
    if mysql:
        checks = (
            "SELECT c.CHECK_CLAUSE FROM information_schema.CHECK_CONSTRAINTS c"
            " JOIN information_schema.TABLE_CONSTRAINTS t"
            " ON t.CONSTRAINT_SCHEMA = c.CONSTRAINT_SCHEMA"
            " AND t.CONSTRAINT_NAME = c.CONSTRAINT_NAME"
            f" WHERE t.TABLE_SCHEMA = {s} AND t.TABLE_NAME = {n}"
        )
    return [
        "SELECT PRIVILEGE_TYPE FROM information_schema.USER_PRIVILEGES"
        " WHERE PRIVILEGE_TYPE = 'TRIGGER' UNION"
        " SELECT PRIVILEGE_TYPE FROM information_schema.SCHEMA_PRIVILEGES"
        f" WHERE PRIVILEGE_TYPE = 'TRIGGER' AND {s} LIKE TABLE_SCHEMA UNION"
        " SELECT PRIVILEGE_TYPE FROM information_schema.TABLE_PRIVILEGES"
        f" WHERE PRIVILEGE_TYPE = 'TRIGGER' AND TABLE_SCHEMA = {s} AND TABLE_NAME = {n}",
        "SELECT TRIGGER_SCHEMA, TRIGGER_NAME FROM information_schema.TRIGGERS"
        f" WHERE EVENT_OBJECT_SCHEMA = {s} AND EVENT_OBJECT_TABLE = {n}",
        checks,
        "SELECT k.TABLE_SCHEMA, k.TABLE_NAME, k.COLUMN_NAME, k.REFERENCED_TABLE_SCHEMA,"
        " k.REFERENCED_TABLE_NAME, k.REFERENCED_COLUMN_NAME, r.UPDATE_RULE, r.DELETE_RULE"
        " FROM information_schema.KEY_COLUMN_USAGE k"
        " JOIN information_schema.REFERENTIAL_CONSTRAINTS r"
        " ON r.CONSTRAINT_SCHEMA = k.CONSTRAINT_SCHEMA AND r.CONSTRAINT_NAME = k.CONSTRAINT_NAME"
        f" WHERE (k.TABLE_SCHEMA = {s} AND k.TABLE_NAME = {n} AND k.REFERENCED_TABLE_NAME IS NOT"
        f" NULL) OR (k.REFERENCED_TABLE_SCHEMA = {s} AND k.REFERENCED_TABLE_NAME = {n})",
    ]


def learn_effects(relation: Relation, answers: Sequence[Rows]) -> None:
    """Put triggers, constraints and foreign keys into ``relation``.

    :raises UnresolvableStatement: the account may not see triggers, so there may be any.
    """
    allowed, triggers, checks, keys = answers
    if not allowed:
        raise UnresolvableStatement(
            "resolve.triggers", "The account may not see triggers, so what a write does is unknown."
        )
    relation.triggers = [f".{text_of(row[0])}.{text_of(row[1])}".lower() for row in triggers]
    relation.checks = [mentioned(text_of(row[0]), relation.columns) for row in checks]
    relation.keys = []
    for row in keys:
        own, other = _place(row[:3]), _place(row[3:6])
        rules = {text_of(row[6]).upper(), text_of(row[7]).upper()}
        relation.keys.append(Key(own, other, not rules <= {"RESTRICT", "NO ACTION"}))


def definition(created: str) -> str:
    """The query in what SHOW CREATE VIEW says.

    :raises UnresolvableStatement: it is not to be found.
    """
    head = _HEAD.match(created)
    if head is None:
        raise UnresolvableStatement("resolve.unknown", "The view's text cannot be read.")
    text = created[head.end() :]
    return re.sub(r" WITH (?:CASCADED|LOCAL) CHECK OPTION\Z", "", text)


def digest(created: str) -> str:
    """What SHOW CREATE TABLE says without what changes as rows come in."""
    return re.sub(r" AUTO_INCREMENT=\d+", "", created)


def mentioned(expression: str, names: dict[str, str]) -> list[str]:
    """Columns that an expression of the catalogue may be about."""
    words = {name.replace("``", "`").lower() for name in QUOTED_NAME.findall(expression)}
    words |= {word.lower() for word in _WORD.findall(expression)}
    return [name for name in names if name in words]


def _place(row: Row) -> tuple[str, str, str]:
    schema, relation, column = map(text_of, row)
    return schema, relation, column.lower()


def text_of(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return "" if value is None else str(value)
