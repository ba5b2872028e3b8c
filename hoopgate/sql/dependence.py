"""Group keys that say nothing, because others among them are a primary key.

``GROUP BY p.id, p.name`` makes the groups of ``GROUP BY p.id``, and PostgreSQL's planner takes the
name out before it sorts or hashes anything (``remove_useless_groupby_columns`` of planner.c, of
initsplan.c since 18). So neither the groups nor their order depend on names.
"""

from __future__ import annotations

from hoopgate.sql.catalogue import Catalogue
from hoopgate.sql.nodetree import Node

_RELATION, _JOIN, _GROUP = 0, 2, 9  # RTEKind of parsenodes.h
_ALIASED = {_JOIN: "joinaliasvars", _GROUP: "groupexprs"}


def idle_keys(query: Node, tables: list[Node], catalogue: Catalogue) -> frozenset[int]:
    """Numbers (``ressortgroupref``) of columns in GROUP BY of which that is so.

    :param tables: the query's range table.
    """
    clauses = query.nodes("groupClause")
    if len(clauses) < 2 or query.nodes("groupingSets"):
        return frozenset()
    expressions = {
        entry.integer("ressortgroupref", 0): entry.fields.get("expr")
        for entry in query.nodes("targetList")
    }
    grouped: dict[int, dict[int, int]] = {}  # table → attribute → number
    for clause in clauses:
        number = clause.integer("tleSortGroupRef")
        column = _stored(expressions.get(number), tables)
        if column is not None:
            grouped.setdefault(column[0], {})[column[1]] = number
    idle: set[int] = set()
    for table, attributes in grouped.items():
        relation = catalogue.relations.get(tables[table - 1].integer("relid"))
        if relation is None or not relation.identity or relation.children:
            continue
        if not relation.identity <= attributes.keys():
            continue
        # Of several unique keys among them, the planner may keep another one.
        unique = {n for index in relation.indexes if index.compares for n in index.columns}
        idle.update(n for attribute, n in attributes.items() if attribute not in unique)
    return frozenset(idle)


def _stored(value: object, tables: list[Node]) -> tuple[int, int] | None:
    """Table and attribute of a table's own column, seen through joins' aliases."""
    for _ in range(len(tables) + 1):
        if not isinstance(value, Node) or value.type != "VAR" or value.integer("varlevelsup", 0):
            return None
        table, attribute = value.integer("varno"), value.integer("varattno")
        if not 1 <= table <= len(tables) or attribute <= 0:
            return None
        kind = tables[table - 1].integer("rtekind")
        if kind == _RELATION:
            return table, attribute
        if kind not in _ALIASED:
            return None
        items = tables[table - 1].fields.get(_ALIASED[kind])
        if not isinstance(items, list) or attribute > len(items):
            return None
        value = items[attribute - 1]
    return None
