"""One verdict out of many opinions, and the masking guard's refusals."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
from twisted.logger import LogEvent, globalLogPublisher
from zope.interface import implementer

from hoopgate.errors import SettingsError
from hoopgate.events import (
    ColumnRef,
    Judged,
    Move,
    OutputColumn,
    Principal,
    Resolution,
    SessionFacts,
    Statement,
    StatementFacts,
)
from hoopgate.guardrails.pipeline import Pipeline, make_pipeline
from hoopgate.interfaces import IGuardrail
from hoopgate.plans import ColumnMask, MaskPlan, Method
from hoopgate.settings.model import Label, LabelClass, Match, Policy, Resource, Rule
from hoopgate.sql.analysis import analyze
from hoopgate.verdicts import Allow, Block, Hold, Mask, Verdict

SESSION = SessionFacts(
    "s-1",
    Principal("i", "agent", frozenset(), 2e9),
    "clinic",
    "postgresql",
    "db",
    "127.0.0.1",
    "main",
)
RESOURCES = {"clinic": Resource("clinic", "postgresql", "t", "h", "d", "s", "u")}
SSN, DOB, ID = (ColumnRef("public", "patients", name) for name in ("ssn", "dob", "id"))
POLICY = Policy(
    (Rule("all", "allow"),),
    (),
    (
        Label("clinic", "public.patients.ssn", "SSN"),
        Label("clinic", "public.patients.dob", "DATE", LabelClass.QUASI, Method.GENERALISE),
    ),
    "",
    unlabelled=LabelClass.PUBLIC,
)
FACTS = (StatementFacts(frozenset({"read"})),)
ONE = (ColumnMask("SSN", Method.REDACT, 25), None)
OTHER = (None, ColumnMask("DATE", Method.NULL, 1082))


@implementer(IGuardrail)
class Says:
    name = "says"

    def __init__(self, verdict: Verdict | Exception | None, grants: bool = True) -> None:
        self.verdict = verdict
        self.grants = grants

    def judge(self, judged: Judged, session: SessionFacts, now: float) -> Verdict | None:
        if isinstance(self.verdict, Exception):
            raise self.verdict
        return self.verdict


def refuse(policy: Policy, resources: object) -> Says:
    return Says(Block("plugin", "plugin.no", "No."))


def not_a_guard(policy: Policy, resources: object) -> object:
    return object()


def verdict(*opinions: Verdict | Exception | None) -> Verdict:
    pipeline = Pipeline(POLICY, [Says(opinion) for opinion in opinions])
    return pipeline.judge(Judged(Statement("x"), FACTS), SESSION, 0.0).verdict


ALLOW, BLOCK = Allow("a"), Block("b", "r", "m")
HOLD = Hold("h", "r", "m", frozenset({"g"}), 60.0)


def test_first_block_then_hold_then_allow() -> None:
    assert verdict(ALLOW, HOLD, BLOCK, Block("c", "r", "m")) == BLOCK
    assert verdict(ALLOW, HOLD, ALLOW) == HOLD
    assert verdict(None, ALLOW, None) == ALLOW


@pytest.mark.parametrize("opinions", [(), (None,), (None, None)])
def test_silence_is_a_block(opinions: tuple[None, ...]) -> None:
    found = verdict(*opinions)
    assert isinstance(found, Block)
    assert (found.rule, found.reason) == ("default", "rule.none")


@pytest.fixture
def logged() -> Iterator[list[LogEvent]]:
    events: list[LogEvent] = []
    globalLogPublisher.addObserver(events.append)
    yield events
    globalLogPublisher.removeObserver(events.append)


def test_an_exception_is_a_block_and_tells_no_payload(logged: list[LogEvent]) -> None:
    found = verdict(ALLOW, ValueError("101-11-0007"), ALLOW)
    assert isinstance(found, Block)
    assert found.reason == "guard.error"
    assert "ValueError" in str(logged)
    assert "101-11" not in str(logged)
    assert "101-11" not in str(found)


def test_masks_add_up() -> None:
    one, other = MaskPlan(ONE, ("a", "b")), MaskPlan(OTHER, ("a", "b"))
    found = verdict(ALLOW, Mask("m", (one,)), Mask("n", (other,)))
    assert isinstance(found, Mask)
    (plan,) = found.plans
    assert plan is not None
    assert plan.columns == (ONE[0], OTHER[1])
    held = verdict(HOLD, Mask("m", (one,)))
    assert isinstance(held, Hold)
    assert held.plans == (one,)
    torn = verdict(ALLOW, Mask("m", (one,)), Mask("n", (MaskPlan((None,)),)))
    assert isinstance(torn, Block)


def test_a_plan_is_no_permission() -> None:
    pipeline = Pipeline(POLICY, [Says(Mask("phi", (MaskPlan(ONE),)), grants=False)])
    found = pipeline.judge(Judged(Statement("x"), FACTS), SESSION, 0.0).verdict
    assert isinstance(found, Block)


def test_what_is_no_sql_is_refused() -> None:
    pipeline = Pipeline(POLICY, [Says(ALLOW)])
    for code in ("parse.syntax", "parse.size", "parse.timeout", "parse.crash", ""):
        found = pipeline.judge(Judged(Statement("x"), None, parse_error=code), SESSION, 0).verdict
        assert isinstance(found, Block)
        assert found.reason == (code or "parse.crash")
    assert pipeline.judge(Judged(Statement(""), ()), SESSION, 0).verdict == Allow("empty")


def test_plugins_are_loaded_and_asked() -> None:
    policy = replace(POLICY, guards=(f"{__name__}:refuse",))
    pipeline = make_pipeline(policy, RESOURCES)
    found = pipeline.judge(Judged(Statement("SELECT 1"), FACTS), SESSION, 0).verdict
    assert isinstance(found, Block)
    assert found.reason == "plugin.no"
    for name in (f"{__name__}:not_a_guard", f"{__name__}:missing", "no_such_module:x"):
        with pytest.raises(SettingsError):
            make_pipeline(replace(POLICY, guards=(name,)), RESOURCES)


# --- masking --------------------------------------------------------------------------------------


def columns(*sources: tuple[ColumnRef, bool]) -> tuple[OutputColumn, ...]:
    return tuple(OutputColumn("c", 25, frozenset({source}), direct) for source, direct in sources)


PLAIN = Resolution(columns((ID, True)), relations=frozenset({"public.patients"}))


def masked(sql: str, resolution: Resolution | None, unresolved: str = "") -> Verdict:
    judged = Judged(
        Statement(sql), analyze(sql), (resolution,), {0: unresolved} if unresolved else {}
    )
    return make_pipeline(POLICY, RESOURCES).judge(judged, SESSION, 0.0).verdict


@pytest.mark.parametrize(
    ("sql", "resolution", "reason"),
    [
        ("SELECT 1", replace(PLAIN, influences=frozenset({ID, SSN})), "phi.predicate"),
        ("SELECT 1", replace(PLAIN, flows={"public.f()": frozenset()}), "phi.function"),
        ("SELECT 1", replace(PLAIN, flows={"pg_catalog.int4in(cstring)": {SSN}}), "phi.function"),
        ("SELECT 1", replace(PLAIN, flows={"syntax.subquery()": {SSN}}), "phi.function"),
        ("SELECT 1", replace(PLAIN, flows={"pg_catalog.max(text)": {SSN}}), "phi.aggregate"),
        ("SELECT 1", replace(PLAIN, aggregated=frozenset({SSN})), "phi.aggregate"),
        (
            "SELECT 1",
            replace(
                PLAIN,
                flows={
                    "pg_catalog.textcat(text, text)": {SSN},
                    "pg_catalog.repeat(text, integer)": frozenset(),
                },
            ),
            "phi.function",
        ),
        ("UPDATE t SET a = 1 WHERE i = 1", replace(PLAIN, stored=frozenset({SSN})), "phi.write"),
        (
            "UPDATE t SET a = 1 WHERE i = 1",
            replace(PLAIN, stored=frozenset({DOB}), written=frozenset({DOB, ID})),
            "phi.write",
        ),
        ("CREATE TABLE v AS SELECT 1", Resolution(columns((DOB, True))), "phi.write"),
        ("CREATE MATERIALIZED VIEW v AS SELECT 1", Resolution(columns((DOB, True))), "phi.write"),
        ("CREATE VIEW v AS SELECT 1", replace(PLAIN, influences=frozenset({SSN})), "phi.predicate"),
        (
            "UPDATE t SET a = 1 WHERE i = 1",
            replace(
                PLAIN,
                stored=frozenset({DOB}),
                written=frozenset({DOB}),
                moves=frozenset({Move(DOB, DOB, False)}),
            ),
            "phi.write",
        ),
        (
            "UPDATE t SET a = 1 WHERE i = 1",
            replace(PLAIN, stored=frozenset({DOB}), written=frozenset({DOB})),
            "phi.write",
        ),
        ("EXPLAIN SELECT 1", replace(PLAIN, present=frozenset({SSN, ID})), "phi.explain"),
        ("SELECT 1", None, "phi.unresolved"),
        ("CALL f()", None, "phi.unresolved"),
        ("DO ''", None, "phi.unresolved"),
        ("SELECT * INTO x FROM t", None, "phi.unresolved"),
        ("EXECUTE q(f())", None, "phi.unresolved"),
        ("CREATE TEMP TABLE x()", None, "phi.temporary"),
    ],
)
def test_what_would_tell_is_refused(sql: str, resolution: Resolution | None, reason: str) -> None:
    found = masked(sql, resolution)
    assert isinstance(found, Block)
    assert found.reason == reason
    if reason in ("phi.predicate", "phi.aggregate"):
        assert found.subject == "public.patients.ssn"


def test_a_view_may_be_made_of_labelled_columns() -> None:
    """It keeps nothing, and what is read of it is read of them."""
    found = masked("CREATE VIEW v AS SELECT 1", Resolution(columns((DOB, True), (SSN, True))))
    assert not isinstance(found, Block) or not found.reason.startswith("phi.")


def test_a_column_without_a_label_is_secret_unless_the_policy_says_otherwise() -> None:
    strict = make_pipeline(replace(POLICY, unlabelled=LabelClass.SECRET), RESOURCES)

    def judge(resolution: Resolution, sql: str = "SELECT 1") -> Verdict:
        judged = Judged(Statement(sql), analyze(sql), (resolution,))
        return strict.judge(judged, SESSION, 0.0).verdict

    shown = judge(Resolution(columns((ID, True))))
    assert isinstance(shown, Mask)
    assert shown.plans[0] == MaskPlan((ColumnMask("UNLABELLED", Method.REDACT, 25),), ("c",))
    for told in (
        judge(replace(PLAIN, influences=frozenset({ID}))),
        judge(replace(PLAIN, aggregated=frozenset({ID}))),
        judge(replace(PLAIN, stored=frozenset({ID})), "UPDATE t SET a = 1 WHERE i = 1"),
        judge(replace(PLAIN, present=frozenset({ID})), "EXPLAIN SELECT 1"),
    ):
        assert isinstance(told, Block)
        assert "public.patients" in told.subject
    predicate = judge(replace(PLAIN, influences=frozenset({ID})))
    assert isinstance(predicate, Block)
    assert "has no label" in predicate.message


def test_the_reason_of_what_is_unresolved_is_told() -> None:
    found = masked("SELECT 1", None, "resolve.42P01")
    assert isinstance(found, Block)
    assert (found.reason, found.subject) == ("phi.unresolved", "resolve.42P01")


@pytest.mark.parametrize(
    ("sql", "relations", "passes"),
    [
        ("SELECT set_config('jit', 'off', false)", (), True),
        ("SELECT set_config('role', 'x', false)", (), False),
        ("SELECT set_config('jit', 'off', false), set_config('role', 'x', false)", (), False),
        # A view may hold another call of it than the one that is seen.
        ("SELECT set_config('jit', 'off', false) FROM v", ("public.v",), False),
    ],
)
def test_settings_are_set_only_in_plain_sight(
    sql: str, relations: tuple[str, ...], passes: bool
) -> None:
    flows = {"pg_catalog.set_config(text, text, boolean)": frozenset[ColumnRef]()}
    found = masked(sql, replace(PLAIN, flows=flows, relations=frozenset(relations)))
    assert isinstance(found, Allow if passes else Block)


@pytest.mark.parametrize("sql", ["SET search_path TO x", "RESET a", "SET ROLE x", "RESET ROLE"])
def test_no_rule_lets_a_session_change_what_names_mean(sql: str) -> None:
    verdict = masked(sql, None)
    assert isinstance(verdict, Block)
    assert verdict.rule == "phi/setting"


@pytest.mark.parametrize(
    "sql",
    ["BEGIN", "EXECUTE q(1)", "FETCH c", "CLOSE c", "SHOW x", "DROP TABLE t", "SET jit = off"],
)
def test_what_moves_no_rows_is_none_of_its_business(sql: str) -> None:
    assert masked(sql, None) == Allow("operator/all")


def test_the_plan_has_a_mask_for_each_labelled_column() -> None:
    found = masked(
        "SELECT 1", Resolution(columns((SSN, True), (ID, True), (DOB, True), (DOB, False)))
    )
    assert isinstance(found, Mask)
    (plan,) = found.plans
    assert plan is not None
    assert plan.columns == (
        ColumnMask("SSN", Method.REDACT, 25),
        None,
        ColumnMask("DATE", Method.GENERALISE, 25),
        ColumnMask("DATE", Method.REDACT, 25),
    )
    assert plan.names == ("c",) * 4


@pytest.mark.parametrize(
    "resolution",
    [
        PLAIN,
        replace(PLAIN, influences=frozenset({DOB, ID})),
        replace(PLAIN, flows={"pg_catalog.int4in(cstring)": {DOB}}),
        replace(PLAIN, flows={"pg_catalog.upper(text)": {SSN}}),
        replace(
            PLAIN,
            stored=frozenset({DOB}),
            written=frozenset({DOB}),
            moves=frozenset({Move(DOB, DOB, True)}),
        ),
        replace(PLAIN, stored=frozenset({ID}), written=frozenset({SSN})),
    ],
)
def test_what_tells_nothing_passes(resolution: Resolution) -> None:
    assert masked("SELECT 1", resolution) == Allow("operator/all")


def test_a_resource_without_phi_is_not_asked_about() -> None:
    resources = {"clinic": replace(RESOURCES["clinic"], phi=False)}
    judged = Judged(Statement("x"), FACTS, (None,))
    assert isinstance(make_pipeline(POLICY, resources).judge(judged, SESSION, 0).verdict, Allow)


def test_a_known_statement_is_judged_in_microseconds() -> None:
    pipeline = make_pipeline(
        replace(POLICY, rules=(Rule("r", "allow", Match(classes=frozenset({"read"}))),),
                packs=("hipaa-baseline",)), RESOURCES)  # fmt: skip
    judged = Judged(Statement("x"), FACTS, (Resolution(columns((SSN, True))),))
    pipeline.judge(judged, SESSION, 0.0)
    best = 1.0
    for _ in range(5):
        start = time.perf_counter()
        for _ in range(500):
            pipeline.judge(judged, SESSION, 0.0)
        best = min(best, (time.perf_counter() - start) / 500)
    assert best < 100e-6
