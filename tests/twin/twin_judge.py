"""The judge: one script on both twins, and what it says of noninterference."""

from __future__ import annotations

import json
import re
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from testbed.twins import Outcome, reordered
from twin_wire import Client, Ended, Step, query
from twin_world import BARE, STRICT, World

from hoopgate.errors import RemoteProtocolError
from hoopgate.postgres import wire

_CANARY = re.compile(rb"q\0?a\0?n\0?a\0?r\0?y", re.IGNORECASE)
_BEGIN = query("BEGIN")
_PLANNED = re.compile(r"\s*(SELECT|WITH|TABLE|VALUES|\()", re.IGNORECASE)
_WINDOW = re.compile(r"over \((?:[^()]|\([^()]*\))*\)")
#: One plan, whatever the sizes are.
_ALIKE = query(
    "; ".join(
        f"SET LOCAL {name} = off"
        for name in (
            *("enable_seqscan", "enable_bitmapscan", "enable_hashjoin", "enable_mergejoin"),
            *("enable_material", "enable_memoize", "enable_incremental_sort", "enable_hashagg"),
        )
    )
    + "; SET LOCAL join_collapse_limit = 1; SET LOCAL from_collapse_limit = 1"
)
#: Seconds after which a session begins anew: sessions end with their tokens.
RENEWED = 300


@dataclass(frozen=True, slots=True)
class Case:
    """Something to run.

    :ivar script: what is sent.
    :ivar source: what stands for it in reports; equal sources are one case.
    :ivar begin: inside a transaction of its own, rolled back.
    """

    family: str
    source: str
    script: tuple[Step, ...]
    mode: str = "simple"
    begin: bool = True


#: Of the one refusal that ends a session: what the server answers cannot be taken back.
_CHANGED = "what this statement reads has changed while it waited"


@dataclass(frozen=True, slots=True)
class Finding:
    case: Case
    outcome: Outcome
    reason: str = ""
    shown: tuple[str, str] = ("", "")


class Pair:
    """One session on each twin, through the gateway or straight to the server; kept and reset."""

    def __init__(self, world: World, names: tuple[str, str], *, direct: bool = False) -> None:
        self._world = world
        self._open = world.direct if direct else world.client
        self._names = names
        self._clients: list[Client | None] = [None, None]
        self._opened = 0.0
        self._restored = [0, 0]

    def run(self, case: Case) -> tuple[list[bytes], list[bytes]]:
        """Every message that each twin's client gets."""
        clients = self._ready()
        found: tuple[list[bytes], list[bytes]] = ([], [])
        self._play(clients, found, case)
        return found

    def _play(self, clients: Sequence[Client], found: Sequence[list[bytes]], case: Case) -> None:
        """Every step on each client's database; what comes back is appended to ``found``."""
        sessions: dict[int, Sequence[Client]] = {0: clients}
        names = self._names[: len(clients)]
        for step in (_BEGIN, *case.script) if case.begin else case.script:
            if step.session not in sessions:
                sessions[step.session] = [self._open(name) for name in names]
            for client in sessions[step.session]:
                if not client.ended:
                    client.send(step.data)
            if step.data and not step.ready:
                for name in names:
                    self._world.until_waiting(name)
            for client, answers in zip(sessions[step.session], found, strict=True):
                answers.extend(client.answers(step.ready))
        for number, others in sessions.items():
            for client in others if number else ():
                if not client.ended:
                    client.send(query("ROLLBACK").data)
                    client.answers(1)
                client.close()
        self._reset(clients, case)

    def alone(self, case: Case) -> list[bytes]:
        """The first twin's messages only."""
        client = self._ready()[0]
        found: list[bytes] = []
        self._play([client], [found], case)
        return found

    def close(self) -> None:
        for client in self._clients:
            if client is not None:
                client.close()

    def _ready(self) -> list[Client]:
        ready = []
        old = time.monotonic() - self._opened > RENEWED
        if old:
            self._opened = time.monotonic()
        for index, name in enumerate(self._names):
            client = self._clients[index]
            anew = self._restored[index] != self._world.restored[name]
            if client is None or client.ended or old or anew:
                self._restored[index] = self._world.restored[name]
                if client is not None:
                    client.close()
                client = self._clients[index] = self._open(name)
            ready.append(client)
        return ready

    def _reset(self, clients: Sequence[Client], case: Case) -> None:
        """Nothing of a case is left for the next."""
        alive = [client for client in clients if not client.ended]
        for client in alive:
            if client.status != b"I":
                client.send(query("ROLLBACK").data)
                client.answers(1)
            client.send(query("DISCARD ALL").data)
        for client in alive:
            answers = client.answers(1)
            if not any(message[:1] == b"C" for message in answers):
                client.ended = True  # an open COPY, or worse: a new session starts clean
        script = b"".join(step.data for step in case.script)
        if any(step.session for step in case.script):
            script += b"COMMIT"  # what a second session does is outside the first one's transaction
        for name in self._names[: len(clients)]:
            self._world.settle(name, script)


