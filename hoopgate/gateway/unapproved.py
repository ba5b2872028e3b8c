"""What is said of a statement that was held, and not approved."""

from __future__ import annotations

from hoopgate.errors import Refused
from hoopgate.verdicts import Block, Hold


def canceled(hold: Hold) -> Block:
    """The client gave it up."""
    return Block(hold.rule, "canceled", "The client canceled the held statement.")


def pending(hold: Hold, request: str | None) -> Block:
    """Nobody has decided yet, and the client is not kept waiting."""
    return Block(
        hold.rule,
        "approval.pending",
        f"{hold.message} It waits for approval as {request}.",
        "Send it again once it is approved.",
    )


def stale(hold: Hold) -> Block:
    """It was approved, and is no longer what was approved."""
    return Block(
        hold.rule,
        "approval.stale",
        "The rules, the identity or the schema changed while the statement was held.",
        "Send it again.",
    )


def refused(hold: Hold) -> Block:
    """Somebody said no, or nobody yes."""
    message = "The statement was denied, or nobody approved it in time."
    if hold.effect:
        message = "What it did was denied, or nobody approved it in time: it was rolled back."
    return Block(hold.rule, "approval.refused", message, "Ask a reviewer why, then send it again.")


def crowded(hold: Hold, why: Refused) -> Block:
    """No more requests are taken."""
    return Block(hold.rule, why.code, str(why), "Ask a reviewer to clear the queue.")


def unavailable(hold: Hold) -> Block:
    """Nobody can be asked."""
    return Block(
        hold.rule,
        "approval.unavailable",
        "The statement needs an approval, and none can be asked for now.",
        "Try again later.",
    )
