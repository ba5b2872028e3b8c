"""Whatever agents, reviewers, clocks and restarts do: one approval is at most one use."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from testbed.approvals import (
    AGENT,
    ALICE,
    BOB,
    CAROL,
    OTHER,
    World,
    hold,
    judged,
    principal,
    session,
)
from twisted.internet.defer import CancelledError

from hoopgate.approvals import model
from hoopgate.approvals.model import Contents
from hoopgate.approvals.states import State
from hoopgate.errors import Refused
from hoopgate.events import Judged, Principal, Statement
from hoopgate.verdicts import Hold

AGENTS = {"agent-7": AGENT, "agent-8": OTHER}
REVIEWERS = {
    "alice": ALICE,
    "bob": BOB,
    "carol": CAROL,
    "dora": principal("dora", "phi-reviewers"),
    "agent-7": principal("agent-7", "phi-reviewers"),
    "agent-8": OTHER,
    "planner": principal("planner", "phi-reviewers"),
}
#: Written by hand, not by the code under test: who may decide whose requests.
MAY = {("agent-7", "bob"), ("agent-7", "dora"), ("agent-7", "agent-8"), ("agent-7", "planner")} | {
    ("agent-8", "alice"),
    ("agent-8", "bob"),
    ("agent-8", "dora"),
    ("agent-8", "agent-7"),
}
EXPIRES = 100.0


@dataclass
class Expected:
    """What the model knows of one request."""

    agent: str
    digest: str
    session: int  # 0: its session died with the process
    expires: float
    state: str = "pending"
    uses: int = 0
    decided_by: list[str] = field(default_factory=list)
    waiters: list[Any] = field(default_factory=list)
    late: bool = False  # the timer of its waiters is


class Machine(RuleBasedStateMachine):
    ids = Bundle("ids")

    @initialize()
    def begin(self) -> None:
        self.directory = Path(tempfile.mkdtemp())
        self.world = World(self.directory)
        self.known: dict[str, Expected] = {}

    def teardown(self) -> None:
        self.world.stop()
        shutil.rmtree(self.directory)

    # --- the model -----------------------------------------------------------------------------

    def lapse(self) -> None:
        for one in self.known.values():
            if one.state in {"pending", "approved"} and one.expires <= self.world.clock.seconds():
                one.state = "expired"

    def use(self, one: Expected) -> None:
        assert one.state == "approved"
        one.state = "used"
        one.uses += 1

    def answered(self, one: Expected) -> list[object]:
        """Results of the waiters, which must all have been told."""
        results = [self.world.run(waiter) for waiter in one.waiters]
        one.waiters.clear()
        return results

    def hung_up(self, one: Expected) -> None:
        """The waiters do not wait for a timer that is late."""
        for waiter in one.waiters:
            waiter.addErrback(lambda failure: failure.trap(CancelledError))
            waiter.cancel()
        one.waiters.clear()

    # --- what can happen -----------------------------------------------------------------------

    @rule(
        target=ids,
        agent=st.sampled_from(sorted(AGENTS)),
        digest=st.sampled_from(["d1", "d2"]),
        number=st.integers(1, 2),
    )
    def request(self, agent: str, digest: str, number: int) -> str:
        self.lapse()
        filed = self.world.approvals.request(
            digest, judged(), session(AGENTS[agent], number), hold(EXPIRES)
        )
        request_id: str = self.world.run(filed)
        same = [
            (one.session, key)
            for key, one in self.known.items()
            if (one.agent, one.digest, one.state) == (agent, digest, "pending")
            and one.session in {0, number}
        ]
        if same:
            assert request_id in {key for number, key in same if number == max(same)[0]}
            self.known[request_id].session = number
        else:
            assert request_id not in self.known
            expires = self.world.clock.seconds() + EXPIRES
            self.known[request_id] = Expected(agent, digest, number, expires)
        return request_id

    @rule(request_id=ids)
    def wait_twice(self, request_id: str) -> None:
        self.wait(request_id)
        self.wait(request_id)

    @rule(request_id=ids)
    def wait_once(self, request_id: str) -> None:
        self.wait(request_id)

    def wait(self, request_id: str) -> None:
        self.lapse()
        one = self.known[request_id]
        waiter = self.world.now(self.world.approvals.wait(request_id))
        if one.state == "pending":
            assert not waiter.called
            one.late = one.late and bool(one.waiters)
            one.waiters.append(waiter)
        else:
            assert self.world.run(waiter) is (one.state == "approved")
            if one.state == "approved":
                self.use(one)

    @rule(request_id=ids)
    def hang_up(self, request_id: str) -> None:
        self.lapse()
        one = self.known[request_id]
        for waiter in one.waiters:
            waiter.addErrback(lambda failure: failure.trap(CancelledError))
            waiter.cancel()
        one.waiters.clear()
        self.world.run(self.world.approvals.abandon(request_id))
        if one.state == "pending":
            one.state = "abandoned"

    @rule(
        request_id=ids,
        who=st.sampled_from(sorted(REVIEWERS)),
        approve=st.sampled_from([True, True, False]),
    )
    def decide(self, request_id: str, who: str, approve: bool) -> None:
        self.lapse()
        one = self.known[request_id]
        deciding = self.world.approvals.decide(request_id, approve, REVIEWERS[who], "because")
        try:
            self.world.run(deciding)
        except Refused as error:
            code = error.code
        else:
            code = ""
        if (one.agent, who) not in MAY:
            assert code in {"approval.self", "approval.group"}
            return
        if one.state != "pending":
            assert code == (
                "approval.expired" if one.state == "expired" else "approval.not_pending"
            )
            return
        assert code == ""
        one.decided_by.append(who)
        one.state = "approved" if approve else "denied"
        waited = len(one.waiters)
        results = self.answered(one)
        if approve and waited:
            assert sorted(results) == [False] * (waited - 1) + [True]
            self.use(one)
        else:
            assert not any(results)

    @rule(request_id=ids, who=st.sampled_from(sorted(REVIEWERS)))
    def revoke(self, request_id: str, who: str) -> None:
        self.lapse()
        one = self.known[request_id]
        try:
            self.world.run(self.world.approvals.revoke(request_id, REVIEWERS[who], "because"))
        except Refused:
            assert (one.agent, who) not in MAY or one.state != "approved"
            return
        assert (one.agent, who) in MAY
        assert one.state == "approved"
        one.state = "revoked"

    @rule(
        agent=st.sampled_from(sorted(AGENTS)),
        digest=st.sampled_from(["d1", "d2"]),
        number=st.integers(1, 9),
    )
    def resubmit(self, agent: str, digest: str, number: int) -> None:
        self.lapse()
        passed = self.world.run(self.world.approvals.passes(digest, session(AGENTS[agent], number)))
        good = {
            key
            for key, one in self.known.items()
            if (one.agent, one.digest, one.state) == (agent, digest, "approved")
        }
        if passed is None:
            assert not good
        else:
            assert passed in good
            self.use(self.known[passed])

    @rule(seconds=st.sampled_from([0.5, 30.0, 99.0, 101.0]))
    def time_passes(self, seconds: float) -> None:
        self.world.advance(seconds)
        self.lapse()
        for one in self.known.values():
            if one.state == "expired" and one.late:
                self.hung_up(one)
            elif one.state == "expired":
                assert not any(self.answered(one))

    @rule(seconds=st.sampled_from([99.0, 101.0]))
    def time_passes_while_the_machine_sleeps(self, seconds: float) -> None:
        """No timer runs: the deadline must hold without."""
        for call in self.world.clock.getDelayedCalls():
            call.delay(seconds)
        self.world.clock.rightNow += seconds
        self.lapse()
        for one in self.known.values():
            one.late = bool(one.waiters)
            if one.state == "expired":
                self.hung_up(one)

    @rule()
    def restart(self) -> None:
        self.world.restart()
        self.lapse()
        for one in self.known.values():
            one.waiters.clear()
            if one.state == "pending":
                one.session = 0

    # --- what must hold ------------------------------------------------------------------------

    @invariant()
    def states_agree(self) -> None:
        self.lapse()
        listed = self.world.run(self.world.approvals.requests(set(State)))
        assert {request.id: str(request.state) for request in listed} == {
            key: one.state for key, one in self.known.items()
        }

    @invariant()
    def the_log_tells_an_honest_story(self) -> None:
        for key, one in self.known.items():
            steps = self.world.log.steps(key)
            assert steps[0] == "request"
            assert steps.count("use") == one.uses <= 1
            assert "void" not in steps
            if "use" in steps:
                assert steps[-2:] == ["approve", "use"]
            for who in one.decided_by:
                assert (one.agent, who) in MAY


def test_at_most_one_use() -> None:
    run_state_machine_as_test(
        Machine, settings=settings(max_examples=80, stateful_step_count=40, deadline=None)
    )


names = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@settings(max_examples=100, deadline=None)
@given(
    text=st.text(st.characters(exclude_categories=["Cs"])),
    types=st.lists(st.integers(0, 2**32 - 1), max_size=3).map(tuple),
    parameters=st.none()
    | st.lists(st.tuples(st.integers(0, 1), st.none() | st.binary(max_size=50)), max_size=5).map(
        tuple
    ),
    search_path=names,
)
def test_contents_survive_sealing(text: str, types: Any, parameters: Any, search_path: str) -> None:
    asked = Judged(Statement(text, types, parameters, {"search_path": search_path}), None)
    contents = Contents.of("d", asked, session(), hold())
    again = Contents.decode(contents.encode())
    assert again == contents
    assert again.text == text
    assert [value for _, _, value in again.parameters] == [v for _, v in parameters or ()]


@given(st.lists(names, min_size=4, max_size=4), st.lists(names, min_size=4, max_size=4))
def test_identities_do_not_run_together(one: list[str], two: list[str]) -> None:
    def key(parts: list[str]) -> str:
        issuer, subject, owner, actor = parts
        return model.requester_key(
            Principal(issuer, subject, frozenset(), 0.0, owner=owner, actors=(actor,))
        )

    assert (key(one) == key(two)) == (one == two)


@given(names, names)
def test_nobody_decides_for_himself(subject: str, owner: str) -> None:
    asker = Principal("i", subject, frozenset(), 0.0, owner=owner)
    verdict = Hold("r", "r", "m", frozenset({"g"}), 10.0)
    facts = model.facts_of(judged(), session(asker), verdict)
    request = model.from_row(
        ("apr-00000000", "pending", facts, "s", 0.0, 9.0, None, "", "[]", 0, ""), 1.0
    )
    ascii_upper = subject.translate({code: code - 32 for code in range(97, 123)})
    for name in {subject, owner, ascii_upper} - {""}:
        reviewer = Principal("j", name, frozenset(), 0.0, groups=frozenset({"g"}))
        with pytest.raises(Refused) as caught:
            model.check_reviewer(request, reviewer)
        assert caught.value.code == "approval.self"
