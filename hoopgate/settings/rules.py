"""``[[rules]]`` tables, the operator's and those of a rule pack."""

from __future__ import annotations

import re
import zoneinfo
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from hoopgate.settings.model import Match, Rule, TimeWindow
from hoopgate.settings.operations import ATTRIBUTES
from hoopgate.settings.reader import Table, defaults, near

VERDICTS = ("allow", "block", "approve")
#: What a person approves: the statement, or what it did before that is committed.
WHAT = ("statement", "effect")
#: Classes of statements whose effect can be shown before it is committed.
WRITES = frozenset({"insert", "update", "delete", "merge"})
MOST_APPROVERS = 10
LONGEST_WINDOW = 86_400.0
#: Seconds that a write which is done and not committed may keep its locks.
EFFECT_SECONDS, LONGEST_EFFECT = 120.0, 900.0
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

#: What people write for a class.
_MEANT = {
    **dict.fromkeys(("select", "query", "values", "with"), "read"),
    **dict.fromkeys(("create", "alter", "drop", "comment"), "ddl"),
    **dict.fromkeys(("begin", "start", "commit", "rollback", "savepoint"), "transaction"),
    **dict.fromkeys(("vacuum", "analyze", "reindex", "cluster"), "maintenance"),
    **dict.fromkeys(("set", "reset"), "session"),
    **dict.fromkeys(("get", "head"), "http.read"),
    **dict.fromkeys(("post", "put"), "http.write"),
    "write": "insert, update, delete or merge",
    "revoke": "grant",
    "copy": "copy.to or copy.from",
}

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}", re.IGNORECASE)
_CLOCK = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """What rules may refer to; None where any word will do.

    :ivar issuers: name → URL.
    :ivar rules: full names of the packs' block rules, for ``overrides``.
    """

    resources: Collection[str] | None = None
    groups: Collection[str] | None = None
    issuers: Mapping[str, str] | None = None
    labels: Collection[str] | None = None
    classes: Collection[str] | None = None
    flags: Collection[str] | None = None
    rules: Collection[str] = field(default=())


def name(table: Table, taken: set[str], what: str) -> str:
    """The ``name`` of a table: well-formed, and once in the file."""
    value = table.text("name")
    if value and not _NAME.fullmatch(value):
        table.wrong("name", f'"{value}" is no name', "letters, digits, dots, dashes (64 at most)")
    elif value in taken:
        table.wrong("name", f'two {what} are called "{value}"', "another name")
    taken.add(value)
    return value


def known(
    table: Table,
    key: str,
    words: Iterable[str],
    among: Collection[str] | None,
    *,
    wild: bool = False,
    meant: Mapping[str, str] | None = None,
) -> None:
    """Note the words that are not among the known ones.

    :param wild: patterns of ``*`` and ``?`` are fine when they match one.
    :param meant: words that people write for known ones.
    """
    if among is None:
        return
    for word in sorted(words):
        if wild and any(fnmatchcase(one, word) for one in among):
            continue
        if word not in among:
            found = (meant or {}).get(word.casefold())
            table.wrong(key, f'"{word}" is not known', found or near(word, among))


def rules(tables: Iterable[Table], vocabulary: Vocabulary) -> tuple[Rule, ...]:
    """All rules of a file, in order."""
    taken: set[str] = set()
    found = []
    for table in tables:
        found.append(_rule(table, taken, vocabulary))
        table.finish()
    return tuple(found)


def _rule(table: Table, taken: set[str], vocabulary: Vocabulary) -> Rule:
    rule_name = name(table, taken, "rules")
    verdict = table.choice("verdict", VERDICTS)
    effect = table.choice("approve", WHAT, "statement") == "effect"
    rule = Rule(
        name=rule_name,
        verdict=verdict,
        match=_match(table.table("match"), vocabulary),
        reason=table.text("reason", ""),
        message=table.prose("message"),
        remedy=table.prose("remedy"),
        monitor=table.boolean("monitor", False),
        overrides=frozenset(table.texts("overrides", ())),
        reviewers=frozenset(table.texts("reviewers", ())),
        expires=table.duration("expires", EFFECT_SECONDS if effect else defaults(Rule)["expires"]),
        approvers=table.integer("approvers", 1),
        window=table.duration("window", 0.0),
        effect=effect,
        tokens=frozenset(table.texts("tokens", ())),
    )
    if verdict == "block" and rule.tokens:
        table.wrong("tokens", "a block lets nobody use one", 'it with "allow" or "approve" only')
    if "*" not in rule.tokens:
        known(table, "tokens", rule.tokens, vocabulary.labels)
    if verdict == "approve" and "reviewers" not in table:
        table.wrong("reviewers", "missing: nobody could approve", 'reviewers = ["group", …]')
    _check_approval(table, rule)
    for key in ("reviewers", "expires", "approvers", "window", "approve"):
        if verdict != "approve" and key in table:
            table.wrong(key, f'has no meaning for verdict "{verdict}"', 'it with "approve" only')
    if verdict == "allow" and rule.monitor:
        table.wrong(
            "monitor", "an allow has nothing to report", 'it with "block" or "approve" only'
        )
    if verdict == "block" and rule.overrides:
        table.wrong(
            "overrides", "a block stands in for no block", 'it with "allow" or "approve" only'
        )
    known(table, "overrides", rule.overrides, vocabulary.rules)
    known(table, "reviewers", rule.reviewers, vocabulary.groups)
    return rule


