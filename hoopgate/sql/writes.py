"""What a write depends on besides what it says: constraints, and rows that change with it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from hoopgate.events import ColumnRef, Move
from hoopgate.sql.flows import NONE, Flow, Scope, plain_table, union
from hoopgate.sql.nodetree import Node, NodeTreeError
from hoopgate.sql.relations import Relation
from hoopgate.sql.tables import Tables

#: CmdType of nodes.h.
_COMMANDS: Final = {2: "update", 3: "insert", 4: "delete"}
#: Types (OIDs) whose values have one length, and a short one: bool to uuid.
_SHORT: Final = frozenset(
    {16, 18, 19, 20, 21, 23, 26, 700, 701, 1082, 1083, 1114, 1184, 1186, 1266, 2950}
)


class Writes(Tables):
    """What is written."""

    def _modification(self, node: Node, command: int, scope: Scope) -> list[Flow]:
        number = node.integer("resultRelation")
        target = self._table(scope, number)
        oid = target.integer("relid")
        self._rows(target, scope)
        if command in (2, 3):
            assigned = self._assign(node.nodes("targetList"), oid, scope)
            self.constrained(oid, assigned, _COMMANDS[command])
        elif command == 4:
            self.constrained(oid, set(), "delete")
        conflict = node.node("onConflict")
        if conflict is not None and conflict.integer("exclRelIndex", 0):
            # EXCLUDED is the row that was to be inserted, not one that is stored.
            excluded = self._table(scope, conflict.integer("exclRelIndex"))
            self._excluded[id(excluded)] = {
                entry.integer("resno"): self._selected(entry, scope).sources
                for entry in node.nodes("targetList")
            }
        for action in node.nodes("mergeActionList"):
            if action.type != "MERGEACTION":
                raise NodeTreeError(f"MERGE has {action.type}")
            self.influences |= self._expression(action.fields.get("qual"), scope)
            if action.integer("commandType") in _COMMANDS:
                assigned = self._assign(action.nodes("targetList"), oid, scope)
                self.constrained(oid, assigned, _COMMANDS[action.integer("commandType")])
        if conflict is not None:
            for field in ("arbiterElems", "arbiterWhere", "onConflictWhere"):
                self.influences |= self._expression(conflict.fields.get(field), scope)
            if conflict.nodes("onConflictSet"):
                assigned = self._assign(conflict.nodes("onConflictSet"), oid, scope)
                self.constrained(oid, assigned, "update")
        return [self._selected(entry, scope) for entry in node.nodes("returningList")]

    def _assign(self, entries: list[Node], oid: int, scope: Scope) -> set[int]:
        assigned = set()
        for entry in entries:
            flow = self._selected(entry, scope)
            sources = flow.sources
            self.stored |= sources
            targets: Iterable[ColumnRef | None] = (None,)  # of SET (a, b) = (SELECT …)
            if not entry.true("resjunk"):
                number = entry.integer("resno")
                assigned.add(number)
                targets = self.base(oid, number).sources
                self.assigned |= self.base(oid, number).sources
                if sources:
                    self.written |= self.base(oid, number).sources
            self.moves.update(
                Move(source, target, flow.direct) for source in sources for target in targets
            )
        return assigned

    def constrained(self, oid: int, assigned: set[int], command: str) -> None:
        """Columns that constraints compare a write with: whether it fails depends on them.

        :param assigned: attributes that are given a value; a DELETE has none.
        :param command: ``insert``, ``update`` or ``delete``.
        """
        if self._relation(oid).kind == "v":
            self._write_through(self._relation(oid))
        columns = self._relation(oid).columns
        names = {columns[number] for number in assigned if number in columns}
        moves = command == "update" and self._moves(oid, names)
        for other in sorted(self.catalogue.kin(oid)):
            relation = self._relation(other)
            own = {n for n, name in relation.columns.items() if name in names}
            if relation.ruled:
                raise NodeTreeError("a rewrite rule stands on the table written to")
            for function in relation.triggers:
                self._call(function, NONE)
            # What a default or a constraint computes may be anything that a function can read.
            for function in relation.called if command != "delete" else ():
                self._call(function, NONE)
            if command == "update":
                self._updated(other, own)
            if moves:
                self._moved(other)
            if command == "insert":
                own |= relation.defaulted
            self._keyed(other, own, command)

    def _updated(self, oid: int, own: set[int]) -> None:
        """What of a stored row is looked at again, because a part of it changes."""
        relation = self._relation(oid)
        given = union(self.base(oid, number) for number in own)
        computed: set[int] = set()
        for number, expression in relation.generated.items():
            scope = Scope(Node("GENERATED", {}), [plain_table(oid)], None)
            read = self._quietly(expression, scope)
            if not read.isdisjoint(given):
                computed.add(number)
                self.influences |= read - given
        for check in relation.checks:
            if check & (own | computed):
                self._influence(oid, check - own)
        if relation.tight:
            self._influence(oid, relation.columns)
        # A row that breaks it already cannot be changed at all.
        self._influence(oid, relation.unproven - own)
        for index in relation.indexes:
            changed, rest = index.columns & (own | computed), index.columns - own
            # Its expressions may fail, and an entry has a size that it must keep to: a value takes
            # more of it than the NULL that was there.
            if changed and (
                index.computes
                or not self._short(relation, changed)
                or not (changed <= relation.filled or self._short(relation, rest))
            ):
                self._influence(oid, rest)

    @staticmethod
    def _short(relation: Relation, numbers: Iterable[int]) -> bool:
        return _SHORT.issuperset(relation.types[number] for number in numbers)

    def _moves(self, oid: int, names: set[str]) -> bool:
        """Whether a change of ``names`` may take a row to another partition."""
        return self._relation(oid).kind == "p" and any(
            name in names
            for relation in map(self._relation, self.catalogue.kin(oid))
            for number, name in relation.columns.items()
            if number in relation.partitioned
        )

    def _moved(self, oid: int) -> None:
        """What a partition asks of the whole of a row that comes from another one (ExecInsert of
        nodeModifyTable.c): its own constraints and indexes may be other than those there."""
        relation = self._relation(oid)
        asked = set(relation.unproven) | {number for check in relation.checks for number in check}
        for index in relation.indexes:
            if (
                index.compares
                or index.computes
                or index.joins
                or not self._short(relation, index.columns)
            ):
                asked |= index.columns
        others = [self._relation(other) for other in self.catalogue.kin(oid)]
        for number in relation.filled:
            name = relation.columns[number]
            if any(
                n not in one.filled for one in others for n, c in one.columns.items() if c == name
            ):
                asked.add(number)
        if relation.tight:
            asked |= relation.columns.keys()
        self._influence(oid, asked)
        for expression in relation.generated.values():
            scope = Scope(Node("GENERATED", {}), [plain_table(oid)], None)
            self.influences |= self._quietly(expression, scope)
        for key in relation.keys:
            if key.relation == oid:
                self.influences |= {key.column, key.foreign_column}

    def _keyed(self, oid: int, own: set[int], command: str) -> None:
        """Unique, exclusion and foreign keys; rows of other tables that change with this one's."""
        relation = self._relation(oid)
        if own or command == "insert":
            own = own | relation.generated.keys()
        for index in relation.indexes:
            met = index.compares and (index.columns & own or (index.always and command == "insert"))
            # What has room beside a row's own values is for other rows to say; a row that moves on
            # its page or to another gets entries in all indexes.
            if met or (index.joins and command != "delete"):
                self._influence(oid, index.columns)
        self._referring(oid, own, command)
        if command != "insert":
            self._referred(oid, own, every=command == "delete")

    def _referring(self, oid: int, own: set[int], command: str) -> None:
        """Foreign keys of the table: what they look for is in all their columns together."""
        keys = [key for key in self._relation(oid).keys if key.relation == oid]
        touched = {key.constraint for key in keys if key.attribute in own}
        if command == "insert":
            # Where one column is NULL, nothing is looked for.
            touched -= {key.constraint for key in keys if key.attribute not in own}
        for key in keys:
            if key.constraint in touched:
                self.influences.add(key.foreign_column)
                if key.attribute not in own:
                    self.influences.add(key.column)

    def _referred(self, oid: int, own: set[int], *, every: bool) -> None:
        """Foreign keys that refer to the table: rows that refer to what is changed or gone."""
        keys = [key for key in self._relation(oid).keys if key.foreign == oid]
        touched = {key.constraint for key in keys if every or key.foreign_attribute in own}
        changed: dict[int, set[int]] = {}
        for key in keys:
            if key.constraint not in touched:
                continue
            self.influences |= {key.column, key.foreign_column}
            if key.cascades and key.relation not in self._cascading:
                changed.setdefault(key.relation, set()).add(key.attribute)
        self._cascading |= changed.keys()
        for relation, attributes in changed.items():
            self.constrained(relation, attributes, "update")
            self.constrained(relation, set(), "delete")

    def _write_through(self, view: Relation) -> None:
        if view.definition is None:
            return
        for table in view.definition.nodes("rtable"):
            oid = table.integer("relid", 0)
            if oid and self._relation(oid) is not view:
                for command in ("insert", "update", "delete"):
                    self.constrained(oid, set(self._relation(oid).columns), command)
