"""Who has been here and what each may reach; and the rules that say so."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlencode

from hoopgate.cli.check import describe
from hoopgate.console.html import Markup, join, tag
from hoopgate.console.layout import (
    chips,
    empty,
    facts,
    heading,
    joined,
    moment,
    part,
    table,
    verdict,
)
from hoopgate.console.visits import Page, Visit
from hoopgate.settings.model import FileDirectory, Label, LabelClass, Rule
from hoopgate.settings.packs import read_pack
from hoopgate.settings.units import show_duration

_PER_PAGE: Final = 60
_LABELS: Final = 300


@dataclass(slots=True)
class _Identity:
    """What is known of one subject.

    :ivar last: seconds since the epoch; 0 = never.
    :ivar groups: None: only the directory knows.
    """

    last: float = 0.0
    sessions: int = 0
    running: int = 0
    resources: set[str] = field(default_factory=set)
    verdicts: dict[str, int] = field(default_factory=dict)
    groups: frozenset[str] | None = None
    owner: str = ""


async def identities(visit: Visit) -> Page:
    """``/identities``.

    :raises Refused: ``console.role``.
    """
    visit.roles.demand("auditor", "operator")
    seen, since = await visit.parts.archive.seen()
    known = {
        name: _Identity(one.last / 1e6, one.sessions, 0, one.resources, one.verdicts)
        for name, one in seen.items()
    }
    directory = visit.parts.settings.directory
    if isinstance(directory, FileDirectory):
        for subject in frozenset().union(*directory.members.values()):
            known.setdefault(subject, _Identity())
        for subject, one in known.items():
            one.groups = frozenset(name for name, those in directory.members.items()
                                   if subject in those)  # fmt: skip
    for session in visit.parts.node.sessions.values():
        who = session.facts.principal
        one = known.setdefault(who.subject, _Identity())
        one.running += 1
        one.groups, one.owner = who.groups, who.owner
    wanted = visit.query.get("who", "").strip()
    found = [
        (name, one)
        for name, one in sorted(known.items(), key=_latest)
        if wanted.casefold() in name.casefold()
    ]
    shown, pages = part(found, visit, _PER_PAGE, "/identities")
    back = None
    if since is not None:
        back = [", by sessions since ", moment(since / 1e6), ": look again to go further back"]
    body = joined(
        heading(
            "Identities", "Who has used this gateway, or could by the directory in its settings."
        ),
        _filter(wanted) if len(known) > _PER_PAGE or wanted else None,
        tag(
            "section",
            tag("p", "Found: ", tag("b", len(found)), back, class_="count"),
            tag("div", [_identity(visit, *one) for one in shown], class_="cards"),
            pages,
            id="identities",
            data_live="live",
        )
        if shown
        else empty("Nobody.", "Identities appear with their first session."),
    )  # fmt: skip
    return Page("Identities", body, "/identities")


def _filter(wanted: str) -> Markup:
    field = tag("input", name="who", id="who", value=wanted or None, type="search",
                data_search=True)  # fmt: skip
    return tag(
        "form",
        tag("div", tag("label", "Identity", for_="who"), field),
        tag("div", tag("button", "Search"), class_="buttons"),
        method="get",
        action="/identities",
        class_="filters",
        role="search",
    )


def _latest(item: tuple[str, _Identity]) -> tuple[float, str]:
    return -item[1].last, item[0]


def _identity(visit: Visit, name: str, one: _Identity) -> Markup:
    reach = _reach(visit, name, one.groups)
    title: Markup | str = name
    if visit.roles.auditor and one.sessions:
        title = tag("a", name, href=f"/sessions?{urlencode({'who': name})}")
    return tag(
        "article",
        tag(
            "header",
            tag("h3", title),
            verdict("running", one.running) if one.running else None,
        ),
        facts(
            ("On behalf of", one.owner),
            ("Groups", chips(*sorted(one.groups)) if one.groups else
             "in no group" if one.groups is not None else "as the directory says at its log-in"),
            ("Used", chips(*sorted(one.resources)) if one.resources else None),
            ("Rules that name it", chips(*reach) if reach else "none: nothing is allowed"
             if one.groups is not None else None),
            ("Sessions", join(f"{one.sessions}, last ", moment(one.last)) if one.sessions
             else "none yet"),
            ("Verdicts", join([verdict(word, count) for word, count in
                               sorted(one.verdicts.items())]) if one.verdicts else None),
        ),
        class_="card",
        data_entry=True,
    )  # fmt: skip


def _reach(visit: Visit, name: str, groups: frozenset[str] | None) -> list[str]:
    """Rules that allow or hold what this subject asks, by its name or its groups."""
    found = []
    for rule in visit.parts.rules.pipeline.policy.rules:
        if rule.verdict == "block":
            continue
        by_group = not rule.match.groups or bool(groups and rule.match.groups & groups)
        by_name = not rule.match.subjects or name in rule.match.subjects
        if by_group and by_name and (groups is not None or rule.match.subjects):
            where = ", ".join(sorted(rule.match.resources)) or "every resource"
            found.append(f"{rule.name}: {rule.verdict} on {where}")
    return found


async def rules(visit: Visit) -> Page:
    """``/rules``: what is in force, in the order it is tried, and the labels."""
    policy = visit.parts.rules.pipeline.policy
    rows = [_rule(f"operator/{rule.name}", rule) for rule in policy.rules]
    rows += [
        _rule(f"{pack}/{rule.name}", rule) for pack in policy.packs for rule in read_pack(pack)
    ]
    labels, pages = part(policy.labels, visit, _LABELS, "/rules")
    body = joined(
        heading("Rules in force", "In the order they are tried. The first that blocks wins."),
        facts(
            ("Digest", tag("code", policy.digest, class_="digest")),
            ("Packs", chips(*policy.packs) if policy.packs else "none"),
            ("Guards", chips(*policy.guards) if policy.guards else None),
            ("Without a label", f"counts as {policy.unlabelled.value}"),
        ),
        table(("Rule", "Verdict", "When", "Then"), rows),
        tag("h2", "Labels"),
        table(("Resource", "Column", "Kind", "Level", "Method"), [_label(one) for one in labels])
        if labels
        else empty("No labels.", "Run `hoopgate phi scan` to have some proposed."),
        pages,
    )
    return Page("Rules in force", body, "/rules")


def _rule(name: str, rule: Rule) -> Markup:
    then: Markup | str = rule.message
    if rule.verdict == "approve":
        who = ", ".join(sorted(rule.reviewers))
        several = f"{rule.approvers} of " if rule.approvers > 1 else ""
        what = "of its effect, " if rule.effect else ""
        again = f", good for {show_duration(rule.window)}" if rule.window else ""
        told = f"{what}by {several}{who} within {show_duration(rule.expires)}{again}"
        then = join(rule.message, tag("small", told))
    return tag(
        "tr",
        tag("td", tag("code", name)),
        tag("td", verdict(rule.verdict), tag("small", "only reported") if rule.monitor else None),
        tag("td", describe(rule.match)),
        tag("td", then),
        data_entry=True,
    )


def _label(label: Label) -> Markup:
    public = label.level is LabelClass.PUBLIC
    return tag(
        "tr",
        tag("td", label.resource),
        tag("td", tag("code", label.column)),
        tag("td", label.kind),
        tag("td", verdict(label.level.value)),
        tag("td", "" if public else label.method.value),
    )
