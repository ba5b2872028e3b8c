"""The judge: one script on both twins, and what it says of noninterference."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from mytwin_wire import Client, Step, error
from mytwin_world import World
from testbed.twins import Outcome, reordered

_CANARY = re.compile(rb"qanary", re.IGNORECASE)
_REASON = re.compile(r'hoopgate: .*"reason":"([^"]+)"')
_BEGIN, _BACK = Step(b"BEGIN"), Step(b"ROLLBACK")
#: After these the session begins anew; after those the databases have to be looked at, too.
_LASTS = re.compile(
    rb"\b(set|start|begin|lock|use|prepare|handler|execute|xa|profiling|autocommit)\b",
    re.IGNORECASE,
)
_STAYS = re.compile(
    rb"\b(create|alter|drop|rename|truncate|commit|grant|load|call|optimize|analyze|lock|xa)\b",
    re.IGNORECASE,
)

#: Where values depend on which of several rows comes first.
_CHOOSES = re.compile(
    r"\bover\b|\blimit\b|_value\s*\(|group_concat|json_(?:array|object)agg|sql_mode",
    re.IGNORECASE,
)
#: How often two servers with the same rows are given a chance to differ.
_ROUNDS = 6


@dataclass(frozen=True, slots=True)
class Case:
    """Something to run; equal sources are one case."""

    family: str
    source: str
    script: tuple[Step, ...]
    mode: str = "text"


@dataclass(frozen=True, slots=True)
class Finding:
    case: Case
    outcome: Outcome
    reason: str = ""
    shown: tuple[str, str] = ("", "")


class Judge:
    """Judges cases on one world."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._clients: dict[tuple[int, bool], Client] = {}
        self._live: dict[str, bool] = {}

    def close(self) -> None:
        for one in self._clients.values():
            one.close()

    def live(self, case: Case) -> bool:
        """Whether it tells the twins apart where nothing protects them."""
        found = self._live.get(case.source)
        if found is None:
            one, two = (self._run(case, side, direct=True) for side in (0, 1))
            found = one != two or any(map(_CANARY.search, (*one, *two)))
            if found and one != self._run(case, 0, direct=True) and not _canary(one):
                found = False  # by chance, or by the clock
            self._live[case.source] = found
            self._settle(case)
        return found

    def judge(self, case: Case) -> Finding:
        """One case."""
        one, two = (self._run(case, side) for side in (0, 1))
        leaked = one != two
        if leaked and one != self._run(case, 0):
            self._settle(case)
            return Finding(case, Outcome.UNSTABLE)
        if leaked:
            # Not by what an earlier case may have left behind: once more on databases made anew.
            self._world.anew()
            one, two = (self._run(case, side) for side in (0, 1))
            if one == two and not _canary([*one, *two]):
                self._settle(case)
                return Finding(case, Outcome.UNSTABLE)
            if not _canary([*one, *two]) and self._by_chance(case, one, two):
                self._settle(case)
                return Finding(case, Outcome.ORDER, "", _difference(one, two))
        self._settle(case)
        reason = _reason(one) or _reason(two)
        if leaked or _canary([*one, *two]):
            return Finding(case, Outcome.LEAK, reason, _difference(one, two))
        if one[-1:] == [b""]:
            return Finding(case, Outcome.CUT, error(one))
        if reason:
            return Finding(case, Outcome.DENIED, reason)
        if self.live(case):
            return Finding(case, Outcome.MASKED)
        return Finding(case, Outcome.INERT, error(one))

    def _by_chance(self, case: Case, one: list[bytes], two: list[bytes]) -> bool:
        """Whether the rows differ by an order that is left open, which is the servers' own.

        MariaDB sorts rows of temporary tables that are equal by where they are in memory. Then two
        servers with the *same* rows differ as well: that is tried, for what a plan or a statistic
        says of a secret would differ between the twins alone.
        """
        shaped = len(one) == len(two) and not error(one) and not error(two)
        chosen = _CHOOSES.search(case.source) is not None
        if not shaped or not (reordered(one, two) or chosen):
            return False
        found = False
        for _ in range(_ROUNDS):
            self._world.anew(alike=True)
            found = self._run(case, 0) != self._run(case, 1)
            if found:
                break
        self._world.anew()
        return found

    def _run(self, case: Case, side: int, *, direct: bool = False) -> list[bytes]:
        client = self._clients.get((side, direct))
        if client is None or client.ended:
            if client is not None:
                client.close()
            client = self._world.direct(side) if direct else self._world.client(side)
            self._clients[side, direct] = client
        client.run(_BEGIN)
        found = [packet for step in case.script for packet in client.run(step)]
        client.run(_BACK)
        if any(_LASTS.search(s.text) or _STAYS.search(s.text) for s in case.script):
            client.close()
            client.ended = True
        return found

    def _settle(self, case: Case) -> None:
        if any(_STAYS.search(step.text) for step in case.script):
            self._world.settle()


def _canary(packets: Sequence[bytes]) -> bool:
    return any(_CANARY.search(packet) for packet in packets)


def _reason(packets: list[bytes]) -> str:
    """The gateway's reason when it refused a statement."""
    message = error(packets)
    found = _REASON.search(message)
    return found[1] if found else ""


def _difference(one: Sequence[bytes], two: Sequence[bytes]) -> tuple[str, str]:
    for left, right in zip(one, two, strict=False):
        if left != right or _CANARY.search(left):
            return repr(left)[:300], repr(right)[:300]
    return f"{len(one)} packets", f"{len(two)} packets"


@dataclass
class Report:
    """What came of many cases."""

    counts: dict[str, Counter[Outcome]] = field(default_factory=lambda: defaultdict(Counter))
    reasons: Counter[str] = field(default_factory=Counter)
    findings: list[Finding] = field(default_factory=list)
    live: set[str] = field(default_factory=set)
    runs: int = 0

    def add(self, finding: Finding, live: bool) -> None:
        self.runs += 1
        self.counts[finding.case.family][finding.outcome] += 1
        if live:
            self.live.add(finding.case.source)
        if finding.outcome is Outcome.DENIED:
            self.reasons[finding.reason] += 1
        elif finding.outcome in (Outcome.LEAK, Outcome.CUT, Outcome.UNSTABLE, Outcome.ORDER):
            self.findings.append(finding)

    @property
    def leaks(self) -> int:
        """How many cases leaked."""
        return sum(counts[Outcome.LEAK] for counts in self.counts.values())

    def table(self) -> str:
        """Family × outcome."""
        columns = list(Outcome)
        lines = [f"{'family':<18}" + "".join(f"{c.value:>10}" for c in columns)]
        total: Counter[Outcome] = Counter()
        for family in sorted(self.counts):
            total += self.counts[family]
            lines.append(
                f"{family:<18}" + "".join(f"{self.counts[family][c]:>10}" for c in columns)
            )
        lines.append(f"{'all':<18}" + "".join(f"{total[c]:>10}" for c in columns))
        words = ", ".join(f"{word} {count}" for word, count in self.reasons.most_common())
        lines += [f"live sources: {len(self.live)}", f"denied because: {words}"]
        return "\n".join(lines)


def told(finding: Finding) -> str:
    """A finding to act on."""
    case = finding.case
    return (
        f"{finding.outcome.value.upper()} [{case.family} / {case.mode}] {finding.reason}\n"
        f"    {case.source}\n    one: {finding.shown[0]}\n    two: {finding.shown[1]}"
    )
