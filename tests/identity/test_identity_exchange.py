"""Token exchange: nothing grows by it, and nobody who acts is left out of the chain."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from identity_tokens import ISSUER, NOW, claims, keys, token
from twisted.internet.defer import Deferred, succeed

from hoopgate.errors import IdentityRefused, Refused
from hoopgate.gateway.exchange import Asked, Exchange
from hoopgate.identity.credentials import Credential, Credentials
from hoopgate.identity.groups import FileGroups
from hoopgate.identity.verifier import IdentityVerifier
from hoopgate.settings.model import FileDirectory, Resource

CLINIC = Resource("clinic", "postgres", "tcp:db:5432", "db", "clinic", "pg:clinic", "app")
NAMES = ("agent-7", "executor", "helper", "other")


class Keys:
    """Known beforehand."""

    async def keys(self, kid: str) -> Any:
        return keys()

    def stop(self) -> None:
        """Nothing runs."""


class Log:
    def __init__(self) -> None:
        self.details: list[dict[str, Any]] = []

    def append(self, kind: str, detail: dict[str, Any]) -> Deferred[int]:
        self.details.append(detail)
        return succeed(len(self.details))


class Store:
    def execute(self, sql: str, parameters: Sequence[object] = ()) -> Deferred[list[Any]]:
        return succeed([])


class World:
    def __init__(self, delegation: str = "may_act") -> None:
        self.now = float(NOW)
        directory = FileGroups(FileDirectory({"agents": frozenset(NAMES)}))
        verifier = IdentityVerifier(
            [ISSUER],
            directory,
            {ISSUER.url: Keys()},  # type: ignore[dict-item]
            now=lambda: self.now,
        )
        self.log = Log()
        self.credentials = Credentials(lambda: self.now)
        self.exchange = Exchange(
            {"clinic": CLINIC},
            verifier,
            self.credentials,
            self.log,  # type: ignore[arg-type]
            Store(),  # type: ignore[arg-type]
            delegation=delegation,
            now=lambda: self.now,
        )

    def ask(self, subject: str, actor: str = "", **more: Any) -> Credential:
        asked = Asked(subject, "clinic", actor_token=actor, **more)
        results: list[Any] = []
        Deferred.fromCoroutine(self.exchange.exchange(asked)).addBoth(results.append)
        if hasattr(results[0], "raiseException"):
            results[0].raiseException()
        return results[0][0]  # type: ignore[no-any-return]


def chain(*subjects: str) -> dict[str, Any] | None:
    """The claim ``act``: the first acts now."""
    found: dict[str, Any] | None = None
    for subject in reversed(subjects):
        found = {"sub": subject, **({"act": found} if found else {})}
    return found


def acting(*subjects: str) -> str:
    """A token of the first, which the others hold one for the other."""
    first, *rest = subjects
    return token(claims(sub=first, act=chain(*rest)))


def test_who_really_acts_is_in_the_chain() -> None:
    """``other`` holds a token of executor's: it is not executor alone that acts then."""
    world = World()
    subject = token(claims(may_act={"sub": "executor"}, act=chain("helper")))
    found = world.ask(subject, acting("executor", "other")).principal
    assert found.subject == "agent-7"
    assert found.actors == ("other", "executor", "helper")
    assert world.log.details[-1]["actors"] == ["other", "executor", "helper"]


@given(st.lists(st.sampled_from(NAMES), max_size=8), st.lists(st.sampled_from(NAMES), max_size=8))
def test_no_actor_is_lost(before: list[str], held: list[str]) -> None:
    world = World()
    subject = token(claims(may_act={"sub": "executor"}, act=chain(*before)))
    whole = (*held, "executor", *before)
    if len(whole) > 8:
        with pytest.raises(IdentityRefused, match="chain"):
            world.ask(subject, acting("executor", *held))
    else:
        assert world.ask(subject, acting("executor", *held)).principal.actors == whole


@given(
    st.sets(st.sampled_from(["pg:clinic", "pg:other", "hoopgate:approve", ""])),
    st.sets(st.sampled_from(["pg:clinic", "pg:other", "hoopgate:approve"])),
)
def test_scopes_only_shrink(held: set[str], asked: set[str]) -> None:
    world = World()
    subject = token(claims(scope=" ".join(sorted(held))))
    if "pg:clinic" not in held or not asked <= held or (asked and "pg:clinic" not in asked):
        with pytest.raises(Refused):
            world.ask(subject, scopes=frozenset(asked))
        assert world.log.details == []
    else:
        scopes = world.ask(subject, scopes=frozenset(asked)).principal.scopes
        assert scopes == frozenset(asked or held - {""})


@given(st.integers(1, 3000), st.integers(1, 3000), st.floats(1, 10_000))
def test_it_outlives_nothing_that_it_was_given_for(own: int, actors: int, lifetime: float) -> None:
    world = World()
    subject = token(claims(exp=NOW + own, may_act={"sub": "executor"}))
    actor = token(claims(sub="executor", exp=NOW + actors))
    found = world.ask(subject, actor, lifetime=lifetime).principal
    assert found.expires_at <= NOW + min(own, actors, lifetime, 900.0)


def test_what_has_expired_is_exchanged_for_nothing() -> None:
    world = World()
    good, late = token(claims(may_act={"sub": "executor"})), token(claims(exp=NOW - 1, iat=NOW - 9))
    for subject, actor in ((late, ""), (good, late)):
        with pytest.raises(IdentityRefused) as refused:
            world.ask(subject, actor)
        assert refused.value.code == "identity.expired"
    assert world.log.details == []


@pytest.mark.parametrize(
    "act",
    [
        "executor",
        [],
        [{"sub": "executor"}],
        {},
        {"sub": ""},
        {"sub": 7},
        {"sub": ["executor"]},
        {"sub": "a\nb"},
        {"sub": "executor", "act": None},
        {"sub": "executor", "act": "planner"},
        chain(*["executor"] * 9),
    ],
)
def test_a_forged_chain_is_none(act: Any) -> None:
    """In the subject's token, and in the actor's."""
    world = World("any")
    broken = token({**claims(sub="executor"), "act": act})
    for subject, actor in ((broken, ""), (token(), broken)):
        with pytest.raises(IdentityRefused) as refused:
            world.ask(subject, actor)
        assert refused.value.code == "identity.actor"


@pytest.mark.parametrize(
    ("delegation", "may_act", "passes"),
    [
        ("none", {"sub": "executor"}, False),
        ("may_act", None, False),
        ("may_act", {"sub": "helper"}, False),
        ("may_act", {"sub": "EXECUTOR"}, False),
        ("may_act", {"sub": "executor", "iss": "https://other.example"}, False),
        ("may_act", {"sub": "executor", "iss": ISSUER.url}, True),
        ("any", None, True),
        ("any", {"sub": "helper"}, False),
    ],
)
def test_who_may_act(delegation: str, may_act: Any, passes: bool) -> None:
    world = World(delegation)
    subject = token(claims(may_act=may_act))
    if passes:
        assert world.ask(subject, acting("executor")).principal.actors == ("executor",)
    else:
        with pytest.raises(IdentityRefused) as refused:
            world.ask(subject, acting("executor"))
        assert refused.value.code == "identity.actor"
