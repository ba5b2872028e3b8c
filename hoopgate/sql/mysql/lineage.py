"""Which columns a query's output, row set and errors depend on, by the text the server keeps of it.

That text (``SHOW CREATE VIEW``) has every name resolved: columns carry their table or its alias,
``*`` is written out, comments and the client's character set are gone. What is computed errs on the
side of naming too many columns; see :mod:`hoopgate.sql.lineage`, which does the same for
PostgreSQL, for what the parts of a resolution mean.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from hoopgate.errors import UnresolvableStatement
from hoopgate.events import OutputColumn, Resolution
from hoopgate.sql.mysql.attestation import Attestation
from hoopgate.sql.mysql.catalogue import Relation
from hoopgate.sql.mysql.grammar import parse
from hoopgate.sql.mysql.reading import Missing, Reading
from hoopgate.sql.mysql.scopes import MARKS, NOTHING, Flow
from hoopgate.sql.mysql.tree import Query, Select

__all__ = ["Missing", "Texts", "resolve"]


@dataclass(frozen=True, slots=True)
class Texts:
    """The server's texts of an :class:`Attestation`'s queries; ``""`` where it has none."""

    query: str = ""
    effect: str = ""
    returning: str = ""


def resolve(
    asked: Attestation,
    texts: Texts,
    outputs: Sequence[tuple[str, int]] | None,
    catalogue: Mapping[tuple[str, str], Relation],
    scratch: str,
    *,
    mysql: bool,
) -> Resolution:
    """The lineage of a statement.

    :param outputs: names and types of the columns that the server says it returns; None: no rows.
    :param scratch: the schema that holds our own views.
    :param mysql: the server is Oracle's.
    :raises Missing: what is to be learnt first.
    :raises UnresolvableStatement, Refused: it cannot be resolved.
    """
    lineage = Statement(
        catalogue,
        scratch,
        writes=asked.kind not in ("read", "constant"),
        parameters="?" in asked.text,
        mysql=mysql,
    )
    flows: list[Flow] | None = None
    try:
        if asked.kind in ("read", "constant"):
            flows = lineage.top(texts.query or asked.query)
        else:
            flows = lineage.modification(asked, texts)
    except RecursionError:
        raise UnresolvableStatement("resolve.size", "The query is nested too deeply.") from None
    for variable in asked.variables:
        lineage.flowed(variable, NOTHING)
    columns = None
    if outputs is not None:
        if flows is None or len(flows) != len(outputs):
            raise UnresolvableStatement("resolve.unknown", "The columns do not match.")
        columns = tuple(
            OutputColumn(name, type_, flow.sources - MARKS, flow.direct)
            for (name, type_), flow in zip(outputs, flows, strict=True)
        )
    elif flows is not None:
        raise UnresolvableStatement("resolve.unknown", "The columns do not match.")
    return Resolution(
        columns=columns,
        influences=frozenset(lineage.influences - MARKS),
        relations=frozenset(lineage.relations),
        functions=frozenset(name.removeprefix(".") for name in lineage.flows),
        aggregated=frozenset(lineage.aggregated - MARKS),
        written=frozenset(lineage.written - MARKS),
        stored=frozenset(lineage.stored - MARKS),
        flows={name: frozenset(columns - MARKS) for name, columns in lineage.flows.items()},
        present=frozenset(lineage.present),
    )


class Statement(Reading):
    """Besides queries, the modification of one table."""

    def modification(self, asked: Attestation, texts: Texts) -> list[Flow] | None:
        """What a modification reads, stores and returns."""
        self._target_only = True
        effect = self.top(texts.effect)
        self._target_only = False
        inserted = self.top(texts.query) if texts.query else []
        relation = self._relation(*self._target(texts.effect))
        if asked.assigned < 0:
            assigned = len(relation.columns) + (-1 - asked.assigned)
        else:
            assigned = asked.assigned
        for flow in effect[:assigned]:
            self.written |= flow.sources
        for flow in (*effect[assigned:], *inserted):
            self.stored |= flow.sources
        assignees = NOTHING.union(*(flow.sources for flow in effect[:assigned])) - MARKS
        own = {ref.column.lower() for ref in assignees}
        bases = self._bases(relation)
        if len(bases) > 1:
            raise UnresolvableStatement("resolve.class", "The view is over several tables.")
        for base in bases:
            self._constrained(base, own, asked)
            self._defaulted(base, [effect[index] for index in asked.defaulted])
        if self._one_by_one(bases, own, asked) and not _one_row(relation, asked):
            self._ordered(bases)
        if not asked.returning:
            return None
        returned = self.top(texts.returning)
        if asked.kind == "delete":
            self._ordered(bases)
        return returned

    def _target(self, text: str) -> tuple[str, str]:
        """The table that the query of an effect is about."""
        tree, _ = parse(text)
        body = tree.body if isinstance(tree, Query) else None
        if not isinstance(body, Select) or len(body.sources) != 1:
            raise UnresolvableStatement("resolve.unknown", "What is modified is not known.")
        name = body.sources[0].name
        if body.sources[0].kind != "table" or len(name) != 2:
            raise UnresolvableStatement("resolve.unknown", "What is modified is not known.")
        return name[0], name[1]

    def _bases(self, relation: Relation) -> list[Relation]:
        """The stored tables of a relation."""
        if not relation.definition:
            return [relation]
        found: dict[str, Relation] = {}
        for place in _tables(relation.definition):
            for base in self._bases(self._relation(*place)):
                found[base.qualified] = base
        return list(found.values())

    def _constrained(self, relation: Relation, own: set[str], asked: Attestation) -> None:
        """Columns that constraints compare a write with: whether it fails depends on them."""
        for trigger in relation.triggers:
            self.flowed(trigger, NOTHING)
        if asked.kind in ("insert", "replace"):
            # The server says which number it gave: the one after the largest.
            self._influence(relation, relation.counted)
        changes = asked.kind != "delete"
        again = asked.kind == "update" or asked.duplicate
        for name, made_of in relation.generated.items():
            if not own.isdisjoint(made_of):
                if again:
                    # It is computed anew, with what is stored, and may not fit.
                    self._influence(relation, [one for one in made_of if one not in own])
                own = own | {name}
        for index in relation.unique:
            # A key that is not given has a default, which may be there already.
            given = changes and not own.isdisjoint(relation.indexes[index])
            if given or asked.duplicate or (asked.kind == "insert" and index == "PRIMARY"):
                self._influence(relation, relation.indexes[index])
        self._compared(relation, own, asked)
        if changes:
            for check in relation.checks:
                if not own.isdisjoint(check):
                    self._influence(relation, [name for name in check if name not in own])
        here = relation.schema, relation.name
        for key in relation.keys:
            if key.own[:2] == here and key.own[2] in own:
                self._influence_of(key.other)
            if key.other[:2] == here and (
                asked.kind in ("delete", "replace") or asked.duplicate or key.other[2] in own
            ):
                self._influence_of(key.own)
                if key.cascades:
                    raise UnresolvableStatement(
                        "resolve.class", "Rows of another table change with these."
                    )

    def _defaulted(self, relation: Relation, flows: Iterable[Flow]) -> None:
        """Columns that defaults are computed of: they are stored by ``SET a = DEFAULT``."""
        for flow in flows:
            for ref in flow.sources:
                for name in relation.defaults.get(ref.column.lower(), ()):
                    self.stored |= self._base(relation, name).sources

    def _one_by_one(self, relations: Iterable[Relation], own: set[str], asked: Attestation) -> bool:
        """Whether it matters which rows are modified first, where there are several.

        A key may be taken by a row that gives it up later, and a row be referred to by one that
        goes later: constraints are looked at row by row, so whether they fail tells the order.
        """
        if asked.kind not in ("update", "delete"):
            return False
        return asked.limited or any(self._collides(one, own, asked) for one in relations)

    def _collides(self, relation: Relation, own: set[str], asked: Attestation) -> bool:
        here = relation.schema, relation.name
        to_itself = [key for key in relation.keys if key.own[:2] == key.other[:2] == here]
        if asked.kind == "delete":
            return bool(to_itself)
        referring = any(not own.isdisjoint((key.own[2], key.other[2])) for key in to_itself)
        return referring or any(
            not own.isdisjoint(relation.indexes[index]) for index in relation.unique
        )

    def _compared(self, relation: Relation, own: set[str], asked: Attestation) -> None:
        """Columns whose stored values are compared with what is written.

        Rows that stay as they are count differently after REPLACE and ON DUPLICATE KEY UPDATE, and
        columns that tell when a row was changed do not change.
        """
        if asked.kind == "replace":
            self._influence(relation, relation.columns)
        elif asked.duplicate or (asked.kind == "update" and not own.issuperset(relation.touched)):
            self._influence(relation, own)

    def _ordered(self, relations: Iterable[Relation]) -> None:
        """Which rows come first is the order of whichever index is read."""
        for relation in relations:
            for columns in relation.indexes.values():
                self._influence(relation, columns)


def _one_row(relation: Relation, asked: Attestation) -> bool:
    """Whether a modification is of one row at most: a unique key is given, in a form that is not
    compared as another type, by which several keys may be equal."""
    given = {name for name, text in asked.pinned if text != (name in relation.whole)}
    return not relation.definition and any(
        given.issuperset(relation.indexes[index]) for index in relation.unique
    )


def _tables(text: str) -> list[tuple[str, str]]:
    """The stored relations in the FROM of a view that can be written to."""
    tree, _ = parse(text)
    body = tree.body if isinstance(tree, Query) else None
    if not isinstance(body, Select):
        raise UnresolvableStatement("resolve.class", "A view that cannot be written to.")
    found: list[tuple[str, str]] = []
    todo = list(body.sources)
    while todo:
        source = todo.pop()
        if source.kind == "join":
            todo += [side for side in (source.left, source.right) if side is not None]
        elif source.kind == "table" and len(source.name) == 2:
            found.append((source.name[0], source.name[1]))
        else:
            raise UnresolvableStatement("resolve.class", "A view that cannot be written to.")
    return found
