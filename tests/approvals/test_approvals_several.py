"""Several approvers, windows, effects: each with its races, ends and leaves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from testbed.approvals import AGENT, ALICE, BOB, World, hold, judged, principal, session

from hoopgate.approvals.states import State
from hoopgate.errors import Refused

DORA = principal("dora", "phi-reviewers")
EVE = principal("eve", "phi-reviewers")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    world.stop()


def refused(world: World, deferred: Any) -> str:
    with pytest.raises(Refused) as caught:
        world.run(deferred)
    return caught.value.code


def file(world: World, digest: str = "d1", number: int = 1, **more: Any) -> str:
    filed = world.approvals.request(digest, judged(), session(AGENT, number), hold(**more))
    request_id: str = world.run(filed)
    return request_id


def approve(world: World, request_id: str, who: Any, why: str = "because") -> Any:
    return world.approvals.decide(request_id, True, who, why)


class TestQuorum:
    def test_two_have_to_approve(self, world: World) -> None:
        request_id = file(world, approvers=2)
        waiting = world.now(world.approvals.wait(request_id))
        first = world.run(approve(world, request_id, BOB, "first look"))
        assert first.state is State.PENDING
        assert [vote.subject for vote in first.votes] == ["bob"]
        assert not waiting.called
        assert refused(world, approve(world, request_id, BOB)) == "approval.twice"
        second = world.run(approve(world, request_id, DORA, "second look"))
        assert second.state is State.APPROVED
        assert world.run(waiting) is True
        assert world.log.steps(request_id) == ["request", "endorse", "approve", "use"]
        counted = [leaf for leaf in world.log.leaves if "of" in leaf]
        assert [(leaf["reviewer"], leaf["approval"], leaf["of"]) for leaf in counted] == [
            ("bob", 1, 2),
            ("dora", 2, 2),
        ]
        request = world.run(world.approvals.get(request_id))
        given = world.approvals.reasons(request)
        assert [(vote.subject, why) for vote, why in given] == [
            ("bob", "first look"),
            ("dora", "second look"),
        ]

    def test_one_denial_ends_it(self, world: World) -> None:
        request_id = file(world, approvers=3)
        waiting = world.now(world.approvals.wait(request_id))
        world.run(approve(world, request_id, BOB))
        world.run(world.approvals.decide(request_id, False, DORA, "no need"))
        assert world.run(waiting) is False
        assert refused(world, approve(world, request_id, EVE)) == "approval.not_pending"
        assert world.log.steps(request_id) == ["request", "endorse", "deny"]

    def test_two_names_of_one_person_are_one(self, world: World) -> None:
        request_id = file(world, approvers=2)
        world.run(approve(world, request_id, BOB))
        for same in (
            principal("Bob", "phi-reviewers", issuer="https://other.example"),
            principal("bobs-agent", "phi-reviewers", owner="BOB"),
            principal("helper", "phi-reviewers", actors=("bob",)),
        ):
            assert refused(world, approve(world, request_id, same)) == "approval.twice"
        assert world.run(world.approvals.get(request_id)).state is State.PENDING

    def test_the_owner_is_none_of_several_either(self, world: World) -> None:
        request_id = file(world, approvers=2)
        world.run(approve(world, request_id, BOB))
        assert refused(world, approve(world, request_id, ALICE)) == "approval.self"

    def test_two_processes_at_once(self, world: World) -> None:
        """Both vote on what they saw; none is lost unseen, none counts twice."""
        request_id = file(world, approvers=2)
        other = world.another()
        world.log.waiting = []
        one = world.now(approve(world, request_id, BOB))
        two = world.now(other.decide(request_id, True, DORA, "because"))
        pending, world.log.waiting = world.log.waiting, None
        for leaf in pending:
            leaf.callback(0)
        results = []
        for deferred in (one, two):
            try:
                results.append(world.run(deferred).state)
            except Refused as error:
                results.append(error.code)
        assert sorted(map(str, results)) == ["approval.not_pending", "pending"]
        assert world.log.steps(request_id) == ["request", "endorse", "endorse", "void"]
        assert len(world.run(world.approvals.get(request_id)).votes) == 1
        other.stop()

    def test_it_expires_half_approved(self, world: World) -> None:
        request_id = file(world, approvers=2)
        world.run(approve(world, request_id, BOB))
        world.advance(901)
        assert refused(world, approve(world, request_id, DORA)) == "approval.expired"

    def test_votes_survive_a_restart(self, world: World) -> None:
        request_id = file(world, approvers=2)
        world.run(approve(world, request_id, BOB))
        world.restart()
        assert refused(world, approve(world, request_id, BOB)) == "approval.twice"
        world.run(approve(world, request_id, DORA))
        assert world.run(world.approvals.passes("d1", session(number=5))) == request_id

    @settings(max_examples=40, deadline=None)
    @given(
        quorum=st.integers(1, 4),
        moves=st.lists(
            st.tuples(st.sampled_from("abcde"), st.sampled_from([True, True, True, False]))
        ),
    )
    def test_as_many_as_are_asked_for(
        self,
        tmp_path_factory: pytest.TempPathFactory,
        quorum: int,
        moves: list[tuple[str, bool]],
    ) -> None:
        world = World(tmp_path_factory.mktemp("quorum"))
        try:
            request_id = file(world, approvers=quorum)
            said: set[str] = set()
            state = "pending"
            for who, yes in moves:
                person = principal(who, "phi-reviewers")
                try:
                    got = world.run(world.approvals.decide(request_id, yes, person, "because"))
                except Refused as error:
                    assert state != "pending" or (yes and who in said), error.code
                    continue
                assert state == "pending"
                if yes:
                    said.add(who)
                state = "denied" if not yes else "approved" if len(said) == quorum else "pending"
                assert str(got.state) == state
            passed = world.run(world.approvals.passes("d1", session()))
            assert (passed == request_id) is (state == "approved")
        finally:
            world.stop()


class TestWindow:
    def test_the_same_passes_again_until_it_ends(self, world: World) -> None:
        request_id = file(world, window=600.0)
        waiting = world.now(world.approvals.wait(request_id))
        approved = world.run(approve(world, request_id, BOB))
        assert world.approvals.seconds_left(approved) == 600.0
        assert world.run(waiting) is True
        for _ in range(3):
            assert world.run(world.approvals.passes("d1", session(number=7))) == request_id
        assert world.run(world.approvals.passes("d2", session())) is None
        assert world.run(world.approvals.passes("d1", session(principal("agent-9")))) is None
        request = world.run(world.approvals.get(request_id))
        assert (request.state, request.uses) == (State.APPROVED, 4)
        world.advance(599)
        assert world.run(world.approvals.passes("d1", session())) == request_id
        world.advance(2)
        assert world.run(world.approvals.passes("d1", session())) is None
        assert world.run(world.approvals.get(request_id)).state is State.EXPIRED
        world.advance(31)  # the sweep
        steps = world.log.steps(request_id)
        assert steps == ["request", "approve", *["use"] * 5, "expire"]

    def test_it_can_be_taken_back(self, world: World) -> None:
        request_id = file(world, window=600.0)
        world.run(approve(world, request_id, BOB))
        assert world.run(world.approvals.passes("d1", session())) == request_id
        world.run(world.approvals.revoke(request_id, DORA, "enough"))
        assert world.run(world.approvals.passes("d1", session())) is None

    def test_it_may_be_longer_than_the_wait(self, world: World) -> None:
        request_id = file(world, expires=60.0, window=3600.0)
        waiting = world.now(world.approvals.wait(request_id))
        world.advance(50)
        world.run(approve(world, request_id, BOB))
        assert world.run(waiting) is True
        world.advance(3500)
        assert world.run(world.approvals.passes("d1", session())) == request_id

    def test_other_rules_end_it(self, world: World) -> None:
        request_id = file(world, window=600.0)
        world.run(approve(world, request_id, BOB))
        newer = replace(session(), rules_digest="r2")
        assert world.run(world.approvals.passes("d1", newer)) is None


class TestEffect:
    def asked(self, world: World, affected: int = 3) -> str:
        what = replace(judged("DELETE FROM visits"), affected=affected)
        request_id: str = world.run(
            world.approvals.request("d1", what, session(), hold(effect=True))
        )
        return request_id

    def test_what_it_did_is_shown_to_reviewers(self, world: World) -> None:
        request_id = self.asked(world)
        assert world.run(world.approvals.get(request_id)).effect
        assert world.run(world.approvals.contents(request_id)).affected == 3
        assert world.log.leaves[-1]["effect"] == 3

    def test_each_is_a_request_of_its_own(self, world: World) -> None:
        assert self.asked(world, 3) != self.asked(world, 4)

    def test_it_passes_nothing_else(self, world: World) -> None:
        request_id = self.asked(world)
        world.run(approve(world, request_id, BOB))
        assert world.run(world.approvals.passes("d1", session())) is None

    def test_a_client_that_left_after_the_approval_ends_it(self, world: World) -> None:
        request_id = self.asked(world)
        world.run(approve(world, request_id, BOB))
        world.run(world.approvals.abandon(request_id))
        assert world.run(world.approvals.get(request_id)).state is State.ABANDONED
        assert world.run(world.approvals.wait(request_id)) is False

    def test_a_restart_ends_it(self, world: World) -> None:
        request_id = self.asked(world)
        world.restart()
        assert world.run(world.approvals.get(request_id)).state is State.ABANDONED
        assert refused(world, approve(world, request_id, BOB)) == "approval.not_pending"
        assert world.log.steps(request_id) == ["request", "abandon"]
