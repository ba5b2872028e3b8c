"""The analyzer and the side connection as the node has them: a child process, a real server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from mysql_world import World
from testbed.reactor import on_reactor, reactor
from twisted.internet.defer import Deferred, gatherResults, succeed
from twisted.internet.process import reapAllProcesses
from twisted.internet.task import LoopingCall

from hoopgate.errors import Refused, UnresolvableStatement
from hoopgate.events import Principal
from hoopgate.gateway.mysql_judgement import MysqlAnalyzer
from hoopgate.gateway.tls import NodeTLS
from hoopgate.gateway.workers import ParserPool
from hoopgate.mysql.side import SideConnections
from hoopgate.settings.model import BackendTLS, Resource, Secret, TLSMode
from hoopgate.sql.mysql.examination import request
from hoopgate.sql.mysql.resolver import Ask, Describe, View


@pytest.fixture(scope="module")
def analyzer() -> Iterator[MysqlAnalyzer]:
    # The tests' reactor is not on the main thread, so no signal tells it of dead children.
    loop = LoopingCall(reapAllProcesses)
    on_reactor(lambda: loop.start(0.02) and None)
    pool = on_reactor(lambda: ParserPool(reactor, 1, seconds=20.0))
    yield MysqlAnalyzer(pool, 10_000)
    on_reactor(lambda: Deferred.fromCoroutine(pool.stop()))
    on_reactor(loop.stop)


def test_facts_come_back_and_are_remembered(analyzer: MysqlAnalyzer) -> None:
    text = "SELECT upper(a) FROM t -- comment"
    (facts,) = found = on_reactor(analyzer.analyze, text)
    assert facts.classes == {"read"}
    assert (facts.relations, facts.functions) == (("t",), ("upper",))
    assert on_reactor(analyzer.analyze, text) is found


def test_equal_texts_fly_together(analyzer: MysqlAnalyzer) -> None:
    one, other = on_reactor(
        lambda: gatherResults([analyzer.analyze("SELECT b"), analyzer.analyze("SELECT b")])
    )
    assert one is other


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("SELECT /*! 1 */", "parse.syntax"),
        ("SET NAMES gbk", "parse.session"),
        ("SELECT " + "(" * 5000, "parse.size"),
        ("SELECT '" + "x" * 10_000 + "'", "parse.size"),
        ("SELECT '\ud800'", "parse.syntax"),
    ],
)
def test_what_is_refused_is_refused_again(analyzer: MysqlAnalyzer, text: str, code: str) -> None:
    for _ in range(2):
        with pytest.raises(Refused) as refused:
            on_reactor(analyzer.analyze, text)
        assert refused.value.code == code


def test_work_is_answered_or_refused(analyzer: MysqlAnalyzer) -> None:
    found = on_reactor(analyzer.work, request("attest", text="SELECT a FROM t WHERE b = ?"))
    assert found["query"] == "SELECT a FROM t WHERE b = nullif(NULL,'hg?1')"
    with pytest.raises(Refused):
        on_reactor(analyzer.work, request("attest", text="SELECT @a"))


class _Secrets:
    def __init__(self, password: str) -> None:
        self._password = password

    def password(self, resource: Resource, principal: Principal) -> Deferred[str]:
        return succeed(self._password)


@pytest.fixture
def side(mysql_world: World) -> Iterator[SideConnections]:
    server = mysql_world.server
    resource = Resource(
        "twins",
        "mariadb",
        f"unix:{server.socket}",
        "",
        "phi",
        "scope",
        server.user,
        Secret(),
        tls=BackendTLS(TLSMode.DISABLE),
    )
    principal = Principal("i", "s", frozenset(), 0.0)
    secrets: Any = _Secrets(server.password)
    made = on_reactor(lambda: SideConnections(reactor, resource, NodeTLS(), secrets, principal, 1))
    yield made
    on_reactor(made.stop)


def test_the_server_answers_each_step(side: SideConnections) -> None:
    answers = on_reactor(
        side.run,
        "phi",
        [
            Describe("SELECT id, name AS n FROM patients WHERE id = ?"),
            Describe("UPDATE patients SET sex = 'F'"),
            View("SELECT id FROM v_pat"),
            Ask("SELECT NULL, 1, 'é'"),
            Ask("SELECT 1 FROM nothing.at_all", optional=True),
            Ask("DO 1"),
        ],
    )
    described, nothing, text, rows, missing, done = answers
    assert [name for name, _ in described] == ["id", "n"]
    assert (nothing, missing, done) == (None, None, [])
    assert text == "select `v_pat`.`id` AS `c1` from `phi`.`v_pat`"
    assert rows == [(None, "1", "é")]


def test_a_refusal_leaves_the_connection_in_use(side: SideConnections) -> None:
    with pytest.raises(UnresolvableStatement) as refused:
        on_reactor(side.run, "phi", [View("SELECT missing FROM patients")])
    assert refused.value.code == "resolve.1054"
    (first,) = on_reactor(side.run, "phi", [Ask("SELECT connection_id()")])
    with pytest.raises(UnresolvableStatement):
        on_reactor(side.run, "nowhere", [Describe("SELECT 1")])
    (again,) = on_reactor(side.run, "phi", [Ask("SELECT connection_id()")])
    assert first == again


def test_a_lost_connection_is_replaced(side: SideConnections, mysql_world: World) -> None:
    ((first,),) = on_reactor(side.run, "phi", [Ask("SELECT connection_id()")])
    mysql_world.server.sql(f"KILL {first[0]}")
    for _ in range(3):
        try:
            (rows,) = on_reactor(side.run, "phi", [Ask("SELECT connection_id()")])
            break
        except UnresolvableStatement:
            continue  # it was noticed by asking
    assert rows[0][0] != first[0]


def test_what_cannot_be_reached_is_said_so(mysql_world: World) -> None:
    resource = Resource(
        "twins",
        "mariadb",
        "unix:/nonexistent",
        "",
        "phi",
        "scope",
        "root",
        tls=BackendTLS(TLSMode.DISABLE),
    )
    nobody: Any = None
    made = on_reactor(
        lambda: SideConnections(
            reactor, resource, NodeTLS(), nobody, Principal("i", "s", frozenset(), 0.0)
        )
    )
    with pytest.raises(UnresolvableStatement) as refused:
        on_reactor(made.run, "phi", [Ask("SELECT 1")])
    assert refused.value.code == "resolve.connect"
