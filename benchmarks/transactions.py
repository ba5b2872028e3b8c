"""Small transactions: a row by its primary key, through every proxy; and the guardrails, one by
one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from pgbench import Run, Target, run
from rounds import in_turn, middle, middles
from world import MASKED, PLAIN, World, proxies

MODES = ("simple", "extended", "prepared")


@dataclass(frozen=True)
class Case:
    """A target and what is run through it."""

    target: Target
    sql: str = PLAIN


def cases(world: World, through: Sequence[str], *, tls: bool = False) -> list[Case]:
    """Direct first, then every proxy, hoopgate also with a masked column."""
    found = [Case(target) for target in proxies(world, through, tls=tls)]
    if "hoopgate" in through:
        found.append(Case(world.hoopgate(tls=tls)))
        found.append(Case(world.hoopgate("hoopgate, masked", tls=tls), MASKED))
    return found


def guardrails(world: World) -> list[Case]:
    """Direct first, then hoopgate with one thing more switched on at each step."""
    memory = {"disk": False}
    return [
        Case(world.direct()),
        Case(world.hoopgate("forward, record in memory", resource="plain", packs=False, **memory)),
        Case(world.hoopgate("+ pack of rules", resource="plain", **memory)),
        Case(world.hoopgate("+ PHI: resolved, labelled", resource="clinic", **memory)),
        Case(world.hoopgate("+ a masked column", resource="clinic", **memory), MASKED),
        Case(world.hoopgate("+ record on disk", resource="clinic"), MASKED),
    ]


def measure(
    make: Callable[[], list[Case]],
    modes: Sequence[str],
    clients: Sequence[int],
    rounds: Iterable[int],
    seconds: int,
    say: Callable[[str], None],
) -> list[dict[str, Any]]:
    """A row for each case, mode and number of clients.

    :param make: makes the cases; called for each round, so that their tokens are fresh.
    """
    runs: dict[tuple[str, int, str], list[tuple[Run, Run]]] = {}
    for round_ in rounds:
        for mode in modes:
            for count in clients:
                found = _round(make(), round_, mode, count, seconds)
                direct = found["direct"]
                for name, one in found.items():
                    runs.setdefault((mode, count, name), []).append((one, direct))
                    say(f"{mode}, {count} clients, {name}: {one.tps / direct.tps:.2f} of direct")
    return [
        {"mode": mode, "clients": count, "through": name, **_summary(pairs)}
        for (mode, count, name), pairs in runs.items()
    ]


def _round(
    cases: Sequence[Case], round_: int, mode: str, clients: int, seconds: int
) -> dict[str, Run]:
    return {
        case.target.name: run(case.target, case.sql, mode, clients, seconds, latency=clients == 1)
        for case in in_turn(round_, cases)
    }


def _summary(pairs: Sequence[tuple[Run, Run]]) -> dict[str, Any]:
    summary: dict[str, Any] = {
        "tps": middle(one.tps for one, _ in pairs),
        "ratio": middle(one.tps / direct.tps for one, direct in pairs),
        "ratios": [round(one.tps / direct.tps, 4) for one, direct in pairs],
        "cpu_us": middles([one.cpu for one, _ in pairs]),
    }
    for name in ("p50", "p99"):
        both = [(getattr(one, name), getattr(direct, name)) for one, direct in pairs]
        summary[f"{name}_us"] = middle(one for one, _ in both)
        summary[f"added_{name}_us"] = middle(
            one - direct for one, direct in both if one is not None and direct is not None
        )
    return summary
