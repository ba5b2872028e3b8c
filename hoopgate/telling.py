"""What a refusal says to programs: one JSON object, the same members in every protocol.

``rule``, ``reason`` (a stable dotted word), ``request`` (quote it when you ask somebody) and
``retry``; where there is one, ``subject`` (the offending relation, column, function), ``approval``
and the ``address`` where a person decides it. Nothing in it comes from data or from literals.
``docs/agents.md`` explains them to who writes an agent.
"""

from __future__ import annotations

from typing import Final

from hoopgate.actions import Decision
from hoopgate.verdicts import Block, Hold

#: Sending the same again is of no use: ask for something else, or ask a person.
NO: Final = "no"
#: It passes once, when it is sent again after somebody has approved it.
AFTER_APPROVAL: Final = "after_approval"
#: Nothing is wrong with it: the gateway or what it depends on could not take it now.
LATER: Final = "later"
#: With a new credential.
AFTER_LOGIN: Final = "after_login"

_LATER: Final = frozenset(
    {
        *("approval.unavailable", "approval.too_many", "recorder.full", "recorder.failed"),
        *("parse.timeout", "parse.crash", "guard.error", "gateway.error", "upstream.error"),
        *("gateway.busy", "upstream.gone", "budget.unavailable", "token.unavailable"),
        *("resolve.busy", "resolve.timeout", "resolve.lost", "resolve.connect", "resolve.changing"),
        *("identity.keys_unavailable", "identity.introspection"),
        *("tokens.unavailable", "approval.stale", "statement.stale", "schema.changing", "canceled"),
    }
)


def retry_of(reason: str) -> str:
    """What a program does best after a refusal for ``reason``."""
    if reason == "approval.pending":
        return AFTER_APPROVAL
    if reason in _LATER or reason.startswith("directory."):
        return LATER
    if reason.startswith("identity."):
        return AFTER_LOGIN
    return NO


#: Reason → what helps somebody who is not let in. Of the others a new credential does.
_LOGIN: Final = {
    "scope.missing": "Ask your issuer for a token with that scope; another one like this is"
    " refused again.",
    "identity.audience": "Ask your issuer for a token whose audience is this gateway.",
    "identity.issuer": "Get a token from an issuer that this gateway names.",
    "identity.subject": "Ask an operator whether your subject is to be accepted.",
    "identity.unknown": "Ask an administrator of the directory for an account.",
    "identity.ambiguous": "Ask an administrator of the directory: several accounts are called so.",
    "identity.disabled": "Ask an administrator of the directory about the account.",
    "identity.key": "Get a new token; if that is refused, too, tell the operator.",
    "identity.algorithm": "Tell the operator: the issuer signs in another way than was agreed.",
}
#: Of these another token is refused as this one was.
_NOT_BY_LOGIN: Final = frozenset(_LOGIN) - {"identity.key"}


def login_remedy(code: str) -> str:
    """What to do when a login is refused for ``code``, one sentence."""
    if retry_of(code) == LATER:
        return "Try again later."
    return _LOGIN.get(code, "Get a new token.")


def login_refusal(code: str) -> dict[str, str]:
    """The members for a login that is refused: there is no request yet, and no rule."""
    return {"reason": code, "retry": NO if code in _NOT_BY_LOGIN else retry_of(code)}


def refusal(decision: Decision) -> dict[str, str]:
    """The members for a decision that is a Block, or a Hold that is not waited for."""
    verdict = decision.verdict
    assert isinstance(verdict, Block | Hold)
    pending = isinstance(verdict, Hold)
    reason = "approval.pending" if pending else verdict.reason
    found = {
        "rule": verdict.rule,
        "reason": reason,
        "request": decision.request_id,
        "retry": retry_of(reason),
        "subject": verdict.subject if isinstance(verdict, Block) else "",
        "approval": decision.approval,
        "address": decision.address if decision.approval else "",
    }
    return {name: value for name, value in found.items() if value}


def waiting(approval: str, hold: Hold) -> dict[str, str]:
    """The members for a request that waits for a person while its client waits, too."""
    found = {
        "rule": hold.rule,
        "reason": hold.reason,
        "approval": approval,
        "address": hold.address,
    }
    return {name: value for name, value in found.items() if value}
