"""What the leaves of a period say, gathered for people: sessions, identities, requests, events.

Made of leaves alone, never of payload: whoever has the leaves gets the same, byte for byte.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from hoopgate.recorder.leaf import Leaf

#: Leaves that are nobody's doing and say nothing by themselves.
QUIET: Final = frozenset({"segment.start", "heartbeat"})

Verdicts = dict[str, int]


#: What no text of FHIR holds (R4 2.24.0.1, string), and what UTF-8 has no bytes for.
_UNREADABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff]")


def readable(value: Any, blank: str | None = None) -> Any:
    """A JSON value with what others' readers refuse in a text replaced by U+FFFD.

    :param blank: in the place of a value that is empty or white space; None: it stays.
    """
    if isinstance(value, str):
        text = _UNREADABLE.sub("\ufffd", value)
        return text if blank is None or text.strip() else blank
    if isinstance(value, dict):
        return {readable(name): readable(one, blank) for name, one in value.items()}
    return [readable(one, blank) for one in value] if isinstance(value, list) else value


@dataclass(slots=True)
class Session:
    """One session as far as its leaves are known. Times in µs since the epoch.

    :ivar fields: of ``session.open``: subject, issuer, groups, actors, owner, client, peer, tls …
    :ivar before: it began before the period.
    :ivar end: None: not within the period.
    """

    id: str
    fields: Leaf = field(repr=False)
    start: int
    before: bool
    end: int | None = None
    reason: str = ""
    requests: int = 0
    verdicts: Verdicts = field(default_factory=dict)

    def text(self, name: str) -> str:
        """A field of its first leaf, "" where there is none."""
        value = self.fields.get(name, "")
        return value if isinstance(value, str) else ""

    def names(self, name: str) -> list[str]:
        """A list among the fields of its first leaf."""
        value = self.fields.get(name)
        return [str(one) for one in value] if isinstance(value, list) else []


def is_request(leaf: Leaf) -> bool:
    """True for a leaf with what a client sent."""
    return leaf["type"] == "chunk" and leaf.get("direction") != "backend"


def detail_of(leaf: Leaf) -> dict[str, Any]:
    """A noted leaf's detail."""
    detail = leaf.get("detail")
    return detail if isinstance(detail, dict) else {}


def verdicts_of(leaf: Leaf) -> Verdicts:
    """How often each verdict was given on a request's statements."""
    verdicts = leaf.get("verdicts")
    if not isinstance(verdicts, dict):
        return {}
    return {str(name): count for name, count in verdicts.items() if isinstance(count, int)}


def decisions_of(leaf: Leaf) -> list[tuple[str, str, str]]:
    """Request id, verdict, rule: of the weightiest decisions on a request."""
    decisions = leaf.get("decisions")
    if not isinstance(decisions, list):
        return []
    return [
        (str(one[0]), str(one[1]), str(one[2]))
        for one in decisions
        if isinstance(one, list) and len(one) == 3
    ]


def add_verdicts(total: Verdicts, more: Verdicts) -> None:
    for name, count in more.items():
        total[name] = total.get(name, 0) + count