class Judge:
    """Judges cases on one world.

    :param names: the pair of resources.
    """

    def __init__(self, world: World, names: tuple[str, str] = STRICT) -> None:
        self.world = world
        self._names = names
        self._gateway = Pair(world, names)
        self._server = Pair(world, BARE, direct=True)
        self._behind = Pair(world, names, direct=True)
        self._live: dict[str, bool] = {}

    def close(self) -> None:
        self._gateway.close()
        self._server.close()
        self._behind.close()

    def live(self, case: Case) -> bool:
        """Whether it tells the twins apart where nothing protects them."""
        key = f"{case.family}\0{case.source}"
        found = self._live.get(key)
        if found is None:
            one, two = self._server.run(case)
            found = one != two or any(map(_CANARY.search, (*one, *two)))
            self._live[key] = found
        return found

    def _planned_apart(self, case: Case, *words: bytes) -> bool:
        """Whether PostgreSQL plans it differently on the twins: sizes and statistics differ.

        :param words: of which the plan has one, where any are given.
        """
        script = []
        for text in case.source.split(" ;; "):
            if text.startswith("\\") or text[1:2] in (">", "&", "?"):
                return False
            explained = _PLANNED.match(text) is not None
            script.append(query(f"EXPLAIN (COSTS OFF) {text}" if explained else text))
        one, two = self._behind.run(Case(case.family, case.source, tuple(script)))
        one, two = ([m for m in found if m[:1] == b"D"] for found in (one, two))
        return one != two and (not words or any(word in m for m in one for word in words))

    def _fails_by_plan(self, case: Case, one: Sequence[bytes], two: Sequence[bytes]) -> bool:
        """Whether one twin fails where the other does not for its plan alone: it reaches a public
        condition that fails sooner. Made to plan alike, both fail, or none does."""
        apart = next((pair for pair in zip(one, two, strict=False) if pair[0] != pair[1]), None)
        if apart is None or [m[:1] for m in apart].count(b"E") != 1:
            return False
        if not self._planned_apart(case, b"Nested Loop", b"Join"):
            return False  # of one relation there is one order of conditions
        (failure,) = (m for m in apart if m[:1] == b"E")
        if not wire.error_fields(failure).get(b"C", b"").startswith(b"22"):
            return False
        alike = Case(case.family, case.source, (_ALIKE, *map(query, case.source.split(" ;; "))))
        codes = [
            [wire.error_fields(m).get(b"C") for m in messages if m[:1] == b"E"]
            for messages in self._behind.run(alike)
        ]
        return codes[0] == codes[1]

    def judge(self, case: Case) -> Finding:
        one, two = self._gateway.run(case)
        reason = refusal((*one, *two))
        leaked = one != two
        if leaked:
            again = self._gateway.alone(case)
            if again != one and stable(again, one):
                return Finding(case, Outcome.UNSTABLE)
            one, two = self._gateway.run(case)
            leaked = one != two
        # An order that is asked for is an answer, whatever the plan; a window's is not the rows'.
        asked = "order by" in _WINDOW.sub("", case.source.lower())
        if leaked and not asked and reordered(one, two) and self._planned_apart(case):
            return Finding(case, Outcome.ORDER, reason, difference(one, two))
        if leaked and self._fails_by_plan(case, one, two):
            return Finding(case, Outcome.ORDER, reason, difference(one, two))
        if leaked and self._names != BARE:
            # Not by what an earlier case may have left behind: once more on databases made anew.
            for name in self._names:
                self.world.restore(name)
            one, two = self._gateway.run(case)
            if one == two:
                return Finding(case, Outcome.UNSTABLE)
        canaries = [m for m in (*one, *two) if _CANARY.search(m) and m[:1] != b"E"]
        canaries += [m for m in (*one, *two) if m[:1] == b"E" and _CANARY.search(_server_text(m))]
        if leaked or (canaries and "qanary" not in case.source.lower()):
            return Finding(case, Outcome.LEAK, reason, difference(one, two))
        if one[-1:] in ([b""], [b"timeout"]):
            if _CHANGED in _last_words(one):
                return Finding(case, Outcome.DENIED, "schema.changed")
            return Finding(case, Outcome.CUT, _last_words(one))
        if reason:
            return Finding(case, Outcome.DENIED, reason)
        return Finding(case, Outcome.MASKED if self.live(case) else Outcome.INERT)