def _check_approval(table: Table, rule: Rule) -> None:
    if rule.approvers > MOST_APPROVERS:
        table.wrong("approvers", f"{rule.approvers} is too many", f"{MOST_APPROVERS} or fewer")
    if rule.window > LONGEST_WINDOW:
        table.wrong("window", "longer than a day", '"24h" or less')
    if rule.effect and rule.expires > LONGEST_EFFECT:
        table.wrong("expires", "locks are held for so long", '"15m" or less')
    if rule.effect and rule.window:
        table.wrong("window", "an effect is approved once", 'it with approve = "statement" only')
    if rule.effect and not (rule.match.classes and rule.match.classes <= WRITES):
        table.wrong(
            "match.classes",
            "the effect of what may match cannot be shown",
            'with approve = "effect" one or more of "insert", "update", "delete", "merge"',
        )


def _match(table: Table, vocabulary: Vocabulary) -> Match:
    fields = {
        key: frozenset(table.texts(key, ()))
        for key in ("groups", "scopes", "subjects", "resources", "relations", "labels", "functions")
    }
    fields |= {key: frozenset(table.texts(key, ())) for key in ("classes", "flags")}
    issuers = table.texts("issuers", ())
    known(table, "groups", fields["groups"], vocabulary.groups)
    known(table, "resources", fields["resources"], vocabulary.resources, wild=True)
    known(table, "labels", fields["labels"], vocabulary.labels)
    known(table, "classes", fields["classes"], vocabulary.classes, meant=_MEANT)
    known(table, "flags", fields["flags"], vocabulary.flags)
    if vocabulary.issuers is not None:
        # The file speaks of issuers by name, a token by URL.
        urls = vocabulary.issuers
        known(table, "issuers", issuers, {*urls, *urls.values()})
        issuers = tuple(urls.get(one, one) for one in issuers)
    times = _times(table.table("times")) if "times" in table else None
    attributes = tuple(_attributes(table))
    table.finish()
    return Match(issuers=frozenset(issuers), times=times, attributes=attributes, **fields)


def _attributes(table: Table) -> Iterator[tuple[str, frozenset[str]]]:
    for protocol, keys in sorted(ATTRIBUTES.items()):
        if protocol not in table:
            continue
        own = table.table(protocol)
        for key in sorted(keys):
            patterns = own.texts(key, ())
            if patterns:
                yield f"{protocol}.{key}", frozenset(patterns)
        own.finish()


def _times(table: Table) -> TimeWindow:
    days = table.texts("days", (), '["mon", "tue"]')
    known(table, "days", days, DAYS)
    start = _minutes(table, "from", "00:00")
    end = _minutes(table, "to", "24:00")
    if start >= end:
        table.wrong("to", "not after from", "a later time, or two rules to go past midnight")
    zone = table.text("zone", "UTC", '"Europe/Zurich"')
    try:
        zoneinfo.ZoneInfo(zone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        table.wrong("zone", f'"{zone}" is no time zone', 'an IANA name such as "Europe/Zurich"')
    table.finish()
    return TimeWindow(frozenset(DAYS.index(day) for day in days if day in DAYS), start, end, zone)


def _minutes(table: Table, key: str, default: str) -> int:
    text = table.text(key, default, '"08:30"')
    if text == "24:00":
        return 24 * 60
    match = _CLOCK.fullmatch(text)
    if match is None:
        table.wrong(key, f'"{text}" is no time of day', '"08:30"')
        return 0 if key == "from" else 24 * 60
    return int(match[1]) * 60 + int(match[2])
