"""``hoopgate check --connect``: what the databases say to the settings."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

from hoopgate.cli.phi import SOURCES
from hoopgate.cli.waiting import finished
from hoopgate.errors import HoopgateError
from hoopgate.events import ColumnRef
from hoopgate.phi.labels import LabelSet
from hoopgate.recorder.render import inert
from hoopgate.settings.model import LabelClass, Resource, Settings

_WILD: Final = re.compile(r"[*?\[]")


def asked(settings: Settings) -> tuple[list[str], list[str]]:
    """Ask every database that the settings name, as the gateway's own account would.

    :return: mistakes, and what is worth a note; a line each.
    """

    async def work(reactor: Any) -> tuple[list[str], list[str]]:
        mistakes: list[str] = []
        notes: list[str] = []
        for at, resource in enumerate(settings.resources.values()):
            opening = SOURCES.get(resource.protocol)
            if opening is None:
                notes.append(f"resource {resource.name}: {resource.protocol} is not asked")
                continue
            source = opening(reactor, resource)
            try:
                relations = await source.relations()
            except HoopgateError as error:
                mistakes.append(
                    f"{settings.path}: resources[{at}]: {resource.name} cannot be asked: "
                    f"{inert(str(error))}; write a target, credentials and TLS that it takes"
                )
                continue
            finally:
                source.close()
            columns = [column.reference for one in relations for column in one.columns]
            for pattern, line in _labels(settings, resource, columns):
                # One with wildcards may be for tables that come later.
                (notes if _WILD.search(pattern) else mistakes).append(line)
            notes += _unlabelled(settings, resource, columns)
            notes += _rules(settings, resource, columns)
        return mistakes, notes

    return finished(work)


def _labels(
    settings: Settings, resource: Resource, columns: Sequence[ColumnRef]
) -> Iterator[tuple[str, str]]:
    """Labels of nothing, each with what is said of it."""
    fold = resource.protocol != "postgres"
    for label in settings.policy.labels:
        if label.resource != resource.name:
            continue
        alone = LabelSet(resource.name, [label], fold=fold)
        # Others of its set are built in, and of the catalogue.
        found = {one.column for one in map(alone.lookup, columns) if one is not None}
        if found & {label.column, label.column.lower()}:
            continue
        yield (
            label.column,
            f"{settings.path}: labels: {inert(label.column)} is no column of {resource.name} that "
            "needs a label; write schema.relation.column as the database has it",
        )


def _unlabelled(
    settings: Settings, resource: Resource, columns: Sequence[ColumnRef]
) -> Iterator[str]:
    if not resource.phi:
        return
    labels = LabelSet(resource.name, settings.policy.labels, fold=resource.protocol != "postgres")
    count = sum(labels.lookup(column) is None for column in columns)
    what = "masked" if settings.policy.unlabelled is LabelClass.SECRET else "shown as they are"
    if count:
        yield (
            f"resource {resource.name}: {count} of {len(columns)} columns have no label and are "
            f"{what} (hoopgate phi scan proposes some)"
        )


def _rules(settings: Settings, resource: Resource, columns: Sequence[ColumnRef]) -> Iterator[str]:
    """Relations that a rule for this resource alone names, and that are not there."""
    names = {f"{one.schema}.{one.relation}" for one in columns} | {one.relation for one in columns}
    for at, rule in enumerate(settings.policy.rules):
        if rule.match.resources != {resource.name}:
            continue
        for name in sorted(rule.match.relations - names):
            if not _WILD.search(name):
                yield (
                    f"rules[{at}] {rule.name}: {inert(name)} is no table of {resource.name} "
                    "(a view, or a mistake)"
                )
