"""Approvals: who may decide, once, in time, durable first; and what is on the disk."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from testbed.approvals import (
    AGENT,
    ALICE,
    BOB,
    CANARY,
    CAROL,
    OTHER,
    World,
    hold,
    judged,
    principal,
    renamed,
    session,
)
from twisted.internet.defer import CancelledError
from twisted.logger import globalLogPublisher
from zope.interface.verify import verifyObject

from hoopgate.approvals.bounds import Bounds
from hoopgate.approvals.sealing import SealingError
from hoopgate.approvals.service import Approvals
from hoopgate.approvals.states import OPEN, TRANSITIONS, State, Step
from hoopgate.errors import HoopgateError, RecorderFailed, Refused
from hoopgate.events import Principal
from hoopgate.interfaces import IApprovals


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    world.stop()


def refused(world: World, deferred: Any) -> str:
    with pytest.raises(Refused) as caught:
        world.run(deferred)
    return caught.value.code


def decide(
    world: World, request_id: str, who: Principal = BOB, approve: bool = True, why: str = "audit"
) -> Any:
    return world.approvals.decide(request_id, approve, who, why)


def test_the_interface(world: World) -> None:
    assert verifyObject(IApprovals, world.approvals)


def test_the_table_has_final_states() -> None:
    assert {State.PENDING, State.APPROVED} == OPEN
    assert {State.USED} == {after for (_, step), after in TRANSITIONS.items() if step is Step.USE}
    assert [before for before, step in TRANSITIONS if step is Step.USE] == [State.APPROVED]


class TestHappyPath:
    def test_held_approved_used_once(self, world: World) -> None:
        request_id = world.file()
        waiting = world.now(world.approvals.wait(request_id))
        assert not waiting.called
        request = world.run(decide(world, request_id))
        assert request.state is State.APPROVED
        assert request.reviewer == (BOB.issuer, "bob")
        assert world.run(waiting) is True
        assert world.run(world.approvals.get(request_id)).state is State.USED
        assert world.run(world.approvals.passes("d1", session())) is None
        assert world.run(world.approvals.wait(request_id)) is False
        assert world.log.steps(request_id) == ["request", "approve", "use"]

    def test_denied(self, world: World) -> None:
        request_id = world.file()
        waiting = world.approvals.wait(request_id)
        assert world.run(decide(world, request_id, approve=False)).state is State.DENIED
        assert world.run(waiting) is False
        assert world.run(world.approvals.passes("d1", session())) is None
        assert world.run(world.approvals.reason(request_id)) == "audit"

    def test_expired_by_the_clock(self, world: World) -> None:
        request_id = world.file()
        waiting = world.now(world.approvals.wait(request_id))
        world.advance(899.9)
        assert not waiting.called
        world.advance(0.2)
        assert world.run(waiting) is False
        assert refused(world, decide(world, request_id)) == "approval.expired"
        assert world.log.steps(request_id) == ["request", "expire"]
        assert world.clock.getDelayedCalls() == [world.approvals._sweeper.call]

    def test_abandoned(self, world: World) -> None:
        request_id = world.file()
        waiting = world.now(world.approvals.wait(request_id))
        waiting.cancel()
        with pytest.raises(CancelledError):
            world.run(waiting)
        world.run(world.approvals.abandon(request_id))
        world.run(world.approvals.abandon(request_id))
        assert refused(world, decide(world, request_id)) == "approval.not_pending"
        assert world.log.steps(request_id) == ["request", "abandon"]

    def test_detached(self, world: World) -> None:
        """It stays, is found by another session of the identity, and passes once when approved."""
        request_id = world.file()
        world.run(world.approvals.detach(request_id))
        again = session(number=2)
        assert world.run(world.approvals.request("d1", judged(), again, hold())) == request_id
        world.run(world.approvals.detach(request_id))
        world.run(decide(world, request_id))
        world.run(world.approvals.detach(request_id))
        assert world.run(world.approvals.passes("d1", session(number=3))) == request_id
        assert world.run(world.approvals.passes("d1", session(number=3))) is None
        assert world.log.steps(request_id) == ["request", "approve", "use"]

    def test_what_a_reviewer_reads(self, world: World) -> None:
        request_id = world.file()
        request = world.run(world.approvals.get(request_id))
        assert (request.subject, request.owner, request.resource) == ("agent-7", "alice", "clinic")
        assert (request.rule, request.reason) == ("operator/bulk", "statement.bulk")
        assert request.classes == ("copy", "copy_to")
        assert request.expires - request.created == 900
        contents = world.run(world.approvals.contents(request_id))
        assert contents.text.endswith(CANARY)
        assert contents.parameters == ((25, 0, CANARY.encode()), (17, 1, None))
        assert contents.relations == ("patients",)
        assert contents.settings == (("search_path", "x"),)
        assert CANARY not in repr(contents) + repr(request)


class TestWhoMayDecide:
    @pytest.mark.parametrize(
        ("who", "code"),
        [
            (principal("agent-7", "phi-reviewers"), "approval.self"),
            (principal("AGENT-7", "phi-reviewers"), "approval.self"),
            (renamed(principal("agent-7", "phi-reviewers"), issuer="https://b"), "approval.self"),
            (ALICE, "approval.self"),  # the agent runs for her
            (renamed(ALICE, issuer="https://people.example"), "approval.self"),
            (principal("ａｌｉｃｅ", "phi-reviewers"), "approval.self"),  # full width
            (principal("agent-9", "phi-reviewers", owner="alice"), "approval.self"),
            (principal("bob", "phi-reviewers", actors=("agent-7",)), "approval.self"),
            (CAROL, "approval.group"),
            (principal("dora"), "approval.group"),
            (principal("dora", "Phi-Reviewers"), "approval.group"),
        ],
    )
    def test_not_he(self, world: World, who: Principal, code: str) -> None:
        request_id = world.file()
        for approve in (True, False):
            assert refused(world, decide(world, request_id, who, approve)) == code
        assert world.run(world.approvals.get(request_id)).state is State.PENDING
        assert world.log.steps(request_id) == ["request"]

    def test_not_an_actor_of_the_chain(self, world: World) -> None:
        request_id = world.file(who=OTHER)
        planner = principal("planner", "phi-reviewers")
        assert refused(world, decide(world, request_id, planner)) == "approval.self"
        assert refused(world, decide(world, request_id, OTHER)) == "approval.self"

    def test_no_reviewers_means_nobody(self, world: World) -> None:
        nobody = hold(reviewers=frozenset())
        request_id = world.run(world.approvals.request("d", judged(), session(), nobody))
        assert refused(world, decide(world, request_id)) == "approval.group"

    @pytest.mark.parametrize("why", ["", "  \n ", "ok", "o k", "x" * 501, "fine\x1b[2J", "a\x00bc"])
    def test_not_without_a_reason(self, world: World, why: str) -> None:
        request_id = world.file()
        assert refused(world, decide(world, request_id, why=why)) == "approval.reason"

    @pytest.mark.parametrize("unknown", ["apr-00000000", "apr-1", "", "'; --", "APR-00000000"])
    def test_unknown(self, world: World, unknown: str) -> None:
        world.file()
        assert refused(world, decide(world, unknown)) == "approval.unknown"
        assert refused(world, world.approvals.get(unknown)) == "approval.unknown"
        assert world.run(world.approvals.wait(unknown)) is False

    @pytest.mark.parametrize("first", [True, False])
    def test_a_decision_stands(self, world: World, first: bool) -> None:
        request_id = world.file()
        world.run(decide(world, request_id, approve=first))
        dora = principal("dora", "phi-reviewers")
        for approve in (True, False):
            code = refused(world, decide(world, request_id, dora, approve))
            assert code == "approval.not_pending"
        assert world.run(world.approvals.get(request_id)).reviewer == (BOB.issuer, "bob")


class TestBinding:
    @pytest.mark.parametrize(
        "elsewhere",
        [
            session(renamed(AGENT, subject="agent-9")),
            session(renamed(AGENT, issuer="https://other.example")),
            session(renamed(AGENT, owner="bob")),
            session(renamed(AGENT, actors=("planner",))),
            session(resource="warehouse"),
            session(database="warehouse"),
            session(protocol="mysql"),
            session(rules_digest="r2"),
        ],
    )
    def test_another_identity_resource_or_rules(self, world: World, elsewhere: Any) -> None:
        world.run(decide(world, world.file()))
        assert world.run(world.approvals.passes("d1", elsewhere)) is None
        assert world.run(world.approvals.passes("d2", session())) is None
        assert world.run(world.approvals.passes("d1", session(number=2))) is not None

    def test_the_same_statement_keeps_its_id(self, world: World) -> None:
        first = world.file()
        assert world.file() == first
        others = {world.file(number=2), world.file("d2"), world.file(who=OTHER)}
        assert len(others | {first}) == 4
        world.run(decide(world, first, approve=False))
        assert world.file() not in others | {first}

    def test_one_approval_for_two_that_wait_is_one_use(self, world: World) -> None:
        request_id = world.file()
        waiting = [world.approvals.wait(request_id) for _ in range(3)]
        world.run(decide(world, request_id))
        assert sorted(world.run(deferred) for deferred in waiting) == [False, False, True]

    def test_who_gave_up_takes_nothing_from_who_waits(self, world: World) -> None:
        request_id = world.file()
        gone, there = world.approvals.wait(request_id), world.approvals.wait(request_id)
        gone.addErrback(lambda failure: failure.trap(CancelledError))
        gone.cancel()
        world.run(decide(world, request_id))
        assert world.run(there) is True

    def test_an_approval_nobody_used_can_be_taken_back(self, world: World) -> None:
        request_id = world.file()
        assert refused(world, world.approvals.revoke(request_id, BOB, "oops")) == (
            "approval.not_approved"
        )
        world.run(decide(world, request_id))
        assert refused(world, world.approvals.revoke(request_id, CAROL, "oops")) == "approval.group"
        revoked = world.run(world.approvals.revoke(request_id, BOB, "wrong patient"))
        assert revoked.state is State.REVOKED
        assert world.run(world.approvals.passes("d1", session())) is None

    def test_a_lapsed_approval_does_not_pass(self, world: World) -> None:
        request_id = world.file()
        world.advance(899)
        world.run(decide(world, request_id))
        world.clock.rightNow += 1.0  # the deadline, without any timer having run
        assert world.run(world.approvals.passes("d1", session())) is None
        assert world.run(world.approvals.wait(request_id)) is False
        assert world.run(world.approvals.get(request_id)).state is State.EXPIRED

    def test_no_decision_after_the_deadline_even_if_no_timer_ran(self, world: World) -> None:
        request_id = world.file()
        world.clock.rightNow += 900.0
        assert refused(world, decide(world, request_id)) == "approval.expired"
        assert refused(world, decide(world, request_id, approve=False)) == "approval.expired"
        assert world.run(world.approvals.requests({State.PENDING})) == []
        (listed,) = world.run(world.approvals.requests({State.EXPIRED}))
        assert listed.id == request_id

    def test_a_clock_set_back_gives_no_time(self, world: World) -> None:
        skew = 0.0
        world.approvals._now = lambda: world.clock.seconds() + skew
        request_id = world.file()
        waiting = world.now(world.approvals.wait(request_id))
        skew = -86400.0
        world.advance(901)
        assert world.run(waiting) is False
        assert refused(world, decide(world, request_id)) == "approval.expired"


class TestRestart:
    def test_a_pending_request_survives_and_passes_once(self, world: World) -> None:
        request_id = world.file()
        world.restart()
        world.run(decide(world, request_id))
        world.restart()
        assert world.run(world.approvals.passes("d1", session(number=9))) == request_id
        assert world.run(world.approvals.passes("d1", session(number=9))) is None

    def test_a_resubmission_takes_over_what_the_dead_session_asked(self, world: World) -> None:
        request_id = world.file(number=1)
        assert world.file(number=2) != request_id  # its session lives
        world.restart()
        taken = {world.file(number=3), world.file(number=4)}
        assert request_id in taken
        assert world.run(world.approvals.get(request_id)).session in {"ses-3", "ses-4"}

    def test_other_reviewers_are_another_request(self, world: World) -> None:
        request_id = world.file()
        world.restart()
        stricter = hold(reviewers=frozenset({"board"}))
        again = world.run(world.approvals.request("d1", judged(), session(number=2), stricter))
        assert again != request_id

    def test_what_expired_meanwhile_is_closed_at_the_start(self, world: World) -> None:
        request_id = world.file()
        world.clock.rightNow += 10_000
        world.restart()
        assert world.log.steps(request_id) == ["request", "expire"]

    def test_what_nobody_waits_for_is_swept(self, world: World) -> None:
        request_id = world.file()
        for _ in range(31):
            world.advance(30)
        assert world.log.steps(request_id) == ["request", "expire"]


class TestDurableFirst:
    def test_without_the_log_nothing_changes(self, world: World) -> None:
        request_id = world.file()
        used = world.file("d2")
        world.run(decide(world, used))
        world.log.broken = True
        for attempt in (
            world.approvals.request("d3", judged(), session(), hold()),
            decide(world, request_id),
            decide(world, request_id, approve=False),
            world.approvals.abandon(request_id),
            world.approvals.passes("d2", session()),
            world.approvals.wait(used),
            world.approvals.revoke(used, BOB, "because"),
        ):
            with pytest.raises(RecorderFailed):
                world.run(attempt)
        states = {r.id: r.state for r in world.run(world.approvals.requests(set(State)))}
        assert states == {request_id: State.PENDING, used: State.APPROVED}

    def test_a_hold_ends_in_time_even_when_the_log_hangs(self, world: World) -> None:
        request_id = world.file()
        waiting = world.now(world.approvals.wait(request_id))
        world.log.waiting = []
        deciding = world.now(decide(world, request_id))
        assert not deciding.called
        world.advance(901)
        assert world.run(waiting) is False
        leaves, world.log.waiting = world.log.waiting, None
        leaves[0].callback(7)  # the leaf comes too late
        assert refused(world, deciding) == "approval.expired"
        assert world.log.steps(request_id) == ["request", "approve", "void", "expire"]

    def test_the_leaf_comes_before_the_change(self, world: World) -> None:
        request_id = world.file()
        waiting = world.approvals.wait(request_id)
        world.log.waiting = []
        deciding = world.now(decide(world, request_id))
        assert world.log.steps(request_id) == ["request", "approve"]
        assert world.run(world.approvals.get(request_id)).state is State.PENDING
        world.log.waiting.pop().callback(1)
        world.settle()
        assert deciding.called
        assert not waiting.called  # its own leaf, "use", is not durable yet
        world.log.waiting.pop().callback(2)
        assert world.run(waiting) is True

    def test_two_processes_race_and_one_wins(self, world: World) -> None:
        request_id = world.file()
        other = world.another()
        world.log.waiting = []
        first = world.approvals.decide(request_id, True, BOB, "yes, fine")
        second = other.decide(request_id, False, principal("dora", "phi-reviewers"), "no way")
        world.settle()
        leaves = {leaf["step"]: number for number, leaf in enumerate(world.log.leaves)}
        held, world.log.waiting = world.log.waiting, None
        held[leaves["deny"] - 1].callback(1)
        world.settle()
        held[leaves["approve"] - 1].callback(2)
        assert world.run(second).state is State.DENIED
        assert refused(world, first) == "approval.not_pending"
        assert world.log.leaves[-1]["step"] == "void"
        assert world.log.leaves[-1]["of"] == 2
        other.stop()

    def test_two_processes_use_one_approval_once(self, world: World) -> None:
        request_id = world.file()
        world.run(decide(world, request_id))
        other = world.another()
        world.log.waiting = []
        both = [one.passes("d1", session()) for one in (world.approvals, other)]
        world.settle()
        leaves, world.log.waiting = world.log.waiting, None
        for leaf in leaves:
            leaf.callback(1)
        assert sorted(str(world.run(deferred)) for deferred in both) == ["None", request_id]
        other.stop()

    def test_cancelling_leaves_no_half_step(self, world: World) -> None:
        world.log.waiting = []
        filing = world.now(world.approvals.request("d1", judged(), session(), hold()))
        filing.addErrback(lambda failure: failure.trap(CancelledError))
        filing.cancel()
        leaves, world.log.waiting = world.log.waiting, None
        leaves[0].callback(0)
        world.settle()
        (request,) = world.run(world.approvals.requests(set(State)))
        assert request.state is State.ABANDONED
        assert world.log.steps(request.id) == ["request", "abandon"]


class TestBounds:
    @pytest.mark.parametrize(
        "bounds", [Bounds(pending=3), Bounds(hourly=3), Bounds(total=3)], ids=str
    )
    def test_too_many(self, tmp_path: Path, bounds: Bounds) -> None:
        world = World(tmp_path, bounds)
        filed = [world.file(f"d{number}") for number in range(3)]
        more = world.approvals.request("d9", judged(), session(), hold())
        assert refused(world, more) == "approval.too_many"
        assert world.file("d1") == filed[1]  # nothing new
        world.advance(3601)
        world.file("d9")
        world.stop()

    def test_a_flood_at_once_is_bounded_too(self, world: World) -> None:
        asked = [
            world.approvals.request(f"d{number}", judged(), session(), hold())
            for number in range(40)
        ]
        codes = []
        for deferred in asked:
            try:
                world.run(deferred)
            except Refused as error:
                codes.append(error.code)
        assert codes == ["approval.too_many"] * 20


class TestOnDisk:
    def everything(self, world: World) -> bytes:
        return b"".join(file.read_bytes() for file in world.directory.iterdir())

    def test_no_statement_digest_or_reason_in_the_clear(self, world: World) -> None:
        digest = "5" * 64
        request_id = world.file(digest)
        world.run(decide(world, request_id, why=f"asked for {CANARY}"))
        content = self.everything(world)
        assert request_id.encode() in content
        for secret in (CANARY, digest, "COPY patients"):
            assert secret.encode() not in content
            assert secret not in repr(world.log.leaves)
        for file in world.directory.iterdir():
            assert file.stat().st_mode & 0o077 == 0, file

    def test_the_statement_is_erased_what_was_decided_stays(self, world: World) -> None:
        request_id = world.file()
        world.run(decide(world, request_id, approve=False))
        world.advance(30 * 86400)
        assert world.run(world.approvals.contents(request_id)) is not None
        world.advance(60)
        assert world.run(world.approvals.contents(request_id)) is None
        assert world.run(world.approvals.reason(request_id)) == "audit"
        assert world.run(world.approvals.get(request_id)).state is State.DENIED

    @pytest.mark.parametrize(
        "change",
        [
            "facts = replace(facts, 'phi-reviewers', 'agents')",
            "digest = (SELECT digest FROM approvals WHERE id <> :id)",
            "binding = 'x'",
            "sealed = (SELECT sealed FROM approvals WHERE id <> :id)",
            "sealed = NULL",
            "sealed = x'00'",
        ],
    )
    def test_a_changed_row_is_not_decided_nor_used(self, world: World, change: str) -> None:
        request_id, _ = world.file(), world.file("d2")
        with closing(sqlite3.connect(world.directory / "state.sqlite3")) as connection, connection:
            connection.execute(f"UPDATE approvals SET {change} WHERE id = :id", {"id": request_id})
        connection.close()
        reviewer = principal("dora", "phi-reviewers", "agents")
        assert refused(world, decide(world, request_id, reviewer)) == "approval.damaged"

    def test_a_key_that_others_can_read_or_is_short(self, tmp_path: Path) -> None:
        world = World(tmp_path)
        key = world.directory / "approvals.key"
        request_id = world.file()
        key.chmod(0o644)
        with pytest.raises(SealingError, match="chmod 600"):
            world.another()
        key.chmod(0o600)
        key.write_bytes(b"short")
        with pytest.raises(SealingError, match="32 bytes"):
            world.another()
        key.write_bytes(b"k" * 32)  # another key: restored from the wrong backup
        world.restart()
        assert refused(world, decide(world, request_id)) == "approval.damaged"
        assert world.run(decide(world, world.file())).state is State.APPROVED
        world.stop()


def test_observers_hear_every_step_and_cannot_stop_one(world: World) -> None:
    heard: list[tuple[str, Step]] = []

    def hear(request: Any, step: Step) -> None:
        heard.append((request.id, step))
        raise ValueError(CANARY)

    events: list[Any] = []
    globalLogPublisher.addObserver(events.append)
    stop = world.approvals.observe(hear)
    request_id = world.file()
    waiting = world.approvals.wait(request_id)
    world.run(decide(world, request_id))
    assert world.run(waiting) is True
    stop()
    world.file("d2")
    globalLogPublisher.removeObserver(events.append)
    assert heard == [(request_id, step) for step in (Step.REQUEST, Step.APPROVE, Step.USE)]
    assert len([event for event in events if "log_failure" in event]) == 3


def test_a_store_that_fails_fails_who_waits(world: World) -> None:
    request_id = world.file()
    waiting = world.now(world.approvals.wait(request_id))
    world.store._broken = True
    world.approvals._wake(request_id)
    with pytest.raises(HoopgateError):
        world.run(waiting)
    world.store._broken = False


def test_not_started_is_refused(world: World) -> None:
    idle = Approvals(world.store, None, world.clock, key_file=world.directory / "k")
    assert refused(world, idle.passes("d1", session())) == "approval.unavailable"
