"""What a decision about masking costs: cached, cold over known tables, cold over unknown ones.

``make bench-decisions``; see docs/performance.md. The statements are the honest work of
tests/twin/benign, the server is PostgreSQL 18, asked over TLS by the gateway's own side connection.
Each statement runs several times, and its fastest run counts: other work on the machine aside. It
is wall time, with the server's own part in it.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from statistics import quantiles
from typing import Any

TESTS = Path(__file__).resolve().parents[1] / "tests"
sys.path[:0] = [str(TESTS), str(TESTS / "sql"), str(TESTS / "twin")]

import tomli_w  # noqa: E402
from facts import facts as machine  # noqa: E402
from side_psycopg import SESSION  # noqa: E402
from testbed.certificates import Certificates  # noqa: E402
from testbed.gateway import settings_for  # noqa: E402
from testbed.postgres import Postgres  # noqa: E402
from twin_benign import DATABASE, HERE, labels, queries_of  # noqa: E402
from twin_world import PASSWORD, make_hospital  # noqa: E402

from hoopgate.cli.waiting import finished  # noqa: E402
from hoopgate.errors import Refused  # noqa: E402
from hoopgate.events import Judged, Statement, StatementFacts  # noqa: E402
from hoopgate.gateway.protocols import ITSELF  # noqa: E402
from hoopgate.gateway.tls import NodeTLS  # noqa: E402
from hoopgate.guardrails.pipeline import Pipeline, make_pipeline  # noqa: E402
from hoopgate.identity.secrets import SecretSource  # noqa: E402
from hoopgate.postgres.side import SideConnections  # noqa: E402
from hoopgate.settings.load import load  # noqa: E402
from hoopgate.settings.model import Settings  # noqa: E402
from hoopgate.sql.analysis import analyze  # noqa: E402
from hoopgate.sql.resolver import Resolver  # noqa: E402


def settings(directory: Path, certificates: Certificates, postgres: Postgres) -> Settings:
    """One resource, the hospital, with its data dictionary and the baseline's rules."""
    made = settings_for(
        directory,
        certificates,
        postgres,
        issuers=[{"name": "idp", "url": "https://idp.example", "audiences": ["hoopgate"]}],
        groups={"analysts": ["agent-1"]},
        rules=[{"name": "all", "verdict": "allow", "match": {"groups": ["analysts"]}}],
        labels=[{name: one[name] for name in one if name != "resource"} for one in labels()],
        database=DATABASE,
        user="agent",
        password=PASSWORD,
    )
    path = directory / "hoopgate.toml"
    path.write_text(tomli_w.dumps(made))
    return load(path)


async def fastest(work: Callable[[], Awaitable[object]], runs: int) -> float:
    """Milliseconds of the fastest of ``runs``."""
    found = []
    for _ in range(runs):
        began = time.perf_counter_ns()
        await work()
        found.append((time.perf_counter_ns() - began) / 1e6)
    return min(found)


class Desk:
    """Decides what the statements may do."""

    def __init__(self, side: SideConnections, pipeline: Pipeline) -> None:
        self._side = side
        self._pipeline = pipeline
        self._warm = Resolver(time.monotonic)

    async def measured(
        self, statement: Statement, facts: StatementFacts, runs: int
    ) -> dict[str, float]:
        """Milliseconds of each kind of decision.

        :raises Refused: it cannot be decided.
        """
        judged = await self._cold(self._warm, statement, facts)
        key = self._warm.key(statement, facts, SESSION)

        async def read() -> None:
            analyze(statement.text)

        async def cached() -> None:
            self._warm.cached(key)
            self._pipeline.judge(judged, SESSION, 1.0)

        async def known() -> None:
            await self._cold(self._warm, statement, facts)

        async def unknown() -> None:
            await self._cold(Resolver(time.monotonic), statement, facts)

        return {
            "facts of the parser": await fastest(read, runs),
            "cached": await fastest(cached, runs),
            "cold, tables known": await fastest(known, runs),
            "cold, tables not known": await fastest(unknown, runs),
        }

    async def _cold(
        self, resolver: Resolver, statement: Statement, facts: StatementFacts
    ) -> Judged:
        asked = await resolver.ask(self._side, statement, facts, SESSION)
        judged = Judged(statement, (facts,), (asked,))
        self._pipeline.judge(judged, SESSION, 1.0)
        return judged


async def measured(reactor: Any, known: Settings, runs: int) -> dict[str, Any]:
    """p50, p95 and the worst, in milliseconds, of every kind of decision."""
    (resource,) = known.resources.values()
    pipeline = make_pipeline(known.policy, known.resources)
    side = SideConnections(reactor, resource, NodeTLS(), SecretSource(reactor), ITSELF, 1)
    desk = Desk(side, pipeline)
    columns: dict[str, list[float]] = {}
    try:
        for _, text in queries_of((HERE / "queries.sql").read_text()):
            (facts,) = analyze(text)
            try:
                found = await desk.measured(Statement(text), facts, runs)
            except Refused:
                continue
            for name, value in found.items():
                columns.setdefault(name, []).append(value)
    finally:
        side.stop()
    return {name: shown(times) for name, times in columns.items()}


def shown(times: list[float]) -> dict[str, float]:
    """What a table says of them."""
    twentieths = quantiles(times, n=20)
    return {
        "statements": len(times),
        "p50_ms": round(twentieths[9], 3),
        "p95_ms": round(twentieths[18], 3),
        "worst_ms": round(max(times), 3),
    }


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=15, help="of each statement")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="hoopgate-decisions-") as scratch:
        certificates = Certificates(Path(scratch))
        with Postgres(18, certificates) as postgres:
            make_hospital(postgres)
            known = settings(Path(scratch), certificates, postgres)
            found = finished(lambda reactor: measured(reactor, known, options.runs))
    print(json.dumps({"machine": machine(Path.cwd()), "decisions": found}, indent=2))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