@dataclass(slots=True)
class Facts:
    """Everything that a period's leaves say, small enough to hold.

    :ivar sessions: by id, in the order they began.
    :ivar epochs: starts of the node.
    :ivar events: leaves of sessions or of the node that are neither begin, end nor request.
    :ivar silences: (from, to) in µs between two heartbeats, longer than a node that runs leaves.
    """

    sessions: dict[str, Session] = field(default_factory=dict)
    epochs: list[Leaf] = field(default_factory=list)
    events: list[Leaf] = field(default_factory=list)
    silences: list[tuple[int, int]] = field(default_factory=list)
    leaves: int = 0
    verdicts: Verdicts = field(default_factory=dict)
    rules: dict[str, int] = field(default_factory=dict)  # digest → first seen
    blocked: dict[str, int] = field(default_factory=dict)  # rule → how often
    _last: int | None = None

    def before(self, leaf: Leaf) -> None:
        """The first leaf of a session that began before the period."""
        if leaf["type"] == "session.open":
            self.sessions[leaf["session"]] = Session(leaf["session"], leaf, leaf["time"], True)
            self._ruled(leaf.get("rules"), leaf["time"])
        else:
            self.epochs.append(leaf)

    def add(self, leaf: Leaf) -> None:
        """The period's next leaf."""
        self.leaves += 1
        kind = leaf["type"]
        session = self.sessions.get(leaf["session"])
        self._listen(leaf)
        if kind == "session.open":
            self.sessions[leaf["session"]] = Session(leaf["session"], leaf, leaf["time"], False)
            self._ruled(leaf.get("rules"), leaf["time"])
        elif kind == "epoch.start":
            self.epochs.append(leaf)
        elif kind == "session.close" and session is not None:
            session.end, session.reason = leaf["time"], str(leaf.get("reason", ""))
        elif kind == "chunk":
            if session is not None and is_request(leaf):
                session.requests += 1
                add_verdicts(session.verdicts, verdicts_of(leaf))
                add_verdicts(self.verdicts, verdicts_of(leaf))
                for _, verdict, rule in decisions_of(leaf):
                    if verdict == "block":
                        self.blocked[rule] = self.blocked.get(rule, 0) + 1
        elif kind not in QUIET and kind != "session.close":
            self.events.append(leaf)
            self._ruled(detail_of(leaf).get("rules"), leaf["time"])

    def _ruled(self, digest: object, time: int) -> None:
        if isinstance(digest, str) and len(digest) == 64:
            self.rules.setdefault(digest, time)

    def _listen(self, leaf: Leaf) -> None:
        """A node that runs leaves a heartbeat a minute; three of them missing are a silence."""
        if leaf["type"] == "epoch.start":
            self._last = None
        last, self._last = self._last, leaf["time"]
        if last is not None and leaf["time"] - last > SILENCE:
            self.silences.append((last, leaf["time"]))

    def of(self, kind: str) -> list[Leaf]:
        """The events of one type."""
        return [leaf for leaf in self.events if leaf["type"] == kind]


#: µs without any leaf, although a node leaves a heartbeat every minute.
SILENCE: Final = 180_000_000


def gather(opened: Iterable[Leaf], leaves: Iterable[Leaf]) -> Facts:
    """All leaves of a period, and the first leaves of what was open when it began."""
    facts = Facts()
    for leaf in opened:
        facts.before(leaf)
    for leaf in leaves:
        facts.add(leaf)
    return facts


def roster(facts: Facts) -> Iterator[dict[str, object]]:
    """Each identity that opened a session, what it was at that time, what it opened."""
    found: dict[tuple[str, ...], dict[str, Any]] = {}
    for session in facts.sessions.values():
        who = tuple(session.text(name) for name in ("issuer", "subject", "owner"))
        entry = found.setdefault(
            who,
            {
                "issuer": who[0],
                "subject": who[1],
                "owner": who[2],
                "groups": set(),
                "actors": set(),
                "resources": set(),
                "sessions": 0,
                "requests": 0,
                "first": session.start,
                "last": session.start,
            },
        )
        entry["groups"].update(session.names("groups"))
        entry["actors"].update(session.names("actors"))
        entry["resources"].add(session.text("resource"))
        entry["sessions"] += 1
        entry["requests"] += session.requests
        entry["first"] = min(entry["first"], session.start)
        entry["last"] = max(entry["last"], session.start)
    for _, entry in sorted(found.items()):
        yield {k: sorted(v) if isinstance(v, set) else v for k, v in entry.items()}


def session_list(facts: Facts) -> Iterator[dict[str, object]]:
    """The sessions, as lines for programs."""
    names = ("issuer", "subject", "owner", "resource", "protocol", "database", "peer", "rules")
    for session in facts.sessions.values():
        yield {
            "session": session.id,
            **{name: session.text(name) for name in names},
            "start": session.start,
            "began_before": session.before,
            "end": session.end,
            "reason": session.reason,
            "requests": session.requests,
            "verdicts": session.verdicts,
        }


def event_list(facts: Facts, *kinds: str) -> Iterator[dict[str, object]]:
    """Events of some types, as lines for programs."""
    for leaf in facts.events:
        if leaf["type"] in kinds:
            yield {
                "leaf": leaf["index"],
                "time": leaf["time"],
                "type": leaf["type"],
                "session": leaf["session"],
                **detail_of(leaf),
            }


def gap_list(facts: Facts) -> Iterator[dict[str, object]]:
    """What is missing, and is known to be missing: torn ends, crashes, silences, clock jumps."""
    yield from event_list(facts, "gap.recovered")
    for session in facts.sessions.values():
        if session.reason == "crash":
            yield {"type": "crash", "session": session.id, "time": session.end}
    for start, end in facts.silences:
        yield {"type": "silence", "time": start, "until": end}
    for leaf in facts.of("admin"):
        if detail_of(leaf).get("event") == "clock.jump":
            yield {"type": "clock.jump", "time": leaf["time"], **detail_of(leaf)}
