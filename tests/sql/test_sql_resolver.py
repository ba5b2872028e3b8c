"""Resolution on real servers: types, names, caches, and the round trips they cost."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from conftest import Twins
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from side_psycopg import SESSION, PsycopgSide, finished
from test_sql_noninterference import seen
from twisted.internet.defer import Deferred, succeed

from hoopgate.errors import Refused, UnresolvableStatement
from hoopgate.events import Resolution, Statement
from hoopgate.gateway.resolver import ServerResolver
from hoopgate.sql.analysis import analyze
from hoopgate.sql.resolver import Resolver, needs_resolution
from hoopgate.verdicts import Block


class World:
    """A resolver over a side connection, with a clock of its own."""

    def __init__(self, twins: Twins) -> None:
        self.side = PsycopgSide(twins.one)
        self.now = 0.0
        self.resolver = Resolver(lambda: self.now, ttl=60.0)

    def resolve(self, sql: str, types: tuple[int, ...] = (), path: str = "") -> Resolution:
        statement = Statement(sql, types, settings={"search_path": path} if path else {})
        (facts,) = analyze(sql)
        known = self.resolver.cached(self.resolver.key(statement, facts, SESSION))
        if known is not None:
            return known
        found: Resolution = finished(self.resolver.ask(self.side, statement, facts, SESSION))
        return found

    def confirm(self) -> int:
        finished(self.resolver.confirm(self.side))
        return self.resolver.generation


@pytest.fixture
def world(twins: Twins) -> World:
    return World(twins)


def sources(resolution: Resolution) -> list[list[str]]:
    return [sorted(map(str, column.sources)) for column in resolution.columns or ()]


def test_parameters_are_typed_as_the_server_types_them(world: World) -> None:
    found = world.resolve("SELECT $2 || name FROM patients WHERE id = $1 AND dob > $3")
    assert found.parameter_types == (23, 25, 1082)
    assert sources(found) == [["public.patients.name"]]
    # A declared type chooses another operator, and with it another function.
    assert world.resolve("SELECT id FROM codes, patients WHERE id = $1", (20,)).parameter_types == (
        20,
    )
    assert world.resolve("SELECT $1 + $2", (0, 1700)).parameter_types == (1700, 1700)
    prepared = world.resolve('PREPARE q(bigint, varchar(3)[], "short") AS SELECT $1, $2, $3')
    assert prepared.parameter_types[:2] == (20, 1015)
    assert [column.type for column in prepared.columns or ()][:2] == [20, 1015]


def test_names_mean_what_the_search_path_says(world: World) -> None:
    here = world.resolve("SELECT ssn FROM patients")
    there = world.resolve("SELECT ssn FROM patients", path="other, public")
    assert sources(here) == [["public.patients.ssn"]]
    assert sources(there) == [["other.patients.ssn"]]
    assert world.resolve("COPY patients TO STDOUT", path="other").relations == {"other.patients"}
    with pytest.raises(UnresolvableStatement):
        world.resolve("SELECT ssn FROM patients", path="'; DROP TABLE patients; --")


def test_copy_resolves_its_columns(world: World) -> None:
    found = world.resolve('COPY "Odd.Table"("pla""in", "Se cret") TO STDOUT')
    assert [column.name for column in found.columns or ()] == ['pla"in', "Se cret"]
    assert [c.name for c in world.resolve("COPY dropped TO STDOUT").columns or ()] == ["a", "b"]
    # Generated columns are left out by COPY unless named.
    assert [c.name for c in world.resolve("COPY staff TO STDOUT").columns or ()] == ["id", "name"]
    into = world.resolve("COPY encounters FROM STDIN")
    assert into.columns is None
    assert "public.patients.id" in {str(column) for column in into.influences}
    assert len(into.written) == 6


def test_kin_share_their_labels(world: World) -> None:
    child = world.resolve("SELECT who FROM events_23")
    assert {"public.events.who", "public.events_23.who"} <= set(sources(child)[0])
    parent = world.resolve("SELECT who FROM events")
    assert len(sources(parent)[0]) == 3


def test_views_are_seen_through(world: World) -> None:
    found = world.resolve("SELECT joint AS x FROM v_deep")
    assert {"public.patients.ssn", "public.patients.name"} <= set(sources(found)[0])
    assert "public.encounters.dept" in {str(column) for column in found.influences}
    assert {"public.v_deep", "public.v_pat", "public.patients"} <= found.relations
    assert world.resolve("SELECT who FROM m_pat").columns[0].direct  # type: ignore[index]


def test_a_known_statement_asks_nothing(world: World) -> None:
    world.resolve("SELECT name FROM patients WHERE id = 1")
    cold, world.side.rounds = world.side.rounds, 0
    assert cold <= 3
    world.resolve("SELECT name FROM patients WHERE id = 2")
    assert world.side.rounds == 0
    world.resolve("SELECT name, id FROM patients WHERE id = 2")
    assert world.side.rounds == 1
    world.resolver.invalidate()
    world.resolve("SELECT name FROM patients WHERE id = 1")
    assert world.side.rounds > 1


def test_what_is_known_ends(world: World) -> None:
    """Whatever the versions say: a superuser may have changed what they do not see."""
    world.resolve("SELECT name FROM patients")
    world.now = 59.0
    before = world.side.rounds
    world.resolve("SELECT name FROM patients")
    assert world.side.rounds == before
    world.now = 61.0
    world.confirm()
    world.resolve("SELECT name FROM patients")
    assert world.side.rounds > before + 2


def test_a_changed_view_is_seen_after_invalidation(twins: Twins, world: World) -> None:
    twins.one.execute("CREATE OR REPLACE VIEW turning AS SELECT id::text AS x FROM patients")
    try:
        assert sources(world.resolve("SELECT x FROM turning"))[0][0] == "public.patients.id"
        twins.one.execute("CREATE OR REPLACE VIEW turning AS SELECT ssn AS x FROM patients")
        world.resolver.invalidate()
        assert sources(world.resolve("SELECT x FROM turning"))[0][0] == "public.patients.ssn"
    finally:
        twins.one.execute("DROP VIEW turning")


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT nothing FROM patients",
        "SELECT 1 FROM nowhere",
        "SELECT 'a'::int",
        "SELECT * INTO x FROM patients",
        "CALL peek()",
        "DO ''",
        "COPY nowhere TO STDOUT",
        "COPY patients(nothing) TO STDOUT",
        "COPY patients TO '/tmp/x'",
        "INSERT INTO ruled VALUES (1, 1)",
        "SELECT 1 FROM patients FOR UPDATE OF nothing",
        "UPDATE patients SET weight = 1 WHERE CURRENT OF c",
        "SELECT xmlparse(document $1)::nothing",
    ],
)
def test_what_the_server_cannot_say_is_refused(world: World, sql: str) -> None:
    with pytest.raises(UnresolvableStatement) as refused:
        world.resolve(sql)
    assert refused.value.code.startswith("resolve.")


def test_nothing_is_left_behind_and_nothing_is_run(twins: Twins, world: World) -> None:
    count = "SELECT count(*) FROM pg_proc WHERE proname LIKE 'hg\\_%'"
    prepared = "SELECT count(*) FROM pg_prepared_statements WHERE name LIKE 'hg\\_%'"
    world.resolve("SELECT nextval('counter'), $1::int")
    world.resolve("DELETE FROM codes WHERE dx = $1")
    assert twins.one.execute(count).fetchall() == [("0",)]
    assert twins.one.execute(prepared).fetchall() == [("0",)]
    assert twins.one.execute("SELECT count(*) FROM codes").fetchall() == [("20",)]


def test_what_needs_no_resolution() -> None:
    for sql in ("BEGIN", "SHOW x", "SET a = b", "EXECUTE q", "FETCH c", "CLOSE c", "DROP TABLE t"):
        assert not needs_resolution(analyze(sql)[0]), sql
    for sql in ("SELECT 1", "TABLE t", "PREPARE q AS SELECT 1", "COPY t TO STDOUT", "CALL f()",
                "EXPLAIN SELECT 1", "CREATE VIEW v AS SELECT 1", "DO ''"):  # fmt: skip
        assert needs_resolution(analyze(sql)[0]), sql


class SlowSide:
    """Answers when the test says so."""

    creates = True

    def __init__(self) -> None:
        self.asked: list[Deferred[Any]] = []

    def run(self, script: Any) -> Deferred[Any]:
        self.asked.append(Deferred())
        return self.asked[-1]

    def describe(self, text: str, types: Any) -> Deferred[tuple[int, ...]]:
        return succeed(())


def test_equal_questions_fly_together_and_fail_together() -> None:
    side = SlowSide()
    resolver = ServerResolver(side)  # type: ignore[arg-type]
    statement, (facts,) = Statement("SELECT 1"), analyze("SELECT 1")
    waiting = [resolver.resolve(statement, facts, SESSION) for _ in range(5)]
    waiting[3].addErrback(lambda _: None)
    waiting[3].cancel()
    other = resolver.resolve(statement, facts, replace(SESSION, database="other"))
    assert len(side.asked) == 2
    codes: list[str] = []
    for one in (*waiting, other):
        one.addErrback(lambda failure: failure.check(Refused) and codes.append(failure.value.code))
    side.asked[0].errback(UnresolvableStatement("resolve.42P01", "x"))
    side.asked[1].callback(None)
    assert sorted(codes) == ["resolve.42P01"] * 4 + ["resolve.failed"]
    assert resolver.cached(statement, facts, SESSION) is None


def test_looks_that_are_asked_for_meanwhile_are_one_later_look() -> None:
    side = SlowSide()
    resolver = ServerResolver(side)  # type: ignore[arg-type]
    told: list[int] = []
    for number in range(4):
        resolver.look().addBoth(lambda _, n=number: told.append(n))
    assert len(side.asked) == 1
    side.asked[0].callback([[("1", "2", "0")]])
    assert (told, len(side.asked)) == ([0], 2)
    side.asked[1].callback([[("1", None, None)]])
    assert (told, len(side.asked)) == ([0, 1, 2, 3], 2)


def test_stamps_tell_of_changes() -> None:
    now = [5.0]
    resolver = ServerResolver(SlowSide(), clock=lambda: now[0])  # type: ignore[arg-type]
    one, other = object(), object()
    before = resolver.stamp()
    now[0] += 0.1
    assert 0 <= resolver.stamp() - before < 0.2
    resolver.changes(one, over=False)
    resolver.changes(other, over=False)
    resolver.changes(one, over=True)
    assert resolver.stamp() < 0
    resolver.changes(other, over=True)
    assert resolver.stamp() - before > 1000


# --- composed statements --------------------------------------------------------------------------

COLUMNS = ["ssn", "name", "mrn", "email", "id", "sex", "weight"]
TEXTS = st.sampled_from(["ssn", "name", "mrn", "email", "sex", "id::text"])
LEAVES = TEXTS | st.sampled_from(["'x'", "NULL", "q.k", "upper(name)"])


def _expressions(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    two = st.tuples(inner, inner)
    return st.one_of(
        two.map(lambda p: f"({p[0]} || {p[1]})"),
        two.map(lambda p: f"coalesce({p[0]}, {p[1]})"),
        two.map(lambda p: f"nullif({p[0]}, {p[1]})"),
        two.map(lambda p: f"CASE WHEN {p[0]} < {p[1]} THEN 'a' ELSE {p[0]} END"),
        two.map(lambda p: f"({p[0]} = {p[1]})::text"),
        inner.map(lambda e: f"length({e})::text"),
        inner.map(lambda e: f"lower({e})"),
        inner.map(lambda e: f"(SELECT {e})"),
        inner.map(lambda e: f"(ARRAY[{e}])[1]"),
        inner.map(lambda e: f"(1 / length({e}))::text"),
        inner.map(lambda e: f"left({e}, 2)"),
        inner.map(lambda e: f"max({e}) OVER (PARTITION BY q.id)"),
        inner.map(lambda e: f"(SELECT max({e}) FROM codes)"),
        inner.map(lambda e: f"(SELECT dx FROM codes WHERE dx > {e} ORDER BY dx LIMIT 1)"),
        inner.map(lambda e: f"substr({e}, 1, 1)"),
    )


EXPRESSIONS = st.recursive(LEAVES, _expressions, max_leaves=5)
FROMS = st.sampled_from(
    [
        "(SELECT *, 'k' AS k FROM patients) q",
        "(SELECT p.*, v.n AS k FROM patients p JOIN v_pat v ON v.id = p.id) q",
        "(SELECT p.*, e.dept AS k FROM patients p LEFT JOIN encounters e ON e.id = p.id) q",
        "(SELECT p.*, m.who AS k FROM patients p JOIN m_pat m USING (id)) q",
        "(SELECT *, (SELECT name) AS k FROM patients) q",
    ]
)
WHERES = st.one_of(
    st.just("q.id < 9"),
    st.just("q.weight < 60 OR q.sex = 'M' AND q.id < 5"),
    EXPRESSIONS.filter(lambda e: "OVER" not in e).map(lambda e: f"q.id < 9 AND {e} > 'b'"),
)
ORDERS = st.just("q.id") | EXPRESSIONS


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(EXPRESSIONS, min_size=1, max_size=3),
    FROMS,
    WHERES,
    ORDERS,
    st.sampled_from(["", "DISTINCT"]),
    st.sampled_from(
        ["{}", "WITH w AS ({}) SELECT * FROM w", "SELECT * FROM ({}) z UNION ALL ({})"]
    ),
)
def test_composed_statements_show_the_same_on_both_twins(
    twins: Twins,
    outputs: list[str],
    table: str,
    where: str,
    order: str,
    distinct: str,
    frame: str,
) -> None:
    targets = ", ".join(f"{e} AS c{i}" for i, e in enumerate(outputs))
    key = "" if distinct else f" ORDER BY {order}"
    inner = f"SELECT {distinct} {targets} FROM {table} WHERE {where}{key}"
    sql = frame.replace("{}", inner)
    verdict = twins.desk.judge(sql).verdict
    if isinstance(verdict, Block):
        return
    one, other = seen(twins.one, sql, verdict), seen(twins.other, sql, verdict)
    if distinct and isinstance(one, tuple) and isinstance(other, tuple):
        # Nobody asked for an order: which one comes is the plan's choice, by the tables' sizes.
        one[2].sort(key=repr)
        other[2].sort(key=repr)
    assert one == other
