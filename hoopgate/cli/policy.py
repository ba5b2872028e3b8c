"""``hoopgate policy test``: what the settings' rules and labels make of a file of statements."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from zope.interface import implementer

from hoopgate.cli.expectations import Case, Seen, as_plain, read, seen
from hoopgate.cli.place import add_config
from hoopgate.cli.waiting import Progress, finished
from hoopgate.errors import HoopgateError, LocalProtocolError, Refused
from hoopgate.events import Judged, SessionFacts
from hoopgate.gateway.judge import Judge
from hoopgate.gateway.metrics import Metrics
from hoopgate.gateway.mysql_judgement import MysqlAnalyzer, make_resolver
from hoopgate.gateway.protocols import ITSELF
from hoopgate.gateway.resolver import ServerResolver
from hoopgate.gateway.rules import Rules
from hoopgate.gateway.tls import NodeTLS
from hoopgate.gateway.workers import ParserPool
from hoopgate.guardrails.pipeline import make_pipeline
from hoopgate.identity.secrets import SecretSource
from hoopgate.interfaces import IApprovals, IStatementResolver
from hoopgate.postgres.side import SideConnections
from hoopgate.recorder.render import inert
from hoopgate.settings.load import load
from hoopgate.settings.model import Resource, Settings
from hoopgate.verdicts import Hold

MYSQL = ("mariadb", "mysql")


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command ``policy``."""
    group = commands.add_parser("policy", help="try rules and labels before they are in force")
    actions = group.add_subparsers(dest="action", required=True, metavar="ACTION")
    command = actions.add_parser(
        "test",
        help="judge a file of statements and compare with what is expected",
        description="Each statement is parsed, resolved by the real database and judged by the "
        "rules and labels of the settings. None of them is run.",
    )
    command.add_argument("file", type=Path, metavar="FILE")
    add_config(command)
    command.add_argument("--json", action="store_true", help="print for programs")
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """0 when every verdict is the expected one, 1 when one is not.

    :raises HoopgateError: a file is wrong, a database cannot be asked.
    """
    settings = load(options.config)
    cases = read(options.file, settings)
    found = finished(lambda reactor: _judge(reactor, settings, cases))
    results = list(zip(cases, found, strict=True))
    if options.json:
        print(json.dumps([as_plain(case, one) for case, one in results], indent=2))
    else:
        print("\n".join(_report(results)))
    return 0 if all(case.expected.met_by(one) for case, one in results) else 1


def _report(results: Sequence[tuple[Case, Seen]]) -> Iterator[str]:
    wrong = 0
    for case, found in results:
        met = case.expected.met_by(found)
        wrong += not met
        if met:
            yield f"ok    {inert(case.name)}: {inert(found.describe())}"
            continue
        yield f"FAIL  {inert(case.name)}"
        line = case.line if len(case.line) <= 160 else f"{case.line[:159]}…"
        yield f"        {inert(line)}"
        yield f"      - expected  {inert(case.expected.describe())}"
        yield f"      + got       {inert(found.describe())}"
    yield ""
    yield f"{len(results)} statements: {len(results) - wrong} as expected, {wrong} not."


@implementer(IApprovals)
class _NoApprovals:
    """Nothing is run, so nothing is held."""

    def request(
        self, digest: str, judged: Judged, session: SessionFacts, hold: Hold
    ) -> Deferred[str]:
        raise LocalProtocolError("a test of rules holds nothing")

    def passes(self, digest: str, session: SessionFacts) -> Deferred[str | None]:
        raise LocalProtocolError("a test of rules uses no approval")

    def wait(self, request_id: str) -> Deferred[bool]:
        raise LocalProtocolError("a test of rules waits for nobody")

    def detach(self, request_id: str) -> Deferred[None]:
        raise LocalProtocolError("a test of rules waits for nobody")

    def abandon(self, request_id: str) -> Deferred[None]:
        raise LocalProtocolError("a test of rules waits for nobody")


class _Bench:
    """What judges: the gateway's own parts, but for sessions, log and approvals."""

    def __init__(self, reactor: Any, settings: Settings) -> None:
        self._reactor = reactor
        self._settings = settings
        limit = settings.limits.statement_bytes
        self._analyzer = ParserPool(reactor, 1, limit=limit)
        self._mysql = MysqlAnalyzer(self._analyzer, limit)
        policy = settings.policy
        self._rules = Rules(make_pipeline(policy, settings.resources), policy.digest)
        self._secrets = SecretSource(reactor)
        self._tls = NodeTLS()
        self._metrics = Metrics()
        self._stop: list[Callable[[], None]] = []
        self._resolvers: dict[str, IStatementResolver] = {}

    async def judge(self, case: Case) -> Seen:
        resource = self._settings.resources[case.resource]
        resolver = await self._resolver(resource)
        session = SessionFacts(
            "policy-test",
            case.principal,
            resource.name,
            resource.protocol,
            resource.database,
            peer="",
            listener="",
            rules_digest=self._rules.digest,
        )
        judge = Judge(
            session=session,
            phi=resource.phi,
            rules=self._rules,
            analyzer=self._mysql if resource.protocol in MYSQL else self._analyzer,
            resolver=resolver,
            approvals=_NoApprovals(),
            metrics=self._metrics,
            clock=lambda: case.now,
            principal_valid=lambda: True,
            limit=self._settings.limits.statement_bytes,
        )
        return seen(await judge.decide(case.statement, lambda request_id, hold: None))

    async def _resolver(self, resource: Resource) -> IStatementResolver:
        """
        :raises HoopgateError: the database cannot be asked: that is no verdict.
        """
        found = self._resolvers.get(resource.name)
        if found is not None:
            return found
        found = self._open(resource)
        if resource.phi:
            try:
                await found.confirm()
            except Refused as refused:
                raise HoopgateError(f"{resource.name}: {refused} ({refused.code})") from None
        self._resolvers[resource.name] = found
        return found

    def _open(self, resource: Resource) -> IStatementResolver:
        if resource.protocol in MYSQL:
            made, stops = make_resolver(
                self._reactor,
                resource,
                self._tls,
                self._secrets,
                ITSELF,
                self._mysql,
                lambda: self._rules,
            )
            self._stop += stops
            return made
        if resource.protocol != "postgres":
            raise HoopgateError(f"{resource.name}: {resource.protocol} has no statements to test")
        asking, watching = (
            SideConnections(self._reactor, resource, self._tls, self._secrets, ITSELF, 1)
            for _ in range(2)
        )
        self._stop += (asking.stop, watching.stop)
        found: IStatementResolver = ServerResolver(asking, watching, examiner=self._analyzer)
        return found

    async def close(self) -> None:
        for stop in self._stop:
            stop()
        await self._analyzer.stop()


async def _judge(reactor: Any, settings: Settings, cases: Sequence[Case]) -> list[Seen]:
    bench = _Bench(reactor, settings)
    progress = Progress("policy test", len(cases))
    try:
        found = []
        for case in cases:
            progress.step(inert(case.name))
            found.append(await bench.judge(case))
        progress.end(f"{len(cases)} statements judged, none run")
        return found
    finally:
        await bench.close()
