"""Rules: what they match, who wins, and the baseline pack on the statements it is for."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hoopgate.events import (
    ColumnRef,
    Judged,
    OutputColumn,
    Principal,
    Resolution,
    SessionFacts,
    Statement,
)
from hoopgate.guardrails.pipeline import Outcome, make_pipeline
from hoopgate.plans import MaskPlan
from hoopgate.settings.model import Label, Match, Policy, Resource, Rule, TimeWindow
from hoopgate.sql.analysis import analyze
from hoopgate.verdicts import Allow, Block, Hold, Mask

NOON = 1_700_049_600.0  # Wednesday, 15 November 2023, 12:00 UTC
SESSION = SessionFacts(
    "s-1",
    Principal("https://idp", "agent-7", frozenset({"read"}), 2e9, frozenset({"analysts", "er"})),
    "lab",
    "postgresql",
    "lab",
    "127.0.0.1",
    "main",
)
RESOURCES = {
    "lab": Resource("lab", "postgresql", "tcp:a:1", "a", "lab", "lab", "u", phi=False),
    "clinic": Resource("clinic", "postgresql", "tcp:a:1", "a", "clinic", "clinic", "u"),
}


def judge(
    sql: str,
    *rules: Rule,
    packs: tuple[str, ...] = (),
    session: SessionFacts = SESSION,
    now: float = NOON,
    resolution: Resolution | None = None,
    labels: tuple[Label, ...] = (),
) -> Outcome:
    pipeline = make_pipeline(Policy(rules, packs, labels, ""), RESOURCES)
    facts = analyze(sql)
    resolutions = (resolution,) * len(facts)
    return pipeline.judge(Judged(Statement(sql), facts, resolutions), session, now)


def reason(outcome: Outcome) -> str:
    verdict = outcome.verdict
    return verdict.reason if isinstance(verdict, Block | Hold) else type(verdict).__name__


READ = Rule("read", "allow", Match(classes=frozenset({"read"})))


def test_silence_is_a_block() -> None:
    assert reason(judge("SELECT 1")) == "rule.none"
    assert reason(judge("INSERT INTO t VALUES (1)", READ)) == "rule.none"


def test_an_allow_must_cover_all_that_is_done() -> None:
    assert isinstance(judge("SELECT 1", READ).verdict, Allow)
    sql = "WITH x AS (INSERT INTO t VALUES (1) RETURNING a) SELECT * FROM x"
    assert reason(judge(sql, READ)) == "rule.none"
    insert = Rule("insert", "allow", Match(classes=frozenset({"insert"})))
    assert judge(sql, READ, insert).verdict == Allow("operator/read")
    assert reason(judge("SELECT 1; INSERT INTO t VALUES (1)", READ)) == "rule.none"


def test_an_allow_for_relations_must_cover_all_of_them() -> None:
    codes = Rule("codes", "allow", Match(relations=frozenset({"public.codes", "ref.*"})))
    resolution = Resolution(None, relations=frozenset({"public.codes", "ref.a"}))
    assert isinstance(judge("SELECT 1", codes, resolution=resolution).verdict, Allow)
    more = replace(resolution, relations=resolution.relations | {"public.patients"})
    assert reason(judge("SELECT 1", codes, resolution=more)) == "rule.none"
    # Without a resolution the name is as written: unqualified it may be any schema's.
    assert reason(judge("SELECT * FROM codes", codes)) == "rule.none"
    assert isinstance(judge("SELECT * FROM public.codes", codes).verdict, Allow)


def test_a_block_needs_only_one_of_them() -> None:
    block = Rule("no", "block", Match(relations=frozenset({"public.patients"})), reason="r.no")
    everything = Rule("all", "allow")
    for sql in (
        "SELECT * FROM public.patients",
        "SELECT * FROM patients",
        "SELECT 1 FROM codes, patients",
        "WITH x AS (SELECT * FROM patients) SELECT 1",
    ):
        assert reason(judge(sql, block, everything)) == "r.no"
    assert isinstance(judge("SELECT * FROM other.patients", block, everything).verdict, Allow)


def test_labels_and_functions_match_after_resolution() -> None:
    ssn = ColumnRef("public", "patients", "ssn")
    resolution = Resolution(
        (OutputColumn("x", 25, frozenset({ssn}), True),),
        functions=frozenset({"public.f", "pg_catalog.upper"}),
    )
    labels = (Label("lab", "public.patients.ssn", "SSN"),)
    everything = Rule("all", "allow")
    by_label = Rule("l", "block", Match(labels=frozenset({"SSN"})), reason="r.label")
    by_function = Rule("f", "block", Match(functions=frozenset({"f"})), reason="r.function")
    found = judge("SELECT 1", by_label, everything, resolution=resolution, labels=labels)
    assert reason(found) == "r.label"
    assert reason(judge("SELECT 1", by_function, everything, resolution=resolution)) == "r.function"
    assert reason(judge("SELECT x.F(1)", by_function, everything)) == "r.function"
    only = Rule("o", "allow", Match(functions=frozenset({"upper"})))
    assert reason(judge("SELECT 1", only, resolution=resolution)) == "rule.none"


@pytest.mark.parametrize(
    ("match", "applies"),
    [
        (Match(groups=frozenset({"er", "x"})), True),
        (Match(groups=frozenset({"x"})), False),
        (Match(scopes=frozenset({"read"})), True),
        (Match(scopes=frozenset({"write"})), False),
        (Match(subjects=frozenset({"agent-*"})), True),
        (Match(subjects=frozenset({"agent-?x"})), False),
        (Match(issuers=frozenset({"https://idp"})), True),
        (Match(issuers=frozenset({"https://other"})), False),
        (Match(resources=frozenset({"la?"})), True),
        (Match(resources=frozenset({"clinic"})), False),
        (Match(times=TimeWindow(frozenset({2}), 11 * 60, 13 * 60)), True),
        (Match(times=TimeWindow(frozenset({3}))), False),
        (Match(times=TimeWindow(frozenset(), 12 * 60 + 1)), False),
        (Match(times=TimeWindow(frozenset({2}), 13 * 60, 13 * 60 + 1, "Europe/Zurich")), True),
        (Match(groups=frozenset({"er"}), scopes=frozenset({"write"})), False),
    ],
)
def test_who_where_and_when(match: Match, applies: bool) -> None:
    outcome = judge("SELECT 1", Rule("r", "allow", match))
    assert isinstance(outcome.verdict, Allow) is applies
    assert outcome.momentary is (match.times is not None)


def test_the_strongest_wins() -> None:
    allow = Rule("a", "allow")
    approve = Rule(
        "p", "approve", Match(flags=frozenset({"bulk"})), reviewers=frozenset({"dpo"}), expires=5.0
    )
    block = Rule("b", "block", Match(classes=frozenset({"delete"})), reason="r.b")
    held = judge("SELECT * FROM t", allow, approve, block).verdict
    assert isinstance(held, Hold)
    assert (held.rule, held.reviewers, held.expires) == ("operator/p", frozenset({"dpo"}), 5.0)
    assert isinstance(judge("SELECT 1", allow, approve, block).verdict, Allow)
    both = "WITH x AS (DELETE FROM t WHERE i = 1 RETURNING *) SELECT * FROM t"
    assert reason(judge(both, allow, approve, block)) == "r.b"
    # Of several statements, one that nobody allows refuses all, held ones too.
    assert reason(judge("SELECT * FROM t; SELECT 1", approve)) == "rule.none"


def test_a_monitored_rule_only_reports() -> None:
    watch = Rule("w", "block", Match(classes=frozenset({"read"})), monitor=True)
    outcome = judge("SELECT 1", watch, Rule("a", "allow"))
    assert isinstance(outcome.verdict, Allow)
    assert outcome.monitored == ("operator/w",)
    assert judge("SELECT 1", Rule("a", "allow")).monitored == ()


def test_an_override_stands_in_for_a_pack_where_it_matches() -> None:
    everything = Rule("all", "allow")
    create = Rule(
        "create",
        "allow",
        Match(classes=frozenset({"ddl"}), relations=frozenset({"scratch.*"})),
        overrides=frozenset({"hipaa-baseline/ddl"}),
    )
    packs = ("hipaa-baseline",)
    found = judge("CREATE TABLE scratch.x()", everything, create, packs=packs)
    assert isinstance(found.verdict, Allow)
    found = judge("CREATE TABLE public.x()", everything, create, packs=packs)
    assert reason(found) == "statement.ddl"
    found = judge("DO $$ $$", everything, create, packs=packs)
    assert reason(found) == "statement.do"
    approve = replace(create, verdict="approve", reviewers=frozenset({"dba"}))
    found = judge("CREATE TABLE scratch.x()", everything, approve, packs=packs)
    assert isinstance(found.verdict, Hold)


BASELINE = {
    "statement.ddl": "DROP TABLE t; ALTER TABLE t ADD a int; CREATE INDEX ON t(a); SELECT 1 INTO x",
    "statement.truncate": "TRUNCATE t; /* */ truncate table only t restart identity",
    "statement.no_where": "DELETE FROM t; UPDATE t SET a=1; DELETE FROM t WHERE true; "
    "UPDATE t SET a=1 WHERE 1=1; /*x*/DELETE FROM t WHERE id=id; EXPLAIN ANALYZE DELETE FROM t; "
    "WITH x AS (DELETE FROM t RETURNING *) SELECT * FROM x",
    "statement.do": "DO $$ BEGIN END $$",
    "statement.call": "CALL p()",
    "statement.copy_server": "COPY t TO '/x'; COPY t FROM '/x'; COPY t TO PROGRAM 'x'",
    "function.server": "SELECT pg_read_file('x'); SELECT lo_export(1, 'x'); SELECT pg_sleep(1); "
    "SELECT pg_terminate_backend(1); SELECT set_config('role','x',true); "
    "INSERT INTO t VALUES (pg_read_binary_file('x')); SELECT * FROM pg_ls_dir('.') x",
    "function.code_string": "SELECT query_to_xml('', true, true, ''); SELECT dblink('a', 'b')",
    "statement.role": "SET ROLE x; RESET SESSION AUTHORIZATION; SET LOCAL ROLE NONE",
    "statement.grant": "GRANT ALL ON t TO x; ALTER ROLE x SUPERUSER",
    "statement.setting": "SET search_path TO x; SET session_replication_role = replica; "
    "SET client_encoding = 'GBK'; RESET search_path; SET standard_conforming_strings = off",
    "statement.maintenance": "VACUUM; ANALYZE t; LOAD 'x'; ALTER SYSTEM SET a = 1",
    "statement.replication": "CREATE PUBLICATION p; DROP SUBSCRIPTION s",
    "statement.two_phase": "PREPARE TRANSACTION 'x'; COMMIT PREPARED 'x'",
    "statement.notify": "NOTIFY x, 'y'; LISTEN x",
}


@pytest.mark.parametrize(
    ("expected", "sql"),
    [(expected, sql) for expected, many in BASELINE.items() for sql in many.split("; ")],
)
def test_the_baseline_refuses(expected: str, sql: str) -> None:
    outcome = judge(sql, Rule("all", "allow"), packs=("hipaa-baseline",))
    assert reason(outcome) == expected
    assert isinstance(outcome.verdict, Block)
    assert outcome.verdict.rule.startswith("hipaa-baseline/")
    assert outcome.verdict.message
    assert outcome.verdict.remedy
    assert reason(judge(f"PREPARE TRANSACTION 'a'; {sql}", Rule("all", "allow"))) == "Allow"


def test_the_baseline_refuses_statements_smuggled_behind_others() -> None:
    everything, packs = Rule("all", "allow"), ("hipaa-baseline",)
    smuggled = "SELECT 1; INSERT INTO t VALUES (1)"
    assert reason(judge(smuggled, everything, packs=packs)) == "statement.multi"
    assert reason(judge("BEGIN; SELECT 1; COMMIT", everything, packs=packs)) == "Allow"


def test_the_baseline_lets_sessions_keep_house() -> None:
    for sql in ("BEGIN", "SAVEPOINT a", "SHOW x", "SET timezone = 'UTC'", "EXECUTE q", "CLOSE c",
                "FETCH 1 FROM c", "DEALLOCATE q", "DISCARD ALL", "RESET ALL"):  # fmt: skip
        assert reason(judge(sql, packs=("hipaa-baseline",))) == "Allow"
    assert reason(judge("PREPARE q AS SELECT 1", packs=("hipaa-baseline",))) == "rule.none"
    assert reason(judge("PREPARE q AS SELECT 1", READ, packs=("hipaa-baseline",))) == "Allow"


def test_a_hold_carries_the_plan() -> None:
    ssn = ColumnRef("public", "patients", "ssn")
    resolution = Resolution((OutputColumn("ssn", 25, frozenset({ssn}), True),))
    approve = Rule("p", "approve", reviewers=frozenset({"dpo"}))
    found = judge(
        "COPY patients TO STDOUT",
        approve,
        session=replace(SESSION, resource="clinic"),
        resolution=resolution,
        labels=(Label("clinic", "public.patients.ssn", "SSN"),),
    )
    assert isinstance(found.verdict, Hold)
    (plan,) = found.verdict.plans
    assert isinstance(plan, MaskPlan)
    assert plan.masks
    mask = judge(
        "SELECT ssn FROM patients",
        READ,
        session=replace(SESSION, resource="clinic"),
        resolution=resolution,
        labels=(Label("clinic", "public.patients.ssn", "SSN"),),
    ).verdict
    assert isinstance(mask, Mask)
    assert mask.rule == "operator/read"
