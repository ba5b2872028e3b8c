"""How a refusal and a hold are told over SSH: a line on the standard error, then status 126."""

from __future__ import annotations

import json
import re
from typing import Final

from hoopgate import telling
from hoopgate.actions import Decision
from hoopgate.ssh import wire
from hoopgate.verdicts import Block, Hold

#: What a shell says of a command that was found and may not be run (POSIX, XCU 2.8.2).
REFUSED_STATUS: Final = 126

_UNSAFE: Final = re.compile(r"[^\x20-\x7e]")


def sentence(decision: Decision) -> str:
    """What was refused, by which rule, what next, and the request's id. Quotes no data."""
    verdict = decision.verdict
    assert isinstance(verdict, Block)
    parts = [verdict.message.rstrip(".") + "."]
    if verdict.remedy:
        parts.append(verdict.remedy)
    text = " ".join(parts)
    # One line, and the rest of it from the first brace on is for programs.
    return _UNSAFE.sub("?", f"hoopgate: refused: {text} {json.dumps(telling.refusal(decision))}")


def waiting(request_id: str, hold: Hold) -> str:
    """What is waited for, and how it can be decided."""
    text = hold.message.rstrip(".") + "."
    reviewers = ",".join(sorted(hold.reviewers))
    told = json.dumps({**telling.waiting(request_id, hold), "reviewers": reviewers})
    return _UNSAFE.sub("?", f"hoopgate: waiting for approval: {text} {told}")


def refused_program(text: str) -> bytes:
    """Frames that end a program that never ran."""
    return (
        wire.stderr(text.encode() + b"\r\n")
        + wire.request(b"exit-status", wire.uint32(REFUSED_STATUS))
        + wire.frame(wire.CHANNEL_EOF)
    )
