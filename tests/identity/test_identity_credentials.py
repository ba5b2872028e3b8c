"""Session credentials as they are kept, and what refusals tell programs to do."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hoopgate.actions import Decision
from hoopgate.errors import IdentityRefused
from hoopgate.events import Principal
from hoopgate.identity.credentials import Credential, Credentials
from hoopgate.telling import refusal, retry_of, waiting
from hoopgate.verdicts import Block, Hold

_NAMES = st.text(min_size=1, max_size=20)
_SETS = st.frozensets(_NAMES, max_size=4)
_PRINCIPALS = st.builds(
    Principal,
    issuer=_NAMES,
    subject=_NAMES,
    scopes=_SETS,
    expires_at=st.floats(1100, 1e10),
    groups=_SETS,
    actors=st.lists(_NAMES, max_size=8).map(tuple),
    owner=st.text(max_size=20),
    client_id=st.text(max_size=20),
)


@given(_PRINCIPALS, st.sampled_from(["password", "jwt", "ssh-certificate"]))
def test_a_credential_is_kept_without_its_secret(who: Principal, form: str) -> None:
    credentials = Credentials(lambda: 1000.0)
    credential, password = credentials.issue(who, "clinic", form=form)
    dumped = credential.dump()
    assert password not in dumped
    assert Credential.load(credential.user, dumped) == credential
    again = Credentials(lambda: 1000.0)
    again.restore(credential)
    assert again.verifier(credential.user).proves(password)
    assert again.principal(credential.user, "clinic") == credential.principal


@given(st.text(max_size=100) | st.builds(json.dumps, st.dictionaries(_NAMES, st.none())))
def test_a_damaged_one_is_none(dumped: str) -> None:
    with pytest.raises(ValueError, match="a damaged credential"):
        Credential.load("hg-aaaaaaaaaaaa", dumped)


def test_who_came_by_a_credential_needs_it() -> None:
    credentials = Credentials(lambda: 1000.0)
    who = Principal(
        "https://issuer", "agent", frozenset(), 2000.0, token_id="a-token-of-the-issuer"
    )
    credentials.check(who)  # by a token
    credential, _ = credentials.issue(who, "clinic")
    credentials.check(credential.principal)
    credentials.revoke(credential.user)
    with pytest.raises(IdentityRefused) as caught:
        credentials.check(credential.principal)
    assert caught.value.code == "identity.credential"


@pytest.mark.parametrize(
    ("reason", "retry"),
    [
        ("statement.ddl", "no"),
        ("phi.predicate", "no"),
        ("approval.refused", "no"),
        ("approval.pending", "after_approval"),
        ("recorder.full", "later"),
        ("directory.timeout", "later"),
        ("identity.expired", "after_login"),
    ],
)
def test_what_to_do_next(reason: str, retry: str) -> None:
    assert retry_of(reason) == retry


def test_what_a_refusal_tells() -> None:
    decision = Decision("req-1", Block("operator/no", "statement.ddl", "No.", subject="a.b"))
    assert refusal(decision) == {
        "rule": "operator/no",
        "reason": "statement.ddl",
        "request": "req-1",
        "retry": "no",
        "subject": "a.b",
    }
    hold = Hold("operator/ask", "rule.approve", "Ask.", frozenset({"x"}), 60.0)
    held = Decision("req-2", hold, approval="apr-1")
    held.address = "https://gw/approvals/apr-1"
    assert refusal(held) == {
        "rule": "operator/ask",
        "reason": "approval.pending",
        "request": "req-2",
        "retry": "after_approval",
        "approval": "apr-1",
        "address": "https://gw/approvals/apr-1",
    }
    assert waiting("apr-1", hold) == {
        "rule": "operator/ask",
        "reason": "rule.approve",
        "approval": "apr-1",
    }
