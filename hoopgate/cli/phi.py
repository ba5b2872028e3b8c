"""``hoopgate phi scan``: propose labels for the columns of a resource."""

from __future__ import annotations

import argparse
import fnmatch
import json
import os
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from hoopgate.cli.place import add_config
from hoopgate.cli.waiting import Progress, finished
from hoopgate.errors import HoopgateError
from hoopgate.gateway.protocols import ITSELF
from hoopgate.gateway.tls import NodeTLS
from hoopgate.identity.secrets import SecretSource
from hoopgate.mysql import side as mysql_side
from hoopgate.mysql.inspection import MysqlColumns
from hoopgate.phi.detectors.columns import IColumnSource, Relation, Sample
from hoopgate.phi.detectors.patterns import DETECTORS
from hoopgate.phi.detectors.presidio import recognisers
from hoopgate.phi.detectors.proposals import Finder, Proposal, propose
from hoopgate.phi.detectors.report import Finding, as_toml, findings
from hoopgate.phi.labels import LabelSet
from hoopgate.postgres.inspection import PostgresColumns
from hoopgate.postgres.side import SideConnections
from hoopgate.recorder.render import inert
from hoopgate.settings.load import load
from hoopgate.settings.model import Resource

ROWS: Final = 200
_MOST_ROWS: Final = 10_000


def _postgres(reactor: Any, resource: Resource) -> IColumnSource:
    side = SideConnections(reactor, resource, NodeTLS(), SecretSource(reactor), ITSELF, 1)
    source: IColumnSource = PostgresColumns(side)
    return source


def _mysql(reactor: Any, resource: Resource) -> IColumnSource:
    side = mysql_side.SideConnections(
        reactor, resource, NodeTLS(), SecretSource(reactor), ITSELF, 1
    )
    source: IColumnSource = MysqlColumns(side, resource.scratch)
    return source


#: protocol → opens the columns of a resource.
SOURCES: Final[dict[str, Callable[[Any, Resource], IColumnSource]]] = {
    "postgres": _postgres,
    "mariadb": _mysql,
    "mysql": _mysql,
}


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command ``phi``."""
    group = commands.add_parser("phi", help="find PHI: propose labels for a resource's columns")
    actions = group.add_subparsers(dest="action", required=True, metavar="ACTION")
    command = actions.add_parser(
        "scan",
        help="propose labels from names, types, comments and sampled values",
        description="Connects to the resource itself with the gateway's own account, reads the "
        "catalogue and some rows of each relation, and writes labels for a person to review. No "
        "value that was read is written or shown.",
    )
    command.add_argument("resource", metavar="RESOURCE")
    add_config(command)
    command.add_argument(
        *("-o", "--output"), type=Path, metavar="FILE", help="write the labels there, as TOML"
    )
    command.add_argument(
        *("--rows",),
        type=int,
        default=ROWS,
        metavar="N",
        help=f"rows to sample of each relation (default: {ROWS}; 0: look at no values)",
    )
    command.add_argument(
        "--only", default="*", metavar="GLOB", help="relations to scan, as schema.relation"
    )
    command.add_argument(
        "--presidio",
        action="store_true",
        help="look for what Presidio's patterns know, too (pip install 'hoopgate[presidio]')",
    )
    command.add_argument("--json", action="store_true", help="print for programs")
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """0; 1 when a label of the settings is contradicted by what was found.

    :raises HoopgateError: the settings are wrong, the database cannot be asked.
    """
    settings = load(options.config)
    resource = settings.resources.get(options.resource)
    if resource is None:
        known = ", ".join(settings.resources)
        raise HoopgateError(f'there is no resource "{options.resource}"; the file has {known}')
    if not 0 <= options.rows <= _MOST_ROWS:
        raise HoopgateError(f"--rows: write 0 to {_MOST_ROWS}")
    opening = SOURCES.get(resource.protocol)
    if opening is None:
        raise HoopgateError(f"{resource.name}: {resource.protocol} cannot be scanned yet")

    detectors: tuple[Finder, ...] = DETECTORS
    if options.presidio:
        detectors += recognisers()

    async def work(reactor: Any) -> tuple[list[Proposal], list[str], int]:
        source = opening(reactor, resource)
        try:
            return await _scan(source, resource.name, options.only, options.rows, detectors)
        finally:
            source.close()

    proposals, problems, relations = finished(work)
    labels = LabelSet(
        resource.name,
        settings.policy.labels,
        settings.policy.unlabelled,
        fold=resource.protocol != "postgres",
    )
    found = findings(proposals, labels)
    made = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())
    file = "\n".join(as_toml(resource.name, found, problems, made)) + "\n"
    if options.output is not None:
        _write(options.output, file)
    if options.json:
        print(json.dumps(_summary(found, problems), indent=2))
    elif options.output is None:
        print(file, end="")
    else:
        print("\n".join(_table(found, problems, relations, options.output)))
    return 1 if any(one.contradicts for one in found) else 0


async def _scan(
    source: IColumnSource, resource: str, only: str, rows: int, detectors: Sequence[Finder]
) -> tuple[list[Proposal], list[str], int]:
    relations: list[Relation] = [
        one
        for one in await source.relations()
        if fnmatch.fnmatchcase(f"{one.schema}.{one.name}", only)
    ]
    problems = [
        f"{one.schema}.{one.name}: the account may not read "
        + (", ".join(one.closed) if one.columns else "it")
        for one in relations
        if one.closed
    ]
    relations = [one for one in relations if one.columns]
    progress = Progress(f"scan of {resource}", len(relations))
    proposals: list[Proposal] = []
    for relation in relations:
        progress.step(inert(f"{relation.schema}.{relation.name}"))
        sample = (await source.sample(relation, rows)) if rows else Sample()
        if sample.problem:
            problems.append(sample.problem)
        proposals += propose(resource, relation, sample, detectors)
    progress.end(f"{len(relations)} relations, {len(proposals)} columns")
    return proposals, problems, len(relations)


def _write(path: Path, text: str) -> None:
    """The names of columns may be confidential: nobody else reads it."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise HoopgateError(f"{path} is there already; write another name") from None
    except OSError as error:
        raise HoopgateError(f"{path}: {error.strerror}") from None
    with open(descriptor, "w", encoding="utf-8") as file:
        file.write(text)


