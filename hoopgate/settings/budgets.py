"""``[[budgets]]`` tables: what an identity may take in a stretch of time."""

from __future__ import annotations

from collections.abc import Iterable

from hoopgate.settings.model import Budget, Match
from hoopgate.settings.reader import Table, defaults
from hoopgate.settings.rules import Vocabulary, known, name

#: A stretch shorter than this is over before anything is written down.
_SHORTEST = 60.0


def budgets(tables: Iterable[Table], vocabulary: Vocabulary) -> tuple[Budget, ...]:
    """All budgets of a file, in order."""
    taken: set[str] = set()
    found = []
    for table in tables:
        found.append(_budget(table, taken, vocabulary))
        table.finish()
    return tuple(found)


def _budget(table: Table, taken: set[str], vocabulary: Vocabulary) -> Budget:
    default = defaults(Budget)
    verdict = table.choice("verdict", ("block", "approve"), "block")
    found = Budget(
        name=name(table, taken, "budgets"),
        match=_match(table.table("match"), vocabulary),
        cells=table.integer("cells", 0) if "cells" in table else None,
        queries=table.integer("queries", 0) if "queries" in table else None,
        window_seconds=table.duration("window", default["window_seconds"]),
        verdict=verdict,
        reviewers=frozenset(table.texts("reviewers", ())),
        expires=table.duration("expires", default["expires"]),
    )
    if found.cells is None and found.queries is None:
        table.wrong("cells", "nothing is counted", "cells = 50000, or queries = 500, or both")
    if found.window_seconds < _SHORTEST:
        table.wrong("window", "shorter than a minute", '"1h"')
    if verdict == "approve" and "reviewers" not in table:
        table.wrong("reviewers", "missing: nobody could approve", 'reviewers = ["group", …]')
    for key in ("reviewers", "expires"):
        if verdict != "approve" and key in table:
            table.wrong(key, f'has no meaning for verdict "{verdict}"', 'it with "approve" only')
    known(table, "reviewers", found.reviewers, vocabulary.groups)
    return found


def _match(table: Table, vocabulary: Vocabulary) -> Match:
    groups = frozenset(table.texts("groups", ()))
    scopes = frozenset(table.texts("scopes", ()))
    subjects = frozenset(table.texts("subjects", ()))
    resources = frozenset(table.texts("resources", ()))
    issuers = table.texts("issuers", ())
    known(table, "groups", groups, vocabulary.groups)
    known(table, "resources", resources, vocabulary.resources, wild=True)
    if vocabulary.issuers is not None:
        urls = vocabulary.issuers
        known(table, "issuers", issuers, {*urls, *urls.values()})
        issuers = tuple(urls.get(one, one) for one in issuers)
    table.finish()
    return Match(groups, scopes, subjects, frozenset(issuers), resources)
