"""The report: one HTML page for people. No script, no style or picture from elsewhere.

It is made of leaves alone, like everything derived, so that the verification makes it again.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from typing import Any

from hoopgate.evidence.facts import (
    Facts,
    Session,
    Verdicts,
    event_list,
    gap_list,
    roster,
)
from hoopgate.evidence.fhir import instant
from hoopgate.evidence.hipaa import LIMITS, sections
from hoopgate.evidence.manifest import Manifest
from hoopgate.recorder.leaf import encode
from hoopgate.recorder.note import Checkpoint
from hoopgate.recorder.render import inert

#: Rows of a table at most; the files beside the report have all of them.
ROWS = 1000

_STYLE = """
:root { color-scheme: light; }
body { font: 15px/1.5 system-ui, sans-serif; color: #1c2128; max-width: 72rem; margin: 2rem auto;
  padding: 0 1.5rem; }
h1 { font-size: 1.7rem; margin: 0 0 .2rem; }
h2 { font-size: 1.15rem; margin: 2.4rem 0 .6rem; border-bottom: 2px solid #d0d7de;
  padding-bottom: .3rem; }
p { margin: .5rem 0; max-width: 60rem; }
table { border-collapse: collapse; width: 100%; font-size: 13px; margin: .6rem 0; }
th { text-align: left; background: #f3f5f8; }
th, td { border: 1px solid #d0d7de; padding: .3rem .5rem; vertical-align: top;
  overflow-wrap: break-word; max-width: 34rem; }
td.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
td.t { white-space: nowrap; }
code { font: 12.5px ui-monospace, monospace; overflow-wrap: anywhere; }
.sub { color: #57606a; }
.cards { display: flex; flex-wrap: wrap; gap: .8rem; margin: 1rem 0; }
.card { border: 1px solid #d0d7de; border-radius: 6px; padding: .5rem .9rem; min-width: 7.5rem; }
.card b { display: block; font-size: 1.5rem; line-height: 1.3; }
.bad b { color: #a40e26; }
.none { color: #57606a; font-style: italic; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1.2rem; margin: .8rem 0; }
dt { color: #57606a; } dd { margin: 0; overflow-wrap: anywhere; }
li { margin: .3rem 0; max-width: 60rem; }
@media print { body { margin: 0; max-width: none; font-size: 11px; } h2 { break-after: avoid; }
  tr { break-inside: avoid; } table { font-size: 10px; } }
"""


def utc(microseconds: int | None) -> str:
    """A time for people, to the second."""
    return instant(microseconds)[:19].replace("T", " ") if microseconds is not None else ""


def report(manifest: Manifest, checkpoint: Checkpoint, facts: Facts) -> bytes:
    """The page. What stands in it is escaped: a client chooses some of these words."""
    return "".join(_page(manifest, checkpoint, facts)).encode("utf-8", "backslashreplace")


def _page(manifest: Manifest, checkpoint: Checkpoint, facts: Facts) -> Iterator[str]:
    chosen = manifest.selection
    yield (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
        '<meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        f"<title>Evidence: {_e(manifest.origin)}</title>\n<style>{_STYLE}</style></head><body>\n"
        "<h1>Access to systems that hold PHI</h1>\n"
        f'<p class="sub">{_e(manifest.origin)}, {utc(chosen.start)} to {utc(chosen.end)} UTC</p>\n'
    )
    yield (
        "<p>This page was made from the signed log alone. <code>hoopgate evidence verify</code> "
        "checks the log against keys that you were given by another way, makes this page again "
        "and compares the two; <code>VERIFY.md</code> says how to check with tools of others. "
        "Until you have done so, this page proves nothing.</p>\n"
    )
    yield _definitions(
        ("Log", manifest.origin),
        ("Leaves", f"{chosen.first:,} to {chosen.last:,} of {checkpoint.size:,}, without a gap"),
        ("Root of the tree", b64encode(checkpoint.root).decode()),
        ("Rules in force", ", ".join(facts.rules) or "none recorded"),
        (
            "Made",
            f"{utc(manifest.created)} UTC by hoopgate {manifest.version}, as the exporter says",
        ),
    )
    yield _cards(facts)
    yield from _who(facts)
    yield from _sessions(facts)
    yield _section("Refusals, by rule")
    yield _table(
        ("Rule", "Requests"),
        [(rule, count) for rule, count in sorted(facts.blocked.items(), key=lambda i: -i[1])],
        "No request was refused.",
    )
    yield from _events(facts)
    yield _section("What is missing, and known to be")
    yield _table(
        ("Time (UTC)", "What", "About"),
        [(utc(_int(gap.get("time"))), gap["type"], _rest(gap)) for gap in gap_list(facts)],
        "No crash, torn end, silence of the node or jump of its clock.",
    )
    yield _section("45 CFR part 164")
    yield _table(
        ("Section", "Asks for", "This log shows", "It does not show"),
        [(s.cite, s.asks, s.shows, s.rest) for s in sections(facts)],
        "",
    )
    yield _section("What this does not prove")
    yield "<ul>\n" + "".join(f"<li>{_e(one)}</li>\n" for one in LIMITS) + "</ul>\n"
    yield "</body></html>\n"


def _cards(facts: Facts) -> str:
    people = {(s.text("issuer"), s.text("subject")) for s in facts.sessions.values()}
    gaps = sum(1 for _ in gap_list(facts))
    cards = [
        (len(people), "identities", ""),
        (len(facts.sessions), "sessions", ""),
        (sum(s.requests for s in facts.sessions.values()), "requests", ""),
        (facts.verdicts.get("mask", 0), "masked", ""),
        (facts.verdicts.get("block", 0), "refused", ""),
        (len(facts.of("approval")), "steps of approvals", ""),
        (gaps, "gaps", "bad" if gaps else ""),
    ]
    inner = "".join(
        f'<div class="card {css}"><b>{count:,}</b>{label}</div>' for count, label, css in cards
    )
    return f'<div class="cards">{inner}</div>\n'


def _who(facts: Facts) -> Iterator[str]:
    yield _section("Who had access")
    yield _table(
        ("Subject", "Acts for", "Issuer", "Groups", "Resources", "Sessions", "Requests"),
        [
            (
                one["subject"],
                one["owner"],
                one["issuer"],
                ", ".join(_strings(one["groups"])),
                ", ".join(_strings(one["resources"])),
                one["sessions"],
                one["requests"],
            )
            for one in roster(facts)
        ],
        "Nobody.",
    )


def _sessions(facts: Facts) -> Iterator[str]:
    yield _section("Sessions")
    yield _table(
        ("Session", "Subject", "Resource", "From", "Began (UTC)", "Ended (UTC)", "Requests"),
        [_session(session) for session in facts.sessions.values()],
        "No session.",
    )


def _session(session: Session) -> tuple[Any, ...]:
    before = " (before)" if session.before else ""
    ended = f"{utc(session.end)} {session.reason}" if session.end is not None else "not in here"
    return (
        session.id,
        session.text("subject"),
        session.text("resource"),
        session.text("peer"),
        utc(session.start) + before,
        ended,
        f"{session.requests:,}{_counts(session.verdicts)}",
    )


def _counts(verdicts: Verdicts) -> str:
    words = ", ".join(f"{count:,} {name}" for name, count in sorted(verdicts.items()))
    return f" ({words})" if words else ""


def _events(facts: Facts) -> Iterator[str]:
    for title, kinds, nothing in (
        ("Approvals", ("approval",), "Nothing was put before a person."),
        (
            "Administration, keys",
            ("admin", "key.rotate"),
            "Nothing was changed.",
        ),
        ("Recordings viewed or destroyed", ("replay.view", "purge"), "None."),
    ):
        yield _section(title)
        rows = [
            (utc(_int(one["time"])), one["leaf"], one["type"], _rest(one))
            for one in event_list(facts, *kinds)
        ]
        yield _table(("Time (UTC)", "Leaf", "Type", "About"), rows, nothing)
    yield _section("Starts of the node")
    yield _table(
        ("Time (UTC)", "Leaf", "Epoch", "Version"),
        [
            (utc(leaf["time"]), leaf["index"], leaf["session"], leaf.get("version", ""))
            for leaf in facts.epochs
        ],
        "None in or before the period.",
    )


def _rest(one: dict[str, object]) -> str:
    about = {k: v for k, v in one.items() if k not in ("time", "leaf", "type")}
    if str(about.get("session", "")).startswith("epoch-"):
        del about["session"]  # the node's own
    if isinstance(until := about.get("until"), int):
        about["until"] = utc(until)
    return ", ".join(
        f"{name}: {value if isinstance(value, str | int) else encode(value).decode()}"
        for name, value in sorted(about.items())
        if value not in ("", None)
    )


# --- HTML ---------------------------------------------------------------------------------------


def _e(value: object) -> str:
    return escape(inert(str(value)))


def _section(title: str) -> str:
    return f"<h2>{_e(title)}</h2>\n"


def _definitions(*pairs: tuple[str, str]) -> str:
    inner = "".join(f"<dt>{_e(name)}</dt><dd>{_e(value)}</dd>\n" for name, value in pairs)
    return f"<dl>\n{inner}</dl>\n"


def _table(head: Sequence[str], rows: Iterable[Sequence[object]], nothing: str) -> str:
    rows = list(rows)
    if not rows:
        return f'<p class="none">{_e(nothing)}</p>\n'
    cells = "".join(f"<th>{_e(name)}</th>" for name in head)
    body = "".join(
        "<tr>"
        + "".join(_cell(name, value) for name, value in zip(head, row, strict=True))
        + "</tr>\n"
        for row in rows[:ROWS]
    )
    more = f"<p>The first {ROWS:,} of {len(rows):,}.</p>\n" if len(rows) > ROWS else ""
    return f"<table><thead><tr>{cells}</tr></thead><tbody>\n{body}</tbody></table>\n{more}"


def _cell(name: str, value: object) -> str:
    if isinstance(value, int):
        return f'<td class="n">{value:,}</td>'
    css = ' class="t"' if name == "Time (UTC)" else ""
    return f"<td{css}>{_e(value)}</td>"


def _int(value: object) -> int | None:
    return value if isinstance(value, int) else None


def _strings(value: object) -> list[str]:
    return [str(one) for one in value] if isinstance(value, list) else []