_SHOWN: Final = {
    "warning": "LABELLED PUBLIC, looks otherwise",
    "label": "proposed",
    "public": "could be public",
    "unknown": "cannot tell: stays secret",
    "labelled": "labelled already",
}


def _table(
    found: Sequence[Finding], problems: Sequence[str], relations: int, output: Path
) -> Iterator[str]:
    columns = [_row(one) for one in sorted(found, key=_order) if one.kind != "labelled"]
    rows = [("COLUMN", "TYPE", "KIND", "SURE", "WHAT", "WHY"), *columns]
    widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
    terminal = sys.stdout.isatty()
    width = os.get_terminal_size().columns if terminal else 0
    if columns:
        for row in rows:
            line = "  ".join(cell.ljust(size) for cell, size in zip(row, widths, strict=True))
            cut = terminal and len(line.rstrip()) > width
            yield line[: width - 1] + "…" if cut else line.rstrip()
        yield ""
    for problem in problems:
        yield f"not sampled: {inert(problem)}"
    counts = Counter(one.kind for one in found)
    told = ", ".join(f"{counts[kind]} {_SHOWN[kind]}" for kind in _SHOWN if counts[kind])
    yield f"{len(found)} columns in {relations} relations: {told or 'none'}."
    yield f"Review {output}, then append it to hoopgate.toml and run `hoopgate check`."


def _order(finding: Finding) -> tuple[int, str]:
    return list(_SHOWN).index(finding.kind), str(finding.proposal.column)


def _row(finding: Finding) -> tuple[str, ...]:
    proposal = finding.proposal
    label = proposal.label
    cells = (
        str(proposal.column),
        proposal.type.replace(" without time zone", "").replace(" with time zone", "tz"),
        "" if label is None else label.kind,
        f"{proposal.confidence:.0%}" if label is not None else "",
        re.split("[,:]", _SHOWN[finding.kind])[0],
        "; ".join(proposal.reasons),
    )
    return tuple(map(inert, cells))


def _summary(found: Sequence[Finding], problems: Sequence[str]) -> dict[str, object]:
    return {
        "columns": [
            {
                "column": str(one.proposal.column),
                "type": one.proposal.type,
                "finding": one.kind,
                "kind": one.proposal.label and one.proposal.label.kind,
                "level": one.proposal.label and one.proposal.label.level.value,
                "method": one.proposal.label and one.proposal.label.method.value,
                "confidence": round(one.proposal.confidence, 2),
                "reasons": list(one.proposal.reasons),
            }
            for one in found
        ],
        "not_sampled": list(problems),
    }