def stable(one: Sequence[bytes], other: Sequence[bytes]) -> bool:
    """Two runs on one twin that differ as two runs may: neither was cut short."""
    return one[-1:] not in ([b"timeout"],) and other[-1:] not in ([b"timeout"],)


def refusal(messages: Iterable[bytes]) -> str:
    """The reason of the first refusal by the gateway."""
    for message in messages:
        if message[:1] != b"E":
            continue
        fields = wire.error_fields(message)
        text = fields.get(b"M", b"")
        if text.startswith(b"hoopgate: "):
            try:
                return str(json.loads(fields.get(b"D", b""))["reason"])
            except ValueError:
                continue
    return ""


def _server_text(message: bytes) -> bytes:
    """An error without what the gateway itself put into it."""
    try:
        fields = wire.error_fields(message)
    except RemoteProtocolError:
        return message
    return b"" if fields.get(b"M", b"").startswith(b"hoopgate: ") else message


def _last_words(messages: Sequence[bytes]) -> str:
    for message in reversed(messages):
        if message[:1] == b"E":
            return wire.error_fields(message).get(b"M", b"").decode(errors="replace")
    return messages[-1].decode() or "closed without a word"


def difference(one: Sequence[bytes], two: Sequence[bytes]) -> tuple[str, str]:
    """Where two transcripts part."""
    for index, (left, right) in enumerate(zip(one, two, strict=False)):
        if left != right:
            return _excerpt(one[index : index + 2]), _excerpt(two[index : index + 2])
    short = min(len(one), len(two))
    if len(one) == len(two):
        canary = next(m for m in (*one, *two) if _CANARY.search(m))
        return _excerpt([canary]), "(a canary)"
    return _excerpt(one[short : short + 2]), _excerpt(two[short : short + 2])


def _excerpt(messages: Sequence[bytes]) -> str:
    return repr(b" | ".join(messages))[:400]


@dataclass
class Report:
    """What came of many cases."""

    counts: dict[str, Counter[Outcome]] = field(default_factory=lambda: defaultdict(Counter))
    reasons: Counter[str] = field(default_factory=Counter)
    leaks: list[Finding] = field(default_factory=list)
    cuts: list[Finding] = field(default_factory=list)
    unstable: list[Finding] = field(default_factory=list)
    ordered: list[Finding] = field(default_factory=list)
    live: set[tuple[str, str]] = field(default_factory=set)
    sources: set[tuple[str, str]] = field(default_factory=set)
    denied: set[tuple[str, str]] = field(default_factory=set)
    runs: int = 0

    def add(self, finding: Finding, live: bool) -> None:
        self.runs += 1
        self.counts[finding.case.family][finding.outcome] += 1
        key = (finding.case.family, finding.case.source)
        self.sources.add(key)
        if live:
            self.live.add(key)
        if finding.outcome is Outcome.DENIED:
            self.reasons[finding.reason] += 1
            self.denied.add(key)
        elif finding.outcome is Outcome.LEAK:
            self.leaks.append(finding)
        elif finding.outcome is Outcome.CUT:
            self.cuts.append(finding)
        elif finding.outcome is Outcome.UNSTABLE:
            self.unstable.append(finding)
        elif finding.outcome is Outcome.ORDER:
            self.ordered.append(finding)

    @property
    def leaking(self) -> set[tuple[str, str]]:
        """Family and source of what leaked in any way to run it."""
        return {(finding.case.family, finding.case.source) for finding in self.leaks}

    def table(self) -> str:
        """Family × outcome."""
        columns = list(Outcome)
        lines = [f"{'family':<18}" + "".join(f"{c.value:>10}" for c in columns) + f"{'live':>10}"]
        total: Counter[Outcome] = Counter()
        for family in sorted(self.counts):
            counts = self.counts[family]
            total += counts
            live = sum(1 for name, _ in self.live if name == family)
            lines.append(
                f"{family:<18}" + "".join(f"{counts[c]:>10}" for c in columns) + f"{live:>10}"
            )
        lines.append(
            f"{'all':<18}" + "".join(f"{total[c]:>10}" for c in columns) + f"{len(self.live):>10}"
        )
        reasons = ", ".join(f"{word} {count}" for word, count in self.reasons.most_common())
        lines.append(f"denied because: {reasons}")
        return "\n".join(lines)


def told(finding: Finding, version: int) -> str:
    """A finding to act on, with what reproduces it."""
    case = finding.case
    return (
        f"{finding.outcome.value.upper()} on PostgreSQL {version} [{case.family} / {case.mode}] "
        f"{finding.reason}\n    {case.source}\n    one: {finding.shown[0]}\n"
        f"    two: {finding.shown[1]}"
    )


__all__ = ["Case", "Ended", "Finding", "Judge", "Outcome", "Report", "told"]
