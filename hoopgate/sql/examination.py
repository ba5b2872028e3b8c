"""One step of resolving a statement: from the server's tree and what is known of the catalogue to a
resolution, or to what has to be asked before there can be one.

Pure, and bounded where it is told to be: small trees are examined on the spot, others in a parser's
child process (:mod:`hoopgate.sql.worker`), to which everything travels as JSON.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from hoopgate.errors import UnresolvableStatement
from hoopgate.events import ColumnRef, Move, OutputColumn, Resolution
from hoopgate.sql import lineage
from hoopgate.sql.catalogue import Catalogue, Overrun, TreeReader, Wanted
from hoopgate.sql.flows import MOST_STEPS
from hoopgate.sql.nodetree import NodeTreeError, Value

#: Steps of lineage on the spot: about a millisecond.
INLINE_STEPS: Final = 1_000


@dataclass(frozen=True, slots=True)
class Task:
    """What is to be examined: a query's tree, or COPY of a table.

    :ivar tree: the text of ``prosqlbody``; ``""`` for a COPY.
    :ivar types: of the query's parameters.
    :ivar table: OID of the table that is copied.
    :ivar columns: names of the columns copied; empty means all that are not generated.
    :ivar out: COPY TO, not FROM.
    """

    tree: str = field(default="", repr=False)
    types: tuple[int, ...] = ()
    table: int = 0
    columns: tuple[str, ...] = ()
    out: bool = True


def examine(
    task: Task, catalogue: Catalogue, reader: TreeReader, steps: int = MOST_STEPS
) -> Resolution | Wanted:
    """The resolution, or what the catalogue lacks for it.

    :raises UnresolvableStatement: it cannot be resolved.
    :raises Overrun: the trees are above the reader's limit, or lineage above ``steps``.
    """
    reader.restart()
    try:
        tree: Value = reader.read(task.tree) if task.tree else None
        missing = catalogue.open(tree, reader, {task.table} if task.table else ())
    except NodeTreeError:
        raise UnresolvableStatement("resolve.unknown", "The query tree cannot be read.") from None
    if missing:
        return missing
    if task.table:
        numbers = _copied(task, catalogue)
        types = {catalogue.relations[task.table].types[number] for number in numbers}
        if missing := catalogue.missing(Wanted(types=types)):
            return missing  # a domain's values are sent as what it is made of
        return lineage.copied(task.table, catalogue, numbers, out=task.out, steps=steps)
    return lineage.resolve(tree, catalogue, task.types, steps)


def _copied(task: Task, catalogue: Catalogue) -> list[int]:
    relation = catalogue.relations[task.table]
    if not task.columns:
        return sorted(relation.columns.keys() - relation.generated.keys())
    numbers = {name: number for number, name in relation.columns.items()}
    if not numbers.keys() >= set(task.columns):
        raise UnresolvableStatement("resolve.failed", "A column is not known.")
    return [numbers[name] for name in task.columns]


# --- as JSON --------------------------------------------------------------------------------------


def encode_task(task: Task, catalogue: Catalogue, known: Wanted) -> bytes:
    """The request for a child process, with what is ``known`` of the catalogue.

    JSON, a line feed and the tree, which is too long to be searched for what to escape.
    """
    content = {
        "types": task.types,
        "table": task.table,
        "columns": task.columns,
        "out": task.out,
        "catalogue": catalogue.export(known),
    }
    return f"{json.dumps(content)}\n{task.tree}".encode()


def answer(request: bytes, reader: TreeReader) -> dict[str, Any]:
    """The child's answer: JSON that :func:`decode_answer` takes.

    :raises UnresolvableStatement: it cannot be resolved.
    """
    head, _, tree = request.partition(b"\n")
    content = json.loads(head)
    catalogue = Catalogue()
    catalogue.load(content.pop("catalogue"))
    task = Task(
        tree.decode(),
        tuple(content["types"]),
        content["table"],
        tuple(content["columns"]),
        content["out"],
    )
    try:
        found = examine(task, catalogue, reader)
    except Overrun:
        raise UnresolvableStatement("resolve.size", "The query is too large to judge.") from None
    return encode_resolution(found) if isinstance(found, Resolution) else _encode_wanted(found)


def _encode_wanted(names: Wanted) -> dict[str, Any]:
    found = (names.relations, names.functions, names.operators, names.types)
    return {"missing": [sorted(oids) for oids in found]}


def encode_resolution(resolution: Resolution) -> dict[str, Any]:
    """A resolution as JSON that :func:`decode_answer` takes."""
    places: dict[ColumnRef, int] = {}

    def refs(columns: Iterable[ColumnRef]) -> list[int]:
        return [places.setdefault(column, len(places)) for column in columns]

    found: dict[str, object] = {
        "columns": None
        if resolution.columns is None
        else [
            [
                column.name,
                column.type,
                refs(column.sources),
                column.direct,
                column.form,
                refs(column.kept),
            ]
            for column in resolution.columns
        ],
        "influences": refs(resolution.influences),
        "relations": sorted(resolution.relations),
        "functions": sorted(resolution.functions),
        "aggregated": refs(resolution.aggregated),
        "types": resolution.parameter_types,
        "written": refs(resolution.written),
        "stored": refs(resolution.stored),
        "roles": dict(resolution.roles),
        "moves": None
        if resolution.moves is None
        else [
            [
                *refs((one.source,)),
                None if one.target is None else refs((one.target,))[0],
                one.direct,
            ]
            for one in resolution.moves
        ],
        "flows": {name: refs(columns) for name, columns in resolution.flows.items()},
        "present": refs(resolution.present),
        "assigned": refs(resolution.assigned),
        "loose": sorted(resolution.loose),
    }
    found["refs"] = [
        [ref.schema, ref.relation, ref.column, ref.derived, ref.against, ref.grouped]
        for ref in places
    ]
    return {"resolution": found}


def decode_answer(content: dict[str, Any]) -> Resolution | Wanted:
    """What a child answered."""
    if "missing" in content:
        return Wanted(*map(set, content["missing"]))
    found = content["resolution"]
    places = [ColumnRef(*ref) for ref in found["refs"]]

    def refs(numbers: list[int]) -> frozenset[ColumnRef]:
        return frozenset(places[number] for number in numbers)

    return Resolution(
        columns=None
        if found["columns"] is None
        else tuple(
            OutputColumn(name, type_, refs(sources), direct, form, refs(kept))
            for name, type_, sources, direct, form, kept in found["columns"]
        ),
        influences=refs(found["influences"]),
        relations=frozenset(found["relations"]),
        functions=frozenset(found["functions"]),
        aggregated=refs(found["aggregated"]),
        parameter_types=tuple(found["types"]),
        written=refs(found["written"]),
        stored=refs(found["stored"]),
        roles=found["roles"],
        moves=None
        if found["moves"] is None
        else frozenset(
            Move(places[source], None if target is None else places[target], direct)
            for source, target, direct in found["moves"]
        ),
        flows={name: refs(columns) for name, columns in found["flows"].items()},
        present=refs(found["present"]),
        assigned=refs(found["assigned"]),
        loose=frozenset(found["loose"]),
    )
